#include "vault/policies.hpp"

#include <algorithm>

#include "crypto/byte_io.hpp"
#include "crypto/hash.hpp"
#include "vault/policy/canonical.hpp"
#include "vault/policy/json_places.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

using policy::Document;
using policy::Finding;
using policy::NameKind;

constexpr std::size_t kPartSize = 60'000;  // bytes

Bytes part_key(std::uint16_t version, std::uint16_t part) {
    Bytes key;
    ByteWriter{key}.be16(version).be16(part);
    return key;
}

Bytes name_key(NameKind kind, std::string_view name) {
    Bytes key;
    ByteWriter{key}.u8(static_cast<std::uint8_t>(kind)).bytes(bytes_of(name));
    return key;
}

// Slots are bits of a mask and begin at 0; everywhere else 0 means "none".
std::uint64_t first_id(NameKind kind) noexcept {
    return kind == NameKind::slot ? 0 : 1;
}

// The highest one that addresses and masks can hold.
std::uint64_t last_id(NameKind kind) noexcept {
    switch (kind) {
    case NameKind::slot: return keys::kMarkerNotPaused - 1;
    case NameKind::recipient:
    case NameKind::category: return 0x3FFE;
    case NameKind::field:
    case NameKind::purpose:
    case NameKind::region: return 0xFFFE;
    }
    return 0;
}

// Names that are stored already.
class StoredNames final : public policy::NameIds {
public:
    explicit StoredNames(const store::ReadView& view) : view_(view) {}
    std::uint16_t id_of(NameKind kind, std::string_view name) override {
        const auto id = view_.get(Tables::kNames, name_key(kind, name));
        if (!id || id->size() != 2) throw Fault{FaultKind::corrupt, "a policy name has no number"};
        return ByteReader{*id}.le16();
    }

private:
    const store::ReadView& view_;
};

// Names of a version being published: new ones get the next number of the keepers' register.
class NewNames final : public policy::NameIds {
public:
    NewNames(store::WriteView& view, keys::KeyPlane& plane, keys::TenantId tenant)
        : view_(view), plane_(plane), tenant_(tenant) {}

    std::uint16_t id_of(NameKind kind, std::string_view name) override {
        if (const auto id = view_.get(Tables::kNames, name_key(kind, name))) {
            return ByteReader{*id}.le16();
        }
        const keys::RegisterKey key{keys::RegisterKind::name_id, tenant_,
                                    static_cast<std::uint16_t>(kind), 0};
        auto& next = next_[key];
        if (next == 0) next = std::max(plane_.read_register(key), first_id(kind));
        if (next > last_id(kind)) {
            throw Fault{FaultKind::configuration,
                        "no numbers are left for new names of this kind; use published names"};
        }
        const auto id = static_cast<std::uint16_t>(next++);
        Bytes value;
        ByteWriter{value}.le16(id);
        view_.put(Tables::kNames, name_key(kind, name), value);
        return id;
    }

    [[nodiscard]] std::vector<std::pair<keys::RegisterKey, std::uint64_t>> registers() const {
        return {next_.begin(), next_.end()};
    }

private:
    store::WriteView& view_;
    keys::KeyPlane& plane_;
    keys::TenantId tenant_;
    std::map<keys::RegisterKey, std::uint64_t> next_;
};

keys::RegisterKey floor_key(keys::TenantId tenant) {
    return {keys::RegisterKind::policy_version, tenant, 0, 0};
}

std::uint64_t mark_of(std::uint16_t version, const crypto::Hash& text_hash) noexcept {
    return std::uint64_t{version} << 48 | ByteReader{text_hash}.be64() >> 16;
}

std::uint64_t mark_of(const policy::Document& document) {
    return mark_of(document.head.version, crypto::sha256({bytes_of(document.json)}));
}

std::uint64_t number_in(std::uint64_t mark) noexcept {
    return mark >> 48;
}

// True if a copy of the data whose newest version has mark `newest` may be served.
bool is_current(std::uint64_t newest, std::uint64_t floor) noexcept {
    return newest == floor || number_in(newest) > number_in(floor);
}

Finding refused(std::string code, std::string pointer, std::string message) {
    Finding finding;
    finding.code = std::move(code);
    finding.pointer = std::move(pointer);
    finding.message = std::move(message);
    return finding;
}

crypto::Hash canonical_hash(const policy::Document& document) {
    const auto parsed = policy::parse_json(document.json, policy::kDocumentDepthMax);
    return crypto::sha256({bytes_of(policy::canonical_json(parsed.root))});
}

crypto::Hash link_to(const crypto::Hash& previous, const crypto::Hash& canonical) {
    return crypto::sha256({bytes_of(std::string_view{"oubliette policy 1"}), previous, canonical});
}

Finding frozen(std::uint16_t version, std::uint16_t newest) {
    return refused("VERSION_FROZEN", "/policy/version",
                   "version " + std::to_string(version) +
                       " is published and never changes; publish the change as version " +
                       std::to_string(newest + 1));
}

Finding out_of_turn(std::uint16_t newest, bool is_lost) {
    std::string message = "the next version is " + std::to_string(newest + 1) + " and supersedes " +
                          std::to_string(newest) + "; published versions never change";
    if (is_lost) {
        message = "this copy of the data lacks version " + std::to_string(newest) +
                  ", which was published; publish the very same text again, or the version after "
                  "it: " +
                  message;
    }
    return refused("VERSION_NOT_CURRENT", "/policy/version", std::move(message));
}

std::shared_ptr<const policy::Gate> compile_stored(const store::ReadView& view,
                                                   const std::string& text) {
    const auto outcome = policy::parse_document(text);
    if (!outcome.document) throw Fault{FaultKind::corrupt, "a stored policy does not parse"};
    StoredNames names{view};
    return policy::Gate::compile(outcome.document, names);
}

}  // namespace

Policies::Policies(keys::KeyPlane& plane, keys::TenantId tenant) : plane_(plane), tenant_(tenant) {}
Policies::~Policies() = default;

void Policies::load(const store::ReadView& view, Timestamp now) {
    std::map<std::uint16_t, std::string> texts;
    std::map<std::uint16_t, crypto::Hash> hashes;
    std::map<std::uint16_t, crypto::Hash> previous;
    std::map<std::uint16_t, Timestamp> published;
    view.scan(Tables::kPolicies, {}, {}, [&](ByteView key, ByteView value) {
        ByteReader at{key};
        const std::uint16_t version = at.be16();
        ByteReader in{value};
        if (at.be16() == 0) {
            published[version].seconds = in.le32();
            hashes[version] = in.array<32>();
            previous[version] = in.array<32>();
        }
        texts[version] += oubliette::text_of(in.rest());
        return true;
    });
    std::map<std::uint16_t, Version> versions;
    crypto::Hash last{};
    for (const auto& [version, text] : texts) {
        if (crypto::sha256({bytes_of(text)}) != hashes[version]) {
            throw Fault{FaultKind::corrupt, "a stored policy was changed"};
        }
        versions[version] =
            version_of(compile_stored(view, text), published[version], previous[version]);
        const crypto::Hash before = last;
        last = versions[version].record.link;
        if (previous[version] != before) {
            throw Fault{FaultKind::corrupt, "the chain of policy versions is broken"};
        }
    }
    {
        const std::scoped_lock lock{mutex_};
        versions_ = std::move(versions);
    }
    (void)refresh(now);
}

bool Policies::refresh(Timestamp now) {
    const std::uint64_t floor = plane_.read_register(floor_key(tenant_));
    std::uint64_t newest = 0;
    bool changed = false;
    {
        const std::scoped_lock lock{mutex_};
        std::shared_ptr<const policy::Gate> chosen;
        if (!versions_.empty()) newest = versions_.rbegin()->second.mark;
        if (!versions_.empty() && is_current(newest, floor)) {
            chosen = versions_.begin()->second.gate;
            for (const auto& [number, version] : versions_) {
                const auto effective = version.gate->document().head.effective;
                if (!effective || *effective <= now) chosen = version.gate;
            }
        }
        changed = chosen != current_;
        current_ = std::move(chosen);
    }
    if (number_in(newest) > number_in(floor)) {
        plane_.raise_registers({{floor_key(tenant_), newest}});
    }
    return changed;
}

std::shared_ptr<const policy::Gate> Policies::current() const {
    const std::scoped_lock lock{mutex_};
    return current_;
}

std::shared_ptr<const policy::Gate> Policies::gate_of(std::uint16_t version) const {
    const std::scoped_lock lock{mutex_};
    const auto found = versions_.find(version);
    return found == versions_.end() ? nullptr : found->second.gate;
}

std::shared_ptr<const policy::Gate> Policies::gate_at(Timestamp time) const {
    const std::scoped_lock lock{mutex_};
    std::shared_ptr<const policy::Gate> chosen;
    for (const auto& [number, version] : versions_) {
        const PolicyVersion& record = version.record;
        const bool is_in_force =
            record.published <= time && record.effective.value_or(Timestamp{}) <= time;
        if (is_in_force) chosen = version.gate;
    }
    return chosen;
}

std::vector<PolicyVersion> Policies::history() const {
    const std::scoped_lock lock{mutex_};
    std::vector<PolicyVersion> history;
    for (const auto& [number, version] : versions_) history.push_back(version.record);
    return history;
}

Policies::Version Policies::version_of(std::shared_ptr<const policy::Gate> gate,
                                       Timestamp published, const crypto::Hash& previous) {
    const policy::Document& document = gate->document();
    Version version;
    version.mark = mark_of(document);
    version.record.version = document.head.version;
    version.record.published = published;
    version.record.effective = document.head.effective;
    version.record.canonical = canonical_hash(document);
    version.record.previous = previous;
    version.record.link = link_to(previous, version.record.canonical);
    version.gate = std::move(gate);
    return version;
}

crypto::Hash Policies::link_before(std::uint16_t version) const {
    const std::scoped_lock lock{mutex_};
    const auto next = versions_.lower_bound(version);
    if (next == versions_.begin()) return {};
    return std::prev(next)->second.record.link;
}

crypto::Hash Policies::link_of(const policy::Document& document) const {
    return link_to(link_before(document.head.version), canonical_hash(document));
}

std::uint16_t Policies::newest_version() const {
    const std::scoped_lock lock{mutex_};
    return versions_.empty() ? std::uint16_t{0} : versions_.rbegin()->first;
}

std::shared_ptr<const policy::Document> Policies::newest_document() const {
    const std::scoped_lock lock{mutex_};
    if (versions_.empty()) return nullptr;
    const auto& gate = versions_.rbegin()->second.gate;
    return {gate, &gate->document()};
}

std::uint64_t Policies::newest_mark() const {
    const std::scoped_lock lock{mutex_};
    return versions_.empty() ? 0 : versions_.rbegin()->second.mark;
}

std::optional<std::string> Policies::text_of(std::uint16_t version) const {
    const std::scoped_lock lock{mutex_};
    const auto found = versions_.find(version);
    if (found == versions_.end()) return std::nullopt;
    return found->second.gate->document().json;
}

std::optional<std::uint16_t> Policies::find_id(const store::ReadView& view, NameKind kind,
                                               std::string_view name) {
    const auto id = view.get(Tables::kNames, name_key(kind, name));
    if (!id) return std::nullopt;
    return ByteReader{*id}.le16();
}

Policies::Draft Policies::check(std::string_view json, std::string_view tenant, Timestamp now,
                                bool first) const {
    auto outcome = policy::parse_document(json);
    Draft draft;
    draft.document = outcome.document;
    draft.findings = std::move(outcome.findings);
    if (!draft.document) return draft;
    std::ranges::move(policy::lint(*draft.document, now), std::back_inserter(draft.findings));

    const policy::PolicyHead& head = draft.document->head;
    if (head.tenant != tenant) {
        draft.findings.push_back(refused("POLICY_TENANT", "/policy/tenant",
                                         "the document is for another tenant than this vault's"));
    }
    if (first) return draft;
    const std::uint64_t floor = plane_.read_register(floor_key(tenant_));
    const bool is_lost = !is_current(newest_mark(), floor);
    // What was published once is not judged again.
    if (is_lost && mark_of(*draft.document) == floor) return draft;
    const auto before = newest_document();
    if (before) draft.newest = before->head.version;
    const auto newest = is_lost ? static_cast<std::uint16_t>(number_in(floor)) : draft.newest;
    if (!is_lost && gate_of(head.version) != nullptr) {
        draft.findings.push_back(frozen(head.version, newest));
    } else if (head.version != newest + 1 || head.supersedes != newest) {
        draft.findings.push_back(out_of_turn(newest, is_lost));
    }
    if (!before) return draft;
    draft.changes = policy::diff(*before, *draft.document);
    std::ranges::move(policy::check_changes(*before, *draft.document, now),
                      std::back_inserter(draft.findings));
    return draft;
}

std::shared_ptr<const policy::Gate> Policies::write(
    store::WriteView& view, const std::shared_ptr<const policy::Document>& document,
    Timestamp now) const {
    NewNames names{view, plane_, tenant_};
    auto gate = policy::Gate::compile(document, names);
    const auto registers = names.registers();
    if (!registers.empty()) plane_.raise_registers(registers);

    const std::string& text = document->json;
    const crypto::Hash hash = crypto::sha256({bytes_of(text)});
    std::uint16_t part = 0;
    for (std::size_t at = 0; at < text.size() || part == 0; at += kPartSize, ++part) {
        Bytes value;
        ByteWriter writer{value};
        if (part == 0) {
            writer.le32(now.seconds).bytes(hash).bytes(link_before(document->head.version));
        }
        writer.bytes(bytes_of(std::string_view{text}.substr(at, kPartSize)));
        view.put(Tables::kPolicies, part_key(gate->version(), part), value);
    }
    // An old copy may have this version with another, longer text.
    while (view.remove(Tables::kPolicies, part_key(gate->version(), part))) ++part;
    return gate;
}

void Policies::adopt(std::shared_ptr<const policy::Gate> gate, Timestamp now) {
    // First in memory: it is stored and must not be published again, also when no keeper can raise
    // the floor just now; refresh() goes on trying.
    {
        const std::scoped_lock lock{mutex_};
        const auto next = versions_.lower_bound(gate->version());
        const crypto::Hash previous =
            next == versions_.begin() ? crypto::Hash{} : std::prev(next)->second.record.link;
        const std::uint16_t number = gate->version();
        versions_[number] = version_of(std::move(gate), now, previous);
    }
    (void)refresh(now);
}

}  // namespace oubliette
