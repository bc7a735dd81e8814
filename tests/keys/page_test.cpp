#include <random>

#include <catch2/catch.hpp>

#include "crypto/ggm.hpp"
#include "tests/keys/tree_support.hpp"

using namespace oubliette;
using namespace oubliette::keys;

namespace {

constexpr unsigned kLeafFirst = 64;

Bytes bytes_of_page(const Page& page) {
    const crypto::SecretBytes encoded = page.encode();
    return {encoded.expose().begin(), encoded.expose().end()};
}

// A page with some leaves dead and some pages below, never without a living or a dead part.
Page random_page(std::mt19937_64& random, unsigned dead, unsigned children) {
    Page page = Page::of_seed(crypto::Seed::generate().expose());
    for (unsigned i = 0; i < dead; ++i) {
        const unsigned node = 2 + static_cast<unsigned>(random() % 126);
        if (page.materialise(node)) page.set_dead(node);
    }
    for (unsigned i = 0; i < children; ++i) {
        const unsigned node = kLeafFirst + static_cast<unsigned>(random() % 64);
        if (page.materialise(node)) page.set_child(node, crypto::PageKey::generate().expose());
    }
    return page;
}

bool can_be_encoded(const Page& page) {
    return page.tag(1) == NodeTag::split;
}

Byte pack(std::initializer_list<NodeTag> tags) {
    unsigned packed = 0;
    unsigned at = 0;
    for (const NodeTag tag : tags) packed |= static_cast<unsigned>(tag) << (2 * at++);
    return static_cast<Byte>(packed);
}

}  // namespace

TEST_CASE("splitting a seed yields its GGM children and leaves the other leaves alone", "[page]") {
    const crypto::Seed seed = crypto::Seed::generate();
    Page page = Page::of_seed(seed.expose());
    CHECK(page.tag(1) == NodeTag::seed);
    CHECK_FALSE(page.tag(64));
    REQUIRE(page.materialise(100));
    for (unsigned node = 1; node < 128; ++node) {
        const auto tag = page.tag(node);
        if (!tag || *tag != NodeTag::seed) continue;
        const unsigned depth = static_cast<unsigned>(std::bit_width(node)) - 1;
        CHECK(copy_of(page.key(node)) ==
              copy_of(crypto::ggm_descend(seed.expose(), node - (1U << depth), depth).expose()));
    }
    CHECK(page.tag(100) == NodeTag::seed);
    CHECK(page.tag(101) == NodeTag::seed);
    CHECK(page.tag(50) == NodeTag::split);
}

TEST_CASE("dead halves fold upwards until the page is all dead", "[page]") {
    std::mt19937_64 random{11};
    std::vector<unsigned> leaves(64);
    for (unsigned i = 0; i < 64; ++i) leaves[i] = kLeafFirst + i;
    std::shuffle(leaves.begin(), leaves.end(), random);
    Page page = Page::of_seed(crypto::Seed::generate().expose());
    for (const unsigned leaf : leaves) {
        CHECK_FALSE(page.all_dead());
        REQUIRE(page.materialise(leaf));
        page.set_dead(leaf);
        CHECK_FALSE(page.materialise(leaf));
    }
    CHECK(page.all_dead());
    CHECK_FALSE(page.tag(64));
}

TEST_CASE("killing a split node forgets everything below it", "[page]") {
    Page page = Page::of_seed(crypto::Seed::generate().expose());
    REQUIRE(page.materialise(64));
    page.set_child(64, crypto::PageKey::generate().expose());
    REQUIRE(page.materialise(2));
    page.set_dead(2);
    CHECK(page.tag(2) == NodeTag::dead);
    CHECK(page.tag(3) == NodeTag::seed);
    CHECK_FALSE(page.tag(64));
    CHECK_FALSE(page.materialise(70));
    CHECK(page.materialise(127));
}

TEST_CASE("a page decodes to what was encoded, at most 2,082 bytes", "[page]") {
    std::mt19937_64 random{12};
    for (unsigned round = 0; round < 200; ++round) {
        const Page page = random_page(random, 1 + round % 30, round % 7);
        if (!can_be_encoded(page)) continue;
        const Bytes encoded = bytes_of_page(page);
        const auto decoded = Page::decode(encoded, 4);
        REQUIRE(decoded);
        CHECK(bytes_of_page(*decoded) == encoded);
        for (unsigned node = 1; node < 128; ++node) CHECK(decoded->tag(node) == page.tag(node));
    }
    Page full = Page::of_seed(crypto::Seed::generate().expose());
    for (unsigned leaf = kLeafFirst; leaf < 128; ++leaf) REQUIRE(full.materialise(leaf));
    CHECK(bytes_of_page(full).size() == kPageSizeMax);
    CHECK(Page::decode(bytes_of_page(full), 0));
}

TEST_CASE("every flipped bit of an encoded page is refused or another canonical page", "[page]") {
    std::mt19937_64 random{13};
    for (unsigned round = 0; round < 12; ++round) {
        const Page page = random_page(random, 1 + 2 * round, round % 4);
        if (!can_be_encoded(page)) continue;
        const Bytes encoded = bytes_of_page(page);
        for (std::size_t bit = 0; bit < encoded.size() * 8; ++bit) {
            Bytes changed = encoded;
            changed[bit / 8] = static_cast<Byte>(changed[bit / 8] ^ 1U << (bit % 8));
            const auto decoded = Page::decode(changed, 8);
            if (decoded && bytes_of_page(*decoded) != changed) FAIL("bit " << bit);
        }
    }
}

TEST_CASE("a truncated or extended page is refused", "[page]") {
    std::mt19937_64 random{14};
    const Bytes encoded = bytes_of_page(random_page(random, 3, 2));
    for (std::size_t size = 0; size < encoded.size(); ++size) {
        CHECK_FALSE(Page::decode(ByteView{encoded}.first(size), 0));
    }
    for (const std::size_t more : {1U, 31U, 32U, 64U}) {
        Bytes longer = encoded;
        longer.insert(longer.end(), more, Byte{0});
        CHECK_FALSE(Page::decode(longer, 0));
    }
}

TEST_CASE("shapes that are not canonical are refused", "[page]") {
    const Bytes key(32, 0x5A);
    const auto page = [&](unsigned count, std::initializer_list<Byte> tags, unsigned keys) {
        Bytes encoded{static_cast<Byte>(count), static_cast<Byte>(count >> 8)};
        encoded.insert(encoded.end(), tags);
        for (unsigned i = 0; i < keys; ++i) encoded.insert(encoded.end(), key.begin(), key.end());
        return encoded;
    };
    using enum NodeTag;
    CHECK(Page::decode(page(3, {pack({split, dead, seed})}, 1), 0));  // the control
    CHECK_FALSE(Page::decode(page(1, {pack({dead})}, 0), 0));
    CHECK_FALSE(Page::decode(page(1, {pack({seed})}, 1), 0));
    CHECK_FALSE(Page::decode(page(1, {pack({child})}, 1), 0));
    CHECK_FALSE(Page::decode(page(1, {pack({split})}, 0), 0));
    CHECK_FALSE(Page::decode(page(3, {pack({split, dead, dead})}, 0), 0));
    CHECK_FALSE(Page::decode(page(3, {pack({split, child, seed})}, 2), 0));
    CHECK_FALSE(Page::decode(page(3, {pack({split, dead, seed, seed})}, 1), 0));  // padding
    CHECK_FALSE(Page::decode(page(3, {pack({split, dead, seed}), 0}, 1), 0));
    CHECK_FALSE(Page::decode(page(4, {pack({split, dead, seed, dead})}, 1), 0));
    CHECK_FALSE(Page::decode(page(5, {pack({split, split, dead, dead}), pack({seed})}, 1), 0));
    CHECK_FALSE(Page::decode(page(0x103, {pack({split, dead, seed})}, 1), 0));
    // Seven splits: one more than a page is deep.
    CHECK_FALSE(
        Page::decode(page(15,
                          {pack({split, split, split, split}), pack({split, split, split, seed}),
                           pack({seed, seed, seed, seed}), pack({seed, seed, seed})},
                          8),
                     0));
}

TEST_CASE("a page at the last level has no child", "[page]") {
    Page page = Page::of_seed(crypto::Seed::generate().expose());
    REQUIRE(page.materialise(64));
    page.set_child(64, crypto::PageKey::generate().expose());
    const Bytes encoded = bytes_of_page(page);
    CHECK(Page::decode(encoded, 11));
    CHECK_FALSE(Page::decode(encoded, 12));
}

TEST_CASE("more pages than the locked arena holds work all the same", "[page]") {
    std::vector<Page> pages;
    for (unsigned i = 0; i < 2'100; ++i) {
        ByteArray<32> seed{static_cast<Byte>(i), static_cast<Byte>(i >> 8)};
        pages.push_back(Page::of_seed(seed));
    }
    for (unsigned i = 0; i < 2'100; ++i) {
        CHECK(pages[i].key(1)[0] == static_cast<Byte>(i));
        CHECK(pages[i].key(1)[1] == static_cast<Byte>(i >> 8));
    }
}

TEST_CASE("a page record opens with its own key and id only", "[page]") {
    std::mt19937_64 random{15};
    const crypto::PageKey key = crypto::PageKey::generate();
    const PageId id = page_id(Path{}.child(9, 6));
    const Page page = random_page(random, 4, 1);
    const Bytes record = seal_page(key, id, 77, page);
    CHECK(page_epoch(record) == 77U);
    CHECK_FALSE(page_epoch(ByteView{record}.first(7)));
    REQUIRE(open_page(key, id, record));
    CHECK(bytes_of_page(*open_page(key, id, record)) == bytes_of_page(page));
    CHECK_FALSE(open_page(crypto::PageKey::generate(), id, record));
    CHECK_FALSE(open_page(key, page_id(Path{}.child(8, 6)), record));
    CHECK_FALSE(open_page(key, page_id(Path{}.child(9, 12)), record));
    for (std::size_t size = 0; size < record.size(); ++size) {
        CHECK_FALSE(open_page(key, id, ByteView{record}.first(size)));
    }
    for (std::size_t bit = 64; bit < record.size() * 8; ++bit) {  // the epoch is not in the box
        Bytes changed = record;
        changed[bit / 8] = static_cast<Byte>(changed[bit / 8] ^ 1U << (bit % 8));
        if (open_page(key, id, changed)) FAIL("bit " << bit);
    }
    Bytes longer = record;
    longer.push_back(0);
    CHECK_FALSE(open_page(key, id, longer));
    CHECK_FALSE(open_page(key, id, Bytes(70'000)));
}
