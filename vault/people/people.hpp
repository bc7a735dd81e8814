#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "vault/keys/key_plane.hpp"
#include "vault/keys/leaf_cache.hpp"
#include "vault/people/campaign_ends.hpp"
#include "vault/people/given_tokens.hpp"
#include "vault/people/rows.hpp"
#include "vault/store/store.hpp"

// One person's rows, opened and written: the state that decisions need, values, consent markers,
// the external id. Everything is a box under the person's own keys; nothing here decides. Reading
// functions are thread-safe; writing ones belong to the committer's thread.

namespace oubliette::people {

// A person while one request works on it. Holds S_fix. Move-only.
struct Person {
    SubjectNumber number;
    crypto::Seed fixed;
    policy::SubjectState state;
    PersonRow row;
    bool changed = false;  // state or row must be saved

    // The next item number. REQUIRES: row.next_item < keys::kItemCountMax (see has_room).
    [[nodiscard]] std::uint32_t take_item() noexcept {
        changed = true;
        return row.next_item++;
    }
    [[nodiscard]] bool has_room() const noexcept {
        return row.next_item < keys::kItemCountMax - 64;
    }
};

struct StoredMarker {
    std::uint32_t item = 0;
    bool alive = false;  // its item key still exists
    Marker marker;
};

class People {
public:
    // `generation` counts accepted rollbacks (KEYS 4.6); rows of an older one are not trusted to
    // be current: the state is rebuilt from the markers and item numbers jump to a fresh area.
    People(keys::KeyPlane& plane, keys::LeafCache& leaves, TenantId tenant,
           std::uint16_t generation);

    // ---- Reading.
    // Refuses: erased (an authenticated dead key), not_found (no such rows).
    // Throws Fault{corrupt} when a row does not authenticate.
    [[nodiscard]] Result<Person> load(const store::ReadView& view, const policy::Gate& gate,
                                      SubjectNumber number) const;

    // Only what decisions need; one box less. Refuses and throws as load(). `audit` is the key of
    // the person's audit pseudonyms unless the person is erased.
    [[nodiscard]] Result<policy::SubjectState> load_state(
        const store::ReadView& view, const policy::Gate& gate, SubjectNumber number,
        std::optional<crypto::SubKey>& audit) const;
    // K_aud (vault/audit/entry.hpp).
    [[nodiscard]] static crypto::SubKey pseudonym_key(const crypto::Seed& fixed) noexcept;

    // Present value of a field, or the one whose salt begins with `salt32` if that is not 0.
    // Refuses: not_found, erased, retention_ended (its retention day is dead).
    [[nodiscard]] Result<OpenedValue> open_value(const store::ReadView& view, SubjectNumber number,
                                                 policy::FieldId field, std::uint32_t salt32) const;
    // The value in one row. Refuses: erased, retention_ended.
    [[nodiscard]] Result<OpenedValue> open_row(SubjectNumber number, ByteView key,
                                               ByteView row) const;
    // All values of a field, oldest first; those whose key is dead are left out.
    [[nodiscard]] std::vector<OpenedValue> open_values(const store::ReadView& view,
                                                       SubjectNumber number,
                                                       policy::FieldId field) const;
    [[nodiscard]] std::vector<StoredMarker> markers(const store::ReadView& view,
                                                    SubjectNumber number,
                                                    std::optional<policy::SlotId> slot) const;
    // Slots of living grants that have expired at `now`.
    [[nodiscard]] policy::SlotMask expired_slots(const store::ReadView& view, SubjectNumber number,
                                                 Timestamp now) const;
    // nullopt if its key is dead or there is none.
    [[nodiscard]] std::optional<std::string> external_id(const store::ReadView& view,
                                                         SubjectNumber number) const;

    // The same from the row itself.
    [[nodiscard]] std::optional<std::string> open_external_id(SubjectNumber number,
                                                              ByteView row) const;

    // Index-truth boxes of one person's value row; nullopt without one or with a dead key.
    [[nodiscard]] std::optional<IndexTruth> index_truth(SubjectNumber number, ByteView row_key,
                                                        ByteView row) const;

    // The token that was given at that place. nullopt if there is none or its key is dead.
    [[nodiscard]] std::optional<GivenToken> given_token(const store::ReadView& view,
                                                        const GivenTokenPlace& place) const;
    // Leaves of the person's handle tokens; damaged rows are left out, none if the person is
    // erased.
    [[nodiscard]] std::vector<SubjectNumber> handles(const store::ReadView& view,
                                                     SubjectNumber number) const;

    // ---- Writing.
    [[nodiscard]] Person create(store::WriteView& view, const policy::Gate& gate,
                                SubjectNumber number, std::string_view external_id) const;
    void save(store::WriteView& view, Person& person) const;

    struct NewValue {
        policy::FieldId field{};
        policy::RetentionClassId retention_class{};
        std::optional<std::uint16_t> end_day;  // nullopt: the open bucket
        policy::ValueKind kind{};
        std::string_view text;
        Timestamp collected;
        std::optional<IndexTruth> truth;
        bool is_held = false;  // a legal hold covers it: it goes into the hold bucket
    };
    // False when the group of keys that such a value would be under was destroyed.
    [[nodiscard]] bool has_day(policy::RetentionClassId retention_class, std::uint16_t day) const;
    [[nodiscard]] bool has_region(std::uint16_t region) const;  // REQUIRES: region != 0xFFFF
    // Writes the row; returns the salt32 that pins tokens to it.
    // REQUIRES: has_day() of its end and has_region() of the person.
    std::uint32_t write_value(store::WriteView& view, Person& person, const NewValue& value) const;
    // Puts the value of this row into the hold bucket, where no retention day reaches it; tokens
    // pinned to it stay good. Its row in table expiry stays until a completed backup has the value
    // at its new place (KEYS 5.3). False, and nothing done, when its key is dead or it is there
    // already.
    bool move_to_hold(store::WriteView& view, SubjectNumber number, ByteView key,
                      ByteView row) const;
    std::uint32_t write_marker(store::WriteView& view, Person& person, const Marker& marker) const;

    void remember_token(store::WriteView& view, const Person& person, const GivenTokenPlace& place,
                        const GivenToken& token) const;
    void add_handle(store::WriteView& view, const Person& person, SubjectNumber handle) const;
    // Tokens that were tied to one value; they are unreadable with its key.
    void forget_tokens(store::WriteView& view, SubjectNumber number, FieldItem value) const;

    // Removes up to `count_max` rows of a person; true if none are left.
    [[nodiscard]] bool remove_rows(store::WriteView& view, SubjectNumber number,
                                   std::size_t count_max) const;
    // The same for all people with numbers in [from, to).
    [[nodiscard]] bool remove_rows(store::WriteView& view, SubjectNumber from, SubjectNumber to,
                                   std::size_t count_max) const;

    // Next n of the audit pseudonym (vault/audit/entry.hpp), from numbers reserved in the person's
    // own row 64 at a time.
    static constexpr std::uint64_t kAuditReserve = 64;
    [[nodiscard]] std::uint64_t reserve_audit_numbers(store::WriteView& view, SubjectNumber number,
                                                      const crypto::Seed& fixed) const;

    // Who outside the company was shown which field.
    [[nodiscard]] std::vector<ToldField> told(const store::ReadView& view, SubjectNumber number,
                                              const crypto::Seed& fixed) const;
    void add_told(store::WriteView& view, SubjectNumber number, const crypto::Seed& fixed,
                  ToldField shown) const;
    // S_fix. Refuses: erased. Throws Fault{corrupt}.
    [[nodiscard]] Result<crypto::Seed> fixed_key(SubjectNumber number) const;

    // From the next row on that is read, people have these ends of campaigns. Thread-safe; seldom.
    void set_campaign_ends(std::unique_ptr<const CampaignEnds> ends);

    [[nodiscard]] keys::Path path_of(SubjectNumber number) const noexcept {
        return keys::person_path(tenant_, number);
    }
    [[nodiscard]] TenantId tenant() const noexcept { return tenant_; }

private:
    // What a given token's row is boxed under; nullopt if that is dead.
    [[nodiscard]] std::optional<crypto::SubKey> box_key_of(const GivenTokenPlace& place) const;
    [[nodiscard]] policy::SubjectState open_state(const store::ReadView& view,
                                                  const policy::Gate& gate, SubjectNumber number,
                                                  const crypto::Seed& fixed, ByteView row) const;
    [[nodiscard]] keys::NodeState value_key(SubjectNumber number, std::uint32_t item,
                                            const Header& header, crypto::ValueKey& out) const;
    [[nodiscard]] BoxSalt fresh_salt(const store::ReadView& view, SubjectNumber number,
                                     policy::FieldId field) const;
    [[nodiscard]] policy::SubjectState rebuilt_state(const store::ReadView& view,
                                                     const policy::Gate& gate, SubjectNumber number,
                                                     policy::SubjectState old) const;

    keys::KeyPlane& plane_;
    keys::LeafCache& leaves_;
    TenantId tenant_;
    std::uint16_t generation_;
    // The newest; readers may still use the older ones, of which there are few.
    std::atomic<const CampaignEnds*> campaign_ends_{nullptr};
    std::mutex campaign_ends_mutex_;
    std::vector<std::unique_ptr<const CampaignEnds>> all_campaign_ends_;
};

}  // namespace oubliette::people
