#include "vault/keys/path.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "crypto/byte_io.hpp"

namespace oubliette::keys {

namespace {

constexpr unsigned kReserved6 = 0x3F;
constexpr unsigned kReserved12 = 0xFFF;
constexpr unsigned kReserved14 = 0x3FFF;
constexpr unsigned kReserved16 = 0xFFFF;
constexpr std::uint64_t kReserved24 = 0xFF'FFFF;

constexpr std::size_t kEncodedSize = 11;  // bytes of one path

constexpr std::uint64_t low_bits(std::uint64_t value, unsigned count) noexcept {
    return count >= 64 ? value : value & ((std::uint64_t{1} << count) - 1);
}

// The 80 bits as one number, so that a piece of a path is a shift: keys are derived along paths
// three times for each value that is read.
__extension__ using Wide = unsigned __int128;
constexpr unsigned kWidth = 80;

static_assert(std::endian::native == std::endian::little);

Wide load(const ByteArray<10>& bytes) noexcept {
    std::uint64_t high = 0;
    std::uint16_t low = 0;
    std::memcpy(&high, bytes.data(), 8);
    std::memcpy(&low, &bytes[8], 2);
    return Wide{__builtin_bswap64(high)} << 16 | __builtin_bswap16(low);
}

void store(Wide value, ByteArray<10>& bytes) noexcept {
    const std::uint64_t high = __builtin_bswap64(static_cast<std::uint64_t>(value >> 16));
    const std::uint16_t low = __builtin_bswap16(static_cast<std::uint16_t>(value));
    std::memcpy(bytes.data(), &high, 8);
    std::memcpy(&bytes[8], &low, 2);
}

}  // namespace

Path Path::child(std::uint64_t value, unsigned count) const noexcept {
    OBL_ASSERT(count <= 64 && bits_ + count <= kPathBitsMax);
    Path longer;
    longer.bits_ = static_cast<std::uint8_t>(bits_ + count);
    const Wide added = Wide{low_bits(value, count)} << (kWidth - longer.bits_);
    store(load(left_aligned_) | added, longer.left_aligned_);
    return longer;
}

Path Path::prefix(unsigned count) const noexcept {
    OBL_ASSERT(count <= bits_);
    Path shorter;
    shorter.bits_ = static_cast<std::uint8_t>(count);
    const Wide dropped = (Wide{1} << (kWidth - count)) - 1;
    store(load(left_aligned_) & ~dropped, shorter.left_aligned_);
    return shorter;
}

std::uint64_t Path::slice(unsigned from, unsigned count) const noexcept {
    OBL_ASSERT(count <= 64 && from + count <= bits_);
    const Wide shifted = load(left_aligned_) >> (kWidth - from - count);
    return low_bits(static_cast<std::uint64_t>(shifted), count);
}

bool Path::is_prefix_of(const Path& other) const noexcept {
    return bits_ <= other.bits_ && other.prefix(bits_) == *this;
}

ByteArray<11> Path::encode() const noexcept {
    ByteArray<kEncodedSize> out{};
    out[0] = bits_;
    std::copy(left_aligned_.begin(), left_aligned_.end(), out.begin() + 1);
    return out;
}

bool Path::decode(ByteView encoded, Path* out) noexcept {
    if (encoded.size() != kEncodedSize || encoded[0] > kPathBitsMax) return false;
    Path path;
    path.bits_ = encoded[0];
    std::copy(encoded.begin() + 1, encoded.end(), path.left_aligned_.begin());
    if (path.prefix(path.bits_) != path) return false;  // a set bit behind the last one
    *out = path;
    return true;
}

std::strong_ordering operator<=>(const Path& a, const Path& b) noexcept {
    if (const auto order = a.left_aligned_ <=> b.left_aligned_; order != 0) return order;
    return a.bits_ <=> b.bits_;
}

Bytes encode_address_list(std::span<const Path> paths) {
    Bytes out;
    out.reserve(4 + kEncodedSize * paths.size());
    ByteWriter writer{out};
    writer.le32(static_cast<std::uint32_t>(paths.size()));
    for (std::size_t i = 0; i < paths.size(); ++i) {
        OBL_ASSERT(i == 0 || paths[i - 1] < paths[i]);
        writer.bytes(paths[i].encode());
    }
    return out;
}

std::optional<std::vector<Path>> decode_address_list(ByteView encoded) {
    ByteReader reader{encoded};
    const std::uint32_t count = reader.le32();
    if (!reader.ok() || reader.rest().size() != std::size_t{count} * kEncodedSize) {
        return std::nullopt;
    }
    std::vector<Path> paths(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (!Path::decode(reader.bytes(kEncodedSize), &paths[i])) return std::nullopt;
        if (i > 0 && !(paths[i - 1] < paths[i])) return std::nullopt;
    }
    return paths;
}

// ---- Addresses ---------------------------------------------------------------------------------

Path tenant_path(TenantId tenant) noexcept {
    const auto number = static_cast<unsigned>(tenant);
    OBL_ASSERT(number < kReserved12);
    return Path{}.child(number, 12);
}

Path class_path(TenantId tenant, AddressClass address_class) noexcept {
    return tenant_path(tenant).child(static_cast<unsigned>(address_class), 6);
}

Path system_recipient_path(TenantId tenant, std::uint8_t kind, std::uint16_t recipient) noexcept {
    OBL_ASSERT(kind < kReserved6 && recipient < kReserved14);
    return class_path(tenant, AddressClass::system).child(kind, 6).child(recipient, 14);
}

Path system_path(TenantId tenant, std::uint8_t kind, std::uint16_t recipient,
                 std::uint16_t kid) noexcept {
    OBL_ASSERT(kid < kReserved16);
    return system_recipient_path(tenant, kind, recipient).child(kid, 16);
}

std::vector<Path> system_kids_paths(TenantId tenant, std::uint8_t kind, std::uint16_t recipient,
                                    std::uint16_t kid_last) {
    OBL_ASSERT(kid_last < kReserved16);
    const Path all = system_recipient_path(tenant, kind, recipient);
    const std::uint32_t end = std::uint32_t{kid_last} + 1;
    std::vector<Path> paths;
    // One subtree for each set bit of the count, the largest first.
    for (unsigned height = 16; height-- > 0;) {
        if ((end >> height & 1) == 0) continue;
        paths.push_back(all.child((end >> (height + 1)) << 1, 16 - height));
    }
    return paths;
}

Path bank_path(TenantId tenant, AddressClass people_or_handles, std::uint16_t bank) noexcept {
    OBL_ASSERT(people_or_handles == AddressClass::people ||
               people_or_handles == AddressClass::handles);
    OBL_ASSERT(bank < kReserved12);
    return class_path(tenant, people_or_handles).child(bank, 12);
}

std::optional<BankAddress> bank_address(const Path& path) noexcept {
    constexpr unsigned kTenantBits = 12;
    constexpr unsigned kClassBits = 6;
    constexpr unsigned kBankNumberBits = 12;
    if (path.bits() != kTenantBits + kClassBits + kBankNumberBits) return std::nullopt;
    BankAddress address;
    address.tenant = static_cast<TenantId>(path.slice(0, kTenantBits));
    address.people_or_handles = static_cast<AddressClass>(path.slice(kTenantBits, kClassBits));
    address.bank =
        static_cast<std::uint16_t>(path.slice(kTenantBits + kClassBits, kBankNumberBits));
    const bool is_bank = address.people_or_handles == AddressClass::people ||
                         address.people_or_handles == AddressClass::handles;
    return is_bank ? std::optional{address} : std::nullopt;
}

Path person_path(TenantId tenant, SubjectNumber number) noexcept {
    const std::uint64_t index = number.local & kReserved24;
    OBL_ASSERT(number.local >> 36 == 0 && index != kReserved24);
    return bank_path(tenant, AddressClass::people, number.bank()).child(index, 24);
}

Path handle_path(TenantId tenant, SubjectNumber handle) noexcept {
    const std::uint64_t index = handle.local & kReserved24;
    OBL_ASSERT(handle.local >> 36 == 0 && index != kReserved24);
    return bank_path(tenant, AddressClass::handles, handle.bank()).child(index, 24);
}

Path retention_path(TenantId tenant, std::uint16_t retention_class, std::uint16_t day) noexcept {
    OBL_ASSERT(retention_class < kReserved14);
    return class_path(tenant, AddressClass::retention)
        .child(0, 6)
        .child(retention_class, 14)
        .child(day, 16);
}

Path region_path(TenantId tenant, std::uint16_t region) noexcept {
    OBL_ASSERT(region < kReserved16);
    return class_path(tenant, AddressClass::region).child(0, 20).child(region, 16);
}

// ---- Below a person ----------------------------------------------------------------------------

Path fixed_path(const Path& person) noexcept {
    OBL_ASSERT(person.bits() == kAddressBits);
    return person.child(0, kLevelBits);
}

Path item_path(const Path& person, std::uint32_t item) noexcept {
    OBL_ASSERT(person.bits() == kAddressBits && item < kItemCountMax);
    if (item < kItemAreaStart[1]) return person.child(1 + item, kLevelBits);
    // In each later area slot and rest are one number, because its slots are neighbours.
    if (item < kItemAreaStart[2]) return person.child(48 * 64 + (item - kItemAreaStart[1]), 12);
    if (item < kItemAreaStart[3]) return person.child(60 * 4096 + (item - kItemAreaStart[2]), 18);
    return person.child(63 * 262'144 + (item - kItemAreaStart[3]), 24);
}

Path implicit_marker_path(const Path& person, unsigned marker) noexcept {
    OBL_ASSERT(person.bits() == kAddressBits && marker < kImplicitMarkerCount);
    return person.child(58 * 64 + marker, 12);
}

}  // namespace oubliette::keys
