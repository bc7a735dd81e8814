#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "crypto/secret.hpp"
#include "vault/clock.hpp"
#include "vault/keys/key_plane.hpp"
#include "vault/policy/gate.hpp"
#include "vault/roles.hpp"
#include "vault/store/store.hpp"

// Who may call. A client belongs to one recipient and has roles; its row is a box under its own
// leaf of the key tree, and each of its API keys has a leaf too, so that a revoked client stays
// revoked whatever copy of the data is restored.
//
//   table clients: client number:u16be -> recipient:u16 | generation:u16 | box
//   plaintext := roles:u16 | enrolled:u32 | name size:u8 | name | key count:u16 |
//                count x (key number:u16 | verifier:32)
//   verifier := BLAKE2b-256(key = subkey kApiKeyVerifier of leaf(api_key, recipient, key number),
//               secret): the keyed hash is stored, never the key
//   box: under subkey kClientRow of leaf(client, recipient, client number), context `system`
//   associated data as in people/records.hpp, type client, local = client number, field and item 0,
//   with the header of format 1 and zeros behind the suite (no header is stored)
//
// Names of clients are the operator's words, not personal data.

namespace oubliette {

// An authenticated caller. Never made from anything in the request's body.
struct Caller {
    std::uint16_t client = 0;
    policy::RecipientId recipient{};
    RoleMask roles = 0;

    [[nodiscard]] bool has(Role role) const noexcept {
        return (roles & static_cast<RoleMask>(role)) != 0;
    }
};

struct NewClient {
    std::string name;       // 1..64 characters of [a-z0-9_-]; its id outside the vault
    std::string recipient;  // name in the policy; "" only for roles that read no data
    std::vector<Role> roles;
};

// Given once, stored nowhere.
struct ApiKey {
    std::uint16_t client = 0;
    std::uint16_t key = 0;
    crypto::SecretBytes secret;  // 32 bytes
};

struct ClientRow {
    std::uint16_t number = 0;
    policy::RecipientId recipient{};
    std::uint16_t roles = 0;
    Timestamp enrolled;
    std::string name;
    struct Verifier {
        std::uint16_t key = 0;
        crypto::Hash hash{};
    };
    std::vector<Verifier> keys;
};

// What is stored of an API key, from the leaf of (kind api_key, recipient, key number).
[[nodiscard]] crypto::SubKey verifier_key_of(crypto::KeyView leaf) noexcept;
[[nodiscard]] crypto::Hash verifier_of(const crypto::SubKey& key, ByteView secret) noexcept;

// All living clients, in memory. Immutable snapshots, replaced as a whole: a revocation acts on
// the next request, also on connections that are open. Thread-safe.
class Clients {
public:
    explicit Clients(keys::KeyPlane& plane, keys::TenantId tenant);
    ~Clients();

    // Reads all rows; those with a dead leaf are left out. Throws Fault{corrupt}.
    void load(const store::ReadView& view);

    // Writes the row of a new client and makes its first key, whose verifier is added to `row`. The
    // in-memory table changes by publish_enrolled(), after the commit. REQUIRES: numbers are
    // leased.
    [[nodiscard]] ApiKey enrol(store::WriteView& view, ClientRow& row, std::uint16_t key_number);
    void publish_enrolled(ClientRow row);
    void publish_revoked(std::uint16_t client);
    void publish_none();  // all of them are revoked: the tenant is gone
    // True if another client has this name.
    [[nodiscard]] bool is_taken(std::string_view name) const;
    [[nodiscard]] std::optional<ClientRow> find_by_name(std::string_view name) const;
    // What revoking it punctures: its leaf and those of its keys.
    [[nodiscard]] std::optional<std::vector<keys::Path>> leaves_of(std::uint16_t client) const;

    // Equal cost for an unknown client, an unknown key and a wrong secret.
    [[nodiscard]] std::optional<Caller> authenticate(std::uint16_t client, std::uint16_t key,
                                                     ByteView secret) const;
    // `san`: "urn:oubliette:client:<name>", from a certificate that was verified.
    [[nodiscard]] std::optional<Caller> authenticate_san(std::string_view san) const;
    [[nodiscard]] std::vector<ClientRow> list() const;
    [[nodiscard]] std::optional<ClientRow> find(std::uint16_t client) const;

private:
    struct Entry;
    using Table = std::map<std::uint16_t, std::shared_ptr<const Entry>>;

    [[nodiscard]] std::shared_ptr<const Entry> entry_of(const ClientRow& row) const;
    [[nodiscard]] std::shared_ptr<const Table> table() const;
    void replace(std::uint16_t client, std::shared_ptr<const Entry> entry);

    keys::KeyPlane& plane_;
    keys::TenantId tenant_;
    mutable std::mutex mutex_;
    std::shared_ptr<const Table> table_;
    crypto::SubKey decoy_;  // verifier key for clients that do not exist
};

// A row without numbers and keys. Roles are apart: whoever reads data neither handles keys nor
// publishes the policy. Refuses: value_invalid, recipient_unknown, role_denied.
[[nodiscard]] Result<ClientRow> check_new_client(const policy::Gate& gate, const NewClient& client);

// Takes numbers from the keepers' registers and writes the row. Throws Fault{storage_full} when
// there are none left: numbers are never used again.
[[nodiscard]] ApiKey enrol_new_client(keys::KeyPlane& plane, Clients& clients,
                                      store::WriteView& view, ClientRow& row, Timestamp now);

}  // namespace oubliette
