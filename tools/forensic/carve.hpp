#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "tools/forensic/shapes.hpp"

// Rows out of raw bytes. LMDB is not asked: it would show the rows of its newest tree only. Here
// every place where a row of ours could begin is looked at, in pages that are in use, free, stale
// or torn, so that what a database or a disk still holds of older versions is found as well.
//
// What is known of LMDB's files (version 0.9, little-endian, 4,096 B pages):
//   page     := number:u64 | 0:u16 | flags:u16 | lower:u16 | upper:u16 | (lower - 16) / 2 x
//               offset:u16 of a node in this page                                (flags 2: a leaf)
//   node     := size of value:u32 | flags:u16 | size of key:u16 | key | value
//               at even offsets; flags 1: instead of the value, number:u64 of an overflow page
//   overflow := number:u64 | 0:u16 | 4:u16 | pages:u32 | value
// Nodes are found without the page around them. Not thread-safe.

namespace oubliette::forensic {

// What was found. Views into the images, which must live as long. Each row once.
struct Finds {
    std::vector<Row> rows[kShapeCount];    // by shape
    std::vector<ByteView> seals;           // from the magic of a seal.slots to the end of its image
    std::vector<ByteView> cells;           // the same for a cell block
    std::vector<ByteView> signings;        // and for a signing.key
    std::uint64_t windows = 0;             // different pieces of 4,096 B that were looked through
    std::uint64_t overflows_unpaired = 0;  // overflow pages to which no node leads any more

    [[nodiscard]] const std::vector<Row>& of(Shape shape) const noexcept {
        return rows[static_cast<std::size_t>(shape)];
    }
};

class Carver {
public:
    // Looks through `image`, which must live as long as the finds. False if nothing in it was new:
    // then it need not.
    [[nodiscard]] bool add(ByteView image);
    // Ends the object's use.
    [[nodiscard]] Finds finish();

private:
    struct Content {  // compares bytes, not places
        ByteView key;
        ByteView value;
        friend bool operator==(const Content& a, const Content& b) noexcept {
            return std::ranges::equal(a.key, b.key) && std::ranges::equal(a.value, b.value);
        }
    };
    struct ContentHash {
        [[nodiscard]] std::size_t operator()(const Content& content) const noexcept;
    };
    struct Pointer {  // a node whose value is on overflow pages
        ByteView key;
        std::size_t size = 0;
    };
    using PageNumber = std::uint64_t;

    void find_pages(ByteView image);
    void index_leaf(ByteView image, std::size_t at);
    void take_overflow(ByteView image, std::size_t at);
    void carve_window(ByteView image, std::size_t begin, std::size_t end);
    void carve_node(ByteView image, std::size_t at);
    void carve_magic(ByteView from);
    void take(const Row& row);
    void pair_overflows();

    Finds finds_;
    std::vector<bool> indexed_;  // of the image under way, by offset / 2
    std::set<std::pair<std::size_t, std::size_t>> windows_;  // hash of a window and of the next
    std::vector<Row> rows_;
    std::unordered_map<Content, std::size_t, ContentHash> known_;  // place in rows_
    std::map<PageNumber, std::vector<Pointer>> pointers_;
    std::map<PageNumber, std::vector<ByteView>> overflows_;
    bool has_new_ = false;
};

}  // namespace oubliette::forensic
