#include <algorithm>
#include <random>
#include <set>

#include <catch2/catch.hpp>

#include "vault/keys/tree.hpp"

using namespace oubliette;
using namespace oubliette::keys;

namespace {

// The bits of a path, the slow way.
std::string bits_of(const Path& path) {
    std::string text;
    for (unsigned i = 0; i < path.bits(); ++i) text += path.bit(i) ? '1' : '0';
    return text;
}

Path random_path(std::mt19937_64& random, unsigned bits) {
    const unsigned high = std::min(bits, 40U);
    return Path{}.child(random(), high).child(random(), bits - high);
}

}  // namespace

TEST_CASE("a path grows, shrinks and is sliced bit by bit at every length", "[path]") {
    std::mt19937_64 random{54};
    for (unsigned bits = 0; bits <= kPathBitsMax; ++bits) {
        const Path path = random_path(random, bits);
        const std::string text = bits_of(path);
        REQUIRE(path.bits() == bits);
        for (unsigned cut = 0; cut <= bits; ++cut) {
            CHECK(bits_of(path.prefix(cut)) == text.substr(0, cut));
            CHECK(path.prefix(cut).is_prefix_of(path));
            if (bits - cut > 64) continue;
            CHECK(path.prefix(cut).child(path.slice(cut, bits - cut), bits - cut) == path);
        }
        for (unsigned flip = 0; flip < bits; ++flip) {
            const Path other = path.prefix(flip).child(path.bit(flip) ? 0 : 1, 1);
            CHECK_FALSE(other.is_prefix_of(path));
        }
        if (bits < kPathBitsMax) CHECK_FALSE(path.child(0, 1).is_prefix_of(path));
    }
}

TEST_CASE("child takes the low bits of a value and ignores the rest", "[path]") {
    CHECK(Path{}.child(0xFFFF'FFF5, 4) == Path{}.child(5, 4));
    CHECK(Path{}.child(~std::uint64_t{0}, 64).slice(0, 64) == ~std::uint64_t{0});
    CHECK(Path{}.child(1, 0) == Path{});
}

TEST_CASE("a path decodes from its own encoding only", "[path]") {
    std::mt19937_64 random{78};
    for (unsigned bits = 0; bits <= kPathBitsMax; ++bits) {
        const Path path = random_path(random, bits);
        const ByteArray<11> encoded = path.encode();
        Path decoded;
        REQUIRE(Path::decode(encoded, &decoded));
        CHECK(decoded == path);
        for (unsigned flip = 0; flip < 88; ++flip) {
            ByteArray<11> changed = encoded;
            changed[flip / 8] = static_cast<Byte>(changed[flip / 8] ^ 1U << (7 - flip % 8));
            Path other = path;
            if (Path::decode(changed, &other)) {
                CHECK(other.encode() == changed);
            } else {
                CHECK(other == path);  // untouched
            }
        }
    }
    const ByteArray<11> good = Path{}.child(1, 78 - 14).encode();
    Path out;
    CHECK_FALSE(Path::decode(ByteView{good}.first(10), &out));
    ByteArray<11> too_long{};
    too_long[0] = kPathBitsMax + 1;
    CHECK_FALSE(Path::decode(too_long, &out));
}

TEST_CASE("address lists are refused truncated, extended, unsorted and with duplicates", "[path]") {
    const Path a = Path{}.child(1, 12);
    const Path b = Path{}.child(1, 12).child(0, 6);
    const Path c = Path{}.child(2, 12);
    const std::vector<Path> list{a, b, c};
    const Bytes encoded = encode_address_list(list);
    CHECK(encoded.size() == 4 + 3 * 11);
    CHECK(decode_address_list(encoded) == list);
    CHECK(decode_address_list(encode_address_list({}))->empty());

    for (std::size_t size = 0; size < encoded.size(); ++size) {
        CHECK_FALSE(decode_address_list(ByteView{encoded}.first(size)));
    }
    Bytes longer = encoded;
    longer.push_back(0);
    CHECK_FALSE(decode_address_list(longer));
    Bytes swapped = encoded;
    std::swap_ranges(swapped.begin() + 4, swapped.begin() + 15, swapped.begin() + 15);
    CHECK_FALSE(decode_address_list(swapped));
    Bytes doubled = encoded;
    std::copy(doubled.begin() + 4, doubled.begin() + 15, doubled.begin() + 15);
    CHECK_FALSE(decode_address_list(doubled));
    Bytes huge(4, 0xFF);
    CHECK_FALSE(decode_address_list(huge));
}

TEST_CASE("paths order by their bytes, a prefix right before what it covers", "[path]") {
    std::mt19937_64 random{3};
    std::vector<Path> paths;
    for (int i = 0; i < 300; ++i) {
        const Path base = random_path(random, 12 + static_cast<unsigned>(random() % 3));
        paths.push_back(base);
        paths.push_back(base.child(random(), static_cast<unsigned>(random() % 40)));
    }
    const std::vector<Path> kept = normalise(paths);
    for (std::size_t i = 0; i < kept.size(); ++i) {
        for (std::size_t j = 0; j < kept.size(); ++j) {
            if (i != j) CHECK_FALSE(kept[i].is_prefix_of(kept[j]));
        }
    }
    for (const Path& path : paths) {
        CHECK(std::any_of(kept.begin(), kept.end(),
                          [&](const Path& prefix) { return prefix.is_prefix_of(path); }));
    }
    CHECK(std::is_sorted(kept.begin(), kept.end()));
}

TEST_CASE("a tenant's prefix covers all its addresses and no other tenant's", "[path]") {
    const TenantId ours{5};
    const TenantId theirs{6};
    const SubjectNumber number{std::uint64_t{2} << 24 | 9};
    const std::vector<Path> addresses{system_path(ours, 1, 2, 3), person_path(ours, number),
                                      bank_path(ours, AddressClass::handles, 1),
                                      retention_path(ours, 4, kRetentionDayOpen),
                                      region_path(ours, 8)};
    for (const Path& address : addresses) {
        CHECK(tenant_path(ours).is_prefix_of(address));
        CHECK_FALSE(tenant_path(theirs).is_prefix_of(address));
    }
    CHECK(bank_path(ours, AddressClass::people, 2).bits() == kBankBits);
    CHECK(bank_path(ours, AddressClass::people, 2).is_prefix_of(person_path(ours, number)));
    CHECK(system_recipient_path(ours, 1, 2).is_prefix_of(system_path(ours, 1, 2, 0xFFFE)));
    CHECK_FALSE(system_recipient_path(ours, 1, 2).is_prefix_of(system_path(ours, 1, 3, 0)));
}

TEST_CASE("every item, marker and S_fix has a place of its own below a person", "[path]") {
    const Path person = person_path(TenantId{1}, SubjectNumber{0});
    std::vector<Path> places{fixed_path(person)};
    for (std::uint32_t item = 0; item < kItemCountMax; ++item) {
        places.push_back(item_path(person, item));
    }
    for (unsigned marker = 0; marker < kImplicitMarkerCount; ++marker) {
        places.push_back(implicit_marker_path(person, marker));
    }
    const std::size_t count = places.size();
    // normalise would also drop one that lies below another.
    CHECK(normalise(places).size() == count);
    CHECK(item_path(person, 46).bits() == 60);
    CHECK(item_path(person, 47).bits() == 66);
    CHECK(item_path(person, 686).bits() == 66);
    CHECK(item_path(person, 687).bits() == 72);
    CHECK(item_path(person, 12'974).bits() == 72);
    CHECK(item_path(person, 12'975).bits() == 78);
    CHECK(item_path(person, kItemCountMax - 1) == person.child(0xFF'FFFF, 24));
}

TEST_CASE("page ids turn back into their prefix, and nothing else is a page id", "[path]") {
    std::mt19937_64 random{6};
    for (unsigned level = 0; level < kLevelCount; ++level) {
        const Path prefix = random_path(random, level * kLevelBits);
        const PageId id = page_id(prefix);
        CHECK(id[0] == level);
        CHECK(is_page_id(id));
        CHECK(prefix_of(id) == prefix);
        for (unsigned flip = 0; flip < 80; ++flip) {
            PageId changed = id;
            changed[flip / 8] = static_cast<Byte>(changed[flip / 8] ^ 1U << (7 - flip % 8));
            if (is_page_id(changed)) CHECK(page_id(prefix_of(changed)) == changed);
        }
        CHECK_FALSE(is_page_id(ByteView{id}.first(9)));
    }
    PageId deep{};
    deep[0] = kLevelCount;
    CHECK_FALSE(is_page_id(deep));
    PageId spare{};
    spare[9] = 1;  // level 0 has no prefix
    CHECK_FALSE(is_page_id(spare));
}

TEST_CASE("the kids up to one are covered by few subtrees, and no other kid is", "[path]") {
    constexpr TenantId kTenant{1};
    std::mt19937_64 random{16};
    std::vector<std::uint16_t> lasts{0, 1, 2, 3, 63, 64, 0x7FFF, 0xFFFD, 0xFFFE};
    for (int i = 0; i < 20; ++i) lasts.push_back(static_cast<std::uint16_t>(random() % 0xFFFF));
    for (const std::uint16_t last : lasts) {
        const auto paths = system_kids_paths(kTenant, 1, 42, last);
        CHECK(paths.size() <= 16);
        CHECK(normalise(paths) == paths);
        std::uint32_t wrong = 0;
        for (std::uint32_t kid = 0; kid < 0xFFFF; ++kid) {
            const Path leaf = system_path(kTenant, 1, 42, static_cast<std::uint16_t>(kid));
            const bool is_covered = std::any_of(paths.begin(), paths.end(), [&](const Path& path) {
                return path.is_prefix_of(leaf);
            });
            if (is_covered != (kid <= last)) ++wrong;
        }
        INFO("last kid " << last);
        CHECK(wrong == 0);
    }
}
