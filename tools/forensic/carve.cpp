#include "tools/forensic/carve.hpp"

#include <algorithm>
#include <functional>

#include "crypto/byte_io.hpp"

namespace oubliette::forensic {
namespace {

constexpr std::size_t kWindowSize = 4'096;  // bytes
constexpr std::size_t kSectorSize = 512;    // pages begin at sectors, also inside an archive
constexpr std::size_t kPageHeadSize = 16;
constexpr std::size_t kNodeHeadSize = 8;
constexpr std::uint16_t kLeafFlag = 2;
constexpr std::uint16_t kOverflowFlag = 4;
constexpr std::uint16_t kBigFlag = 1;            // of a node: its value is elsewhere
constexpr std::uint32_t kOverflowPagesMax = 17;  // a value of ours has at most 65,535 B
constexpr std::size_t kMagicSize = 8;

std::size_t hash_of(ByteView bytes) noexcept {
    return std::hash<std::string_view>{}(text_of(bytes));
}

struct PageHead {
    std::uint64_t number = 0;
    std::uint16_t pad = 0;
    std::uint16_t flags = 0;
    std::uint16_t lower = 0;
    std::uint16_t upper = 0;
    [[nodiscard]] std::uint32_t pages() const noexcept {
        return std::uint32_t{upper} << 16 | lower;
    }
};

PageHead page_head(ByteView image, std::size_t at) noexcept {
    ByteReader in{image.subspan(at, kPageHeadSize)};
    PageHead head;
    head.number = in.le64();
    head.pad = in.le16();
    head.flags = in.le16();
    head.lower = in.le16();
    head.upper = in.le16();
    return head;
}

// A node's first eight bytes as one number, so that most places are refused by one comparison.
struct NodeHead {
    std::uint64_t word = 0;
    [[nodiscard]] std::size_t value_size() const noexcept { return word & 0xFFFF; }
    [[nodiscard]] std::uint64_t flags() const noexcept { return word >> 32 & 0xFFFF; }
    [[nodiscard]] std::size_t key_size() const noexcept { return word >> 48; }
    // Values of ours have at most 65,535 B, so the size's high half is zero.
    [[nodiscard]] bool may_be_ours() const noexcept {
        return (word & 0xFFFE'FFFF'0000) == 0 && key_size() >= 2 && key_size() <= kRowKeySizeMax;
    }
};

}  // namespace

std::size_t Carver::ContentHash::operator()(const Content& content) const noexcept {
    return hash_of(content.key) * 31 + hash_of(content.value);
}

bool Carver::add(ByteView image) {
    has_new_ = false;
    find_pages(image);
    std::size_t hash = hash_of(image.first(std::min(kWindowSize, image.size())));
    for (std::size_t begin = 0; begin < image.size(); begin += kWindowSize) {
        const std::size_t end = std::min(begin + kWindowSize, image.size());
        const std::size_t next =
            hash_of(image.subspan(end).first(std::min(kWindowSize, image.size() - end)));
        // The next one too, because a row may go on there if the image is not aligned as it was.
        const bool is_new = windows_.emplace(hash, next).second;
        if (is_new) carve_window(image, begin, end);
        hash = next;
    }
    return has_new_;
}

// Leaf pages tell which nodes were whole when they were written; overflow pages hold long values.
void Carver::find_pages(ByteView image) {
    indexed_.assign(image.size() / 2 + 1, false);
    for (std::size_t at = 0; at + kPageHeadSize <= image.size(); at += kSectorSize) {
        const PageHead head = page_head(image, at);
        if (head.pad != 0) continue;
        if (head.flags == kLeafFlag) index_leaf(image, at);
        if (head.flags == kOverflowFlag) take_overflow(image, at);
    }
}

void Carver::index_leaf(ByteView image, std::size_t at) {
    const PageHead head = page_head(image, at);
    const bool is_sound = head.lower > kPageHeadSize && head.lower % 2 == 0 &&
                          head.lower <= head.upper && head.upper < kWindowSize &&
                          at + kWindowSize <= image.size();
    if (!is_sound) return;
    const std::size_t count = (head.lower - kPageHeadSize) / 2;
    std::vector<std::size_t> offsets;
    ByteReader in{image.subspan(at + kPageHeadSize)};
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t offset = in.le16();
        if (offset < head.upper || offset + kNodeHeadSize > kWindowSize || offset % 2 != 0) return;
        offsets.push_back(offset);
    }
    for (const std::size_t offset : offsets) indexed_[(at + offset) / 2] = true;
}

void Carver::take_overflow(ByteView image, std::size_t at) {
    const PageHead head = page_head(image, at);
    if (head.pages() == 0 || head.pages() > kOverflowPagesMax) return;
    const std::size_t size = std::min(head.pages() * kWindowSize, image.size() - at);
    const ByteView value = image.subspan(at + kPageHeadSize, size - kPageHeadSize);
    std::vector<ByteView>& same = overflows_[head.number];
    const bool is_known =
        std::ranges::any_of(same, [&](ByteView other) { return std::ranges::equal(other, value); });
    if (is_known) return;
    same.push_back(value);
    has_new_ = true;
}

void Carver::carve_window(ByteView image, std::size_t begin, std::size_t end) {
    ++finds_.windows;
    for (std::size_t at = begin; at < end && at + kNodeHeadSize <= image.size(); at += 2) {
        const NodeHead head{ByteReader{image.subspan(at, kNodeHeadSize)}.le64()};
        if (head.may_be_ours()) carve_node(image, at);
        if (image[at] == 'O' && image[at + 1] == 'B') carve_magic(image.subspan(at));
    }
}

void Carver::carve_node(ByteView image, std::size_t at) {
    const NodeHead head{ByteReader{image.subspan(at, kNodeHeadSize)}.le64()};
    ByteReader in{image.subspan(at + kNodeHeadSize)};
    const ByteView key = in.bytes(head.key_size());
    if (!in.ok() || shapes_of_key(key) == 0) return;
    if (head.flags() == kBigFlag) {
        const std::uint64_t page = in.le64();
        if (!in.ok()) return;
        pointers_[page].push_back({key, head.value_size()});
        has_new_ = true;
        return;
    }
    const ByteView value = in.bytes(head.value_size());
    if (in.ok()) take({key, value, indexed_[at / 2]});
}

void Carver::carve_magic(ByteView from) {
    const std::string_view magic = text_of(from.first(kMagicSize));
    std::vector<ByteView>* found = nullptr;
    if (magic == "OBLSEAL1") found = &finds_.seals;
    if (magic == "OBLCELL1") found = &finds_.cells;
    if (magic == "OBLSIGN1") found = &finds_.signings;
    if (found == nullptr) return;
    found->push_back(from);
    has_new_ = true;
}

void Carver::take(const Row& row) {
    if (shapes_of(row.key, row.value) == 0) return;
    const auto [known, is_new] = known_.try_emplace(Content{row.key, row.value}, rows_.size());
    if (is_new) {
        rows_.push_back(row);
        has_new_ = true;
    } else if (row.is_indexed) {
        rows_[known->second].is_indexed = true;
    }
}

// An overflow page does not know its key, but it says its own number, and so does the node: every
// node is tried with every version of the pages of that number. Most pairs never belonged together,
// so none counts as indexed.
void Carver::pair_overflows() {
    for (const auto& [page, values] : overflows_) {
        const auto pointers = pointers_.find(page);
        if (pointers == pointers_.end()) {
            finds_.overflows_unpaired +=
                static_cast<std::uint64_t>(std::ranges::count_if(values, may_be_sealed));
            continue;
        }
        for (const Pointer& pointer : pointers->second) {
            for (const ByteView value : values) {
                if (pointer.size > value.size()) continue;
                take({pointer.key, value.first(pointer.size), false});
            }
        }
    }
}

Finds Carver::finish() {
    pair_overflows();
    for (const Row& row : rows_) {
        const ShapeMask shapes = shapes_of(row.key, row.value);
        for (std::size_t i = 0; i < kShapeCount; ++i) {
            if (has_shape(shapes, static_cast<Shape>(i))) finds_.rows[i].push_back(row);
        }
    }
    known_.clear();
    rows_.clear();
    return std::move(finds_);
}

}  // namespace oubliette::forensic
