#include "vault/clients.hpp"

#include <algorithm>

#include "crypto/box.hpp"
#include "crypto/byte_io.hpp"
#include "crypto/hash.hpp"
#include "crypto/kdf.hpp"
#include "vault/keys/registry.hpp"
#include "vault/people/records.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

constexpr std::size_t kNameSizeMax = 64;  // bytes
constexpr std::string_view kSanPrefix = "urn:oubliette:client:";

bool is_client_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > kNameSizeMax) return false;
    for (const char letter : name) {
        const bool is_allowed = (letter >= 'a' && letter <= 'z') ||
                                (letter >= '0' && letter <= '9') || letter == '-' || letter == '_';
        if (!is_allowed) return false;
    }
    return true;
}

Bytes table_key(std::uint16_t client) {
    Bytes key;
    ByteWriter{key}.be16(client);
    return key;
}

keys::Path leaf_path(keys::TenantId tenant, keys::SystemKind kind, policy::RecipientId recipient,
                     std::uint16_t number) {
    return keys::system_path(tenant, static_cast<std::uint8_t>(kind),
                             static_cast<std::uint16_t>(recipient), number);
}

ByteArray<34> row_associated_data(keys::TenantId tenant, std::uint16_t client) {
    const people::RecordPlace place{keys::RecordType::client, tenant, {client}, 0, 0};
    return people::associated_data(place, people::Header{}.encode());
}

Bytes encode(const ClientRow& row) {
    Bytes out;
    ByteWriter writer{out};
    writer.le16(row.roles).le32(row.enrolled.seconds);
    writer.u8(static_cast<std::uint8_t>(row.name.size())).bytes(bytes_of(row.name));
    writer.le16(static_cast<std::uint16_t>(row.keys.size()));
    for (const auto& key : row.keys) writer.le16(key.key).bytes(key.hash);
    return out;
}

std::optional<ClientRow> decode(std::uint16_t number, policy::RecipientId recipient,
                                ByteView plaintext) {
    ByteReader in{plaintext};
    ClientRow row;
    row.number = number;
    row.recipient = recipient;
    row.roles = in.le16();
    row.enrolled.seconds = in.le32();
    row.name = text_of(in.bytes(in.u8()));
    for (std::size_t n = in.le16(); n > 0 && in.ok(); --n) {
        ClientRow::Verifier key;
        key.key = in.le16();
        key.hash = in.array<32>();
        row.keys.push_back(key);
    }
    if (!in.finished()) return std::nullopt;
    return row;
}

}  // namespace

crypto::SubKey verifier_key_of(crypto::KeyView leaf) noexcept {
    return crypto::derive_subkey(leaf, crypto::KdfContext::system, keys::subkey::kApiKeyVerifier);
}

crypto::Hash verifier_of(const crypto::SubKey& key, ByteView secret) noexcept {
    crypto::Hash hash{};
    crypto::blake2b_keyed(key.expose(), {secret}, hash);
    return hash;
}

struct Clients::Entry {
    ClientRow row;
    std::vector<crypto::SubKey> verifier_keys;  // one per row.keys, same order
};

Clients::Clients(keys::KeyPlane& plane, keys::TenantId tenant)
    : plane_(plane),
      tenant_(tenant),
      table_(std::make_shared<const Table>()),
      decoy_(crypto::SubKey::generate()) {}

Clients::~Clients() = default;

std::shared_ptr<const Clients::Table> Clients::table() const {
    const std::scoped_lock lock{mutex_};
    return table_;
}

void Clients::replace(std::uint16_t client, std::shared_ptr<const Entry> entry) {
    const std::scoped_lock lock{mutex_};
    auto next = std::make_shared<Table>(*table_);
    if (entry) {
        (*next)[client] = std::move(entry);
    } else {
        next->erase(client);
    }
    table_ = std::move(next);
}

std::shared_ptr<const Clients::Entry> Clients::entry_of(const ClientRow& row) const {
    auto entry = std::make_shared<Entry>();
    entry->row = row;
    entry->row.keys.clear();
    for (const auto& key : row.keys) {
        const auto leaf =
            plane_.derive(leaf_path(tenant_, keys::SystemKind::api_key, row.recipient, key.key));
        if (leaf.state == keys::NodeState::dead) continue;
        if (leaf.state != keys::NodeState::whole) {
            throw Fault{FaultKind::corrupt, "the leaf of an API key cannot be derived"};
        }
        entry->row.keys.push_back(key);
        entry->verifier_keys.push_back(verifier_key_of(leaf.seed.expose()));
    }
    return entry;
}

void Clients::load(const store::ReadView& view) {
    auto next = std::make_shared<Table>();
    view.scan(Tables::kClients, {}, {}, [&](ByteView key, ByteView value) {
        const std::uint16_t number = ByteReader{key}.be16();
        ByteReader in{value};
        const auto recipient = static_cast<policy::RecipientId>(in.le16());
        in.le16();
        const auto leaf =
            plane_.derive(leaf_path(tenant_, keys::SystemKind::client, recipient, number));
        if (leaf.state == keys::NodeState::dead) return true;
        if (leaf.state != keys::NodeState::whole) {
            throw Fault{FaultKind::corrupt, "the leaf of a client cannot be derived"};
        }
        const auto row_key = crypto::derive_subkey(leaf.seed.expose(), crypto::KdfContext::system,
                                                   keys::subkey::kClientRow);
        const auto plaintext = crypto::open_box(row_key.expose(), crypto::Commitment::value,
                                                in.rest(), row_associated_data(tenant_, number));
        const auto row = plaintext ? decode(number, recipient, plaintext->expose()) : std::nullopt;
        if (!row) throw Fault{FaultKind::corrupt, "a client's row does not authenticate"};
        next->emplace(number, entry_of(*row));
        return true;
    });
    const std::scoped_lock lock{mutex_};
    table_ = std::move(next);
}

ApiKey Clients::enrol(store::WriteView& view, ClientRow& row, std::uint16_t key_number) {
    ApiKey key;
    key.client = row.number;
    key.key = key_number;
    key.secret = crypto::SecretBytes{32};
    crypto::random_bytes(key.secret.expose_mut());

    const auto client_leaf =
        plane_.derive(leaf_path(tenant_, keys::SystemKind::client, row.recipient, row.number));
    const auto key_leaf =
        plane_.derive(leaf_path(tenant_, keys::SystemKind::api_key, row.recipient, key_number));
    if (client_leaf.state != keys::NodeState::whole || key_leaf.state != keys::NodeState::whole) {
        throw Fault{FaultKind::corrupt, "a fresh client number has no living leaf"};
    }
    const auto verifier_key = verifier_key_of(key_leaf.seed.expose());
    row.keys.push_back({key_number, verifier_of(verifier_key, key.secret.expose())});

    const auto row_key = crypto::derive_subkey(
        client_leaf.seed.expose(), crypto::KdfContext::system, keys::subkey::kClientRow);
    const Bytes box = crypto::seal_box(row_key.expose(), crypto::Commitment::value, encode(row),
                                       row_associated_data(tenant_, row.number));
    Bytes value;
    ByteWriter{value}.le16(static_cast<std::uint16_t>(row.recipient)).le16(0).bytes(box);
    view.put(Tables::kClients, table_key(row.number), value);
    return key;
}

void Clients::publish_enrolled(ClientRow row) {
    replace(row.number, entry_of(row));
}

void Clients::publish_revoked(std::uint16_t client) {
    replace(client, nullptr);
}

void Clients::publish_none() {
    auto none = std::make_shared<const Table>();
    const std::scoped_lock lock{mutex_};
    table_ = std::move(none);
}

std::optional<std::vector<keys::Path>> Clients::leaves_of(std::uint16_t client) const {
    const auto row = find(client);
    if (!row) return std::nullopt;
    std::vector<keys::Path> leaves{
        leaf_path(tenant_, keys::SystemKind::client, row->recipient, client)};
    for (const auto& key : row->keys) {
        leaves.push_back(leaf_path(tenant_, keys::SystemKind::api_key, row->recipient, key.key));
    }
    return leaves;
}

std::optional<Caller> Clients::authenticate(std::uint16_t client, std::uint16_t key,
                                            ByteView secret) const {
    const auto clients = table();
    const auto found = clients->find(client);
    const Entry* const entry = found == clients->end() ? nullptr : found->second.get();
    const crypto::SubKey* verifier_key = &decoy_;
    crypto::Hash expected{};
    bool known = false;
    for (std::size_t i = 0; entry != nullptr && i < entry->row.keys.size(); ++i) {
        if (entry->row.keys[i].key != key) continue;
        verifier_key = &entry->verifier_keys[i];
        expected = entry->row.keys[i].hash;
        known = true;
    }
    const bool equal = crypto::equal_constant_time(verifier_of(*verifier_key, secret), expected);
    if (!known || !equal) return std::nullopt;
    return Caller{client, entry->row.recipient, entry->row.roles};
}

std::optional<Caller> Clients::authenticate_san(std::string_view san) const {
    if (!san.starts_with(kSanPrefix)) return std::nullopt;
    const auto row = find_by_name(san.substr(kSanPrefix.size()));
    if (!row) return std::nullopt;
    return Caller{row->number, row->recipient, row->roles};
}

std::optional<ClientRow> Clients::find_by_name(std::string_view name) const {
    const auto clients = table();
    for (const auto& [number, entry] : *clients) {
        if (entry->row.name == name) return entry->row;
    }
    return std::nullopt;
}

bool Clients::is_taken(std::string_view name) const {
    return find_by_name(name).has_value();
}

std::vector<ClientRow> Clients::list() const {
    std::vector<ClientRow> rows;
    const auto clients = table();
    for (const auto& [number, entry] : *clients) rows.push_back(entry->row);
    return rows;
}

std::optional<ClientRow> Clients::find(std::uint16_t client) const {
    const auto clients = table();
    const auto found = clients->find(client);
    if (found == clients->end()) return std::nullopt;
    return found->second->row;
}

Result<ClientRow> check_new_client(const policy::Gate& gate, const NewClient& client) {
    if (!is_client_name(client.name) || client.roles.empty()) {
        return Refusal::value_invalid;
    }
    ClientRow row;
    row.name = client.name;
    for (const Role role : client.roles) row.roles |= static_cast<std::uint16_t>(role);
    constexpr auto kReadsData =
        static_cast<std::uint16_t>(Role::app) | static_cast<std::uint16_t>(Role::privacy_officer);
    constexpr auto kApart = static_cast<std::uint16_t>(Role::key_operator) |
                            static_cast<std::uint16_t>(Role::policy_admin);
    const bool reads_data = (row.roles & kReadsData) != 0;
    if (reads_data && (row.roles & kApart) != 0) return Refusal::role_denied;
    if (client.recipient.empty()) {
        if (reads_data) return Refusal::recipient_unknown;
        return row;
    }
    const auto recipient = gate.find_recipient(client.recipient);
    if (!recipient) return Refusal::recipient_unknown;
    row.recipient = *recipient;
    return row;
}

ApiKey enrol_new_client(keys::KeyPlane& plane, Clients& clients, store::WriteView& view,
                        ClientRow& row, Timestamp now) {
    const keys::TenantId tenant = keys::kFirstTenant;
    // Number 0 is the vault itself in the audit log, 0xFFFF is reserved in addresses.
    const auto take = [&](keys::RegisterKind kind) {
        const std::uint64_t number = plane.lease({kind, tenant, 0, 0}, 1) + 1;
        if (number >= 0xFFFF) {
            throw Fault{FaultKind::storage_full, "all numbers of clients are used"};
        }
        return static_cast<std::uint16_t>(number);
    };
    row.number = take(keys::RegisterKind::client_number);
    const std::uint16_t key_number = take(keys::RegisterKind::api_key_number);
    row.enrolled = now;
    return clients.enrol(view, row, key_number);
}

}  // namespace oubliette
