#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "vault/keys/key_plane.hpp"

// What a vault promised its callers, and whether it keeps it. A story of deeds is told while they
// happen; wherever it is cut, the last deed of each item says what must be true.

namespace oubliette::faults {

// The first of a pair is told before the vault is asked, the second after it answered.
enum class Deed : std::uint8_t {
    none = 0,
    storing = 1,
    stored = 2,
    replacing = 3,
    replaced = 4,
    erasing = 5,
    erased = 6,  // recorded: the caller has the answer
    final = 7,   // every keeper acknowledged
    deleting = 8,
    deleted = 9,
    deletion_final = 10,
    withdrawing = 11,
    withdrawn = 12,
    client_revoking = 13,
    client_revoked = 14,
    logged = 15,  // the log has so many entries; belongs to no item
};

// One value of one person, or (without a value) the client that is revoked.
struct Item {
    std::string person{};
    std::string value{};
    std::string value_after{};  // once replaced
    std::string token{};
    keys::RequestId request{};  // of its erasure, once there is one
    std::uint64_t epoch = 0;    // that ended it, once it is final
};

// Everything told so far. Thread-safe.
class Story {
public:
    // Gets each deed as well, before tell() returns.
    using Listener = std::function<void(Deed deed, std::uint32_t item, std::uint64_t number)>;

    explicit Story(Listener listener) : listener_(std::move(listener)) {}
    // One that goes on where another was.
    Story(std::vector<Item> items, std::vector<Deed> fates)
        : items_(std::move(items)), fates_(std::move(fates)) {}

    std::uint32_t add(Item item);
    void change(std::uint32_t item, const std::function<void(Item&)>& change);
    void tell(Deed deed, std::uint32_t item, std::uint64_t number = 0);

    [[nodiscard]] std::vector<Item> items() const;
    // The last deed of each item.
    [[nodiscard]] std::vector<Deed> fates() const;
    [[nodiscard]] std::uint64_t log_size() const;

private:
    const Listener listener_;
    mutable std::mutex mutex_;
    std::vector<Item> items_;
    std::vector<Deed> fates_;
    std::uint64_t log_size_ = 0;
};

// True if a shown value or refusal is one that `fate` allows.
[[nodiscard]] bool is_kept(const Item& item, Deed fate, const std::string& shown);
// True once the item's keys are promised to be destroyed on every keeper.
[[nodiscard]] bool is_final(Deed fate) noexcept;
// True once it is promised that this ends final.
[[nodiscard]] bool must_become_final(Deed fate) noexcept;
[[nodiscard]] std::string_view name_of(Deed deed) noexcept;

}  // namespace oubliette::faults
