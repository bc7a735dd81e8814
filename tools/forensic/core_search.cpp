#include "tools/forensic/core_search.hpp"

#include <algorithm>
#include <set>

#include "crypto/byte_io.hpp"
#include "crypto/ggm.hpp"

namespace oubliette::forensic {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::size_t kStep = 8;  // the allocator's alignment is coarser, struct members' is not
constexpr std::size_t kRootCountMax = 8;
constexpr std::size_t kPageCountMax = 16;
constexpr std::size_t kRowCountMax = 16;

// False for what memory is mostly made of: zeros, pointers, small numbers, text. A random key is
// refused once in 2^29 times.
bool looks_random(ByteView window) noexcept {
    ByteReader in{window};
    int narrow = 0;
    std::uint64_t high_bits = 0;
    for (int i = 0; i < 4; ++i) {
        const std::uint64_t word = in.le64();
        if (word >> 48 == 0) ++narrow;
        high_bits |= word & 0x8080'8080'8080'8080;
    }
    return narrow < 2 && high_bits != 0;
}

// Newest first.
std::vector<const Row*> newest_roots(const std::vector<Row>& roots) {
    std::vector<const Row*> newest;
    for (const Row& row : roots) newest.push_back(&row);
    std::ranges::sort(newest, std::greater<>{},
                      [](const Row* row) { return keys::decode_head(row->value)->epoch; });
    newest.resize(std::min(newest.size(), kRootCountMax));
    return newest;
}

// Closed ones, spread evenly over all.
std::vector<Sealed*> sample_of(std::vector<Sealed>& all) {
    std::vector<Sealed*> closed;
    for (Sealed& sealed : all) {
        if (!sealed.is_open) closed.push_back(&sealed);
    }
    std::vector<Sealed*> sample;
    const std::size_t count = std::min(closed.size(), kRowCountMax);
    for (std::size_t i = 0; i < count; ++i) sample.push_back(closed[i * closed.size() / count]);
    return sample;
}

class Search {
public:
    explicit Search(const CoreTargets& targets)
        : targets_(targets),
          roots_(newest_roots(targets.roots)),
          pages_(targets.pages.closed_pages(kPageCountMax)),
          rows_(sample_of(targets.rows.all())) {
        for (const FoundKek& kek : targets.keks) names_.push_back(kek.name);
    }

    [[nodiscard]] std::uint64_t target_count() const noexcept {
        return roots_.size() * names_.size() + pages_.size() + 3 * rows_.size();
    }

    // True if `key` opened something.
    bool try_key(crypto::KeyView key) {
        const bool is_anchor = try_anchor(key);
        const bool is_page_key = try_page_key(key);
        const bool is_row_key = try_rows(key);
        return is_anchor || is_page_key || is_row_key;
    }

private:
    bool try_anchor(crypto::KeyView key) {
        const crypto::Anchor anchor{key};
        for (const Row* record : roots_) {
            for (const keys::KeeperName& name : names_) {
                const auto slot = keys::open_root(anchor, name, record->value);
                if (!slot || !is_news(key)) continue;
                targets_.pages.add_root(*slot);
                return true;
            }
        }
        return false;
    }

    bool try_page_key(crypto::KeyView key) {
        for (const KeyPages::ClosedPage& page : pages_) {
            const crypto::PageKey page_key{key};
            if (!keys::open_page(page_key, page.id, page.record)) continue;
            if (!is_news(key)) return false;
            targets_.pages.add_page_key(page.id, page_key.duplicate());
            return true;
        }
        return false;
    }

    bool try_rows(crypto::KeyView key) {
        for (Sealed* sealed : rows_) {
            if (sealed->is_open) continue;
            if (targets_.rows.open_directly(*sealed, key)) return true;
            if (targets_.rows.open_with(targets_.pages, *sealed, key)) {
                targets_.pages.add_seed(sealed->leaf, crypto::Seed{key});
                return true;
            }
            if (sealed->kind != Kind::client && try_person(*sealed, key)) return true;
        }
        return false;
    }

    bool try_person(Sealed& sealed, crypto::KeyView key) {
        const unsigned depth = sealed.leaf.bits() - keys::kAddressBits;
        const crypto::Seed leaf =
            crypto::ggm_descend(key, sealed.leaf.slice(keys::kAddressBits, depth), depth);
        if (!targets_.rows.open_with(targets_.pages, sealed, leaf.expose())) return false;
        targets_.pages.add_seed(sealed.leaf.prefix(keys::kAddressBits), crypto::Seed{key});
        return true;
    }

    // False for a key that was found in this search before: memory holds copies.
    bool is_news(crypto::KeyView key) {
        ByteArray<kKeySize> bytes{};
        std::ranges::copy(key, bytes.begin());
        return found_.insert(bytes).second;
    }

    const CoreTargets& targets_;
    std::vector<const Row*> roots_;
    std::vector<KeyPages::ClosedPage> pages_;
    std::vector<Sealed*> rows_;
    std::vector<keys::KeeperName> names_;
    std::set<ByteArray<kKeySize>> found_;
};

}  // namespace

std::uint64_t search_core(ByteView core, const CoreTargets& targets, CoreSearch& result) {
    Search search{targets};
    result.targets = std::max(result.targets, search.target_count());
    std::uint64_t hits = 0;
    for (std::size_t at = 0; at + kKeySize <= core.size(); at += kStep) {
        ++result.windows;
        const ByteView window = core.subspan(at, kKeySize);
        if (!looks_random(window)) continue;
        if (result.tried == kCoreWindowsMax) {
            result.is_cut_off = true;
            break;
        }
        ++result.tried;
        if (search.try_key(window.first<kKeySize>())) ++hits;
    }
    result.hits += hits;
    return hits;
}

}  // namespace oubliette::forensic
