#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "vault/audit/entry.hpp"
#include "vault/audit/tiles.hpp"
#include "vault/clients.hpp"
#include "vault/erasure_rows.hpp"
#include "vault/keys/key_plane.hpp"
#include "vault/people/expiry.hpp"
#include "vault/policy/diff.hpp"
#include "vault/policy/gate.hpp"
#include "vault/policy/transform.hpp"
#include "vault/policy/value.hpp"
#include "vault/receipt_check.hpp"
#include "vault/retention_report.hpp"
#include "vault/store/store.hpp"
#include "vault/tokens/pointer_token.hpp"
#include "vault/tokens/token_text.hpp"

// The product on one page: a vault of personal data that can forget. Knows no HTTP.
//
// Reads run on the caller's thread against a snapshot. Nothing that they disclose may leave before
// its audit entries are durable: a reading verb hands out its answer through `Done`, after the
// commit. Writes run on the one committer thread, grouped with all others that wait, and are
// answered after the commit; what revokes something is answered only when a keeper durably knows.
//
// Every verb may be called from any thread. `Done` runs once, on a thread of the vault, and must
// be quick. Views in a request must live until `Done` has run. A `Fault` in `Done` means: nothing
// was disclosed, nothing was changed (or, for a revocation, it is queued and will happen).

namespace oubliette {

class Campaigns;
class Core;
class Holds;
class Orders;
class Decisions;
class Standing;
struct PolicyVersion;
class Disclosures;
class Recalls;
class Requests;
class Suppressions;
class TokenDesk;

// ---- Requests ------------------------------------------------------------------------------

struct ValueInput {
    policy::ValueKind kind = policy::ValueKind::text;
    std::string_view text;
};

// One question a person answered. `kind` none and granted false: withdrawal.
struct ConsentInput {
    std::string_view slot;
    bool granted = false;
    std::optional<std::uint16_t> policy_version;
    std::optional<policy::ConsentKind> kind;
    crypto::Hash evidence{};
    std::vector<std::string_view> told;
};

struct TokenOptions {
    std::optional<policy::TokenKind> kind;  // nullopt: the field's kind in the policy
    std::uint32_t expires_in_seconds = 0;   // 0 = never
    std::string_view recipient;             // "" = the caller's
};

// Where a value was published before it came here; the order of MISSION 3.4(5)(6) wants it.
struct PublicSourceInput {
    crypto::Hash source{};  // SHA-256 of the page or document
    Timestamp found;        // 0 = not told
};

struct FieldInput {
    std::string_view field;
    ValueInput value;
    std::optional<PublicSourceInput> public_source = {};
};

struct PutRequest {
    std::string_view subject;
    std::string_view purpose;
    std::vector<FieldInput> fields;
};

struct TokenizeItem {
    std::string_view subject;
    std::string_view field;
    std::optional<ValueInput> value;  // nullopt: a token for the stored value
};
struct TokenizeRequest {
    std::string_view purpose;
    std::vector<TokenizeItem> items;
    TokenOptions token;
    std::vector<ConsentInput> consents;  // recorded for every subject of the batch, first
};

struct DetokenizeRequest {
    std::string_view purpose;
    std::string_view want;  // transform name, "" = none
    std::vector<std::string_view> tokens;
    std::string_view order = {};  // id of a disclosure order, "" = none
};

struct ReadRequest {
    std::string_view subject;
    std::string_view purpose;
    std::vector<std::string_view> fields;
    std::string_view order = {};  // as above
};

struct SearchRequest {
    std::string_view field;
    std::string_view value;
    std::string_view purpose;
};

struct MatchRequest {
    std::string_view token;
    std::string_view candidate;
    std::string_view purpose;
};

// `scope` is one of recipient, region, bank, tenant. A recipient's name goes on working: its next
// tokens are under another key. A region's, bank's or tenant's key is gone for good.
struct CutOff {
    keys::RevocationScope scope = keys::RevocationScope::recipient;
    std::string_view name;  // of the recipient, region or tenant
    std::uint16_t bank = 0;
};

// ---- Answers -------------------------------------------------------------------------------

using tokens::TokenText;

struct FieldToken {
    std::string_view field;
    TokenText token;
};
struct FieldRefusal {
    std::string_view field;
    Refusal refusal{};
};
struct PutAnswer {
    std::vector<FieldToken> tokens;
    std::vector<FieldRefusal> errors;  // not empty: nothing was stored
};

using TokenizeAnswer = std::vector<std::variant<TokenText, Refusal>>;

struct Disclosed {
    std::string_view field;      // name in the policy; lives as long as `gate` of the answer
    std::string_view transform;  // name of what was applied
    policy::Transformed value;
};
struct DetokenizeAnswer {
    std::shared_ptr<const policy::Gate> gate;
    std::vector<std::variant<Disclosed, Refusal>> items;
    std::uint32_t retry_after = 0;  // seconds, if an item is refused SUBJECT_BUDGET
};

struct ReadItem {
    std::string_view field;  // as asked
    std::vector<Disclosed> values;
    std::optional<Refusal> refusal;
};
struct ReadAnswer {
    std::shared_ptr<const policy::Gate> gate;
    std::vector<ReadItem> items;
};

struct SearchAnswer {
    std::vector<std::string> subjects;
};

struct Decision {
    std::optional<Refusal> refusal;  // of the first step that fails; nullopt = allowed
    std::string transform;           // name of what would be applied
};

enum class ConsentState : std::uint8_t { live, stale, expired, withdrawn };
[[nodiscard]] std::string_view name_of(ConsentState state) noexcept;

struct ConsentRecord {
    std::string slot;
    bool granted = false;
    std::uint16_t policy_version = 0;
    policy::ConsentKind kind{};
    ConsentState state = ConsentState::withdrawn;
    Timestamp expires;  // 0 = never
    Timestamp given;    // of a grant
    std::uint8_t told = 0;
    crypto::Hash evidence{};
};

struct ErasureAnswer {
    ErasureRow erasure;
    ByteArray<32> opening{};  // r of KEYS 5.5: in this answer only, stored nowhere
    bool first = false;       // true: `opening` is meaningful
};

struct VaultStatus {
    keys::PlaneStatus plane;
    store::Store::Usage usage;
    std::uint32_t generation = 0;
    bool rolled_back = false;  // this start accepted an older copy of the data plane
    std::uint16_t policy_version = 0;
    std::uint64_t log_size = 0;
    std::size_t index_entries = 0;
    std::size_t index_bytes = 0;
    std::size_t erasures_waiting = 0;
    std::size_t poison_opened = 0;    // openings of poison tokens since the start
    std::size_t damaged_rows = 0;     // rows that did not open when the index was rebuilt
    std::size_t overdue_notices = 0;  // people who should have been told of an order
    std::size_t answers_overdue = 0;  // subject requests
    std::size_t recalls_overdue = 0;  // without acknowledgement for a week
    std::string tenant;
};

// What the operator should look at, one sentence each, without ids and paths; sorted.
[[nodiscard]] std::vector<std::string> warnings_of(const VaultStatus& status);

// What there is to rotate.
struct KeyStatus {
    keys::PlaneStatus plane;
    std::uint64_t people_banks = 0;  // opened so far, numbered from 0
    std::uint64_t handle_banks = 0;
    std::uint16_t people_bank = 0;  // where new people get their numbers
};

// The code on the wire of what keys::remedy_of() explains.
[[nodiscard]] Refusal refusal_of(keys::MembershipRefusal refusal) noexcept;

template <class T>
using Done = std::function<void(Result<T> result, const Fault* fault)>;

// ---- The vault -----------------------------------------------------------------------------

struct VaultOptions {
    std::filesystem::path data;
    keys::PlaneOptions plane;
    store::StoreOptions store;
    // Disclosures are refused when nothing could be written for so long.
    std::chrono::milliseconds audit_wait{800};
    unsigned index_threads = 4;  // for rebuilding the index at start
    std::string tenant;          // init only
    std::string listen;          // only told to backups: where a restored vault will serve
};

class Vault {
public:
    struct Made {
        std::vector<ApiKey> api_keys;  // of the clients, in order
        ReceiptKeys receipt_keys;      // public: for whoever will check a receipt
    };
    // Creates keepers and data plane, publishes `policy_json` as the first version and enrols
    // `clients`. Nothing is left behind when it throws.
    // Throws Fault{configuration} (findings of the policy in the text), and what KeyPlane::init
    // throws.
    static Made init(const VaultOptions& options, const keys::SealSecret& seal,
                     std::string_view policy_json, const std::vector<NewClient>& clients,
                     const Clock& clock);

    // Opens everything, finishes what a crash left, rebuilds the search index, loads the 410 set.
    // An older copy of the data plane is accepted as a new generation: nothing revoked comes back.
    [[nodiscard]] static std::unique_ptr<Vault> open(const VaultOptions& options,
                                                     const keys::SealSecret& seal,
                                                     const Clock& clock);
    ~Vault();
    Vault(const Vault&) = delete;
    Vault& operator=(const Vault&) = delete;

    // ---- Data (role app). Refusals of whole requests: not_found, erased, purpose and consent
    // refusals of MISSION 3.1, field_unknown, slot_unknown, transform_unknown, value_invalid.
    void put(const Caller& caller, const PutRequest& request, Done<PutAnswer> done);
    void tokenize(const Caller& caller, const TokenizeRequest& request, Done<TokenizeAnswer> done);
    void detokenize(const Caller& caller, const DetokenizeRequest& request,
                    Done<DetokenizeAnswer> done);
    void read(const Caller& caller, const ReadRequest& request, Done<ReadAnswer> done);
    void search(const Caller& caller, const SearchRequest& request, Done<SearchAnswer> done);
    void match(const Caller& caller, const MatchRequest& request, Done<bool> done);
    // REQUIRES: exactly one field.
    void decide(const Caller& caller, const ReadRequest& request, Done<Decision> done);
    void put_consent(const Caller& caller, std::string_view subject, const ConsentInput& consent,
                     Done<ConsentRecord> done);
    void list_consents(const Caller& caller, std::string_view subject,
                       Done<std::vector<ConsentRecord>> done);

    // ---- Erasure. `on_final` (may be empty) runs when all keepers acknowledged and the signed
    // receipt is durable.
    void erase(const Caller& caller, std::string_view subject, std::string_view ground,
               Done<ErasureAnswer> done, std::function<void(const ErasureRow&)> on_final);
    void delete_field(const Caller& caller, std::string_view subject, std::string_view field,
                      std::string_view purpose, Done<ErasureAnswer> done,
                      std::function<void(const ErasureRow&)> on_final);
    [[nodiscard]] Result<ErasureRow> find_erasure(const Caller& caller, const keys::RequestId& id);
    // The erasure that destroyed, or is destroying, what `row` had to keep; nullopt while a legal
    // hold lasts.
    [[nodiscard]] std::optional<ErasureRow> find_rest(const ErasureRow& row) const;
    // The same bytes each time. REQUIRES: has_receipt(row). Throws Fault{corrupt}.
    [[nodiscard]] Receipt receipt_of(const ErasureRow& row) const;
    // What outsiders need to check receipts of this vault.
    [[nodiscard]] ReceiptKeys receipt_keys() const;
    // Registered keepers that are not reachable: erasures are not final without them.
    [[nodiscard]] std::vector<keys::KeeperId> missing_keepers() const;

    // ---- Groups of keys that die at once.
    // Sweeps what has ended, as the vault does by itself (vault/retention.hpp); a dry run only
    // counts. Refuses: role_denied (privacy_officer; with `catch_up` key_operator), value_invalid.
    void run_retention(const Caller& caller, const RetentionRequest& request,
                       Done<RetentionReport> done);
    // Destroys all tokens of a recipient, all values of a region, all people of a bank, or the
    // whole tenant; at once, and for ever. Works without a policy in force.
    // Refuses: not_found (no such name or bank), erased (it is dead already), value_invalid (not
    // this tenant's name).
    void cut_off(const Caller& caller, const CutOff& what, Done<ErasureAnswer> done,
                 std::function<void(const ErasureRow&)> on_final);

    // ---- The lawful exceptions (vault/holds.hpp, vault/orders.hpp).
    [[nodiscard]] Holds& holds();
    [[nodiscard]] Orders& orders();

    // Decisions explained and replayed; what stands against recipients and purposes.
    [[nodiscard]] Decisions& decisions() const noexcept;
    [[nodiscard]] Standing& standing() noexcept;

    // ---- What people ask of the vault (MISSION 4), in headers of their own.
    [[nodiscard]] Requests& requests() const noexcept;          // requests/requests.hpp
    [[nodiscard]] Disclosures& disclosures() const noexcept;    // disclosures.hpp
    [[nodiscard]] Recalls& recalls() const noexcept;            // recalls.hpp
    [[nodiscard]] Suppressions& suppressions() const noexcept;  // suppressions.hpp
    [[nodiscard]] Campaigns& campaigns() const noexcept;        // campaigns.hpp

    // ---- Tokens, for officers and operators (vault/token_desk.hpp).
    [[nodiscard]] TokenDesk& token_desk() const noexcept;

    // ---- Policy.
    [[nodiscard]] std::shared_ptr<const policy::Gate> gate() const;   // in force now
    [[nodiscard]] std::vector<PolicyVersion> policy_history() const;  // oldest first
    [[nodiscard]] std::optional<std::string> policy_version(std::uint16_t version) const;
    // What publishing `json` would change for people, and what forbids it. Publishes nothing.
    struct PolicyDiff {
        std::uint16_t from = 0;  // the newest version
        std::uint16_t to = 0;    // 0: `json` is no policy
        std::vector<policy::Change> changes;
        std::vector<policy::Finding> findings;
    };
    [[nodiscard]] PolicyDiff diff_policy(std::string_view json) const;
    struct PublishAnswer {
        std::uint16_t version;
        std::vector<policy::Finding> findings;  // errors: nothing was published
    };
    void publish_policy(const Caller& caller, std::string_view json, Done<PublishAnswer> done);

    // ---- Clients.
    [[nodiscard]] std::optional<Caller> authenticate(std::uint16_t client, std::uint16_t key,
                                                     ByteView secret) const;
    [[nodiscard]] std::optional<Caller> authenticate_san(std::string_view san) const;
    void enrol_client(const Caller& caller, const NewClient& client, Done<ApiKey> done);
    void revoke_client(const Caller& caller, std::string_view name, Done<bool> done);
    [[nodiscard]] std::vector<ClientRow> list_clients() const;

    // ---- The audit log, as outsiders verify it (audit/checkpoint.hpp, audit/tiles.hpp). Entries
    // hold no personal data. All throw Fault{corrupt} and Fault{storage}.
    // The newest signed checkpoint, at most some seconds old; empty until the keepers know one.
    [[nodiscard]] std::string log_checkpoint() const;
    // What to pin, as vkeys: the newest first.
    [[nodiscard]] std::vector<std::string> log_keys() const;
    // Bytes of a tile, or of the entry bundle below a tile of level 0, as tlog-tiles has them.
    // Refuses: not_found (not there yet in the published checkpoint).
    [[nodiscard]] Result<Bytes> log_tile(const audit::TileName& name) const;
    [[nodiscard]] Result<Bytes> log_entry_bundle(const audit::TileName& name) const;
    // At most `count` entries from `from` on, up to the last commit.
    [[nodiscard]] std::vector<audit::Entry> log_entries(std::uint64_t from,
                                                        std::size_t count) const;
    struct LogProof {
        std::uint64_t size = 0;  // of the tree that the proof leads to
        crypto::Hash root{};
        std::vector<crypto::Hash> hashes;
    };
    // That entry `index` is in the log of `size` entries; that the log of `size` extends the one of
    // `old_size`. nullopt: the published size. Refuses: not_found (nothing to prove there).
    [[nodiscard]] Result<LogProof> prove_entry(std::uint64_t index,
                                               std::optional<std::uint64_t> size) const;
    [[nodiscard]] Result<LogProof> prove_growth(std::uint64_t old_size,
                                                std::optional<std::uint64_t> size) const;
    // A new signing key beside the present one; both sign until the older one is retired. Answers
    // with the new vkey. Refuses: wrong_state (an older key still signs: retire it first).
    void rotate_log_key(const Caller& caller, Done<std::string> done);
    // Destroys the older key. Refuses: wrong_state (there is none).
    void retire_log_key(const Caller& caller, Done<bool> done);

    // ---- Keepers and keys (vault/keys/PLANE.md). These wait for all keepers, so they are not for
    // a thread that serves others. Throw Fault{storage} and Fault{conflict}: status tells then what
    // was done.
    [[nodiscard]] keys::EnrolAnswer enrol_keeper(const Caller& caller,
                                                 const std::filesystem::path& directory,
                                                 const std::optional<keys::KeeperId>& replaces,
                                                 std::chrono::milliseconds wait);
    [[nodiscard]] keys::ExpelAnswer expel_keeper(const Caller& caller, const keys::KeeperId& keeper,
                                                 keys::Expulsion expulsion);
    keys::ScrubStatus scrub(const Caller& caller);
    [[nodiscard]] KeyStatus key_status() const;
    // Fresh anchors, root and hashes, with an unchanged tree: what happens daily by itself.
    void rotate_anchor();
    // New people get their keys from a fresh seed from now on. Answers with the bank's number.
    // Throws Fault{storage} while a keeper is away.
    [[nodiscard]] std::uint16_t rotate_bank(const Caller& caller);

    // ---- System.
    [[nodiscard]] VaultStatus status() const;
    [[nodiscard]] bool ready() const;
    [[nodiscard]] Timestamp now() const noexcept;  // what the vault takes for the time
    // A compacted copy of the data plane and its signed manifest (vault/backup.hpp) in `directory`,
    // which must exist and be empty; never a cell. Returns the held values that it has at their new
    // place.
    std::vector<people::MovedValue> backup_to(const std::filesystem::path& directory);
    // The copy arrived: retention days that waited for these values may die (KEYS 5.3).
    void confirm_backup(const std::vector<people::MovedValue>& moved);

private:
    explicit Vault(std::unique_ptr<Core> core);

    struct Groups;  // the verbs that have headers of their own

    std::unique_ptr<Core> core_;
    std::unique_ptr<Groups> groups_;
};

}  // namespace oubliette
