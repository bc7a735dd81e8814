#include "vault/disclosures.hpp"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "vault/core.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

constexpr std::size_t kEntriesLookedAt = 1'000'000;
constexpr std::size_t kItemsMax = 10'000;
constexpr std::size_t kPseudonymAt = 16;  // in an entry (audit/entry.hpp)

// The pseudonyms a person may have, by their first eight bytes: enough to skip nearly all entries.
class Pseudonyms {
public:
    Pseudonyms(const crypto::SubKey& key, std::uint64_t count) {
        known_.reserve(count);
        for (std::uint64_t n = 0; n < count; ++n) {
            known_.insert(ByteReader{audit::pseudonym_of(key, n)}.le64());
        }
    }
    [[nodiscard]] bool has(ByteView entry) const {
        return known_.contains(ByteReader{entry.subspan(kPseudonymAt)}.le64());
    }

private:
    std::unordered_set<std::uint64_t> known_;
};

// Names behind the numbers in entries; those of older versions too.
class Names {
public:
    Names(const Core& core, const store::ReadView& view) : core_(core), view_(view) {
        view.scan(Tables::kNames, {}, {}, [this](ByteView key, ByteView value) {
            if (key.empty() || value.size() != 2) return true;
            const auto kind = static_cast<policy::NameKind>(key.front());
            names_[{kind, ByteReader{value}.le16()}] = std::string{text_of(key.subspan(1))};
            return true;
        });
    }
    [[nodiscard]] std::string of(policy::NameKind kind, std::uint16_t id) const {
        const auto found = names_.find({kind, id});
        return found == names_.end() ? std::string{} : found->second;
    }
    void name_client(DisclosureItem& item) const {
        const auto client = core_.clients->find(item.client);
        if (!client) return;
        item.client_name = client->name;
        item.recipient =
            of(policy::NameKind::recipient, static_cast<std::uint16_t>(client->recipient));
    }

private:
    const Core& core_;
    const store::ReadView& view_;
    std::map<std::pair<policy::NameKind, std::uint16_t>, std::string> names_;
};

bool is_wanted(const audit::Entry& entry, const DisclosureScan& scan) noexcept {
    const bool is_write =
        entry.action == audit::Action::put || entry.action == audit::Action::tokenize;
    const bool is_read =
        entry.action == audit::Action::detokenize || entry.action == audit::Action::read ||
        entry.action == audit::Action::search || entry.action == audit::Action::match ||
        entry.action == audit::Action::request_package;
    if (entry.refusal && !scan.with_refused) return false;
    return is_read || (is_write && scan.with_writes);
}

DisclosureItem item_of(std::uint64_t index, const audit::Entry& entry, const Names& names) {
    DisclosureItem item;
    item.index = index;
    item.time = entry.time;
    item.action = entry.action;
    item.client = entry.actor;
    names.name_client(item);
    item.purpose = names.of(policy::NameKind::purpose, entry.purpose);
    const bool has_field = entry.action != audit::Action::request_package;
    if (has_field) item.field = names.of(policy::NameKind::field, entry.field);
    item.refusal = entry.refusal;
    return item;
}

}  // namespace

DisclosurePage find_disclosures(const Core& core, const store::ReadView& view,
                                keys::SubjectNumber number, const DisclosureScan& scan) {
    DisclosurePage page;
    const auto fixed = core.people->fixed_key(number);
    if (!fixed) return page;
    const auto row = view.get(Tables::kPeople,
                              people::row_key(core.tenant, number, people::RowKind::audit_counter));
    if (!row) return page;  // nothing was ever written about the person
    const auto count = people::open_audit_counter(*fixed, {core.tenant, number}, *row);
    if (!count) throw Fault{FaultKind::corrupt, "an audit counter does not authenticate"};
    const Pseudonyms pseudonyms{people::People::pseudonym_key(*fixed), *count};
    const Names names{core, view};
    std::size_t looked_at = 0;
    audit::AuditLog::read_encoded(view, scan.from, [&](std::uint64_t index, ByteView bytes) {
        if (looked_at == scan.entries_max || page.items.size() == scan.count_max) {
            page.next = index;
            return false;
        }
        ++looked_at;
        if (!pseudonyms.has(bytes)) return true;
        const auto entry = audit::decode_entry(bytes);
        if (!entry) throw Fault{FaultKind::corrupt, "an entry of the log is damaged"};
        if (is_wanted(*entry, scan)) page.items.push_back(item_of(index, *entry, names));
        return true;
    });
    return page;
}

void Disclosures::list(const Caller& caller, const Query& query, Done<DisclosurePage> done) {
    const Core::Guest guest{core_};
    auto ticket = std::make_shared<keys::KeyPlane::Gate>(*core_.plane);
    std::vector<DisclosureEntry> entries(1);
    PendingEntry& pending = entries.front().pending;
    pending.entry.action = audit::Action::disclosure_list;
    pending.entry.time = core_.now();
    pending.entry.actor = caller.client;
    if (const auto gate = core_.policies->current()) {
        pending.entry.policy_version = gate->version();
    }
    Result<DisclosurePage> answer = Refusal::role_denied;
    if (caller.has(Role::privacy_officer)) {
        const auto view = core_.read_for_disclosure();
        const auto number = core_.find_number(*view, query.subject);
        if (number) {
            pending.subject = *number;
            answer =
                find_disclosures(core_, *view, *number,
                                 {query.from, kEntriesLookedAt, std::min(query.count, kItemsMax),
                                  query.with_refused, false});
        } else {
            answer = number.error();
        }
    }
    if (!answer) pending.entry.refusal = answer.error();
    core_.audit_then(std::move(entries), [ticket = std::move(ticket), answer = std::move(answer),
                                          done = std::move(done)](const Fault* fault) {
        if (fault != nullptr) return done(Refusal::audit_unavailable, fault);
        done(answer, nullptr);
    });
}

}  // namespace oubliette
