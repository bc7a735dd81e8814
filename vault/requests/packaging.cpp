#include <algorithm>
#include <limits>
#include <set>

#include "vault/requests/request_acts.hpp"
#include "vault/requests/request_table.hpp"
#include "vault/tables.hpp"

// The package of an access request: everything that is held, out of the person's own rows.

namespace oubliette {
namespace {

// Every page of the log is looked at: people ask this twice a year.
constexpr std::size_t kDisclosuresMax = 100'000;

struct PackageWork {
    std::optional<Refusal> refusal;
    RequestRecord record;
};

bool gives_package(RequestType type) noexcept {
    return type == RequestType::access || type == RequestType::portability ||
           type == RequestType::explain;
}

// Takes the one download. In the transaction that records it.
void claim(Writing& writing, const Caller& caller, const keys::RequestId& id,
           std::string_view subject, PackageWork& work) {
    work = {};
    auto record = load_request(writing, caller, id);
    if (!record) {
        work.refusal = record.error();
        return;
    }
    if (!subject.empty()) {
        const auto number = writing.find_number(subject);
        if (!number || record->subject != *number) {
            work.refusal = Refusal::not_found;
            return;
        }
    }
    if (!gives_package(record->type)) {
        work.refusal = Refusal::wrong_state;
        return;
    }
    RequestWork executing;
    execute_in(writing, caller, *record, {}, executing);
    if (!executing.result) {
        work.refusal = executing.result.error();
        return;
    }
    const bool is_gone = record->has(RequestRecord::kDownloaded) || !record->subject ||
                         writing.now >= record->run_after;
    if (is_gone) {
        work.refusal = Refusal::wrong_state;
        return;
    }
    record->flags |= RequestRecord::kDownloaded;
    RequestTable{writing.core}.put(writing.view, *record);
    PendingEntry pending;
    pending.subject = *record->subject;
    pending.entry.action = audit::Action::request_package;
    pending.entry.time = writing.now;
    pending.entry.actor = caller.client;
    pending.entry.policy_version = writing.gate->version();
    pending.entry.object = id;
    writing.audit(pending);
    work.record = std::move(*record);
}

void add_values(const Core& core, const store::ReadView& view, keys::SubjectNumber number,
                Package& package) {
    const people::RowKey prefix = people::row_key(core.tenant, number, people::RowKind::value);
    view.scan(Tables::kPeople, prefix, {}, [&](ByteView key, ByteView row) {
        const policy::FieldId field{people::field_item_of(key).field};
        const policy::FieldRule* const rule = package.gate->field_rule(field);
        const auto opened = core.people->open_row(number, key, row);
        if (!opened || rule == nullptr) return true;
        PackagedValue& value = package.values.emplace_back();
        value.field = rule->name;
        value.category = rule->category;
        value.collected = opened->value.collected;
        value.kind = opened->value.kind;
        value.value = crypto::SecretBytes{bytes_of(opened->value.text)};
        return true;
    });
}

std::string_view word_of(policy::RetentionAnchor anchor) noexcept {
    switch (anchor) {
    case policy::RetentionAnchor::collected: return "collected";
    case policy::RetentionAnchor::account_closed: return "account_closed";
    case policy::RetentionAnchor::last_activity: return "last_activity";
    case policy::RetentionAnchor::campaign_ended: return "campaign_ended";
    }
    return {};
}

void add_retention(Package& package) {
    std::set<std::string> categories;
    for (const PackagedValue& value : package.values) categories.insert(value.category);
    for (const policy::RetentionRule& rule : package.gate->document().retention) {
        if (!categories.contains(rule.category)) continue;
        package.retention.push_back(
            {rule.category, rule.purpose, std::string{word_of(rule.from)}, rule.law, rule.keep});
    }
}

std::shared_ptr<Package> make_package(const Core& core, const RequestRecord& record) {
    const auto view = core.read_for_disclosure();
    const keys::SubjectNumber number = *record.subject;
    auto package = std::make_shared<Package>();
    package->gate = core.policies->current();
    package->record = record;
    package->made = core.now();
    const auto id = core.people->external_id(*view, number);
    if (!id || !package->gate) return nullptr;  // erased since
    package->subject = *id;
    if (record.type != RequestType::explain) add_values(core, *view, number, *package);
    package->consents = consent_records(core, *package->gate, *view, number, core.now());
    add_retention(*package);
    package->disclosures = find_disclosures(
        core, *view, number,
        {0, std::numeric_limits<std::size_t>::max(), kDisclosuresMax, false, true});
    return package;
}

}  // namespace

void Requests::package(const Caller& caller, const keys::RequestId& id, std::string_view subject,
                       Done<Package> done) {
    if (!caller.has(Role::privacy_officer)) return done(Refusal::role_denied, nullptr);
    const Core::Guest guest{core_};
    const auto work = std::make_shared<PackageWork>();
    // Runs on this thread from here to the end: looking through the log takes its time.
    core_.run_raw([&](store::WriteView& view) {
        Writing writing{core_, view};
        claim(writing, caller, id, subject, *work);
        if (work->refusal) {
            note_request(writing, caller, audit::Action::request_package, id, work->refusal);
        }
    });
    if (work->refusal) return done(*work->refusal, nullptr);
    // An erasure is not final before this ends.
    const keys::KeyPlane::Gate ticket{*core_.plane};
    const auto package = make_package(core_, work->record);
    if (!package) return done(Refusal::erased, nullptr);
    done(std::move(*package), nullptr);
}

}  // namespace oubliette
