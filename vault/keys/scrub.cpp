#include "vault/keys/scrub.hpp"

#include "vault/keys/page.hpp"

namespace oubliette::keys {
namespace {

constexpr unsigned kLeafFirst = 64;                           // heap number of a page's first child
constexpr unsigned kDeepestPage = kPathBitsMax - kLevelBits;  // bits of its prefix

class Slice {
public:
    Slice(PageSource pages, const Path& cursor, const std::set<Path>& given_up, std::size_t count)
        : pages_(pages), cursor_(cursor), given_up_(given_up), count_(count) {}

    // False when the slice ends here.
    bool read(const crypto::PageKey& key, const Path& prefix) {
        if (is_before_cursor(prefix) || given_up_.contains(prefix)) return true;
        const bool is_counted = prefix >= cursor_;  // else it is above, and was read before
        if (is_counted && slice_.pages == count_) {
            slice_.next = prefix;
            return false;
        }
        const PageId id = page_id(prefix);
        const std::optional<Bytes> record = pages_(id);
        const std::optional<Page> page = record ? open_page(key, id, *record) : std::nullopt;
        if (!page) {
            slice_.broken = prefix;
            return false;
        }
        if (is_counted) ++slice_.pages;
        return prefix.bits() >= kDeepestPage || read_below(*page, prefix);
    }

    [[nodiscard]] ScrubSlice take() { return std::move(slice_); }

private:
    bool read_below(const Page& page, const Path& prefix) {
        for (unsigned child = 0; child < kLeafFirst; ++child) {
            if (page.tag(kLeafFirst + child) != NodeTag::child) continue;
            const crypto::PageKey key{page.key(kLeafFirst + child)};
            if (!read(key, prefix.child(child, kLevelBits))) return false;
        }
        return true;
    }

    [[nodiscard]] bool is_before_cursor(const Path& prefix) const {
        return prefix < cursor_ && !prefix.is_prefix_of(cursor_);
    }

    PageSource pages_;
    const Path& cursor_;
    const std::set<Path>& given_up_;
    const std::size_t count_;
    ScrubSlice slice_;
};

}  // namespace

ScrubSlice scrub_slice(const RootSlot& root, PageSource pages, const Path& cursor,
                       const std::set<Path>& given_up, std::size_t count) {
    Slice slice{pages, cursor, given_up, count};
    if (root.tag == NodeTag::child) (void)slice.read(root.key, Path{});
    return slice.take();
}

std::optional<crypto::PageKey> next_page_key(const Page& page, const Path& prefix,
                                             const Path& target) {
    const auto child = static_cast<unsigned>(target.slice(prefix.bits(), kLevelBits));
    if (page.tag(kLeafFirst + child) != NodeTag::child) return std::nullopt;
    return crypto::PageKey{page.key(kLeafFirst + child)};
}

}  // namespace oubliette::keys
