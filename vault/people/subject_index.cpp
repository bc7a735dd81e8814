#include "vault/people/subject_index.hpp"

#include <algorithm>
#include <mutex>

namespace oubliette::people {
namespace {

constexpr std::uint64_t kUsed = std::uint64_t{1} << 63;
constexpr std::size_t kSlotsMin = 16;
__extension__ using Wide = unsigned __int128;

std::uint64_t entry_of(std::uint16_t field, keys::SubjectNumber number) noexcept {
    return kUsed | number.local << 16 | field;
}

keys::SubjectNumber number_of(std::uint64_t entry) noexcept {
    return {(entry & ~kUsed) >> 16};
}

}  // namespace

SubjectIndex::SubjectIndex() : shards_(std::make_unique<std::array<Shard, kShardCount>>()) {}
SubjectIndex::~SubjectIndex() = default;

SubjectIndex::Shard& SubjectIndex::shard_of(Fingerprint fingerprint) const noexcept {
    return (*shards_)[fingerprint % kShardCount];
}

// Fingerprints are uniform, so their high bits scale to a position without a division. The low
// bits chose the shard.
std::size_t SubjectIndex::Shard::home(const Slot& slot) const noexcept {
    return static_cast<std::size_t>((Wide{slot.fingerprint} * slots.size()) >> 64);
}

void SubjectIndex::Shard::place(const Slot& slot) noexcept {
    std::size_t at = home(slot);
    while (slots[at].entry != 0) {
        if (slots[at].entry == slot.entry && slots[at].fingerprint == slot.fingerprint) return;
        at = at + 1 == slots.size() ? 0 : at + 1;
    }
    slots[at] = slot;
    ++used;
}

void SubjectIndex::Shard::grow() {
    std::vector<Slot> old(std::max(kSlotsMin, slots.size() + slots.size() / 4));
    old.swap(slots);
    used = 0;
    for (const Slot& slot : old) {
        if (slot.entry != 0) place(slot);
    }
}

// Backward-shift deletion: no tombstones, so a table full of churn stays as fast as a fresh one.
void SubjectIndex::Shard::remove(const Slot& slot) noexcept {
    const std::size_t count = slots.size();
    if (count == 0) return;
    std::size_t at = home(slot);
    while (slots[at].entry != slot.entry || slots[at].fingerprint != slot.fingerprint) {
        if (slots[at].entry == 0) return;
        at = at + 1 == count ? 0 : at + 1;
    }
    --used;
    for (std::size_t next = at + 1 == count ? 0 : at + 1; slots[next].entry != 0;
         next = next + 1 == count ? 0 : next + 1) {
        const std::size_t distance_home = (next + count - home(slots[next])) % count;
        const std::size_t distance_gap = (next + count - at) % count;
        if (distance_home < distance_gap) continue;
        slots[at] = slots[next];
        at = next;
    }
    slots[at] = Slot{};
}

void SubjectIndex::insert(std::uint16_t field, Fingerprint fingerprint,
                          keys::SubjectNumber number) {
    Shard& shard = shard_of(fingerprint);
    const std::unique_lock lock{shard.mutex};
    if ((shard.used + 1) * 100 > shard.slots.size() * 85) shard.grow();
    shard.place({fingerprint, entry_of(field, number)});
}

void SubjectIndex::remove(std::uint16_t field, Fingerprint fingerprint,
                          keys::SubjectNumber number) {
    Shard& shard = shard_of(fingerprint);
    const std::unique_lock lock{shard.mutex};
    shard.remove({fingerprint, entry_of(field, number)});
}

void SubjectIndex::remove_people(keys::SubjectNumber from, keys::SubjectNumber to) {
    for (Shard& shard : *shards_) {
        const std::unique_lock lock{shard.mutex};
        std::vector<Slot> gone;  // removing moves other slots, so they are gathered first
        for (const Slot& slot : shard.slots) {
            const keys::SubjectNumber number = number_of(slot.entry);
            if (slot.entry != 0 && number >= from && number < to) gone.push_back(slot);
        }
        for (const Slot& slot : gone) shard.remove(slot);
    }
}

void SubjectIndex::find(std::uint16_t field, Fingerprint fingerprint,
                        FunctionRef<bool(keys::SubjectNumber number)> visit) const {
    std::vector<keys::SubjectNumber> found;
    {
        const Shard& shard = shard_of(fingerprint);
        const std::shared_lock lock{shard.mutex};
        const std::size_t count = shard.slots.size();
        if (count == 0) return;
        std::size_t at = shard.home({fingerprint, 0});
        for (; shard.slots[at].entry != 0; at = at + 1 == count ? 0 : at + 1) {
            const Slot& slot = shard.slots[at];
            const bool same_field = (slot.entry & 0xFFFF) == field;
            if (slot.fingerprint == fingerprint && same_field)
                found.push_back(number_of(slot.entry));
        }
    }
    for (const keys::SubjectNumber number : found) {
        if (!visit(number)) return;
    }
}

std::size_t SubjectIndex::size() const noexcept {
    std::size_t sum = 0;
    for (const Shard& shard : *shards_) {
        const std::shared_lock lock{shard.mutex};
        sum += shard.used;
    }
    return sum;
}

std::size_t SubjectIndex::bytes() const noexcept {
    std::size_t sum = 0;
    for (const Shard& shard : *shards_) {
        const std::shared_lock lock{shard.mutex};
        sum += shard.slots.size() * sizeof(Slot);
    }
    return sum;
}

}  // namespace oubliette::people
