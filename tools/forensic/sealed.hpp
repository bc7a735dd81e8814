#pragma once

#include <map>
#include <vector>

#include "tools/forensic/boxes.hpp"
#include "tools/forensic/key_pages.hpp"

// Everything that is sealed under keys of the tree: the rows of people and clients that were found,
// told apart by key and header, each with all its versions. Only boxes are opened; what is inside
// is looked at by nobody. Not thread-safe.

namespace oubliette::forensic {

enum class Kind : std::uint8_t {
    value,
    external_id,
    consent,  // a marker
    person,   // person, hot and audit-counter rows
    client,
};
inline constexpr std::size_t kKindCount = 5;

// One sealed thing; its versions are rows of SealedRows.
struct Sealed {
    Kind kind{};
    bool is_indexed = false;  // at least one version stood in a whole page
    bool is_open = false;     // at least one version opens
    bool is_whole = false;    // all indexed versions open
    std::size_t first = 0;    // of its versions
    std::size_t count = 0;
    keys::Path leaf;    // S_fix, the item, or the client's leaf
    keys::Path day;     // of a value: its retention day, which must live too
    keys::Path region;  // of a value in a region: the same; else no bits
};

class SealedRows {
public:
    // The rows are views into images, which must live as long. Rows that no vault can have written
    // are left out.
    SealedRows(const std::vector<Row>& people, const std::vector<Row>& clients);

    [[nodiscard]] std::vector<Sealed>& all() noexcept { return all_; }
    [[nodiscard]] const std::vector<Sealed>& all() const noexcept { return all_; }

    // Tries every version of everything that is closed with every key that `pages` has for it.
    void open_all(const KeyPages& pages);
    // Tries `leaf` as the key of the leaf of `sealed`, or `key` as the very key of one of its
    // boxes. True if something opened that was closed.
    bool open_with(const KeyPages& pages, Sealed& sealed, crypto::KeyView leaf);
    bool open_directly(Sealed& sealed, crypto::KeyView key);

private:
    using Keys = std::vector<crypto::Seed>;

    [[nodiscard]] const Keys& shared_keys(const KeyPages& pages, const keys::Path& path);
    bool open_value(const KeyPages& pages, Sealed& sealed, crypto::KeyView leaf);
    bool open_versions(Sealed& sealed, FunctionRef<bool(const Box& box)> opens_box);

    std::vector<Row> rows_;      // those of people, then those of clients; by key and header
    std::vector<bool> is_open_;  // the same
    std::vector<Sealed> all_;
    std::map<keys::Path, Keys> shared_;  // found for the present KeyPages
};

}  // namespace oubliette::forensic
