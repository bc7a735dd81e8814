#include <algorithm>
#include <array>
#include <numeric>

#include <catch2/catch.hpp>
#include <sodium.h>

#include "tests/keys/tree_support.hpp"

// The tree against the simplest thing that can be right: the whole GGM expansion of 2^18 leaves in
// one array, and a flag for each leaf that is dead. What the pages must look like follows from the
// flags alone. Nothing here uses the product's GGM step, its canonical folding or its walk below a
// page; random cases print their seed.

namespace oubliette::keys {
namespace {

constexpr unsigned kBits = 18;  // three levels of pages
constexpr std::size_t kLeaves = std::size_t{1} << kBits;
constexpr std::size_t kBatchMax = 2'500;  // one change has at most 4,096 pages

using Key = ByteArray<32>;

// The expansion as in README.md: heap node n has halves 2n and 2n + 1, the top is 1.
class Expansion {
public:
    explicit Expansion(const Key& seed) : nodes_(2 * kLeaves) {
        constexpr std::array<unsigned char, crypto_stream_chacha20_ietf_NONCEBYTES> kNonce{'p', 'k',
                                                                                           't', 1};
        nodes_[1] = seed;
        for (std::size_t n = 1; n < kLeaves; ++n) {
            std::array<unsigned char, 64> halves{};
            (void)crypto_stream_chacha20_ietf(halves.data(), halves.size(), kNonce.data(),
                                              nodes_[n].data());
            std::copy_n(halves.begin(), 32, nodes_[2 * n].begin());
            std::copy_n(halves.begin() + 32, 32, nodes_[2 * n + 1].begin());
        }
    }
    [[nodiscard]] const Key& at(std::size_t node) const { return nodes_[node]; }

private:
    std::vector<Key> nodes_;
};

// How many leaves are dead below each node of the heap.
class DeadCounts {
public:
    explicit DeadCounts(const std::vector<std::size_t>& dead) : counts_(2 * kLeaves) {
        for (const std::size_t leaf : dead) counts_[kLeaves + leaf] = 1;
        for (std::size_t n = kLeaves - 1; n > 0; --n) {
            counts_[n] = counts_[2 * n] + counts_[2 * n + 1];
        }
    }
    [[nodiscard]] std::size_t at(std::size_t node) const { return counts_[node]; }

private:
    std::vector<std::size_t> counts_;
};

unsigned depth_of(std::size_t node) {
    return static_cast<unsigned>(std::bit_width(node)) - 1;
}

Path path_of(std::size_t node) {
    const unsigned depth = depth_of(node);
    return Path{}.child(node - (std::size_t{1} << depth), depth);
}

// A page as the flags alone say it must be: tag letters by heap number, and the seeds.
struct NaivePage {
    std::string tags = std::string(127, '.');
    std::map<unsigned, Key> seeds;
};
using NaivePages = std::map<PageId, NaivePage>;

class NaiveTree {
public:
    NaiveTree(const Expansion& keys, const DeadCounts& dead) : keys_(keys), dead_(dead) {
        if (is_mixed(1)) make_page(1);
    }
    [[nodiscard]] const NaivePages& pages() const { return pages_; }

private:
    [[nodiscard]] bool is_mixed(std::size_t node) const {
        const std::size_t all = kLeaves >> depth_of(node);
        return dead_.at(node) != 0 && dead_.at(node) != all;
    }
    void make_page(std::size_t top) {
        NaivePage page;
        fill(page, top, 1);
        pages_.emplace(page_id(path_of(top)), std::move(page));
    }
    void fill(NaivePage& page, std::size_t node, unsigned in_page) {
        char& tag = page.tags[in_page - 1];
        if (!is_mixed(node)) {
            tag = dead_.at(node) == 0 ? 'S' : 'D';
            if (tag == 'S') page.seeds.emplace(in_page, keys_.at(node));
        } else if (in_page < 64) {
            tag = 'P';
            fill(page, 2 * node, 2 * in_page);
            fill(page, 2 * node + 1, 2 * in_page + 1);
        } else {
            tag = 'C';
            make_page(node);
        }
    }

    const Expansion& keys_;
    const DeadCounts& dead_;
    NaivePages pages_;
};

// The pages of the product, in the same form.
NaivePages pages_of(const MapTree& tree) {
    NaivePages pages;
    const bool is_whole =
        walk(tree.root, tree.source(), [&](const PageId& id, ByteView, const Page& page) {
            NaivePage naive;
            for (unsigned node = 1; node < 128; ++node) {
                const auto tag = page.tag(node);
                if (!tag) continue;
                naive.tags[node - 1] = "DSPC"[static_cast<unsigned>(*tag)];
                if (*tag != NodeTag::seed) continue;
                std::ranges::copy(page.key(node), naive.seeds[node].begin());
            }
            pages.emplace(id, std::move(naive));
            return true;
        });
    REQUIRE(is_whole);
    return pages;
}

bool same(const NaivePages& a, const NaivePages& b) {
    return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
        return x.first == y.first && x.second.tags == y.second.tags &&
               x.second.seeds == y.second.seeds;
    });
}

// ---- Dead sets of different kinds ----

std::vector<std::size_t> scattered(std::mt19937_64& random, std::size_t count) {
    std::vector<std::size_t> dead(count);
    for (std::size_t& leaf : dead) leaf = random() % kLeaves;
    return dead;
}

// Runs of neighbours, so that nodes and whole pages fold.
std::vector<std::size_t> crowded(std::mt19937_64& random, std::size_t runs) {
    std::vector<std::size_t> dead;
    for (std::size_t i = 0; i < runs; ++i) {
        const std::size_t length = 1 + random() % 400;
        const std::size_t first = random() % (kLeaves - length);
        for (std::size_t leaf = first; leaf < first + length; ++leaf) dead.push_back(leaf);
    }
    return dead;
}

// All but a few.
std::vector<std::size_t> nearly_all(std::mt19937_64& random, std::size_t alive) {
    std::vector<bool> is_alive(kLeaves);
    for (std::size_t i = 0; i < alive; ++i) is_alive[random() % kLeaves] = true;
    std::vector<std::size_t> dead;
    for (std::size_t leaf = 0; leaf < kLeaves; ++leaf) {
        if (!is_alive[leaf]) dead.push_back(leaf);
    }
    return dead;
}

// ---- Ways to get there ----

// In batches of random sizes; some leaves come twice.
void puncture_shuffled(MapTree& tree, std::vector<std::size_t> dead, std::size_t batch_max,
                       std::mt19937_64& random) {
    std::ranges::shuffle(dead, random);
    for (std::size_t at = 0; at < dead.size();) {
        const std::size_t size = std::min(1 + random() % batch_max, dead.size() - at);
        std::vector<Path> victims;
        for (std::size_t i = at; i < at + size; ++i) victims.push_back(path_of(kLeaves + dead[i]));
        victims.push_back(path_of(kLeaves + dead[random() % (at + size)]));
        REQUIRE(tree.puncture(victims));
        at += size;
    }
}

// The largest subtrees that are all dead, as prefixes, in random order: one entry for many leaves.
void puncture_subtrees(MapTree& tree, const DeadCounts& dead, std::mt19937_64& random) {
    std::vector<Path> prefixes;
    const auto collect = [&](const auto& self, std::size_t node) -> void {
        if (dead.at(node) == kLeaves >> depth_of(node)) return prefixes.push_back(path_of(node));
        if (dead.at(node) == 0) return;
        self(self, 2 * node);
        self(self, 2 * node + 1);
    };
    collect(collect, 1);
    std::ranges::shuffle(prefixes, random);
    for (std::size_t at = 0; at < prefixes.size(); at += kBatchMax) {
        const std::size_t end = std::min(at + kBatchMax, prefixes.size());
        REQUIRE(tree.puncture({prefixes.begin() + static_cast<std::ptrdiff_t>(at),
                               prefixes.begin() + static_cast<std::ptrdiff_t>(end)}));
    }
}

void check_leaves(const MapTree& tree, const Expansion& keys, const DeadCounts& dead,
                  std::mt19937_64& random) {
    for (int i = 0; i < 500; ++i) {
        const std::size_t node = kLeaves + random() % kLeaves;
        const Derived derived = tree.derive(path_of(node));
        if (dead.at(node) != 0) {
            CHECK(derived.state == NodeState::dead);
            continue;
        }
        CHECK(derived.state == NodeState::whole);
        CHECK(std::ranges::equal(derived.seed.expose(), keys.at(node)));
    }
}

}  // namespace

TEST_CASE("pages and keys are those of the naive expansion, whatever the order and the batches",
          "[tree]") {
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    Key top{};
    randombytes_buf(top.data(), top.size());
    const Expansion keys{top};

    std::vector<std::size_t> dead;
    SECTION("few leaves, one by one or all at once") {
        dead = scattered(random, 1 + random() % 60);
    }
    SECTION("scattered leaves") {
        dead = scattered(random, 4'000);
    }
    SECTION("neighbours") {
        dead = crowded(random, 60);
    }
    SECTION("nearly everything") {
        dead = nearly_all(random, 300);
        const DeadCounts counts{dead};
        MapTree tree = MapTree::of_seed(top);
        puncture_subtrees(tree, counts, random);
        CHECK(same(pages_of(tree), NaiveTree{keys, counts}.pages()));
        check_leaves(tree, keys, counts, random);
        return;
    }
    const DeadCounts counts{dead};
    const NaiveTree naive{keys, counts};
    const std::size_t smallest = std::max<std::size_t>(1, dead.size() / 100);
    for (const std::size_t batch_max : {smallest, dead.size() / 7 + 1, kBatchMax}) {
        INFO("batches of up to " << batch_max);
        MapTree tree = MapTree::of_seed(top);
        puncture_shuffled(tree, dead, std::min(batch_max, kBatchMax), random);
        CHECK(same(pages_of(tree), naive.pages()));
        CHECK(tree.pages.size() == naive.pages().size());
        check_leaves(tree, keys, counts, random);
    }
    MapTree by_subtrees = MapTree::of_seed(top);
    puncture_subtrees(by_subtrees, counts, random);
    CHECK(same(pages_of(by_subtrees), naive.pages()));
    CHECK(by_subtrees.pages.size() == naive.pages().size());
}

TEST_CASE("the naive comparison sees one leaf too many and one key that differs", "[tree]") {
    std::mt19937_64 random{1};
    Key top{};
    randombytes_buf(top.data(), top.size());
    const Expansion keys{top};
    std::vector<std::size_t> dead = scattered(random, 50);
    MapTree tree = MapTree::of_seed(top);
    puncture_shuffled(tree, dead, 10, random);
    const NaivePages pages = pages_of(tree);
    REQUIRE(same(pages, NaiveTree{keys, DeadCounts{dead}}.pages()));
    top[0] ^= 1;
    CHECK_FALSE(same(pages, NaiveTree{Expansion{top}, DeadCounts{dead}}.pages()));
    const auto is_alive = [&](std::size_t leaf) { return std::ranges::count(dead, leaf) == 0; };
    std::size_t other = 0;
    while (!is_alive(other)) ++other;
    dead.push_back(other);
    CHECK_FALSE(same(pages, NaiveTree{keys, DeadCounts{dead}}.pages()));
}

}  // namespace oubliette::keys
