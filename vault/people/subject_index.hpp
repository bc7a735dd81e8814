#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <shared_mutex>
#include <vector>

#include "vault/function_ref.hpp"
#include "vault/keys/path.hpp"

// The search index (KEYS 5.6): fingerprint -> person, in RAM only, about 20 B an entry. The truth
// lies in each person's own rows under the person's own key; this is rebuilt from them at every
// start, and a hit is only a hint that the caller verifies by opening the row. Field 0 is the
// application's own id of the person. Thread-safe.

namespace oubliette::people {

class SubjectIndex {
public:
    using Fingerprint = std::uint64_t;  // the first 8 bytes of a keyed 16-byte fingerprint

    SubjectIndex();
    ~SubjectIndex();

    // A second insert of the same entry changes nothing.
    void insert(std::uint16_t field, Fingerprint fingerprint, keys::SubjectNumber number);
    void remove(std::uint16_t field, Fingerprint fingerprint, keys::SubjectNumber number);
    // All entries of the people with numbers in [from, to). Looks at every entry: milliseconds for
    // each million.
    void remove_people(keys::SubjectNumber from, keys::SubjectNumber to);
    // Candidates in no order. `visit` returns false to stop; it must not touch the index.
    void find(std::uint16_t field, Fingerprint fingerprint,
              FunctionRef<bool(keys::SubjectNumber number)> visit) const;

    [[nodiscard]] std::size_t size() const noexcept;
    [[nodiscard]] std::size_t bytes() const noexcept;  // memory held by the tables

private:
    struct Slot {
        Fingerprint fingerprint = 0;
        std::uint64_t entry = 0;  // used flag | local 36 | field 16; 0 = free
    };
    // Linear probing, grown by a quarter so that it stays between 68 % and 85 % full.
    struct Shard {
        mutable std::shared_mutex mutex;
        std::vector<Slot> slots;
        std::size_t used = 0;

        [[nodiscard]] std::size_t home(const Slot& slot) const noexcept;
        void grow();
        void place(const Slot& slot) noexcept;
        void remove(const Slot& slot) noexcept;
    };
    static constexpr std::size_t kShardCount = 64;

    Shard& shard_of(Fingerprint fingerprint) const noexcept;

    std::unique_ptr<std::array<Shard, kShardCount>> shards_;
};

}  // namespace oubliette::people
