#include "vault/keys/seed_cache.hpp"

#include <algorithm>
#include <bit>

#include "crypto/assert.hpp"

namespace oubliette::keys {
namespace {

constexpr std::size_t kSeedSize = 32;
constexpr unsigned kPersonBits = kAddressBits;

// tenant 12 | local 36.
std::uint64_t person_of(TenantId tenant, SubjectNumber number) noexcept {
    return static_cast<std::uint64_t>(tenant) << 36 | number.local;
}

Path path_of(std::uint64_t person) noexcept {
    return person_path(static_cast<TenantId>(person >> 36),
                       SubjectNumber{person & ((1ULL << 36) - 1)});
}

// The person whose path `path` is or lies below. REQUIRES: path.bits() >= 54 and class people.
std::uint64_t person_above(const Path& path) noexcept {
    return path.slice(0, 12) << 36 | path.slice(18, 36);
}

// Numbers are consecutive: a multiplication spreads them over the shards.
std::uint64_t spread(std::uint64_t person) noexcept {
    return person * 0x9E37'79B9'7F4A'7C15ULL;
}

}  // namespace

SeedCache::SeedCache(std::size_t count)
    : places_(std::max<std::size_t>((count + kShards - 1) / kShards, 1)),
      arena_(places_ * kSeedSize, kShards) {
    for (Shard& shard : shards_) {
        shard.seeds = arena_.take();
        shard.people.resize(places_);
        shard.used.resize(places_);
        shard.referenced.resize(places_);
        shard.slots.resize(std::bit_ceil(places_ * 2));
    }
}

SeedCache::~SeedCache() {
    for (Shard& shard : shards_) arena_.give_back(shard.seeds);
}

SeedCache::Shard& SeedCache::shard_of(std::uint64_t person) noexcept {
    return shards_[spread(person) >> 58];
}

std::size_t SeedCache::home(const Shard& shard, std::uint64_t person) noexcept {
    return spread(person) >> 20 & (shard.slots.size() - 1);  // the highest bits chose the shard
}

std::size_t SeedCache::slot_of(const Shard& shard, std::uint64_t person) noexcept {
    std::size_t at = home(shard, person);
    while (shard.slots[at].place != kNoPlace && shard.slots[at].person != person) {
        at = (at + 1) & (shard.slots.size() - 1);
    }
    return at;
}

// Backward-shift deletion: no tombstones, so that churn leaves nothing behind.
void SeedCache::remove_slot(Shard& shard, std::uint64_t person) noexcept {
    const std::size_t mask = shard.slots.size() - 1;
    std::size_t gap = slot_of(shard, person);
    OBL_ASSERT(shard.slots[gap].place != kNoPlace);
    for (std::size_t next = (gap + 1) & mask; shard.slots[next].place != kNoPlace;
         next = (next + 1) & mask) {
        const std::size_t from_home = (next - home(shard, shard.slots[next].person)) & mask;
        if (from_home < ((next - gap) & mask)) continue;
        shard.slots[gap] = shard.slots[next];
        gap = next;
    }
    shard.slots[gap] = Slot{};
}

void SeedCache::forget(Shard& shard, std::uint32_t place) {
    crypto::wipe(shard.seeds.subspan(place * kSeedSize, kSeedSize));
    remove_slot(shard, shard.people[place]);
    shard.used[place] = false;
}

bool SeedCache::find(TenantId tenant, SubjectNumber number, crypto::Seed* out) {
    const std::uint64_t person = person_of(tenant, number);
    Shard& shard = shard_of(person);
    const std::lock_guard lock{shard.mutex};
    const std::uint32_t place = shard.slots[slot_of(shard, person)].place;
    if (place == kNoPlace) return false;
    shard.referenced[place] = true;
    const ByteSpan seed = shard.seeds.subspan(place * kSeedSize, kSeedSize);
    std::copy(seed.begin(), seed.end(), out->expose_mut().begin());
    return true;
}

void SeedCache::insert(TenantId tenant, SubjectNumber number, const crypto::Seed& seed,
                       FunctionRef<bool()> permits) {
    const std::uint64_t person = person_of(tenant, number);
    Shard& shard = shard_of(person);
    const std::lock_guard lock{shard.mutex};
    if (shard.slots[slot_of(shard, person)].place != kNoPlace || !permits()) return;
    while (shard.used[shard.hand] && shard.referenced[shard.hand]) {
        shard.referenced[shard.hand] = false;
        shard.hand = (shard.hand + 1) % places_;
    }
    const auto place = static_cast<std::uint32_t>(shard.hand);
    shard.hand = (shard.hand + 1) % places_;
    if (shard.used[place]) forget(shard, place);
    const crypto::KeyView from = seed.expose();
    std::copy(from.begin(), from.end(), shard.seeds.subspan(place * kSeedSize, kSeedSize).begin());
    shard.people[place] = person;
    shard.used[place] = true;
    shard.referenced[place] = false;
    shard.slots[slot_of(shard, person)] = {person, place};
}

void SeedCache::wipe_below(Shard& shard, const Path& path) {
    const std::lock_guard lock{shard.mutex};
    for (std::uint32_t place = 0; place < shard.people.size(); ++place) {
        if (shard.used[place] && path.is_prefix_of(path_of(shard.people[place]))) {
            forget(shard, place);
        }
    }
}

void SeedCache::wipe(std::span<const Path> paths) {
    for (const Path& path : paths) {
        if (path.bits() < kPersonBits) {
            for (Shard& shard : shards_) wipe_below(shard, path);
            continue;
        }
        if (path.slice(12, 6) != static_cast<unsigned>(AddressClass::people)) continue;
        const std::uint64_t person = person_above(path);
        Shard& shard = shard_of(person);
        const std::lock_guard lock{shard.mutex};
        const std::uint32_t place = shard.slots[slot_of(shard, person)].place;
        if (place != kNoPlace) forget(shard, place);
    }
}

}  // namespace oubliette::keys
