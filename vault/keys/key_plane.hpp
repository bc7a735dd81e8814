#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/hash.hpp"
#include "crypto/sign.hpp"
#include "vault/clock.hpp"
#include "vault/keys/ids.hpp"
#include "vault/keys/seal_slots.hpp"
#include "vault/keys/tree.hpp"

// The key plane: the punctured key tree in its keepers, and the one leader that changes it (KEYS
// 4 and 6). Everything that must be irreversible goes through submit(). Thread-safe unless a
// function says otherwise.

namespace oubliette::keys {

using RequestId = ByteArray<16>;

// ---- What is revoked ----

enum class RevocationScope : std::uint8_t {
    subject = 1,
    field = 2,
    category = 3,
    consent = 4,
    client = 5,
    token_key = 6,
    superseded = 7,
    retention_day = 8,  // one class and day: all values that end then
    region = 9,         // all values of people with that home region
    recipient = 10,     // all tokens and pseudonyms a recipient ever got
    bank = 11,          // all people of a bank
    tenant = 12,        // everything
    exception = 13,     // an order or a hold that was ended
};
inline constexpr std::uint8_t kRevocationScopeMax = 13;

// One request: leaves (or whole subtrees) that must die. `opening_commitment` is C of KEYS 5.5
// (zero where nobody gets a receipt); `blind` is r2. Holds no external id.
struct Revocation {
    RequestId id{};
    RevocationScope scope = RevocationScope::subject;
    std::uint16_t ground = 0;
    crypto::Hash opening_commitment{};
    ByteArray<32> blind{};
    std::vector<Path> addresses;
};

// A keeper's signature over KEYS 5.5's acknowledgement bytes.
struct Acknowledgement {
    KeeperId keeper{};
    crypto::PublicKey public_key{};
    CellClass cell_class = CellClass::besteffort;
    std::uint64_t term = 0;
    std::uint64_t epoch = 0;
    crypto::Hash previous_hash{};
    crypto::Hash hash{};
    crypto::Hash request_root{};
    crypto::Hash members{};
    crypto::Signature signature{};
};
// The 192 signed bytes; shared with receipt verification.
[[nodiscard]] Bytes acknowledgement_bytes(const VaultId& vault, const Acknowledgement& ack);

// One link of the hash chain over epochs.
struct ChainRow {
    std::uint64_t epoch = 0;
    std::uint64_t term = 0;
    crypto::Hash previous_hash{};
    crypto::Hash root_hash{};
    crypto::Hash members{};
    crypto::Hash request_root{};
    crypto::Hash hash{};
};

// Proof that every registered keeper has destroyed what the request named. If the member list
// changed after the group (a keeper that was waited for was expelled), keepers are in it twice:
// with the acknowledgement of the group, and with a later one that shows the new list.
struct Finality {
    std::uint64_t epoch = 0;     // the group that punctured the request
    crypto::Hash hash_before{};  // key-plane hash before and after that group
    crypto::Hash hash_after{};
    std::vector<Acknowledgement> acknowledgements;  // of every registered keeper
    std::vector<ChainRow> chain;      // rows from `epoch` to the latest acknowledged one
    Bytes members;                    // member list (records.hpp) as of the last of these rows
    std::uint64_t request_index = 0;  // of the request among those under the request root
    std::uint64_t request_count = 0;
    std::vector<crypto::Hash> request_proof;
    Timestamp irrecoverable_after;  // when the last acknowledgement came
};

// ---- What keepers remember beside the tree (KEYS 4.6) ----

// A number that only rises. Merged by max over keepers and data plane.
enum class RegisterKind : std::uint8_t {
    person_lease = 1,       // next person number never leased yet; key: tenant, 0, 0
    handle_lease = 2,       // the same for handle tokens
    name_id = 3,            // next id of a dictionary; key: tenant, dictionary kind, 0
    client_number = 4,      // highest number given; key: tenant, 0, 0
    api_key_number = 5,     // the same
    policy_version = 6,     // mark of the newest version (vault/policies.hpp)
    kid = 7,                // key: tenant, system kind, recipient
    next_bank = 8,          // key: tenant, class, 0
    term = 9,               // key: 0, 0, 0
    erasure_number = 10,    // key: tenant, 0, 0
    day_floor = 11,         // retention days before it may be destroyed; key: tenant, 0, 0
    day_clock = 12,         // minutes of uptime: 0 so far, 1 when the floor last rose; key: tenant,
                            // 0 or 1, 0
    scrub_time = 13,        // end of the last complete scrub, Timestamp seconds; key: 0, 0, 0
    exception_number = 14,  // next number of an order or a hold; key: tenant, 0, 0
    campaign_end = 15,      // Timestamp seconds; key: tenant, consent slot, 0
    suspension = 17,        // changes so far, odd = suspended now; key: tenant, recipient, 0
    assessment = 18,        // changes so far, odd = blocked now; key: tenant, purpose, 0
};
struct RegisterKey {
    RegisterKind kind{};
    TenantId tenant{};
    std::uint16_t a = 0;
    std::uint16_t b = 0;
    friend auto operator<=>(const RegisterKey&, const RegisterKey&) = default;
};

// Detects a data plane that was rolled back. Ordered by (generation, sequence).
struct StateRecord {
    std::uint32_t generation = 0;
    std::uint64_t sequence = 0;  // of the last known data-plane commit
    std::uint64_t log_size = 0;
    crypto::Hash log_root{};
    friend bool operator==(const StateRecord&, const StateRecord&) = default;
};

// ---- The plane ----

// What the member list says of a keeper. unregistered: it is not in it, or not known which it is.
enum class KeeperState : std::uint8_t { unregistered, joining, active, expelled };
[[nodiscard]] std::string_view name_of(KeeperState state) noexcept;

struct KeeperStatus {
    KeeperId id{};                    // zero if its directory never opened
    std::filesystem::path directory;  // empty if none is configured
    KeeperState state = KeeperState::unregistered;
    std::uint64_t last_epoch = 0;  // expelled: nothing later was ever sent to it
    crypto::PublicKey public_key{};
    CellClass cell_class = CellClass::besteffort;
    bool online = false;
    std::uint64_t epoch = 0;
    std::uint64_t device = 0;  // st_dev: two keepers on one device are warned about
    std::string seal;          // "keyfile", "passphrase", "credential"
    std::string trouble;       // empty, or one line with the remedy
};
// Reading and authenticating every page of every keeper.
struct ScrubStatus {
    Timestamp finished;              // of the last complete pass; 0 = never
    bool is_running = false;         // a pass is under way
    std::uint64_t pages = 0;         // read since the start, all passes
    std::uint64_t repaired = 0;      // written again from a peer, since the start
    std::uint64_t unrepairable = 0;  // in no keeper, as of the last or running pass
};
struct PlaneStatus {
    VaultId vault{};
    std::uint64_t epoch = 0;
    std::uint64_t term = 0;
    crypto::Hash hash{};
    // Those that are configured, in that order; then the others of the member list, which keeps
    // the expelled ones for ever.
    std::vector<KeeperStatus> keepers;
    std::size_t waiting = 0;  // revocations not final yet
    ScrubStatus scrub;
};
// True if two keepers lie on one file system, so that they are lost together.
[[nodiscard]] bool shares_device(const PlaneStatus& status);

struct PlaneOptions {
    std::vector<std::filesystem::path> keepers;  // two or more directories; one after an expulsion
    std::filesystem::path data;      // the data directory: it and a keeper never lie in each other;
                                     // empty: not checked
    bool accept_besteffort = false;  // --cell-class besteffort
    bool finish_init = false;  // open before confirm_ready(): for whoever makes the data plane
    std::size_t seed_cache_count = 65'536;    // subjects whose seed is cached, locked memory
    std::size_t page_cache_bytes = 4U << 20;  // decoded tree pages, locked memory
    // Makes the list of directories durable for the next open(). Called before a new keeper is
    // registered with the old directories and the new one, and when one is no longer needed. What
    // the list holds too much is found out at open(): which keepers count is in the keepers. May be
    // empty; may throw Fault{storage}.
    std::function<void(const std::vector<std::filesystem::path>&)> keepers_changed;
};

// ---- Who the keepers are ----

// Why a keeper is not enrolled or expelled. Nothing has changed then.
enum class MembershipRefusal : std::uint8_t {
    keeper_unknown,
    keeper_expelled,     // it was expelled before
    keeper_away,         // to be expelled, but not reachable and not called lost
    last_keeper,         // nobody would be left
    others_away,         // a keeper that has to agree is not reachable
    joining_already,     // one at a time
    too_many,            // kKeeperCountMax, or the list is full
    directory_relative,  // no absolute path
    directory_unusable,  // cannot be made, or is no directory
    directory_nested,    // a keeper's or the data's, or inside one, or around one
    directory_not_empty,
    directory_in_place,  // no in-place writes, and only those are accepted
};
// What to do about it: one sentence, fixed text.
[[nodiscard]] std::string_view remedy_of(MembershipRefusal refusal) noexcept;

inline constexpr std::size_t kKeeperCountMax = 8;      // registered at a time
inline constexpr std::size_t kMemberCountMax = 1'024;  // of the list, with the expelled

struct EnrolAnswer {
    std::optional<MembershipRefusal> refusal;
    KeeperId id{};
    bool is_active = false;  // false: registered, and still being filled
};
// reachable: its anchors are destroyed. lost: nothing can be done to it any more.
enum class Expulsion : std::uint8_t { reachable, lost };
struct ExpelAnswer {
    std::optional<MembershipRefusal> refusal;
    bool is_destroyed = false;  // nothing in its directory opens any more
    bool has_new_banks = true;  // lost only. false: they are opened when all keepers are there
};

class KeyPlane {
public:
    // Creates keepers in empty or missing directories (made 0700), opens bank 0 of `tenant` for
    // people and handles, and runs epochs 1 to 3 of KEYS 6.3. Directories that hold an unfinished
    // vault (never confirmed by `confirm_ready`) are wiped and started again.
    // Throws Fault{configuration} with the remedy: fewer than two directories, two equal ones (also
    // by symbolic link), one inside the other or inside the data, not empty, no in-place writes
    // without accept_besteffort; Fault{storage}. Leaves nothing behind when it throws.
    static void init(const PlaneOptions& options, const VaultId& vault, TenantId tenant,
                     const SealSecret& seal);

    // Takes owner.lock of every keeper, recovers each (KEYS 6.2), brings laggards up by copying
    // pages from the newest, raises the term. One keeper may be missing or damaged: the plane
    // opens, erasures become effective and wait. A keeper that was expelled is refused, whatever
    // its epoch, and its anchors are destroyed unless it went on by itself; an enrolment that was
    // cut off goes on or is undone.
    // Throws Fault{configuration} (missing directory, wrong vault, keepers that expelled each
    // other, a keeper in the data directory), Fault{sealed} (wrong seal
    // secret), Fault{conflict} (another process), Fault{corrupt} (no keeper opens).
    [[nodiscard]] static std::unique_ptr<KeyPlane> open(const PlaneOptions& options,
                                                        const SealSecret& seal, const Clock& clock);

    virtual ~KeyPlane() = default;
    KeyPlane() = default;
    KeyPlane(const KeyPlane&) = delete;
    KeyPlane& operator=(const KeyPlane&) = delete;

    [[nodiscard]] virtual const VaultId& vault_id() const noexcept = 0;

    // ---- Keys. Everything submitted for revocation answers `dead` from then on.
    [[nodiscard]] virtual Derived derive(const Path& path) = 0;
    // S_fix and item keys of a person, through the cache of subject seeds (1 us when cached).
    [[nodiscard]] virtual NodeState fixed_key(TenantId tenant, SubjectNumber number,
                                              crypto::Seed& out) = 0;
    [[nodiscard]] virtual NodeState item_key(TenantId tenant, SubjectNumber number,
                                             std::uint32_t item, crypto::ItemKey& out) = 0;
    // True while the implicit marker (objection slots, not paused, not restricted) is alive.
    [[nodiscard]] virtual NodeState implicit_marker(TenantId tenant, SubjectNumber number,
                                                    unsigned marker) = 0;
    [[nodiscard]] virtual std::optional<std::uint32_t> highest_dead_item(TenantId tenant,
                                                                         SubjectNumber number) = 0;

    // ---- Revoking. Waiting requests are taken together in one group.
    // `recorded` runs once at least one keeper durably knows (step (2) of KEYS 4.6): only then may
    // the caller be answered. `final` runs when all registered keepers acknowledged. Both run on
    // the plane's own thread and must be quick; a Fault reaches `recorded` when no keeper could be
    // reached (the request stays queued and dead). Submitting a request id that was applied before
    // changes nothing and reports its finality again.
    // REQUIRES: the data-plane row of the request is committed.
    using OnRecorded = std::function<void(const Fault* fault)>;
    using OnFinal = std::function<void(const Finality& finality)>;
    virtual void submit(Revocation revocation, OnRecorded recorded, OnFinal final) = 0;
    // Requests that keepers hold but have not been told to forget: after a start the caller
    // recreates missing data-plane rows and submits them again.
    [[nodiscard]] virtual std::vector<Revocation> remembered() const = 0;
    // Keepers drop what they remember of these requests. REQUIRES: their end is durable.
    virtual void forget(const std::vector<RequestId>& ids) = 0;

    // Waits for a durable group that makes `bank` a fresh random seed on all registered keepers
    // (Rule N). Throws Fault{conflict} if it is below the register next_bank, so in use;
    // Fault{storage}, also while a keeper is away.
    virtual void open_bank(TenantId tenant, AddressClass people_or_handles, std::uint16_t bank) = 0;

    // Waits for a group that changes nothing but anchors, root and hashes: the daily rotation of
    // KEYS 7. Throws Fault{storage} when no keeper could be written.
    virtual void advance() = 0;

    // ---- Members (PLANE.md). Reads go on; requests that are submitted meanwhile wait. Throw
    // Fault{storage}: what is durable is in status().
    // Makes a keeper in `directory` (missing or empty), sealed as this plane was opened. It is
    // registered, and counts for finality, before it receives the first page; then it is filled
    // and becomes active, also if this process ends meanwhile. Waits for that up to `wait`.
    // `replaces` is expelled in the same epoch.
    [[nodiscard]] virtual EnrolAnswer enrol(const std::filesystem::path& directory,
                                            const std::optional<KeeperId>& replaces,
                                            std::chrono::milliseconds wait) = 0;
    // For ever. What waited for it only is final then. For a lost one the people after this get
    // numbers of a new bank (Rule N).
    [[nodiscard]] virtual ExpelAnswer expel(const KeeperId& keeper, Expulsion expulsion) = 0;

    // ---- Scrub: every page of every keeper is read, authenticated, and repaired from a peer.
    // A few milliseconds' worth, once a second: a pass begins when the last one is six days old.
    virtual void scrub_a_little() = 0;
    // A whole pass, now. Throws Fault{storage}.
    virtual ScrubStatus scrub() = 0;

    // ---- Registers and state record: durable on all reachable keepers when these return.
    // Throw Fault{storage} when no keeper could be written.
    [[nodiscard]] virtual std::uint64_t read_register(const RegisterKey& key) const = 0;
    virtual void raise_registers(const std::vector<std::pair<RegisterKey, std::uint64_t>>& to) = 0;
    // Takes the next `count` numbers; returns the first.
    [[nodiscard]] virtual std::uint64_t lease(const RegisterKey& key, std::uint32_t count) = 0;
    [[nodiscard]] virtual StateRecord state_record() const = 0;
    virtual void write_state_record(const StateRecord& record) = 0;

    // Every request that may hold derived keys runs inside a Gate: a group is not final before the
    // requests that began before it have ended (L4).
    class Gate {
    public:
        explicit Gate(KeyPlane& plane) : plane_(plane), ticket_(plane.enter()) {}
        ~Gate() { plane_.leave(ticket_); }
        Gate(const Gate&) = delete;
        Gate& operator=(const Gate&) = delete;

    private:
        KeyPlane& plane_;
        std::uint64_t ticket_;
    };

    // Ends the plane's own thread after the group under way; no callback runs after this returns.
    // What waits stays queued in the data plane and in the keepers. Keys can still be derived.
    virtual void stop() = 0;

    [[nodiscard]] virtual PlaneStatus status() const = 0;
    [[nodiscard]] virtual std::uint64_t epoch() const = 0;
    // After init: the data plane is ready too. Before this, `open` refuses (Fault{configuration})
    // unless `finish_init` is set.
    virtual void confirm_ready() = 0;

protected:
    virtual std::uint64_t enter() noexcept = 0;
    virtual void leave(std::uint64_t ticket) noexcept = 0;
};

// A keeper opened beside a running server for the restore drill (KEYS 6.2): takes io.lock shared
// for at most 200 ms at a time, opens read-only without LMDB's own lock, picks the live pair
// without repairing. Not thread-safe.
class KeeperReader {
public:
    // Throws Fault as KeyPlane::open does.
    [[nodiscard]] static std::unique_ptr<KeeperReader> open(const std::filesystem::path& keeper,
                                                            const SealSecret& seal);
    virtual ~KeeperReader() = default;

    [[nodiscard]] virtual const VaultId& vault_id() const noexcept = 0;
    // Derives all of `paths` under one hold of the lock; results in order.
    [[nodiscard]] virtual std::vector<Derived> derive_batch(const std::vector<Path>& paths) = 0;
    // Paths of requests that are recorded but not applied yet count as dead in derive_batch.
};

}  // namespace oubliette::keys
