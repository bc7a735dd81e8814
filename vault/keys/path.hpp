#pragma once

#include <compare>
#include <optional>
#include <span>
#include <vector>

#include "crypto/assert.hpp"
#include "crypto/bytes.hpp"

// Where a node of the punctured key tree is (KEYS 4.1, 4.2): a prefix of up to 78 bits, first bit
// highest. The upper 54 bits are the address
//   tenant 12 | class 6 | local 36
// and below a person (class 1) four more levels of 6 bits follow: slot, and what the slot's area
// needs. Serialised in address lists as `bits:u8 | 10 bytes left-aligned`, unused bits zero.

namespace oubliette::keys {

inline constexpr unsigned kAddressBits = 54;
inline constexpr unsigned kPathBitsMax = 78;
inline constexpr unsigned kLevelBits = 6;    // bits of the path that one page covers
inline constexpr unsigned kLevelCount = 13;  // levels 0..12

enum class TenantId : std::uint16_t {};  // 0 is the vault itself; 0xFFF reserved
inline constexpr TenantId kVaultTenant{0};
inline constexpr TenantId kFirstTenant{1};

enum class AddressClass : std::uint8_t {
    system = 0,
    people = 1,
    handles = 2,
    retention = 3,
    region = 5
};

// A person's or handle's number: bank 12 | index 24. Meaningless outside the vault.
struct SubjectNumber {
    std::uint64_t local = 0;

    [[nodiscard]] std::uint16_t bank() const noexcept {
        return static_cast<std::uint16_t>(local >> 24);
    }
    friend auto operator<=>(const SubjectNumber&, const SubjectNumber&) = default;
};

class Path {
public:
    Path() noexcept = default;  // the root: no bits

    [[nodiscard]] unsigned bits() const noexcept { return bits_; }
    // Bit `i`, 0 = first. REQUIRES: i < bits().
    [[nodiscard]] bool bit(unsigned i) const noexcept {
        OBL_ASSERT(i < bits_);
        return (left_aligned_[i / 8] >> (7 - i % 8) & 1) != 0;
    }
    // This path with the low `count` bits of `value` added, highest first.
    // REQUIRES: bits() + count <= kPathBitsMax; count <= 64.
    [[nodiscard]] Path child(std::uint64_t value, unsigned count) const noexcept;
    // The first `count` bits. REQUIRES: count <= bits().
    [[nodiscard]] Path prefix(unsigned count) const noexcept;
    // Bits [from, from + count) as a number. REQUIRES: within bits(); count <= 64.
    [[nodiscard]] std::uint64_t slice(unsigned from, unsigned count) const noexcept;
    [[nodiscard]] bool is_prefix_of(const Path& other) const noexcept;

    // `bits:u8 | 10 B left-aligned`.
    [[nodiscard]] ByteArray<11> encode() const noexcept;
    // False (and *out untouched) for more than 78 bits or a set unused bit.
    [[nodiscard]] static bool decode(ByteView encoded, Path* out) noexcept;

    // Order of address lists: by the left-aligned bytes, then by bits.
    friend std::strong_ordering operator<=>(const Path& a, const Path& b) noexcept;
    friend bool operator==(const Path& a, const Path& b) noexcept = default;

private:
    ByteArray<10> left_aligned_{};
    std::uint8_t bits_ = 0;
};

// Address list: `n:u32 | n x path (11 B)`, strictly ascending. What request roots hash and pending
// rows store. REQUIRES: sorted, without duplicates.
[[nodiscard]] Bytes encode_address_list(std::span<const Path> paths);
// nullopt unless `encoded` is the one encoding of a list: order, duplicates, trailing bytes.
[[nodiscard]] std::optional<std::vector<Path>> decode_address_list(ByteView encoded);

// ---- Addresses. Each asserts its ranges; all-ones is reserved everywhere but the retention day.
[[nodiscard]] Path tenant_path(TenantId tenant) noexcept;
[[nodiscard]] Path class_path(TenantId tenant, AddressClass address_class) noexcept;
// class 0: kind 6 (keys/registry.hpp), recipient 14, kid 16.
[[nodiscard]] Path system_path(TenantId tenant, std::uint8_t kind, std::uint16_t recipient,
                               std::uint16_t kid) noexcept;
// All system leaves of one kind and recipient.
[[nodiscard]] Path system_recipient_path(TenantId tenant, std::uint8_t kind,
                                         std::uint16_t recipient) noexcept;
// The leaves of one kind and recipient with a kid up to `kid_last`, and no others, as the fewest
// subtrees: what destroys all tokens ever made and leaves the next kid alive.
[[nodiscard]] std::vector<Path> system_kids_paths(TenantId tenant, std::uint8_t kind,
                                                  std::uint16_t recipient, std::uint16_t kid_last);
[[nodiscard]] Path bank_path(TenantId tenant, AddressClass people_or_handles,
                             std::uint16_t bank) noexcept;
// Of a bank_path().
struct BankAddress {
    TenantId tenant{};
    AddressClass people_or_handles{};
    std::uint16_t bank = 0;
};
[[nodiscard]] std::optional<BankAddress> bank_address(const Path& path) noexcept;
[[nodiscard]] Path person_path(TenantId tenant, SubjectNumber number) noexcept;
[[nodiscard]] Path handle_path(TenantId tenant, SubjectNumber handle) noexcept;
[[nodiscard]] Path retention_path(TenantId tenant, std::uint16_t retention_class,
                                  std::uint16_t day) noexcept;
[[nodiscard]] Path region_path(TenantId tenant, std::uint16_t region) noexcept;

// ---- Below a person (KEYS 4.2), relative: append to person_path with child().
// Slot 0 = S_fix; 1-47 = items 0-46; 48-57 = items 47-686; 58-59 = 128 implicit markers;
// 60-62 = items 687-12,974; 63 = items 12,975-275,118.
inline constexpr std::uint32_t kItemCountMax = 275'119;
// First item numbers of the four areas: what a rolled-back person's counter jumps to.
inline constexpr std::uint32_t kItemAreaStart[4] = {0, 47, 687, 12'975};
inline constexpr unsigned kImplicitMarkerCount = 128;
inline constexpr unsigned kMarkerNotPaused = 126;
inline constexpr unsigned kMarkerNotRestricted = 127;

[[nodiscard]] Path fixed_path(const Path& person) noexcept;                     // S_fix, 60 bits
[[nodiscard]] Path item_path(const Path& person, std::uint32_t item) noexcept;  // 60 to 78 bits
[[nodiscard]] Path implicit_marker_path(const Path& person, unsigned marker) noexcept;  // 66 bits

inline constexpr std::uint16_t kRetentionDayOpen = 0xFFFF;  // end not known when written
inline constexpr std::uint16_t kRetentionDayHold = 0xFFFE;

}  // namespace oubliette::keys
