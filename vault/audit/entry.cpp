#include "vault/audit/entry.hpp"

#include "crypto/hash.hpp"

namespace oubliette::audit {
namespace {

constexpr std::uint32_t kMinutesMax = 0xFFFF'FFFF / 60;

}  // namespace

ByteArray<16> pseudonym_of(const crypto::SubKey& audit_key, std::uint64_t n) noexcept {
    ByteArray<8> number{};
    for (std::size_t i = 0; i < number.size(); ++i) number[i] = static_cast<Byte>(n >> (8 * i));
    ByteArray<16> out{};
    crypto::blake2b_keyed(audit_key.expose(), {number}, out);
    return out;
}

ByteArray<16> retention_object(std::uint16_t retention_class, std::uint16_t day) noexcept {
    return {'d',
            'a',
            'y',
            0,
            static_cast<std::uint8_t>(retention_class),
            static_cast<std::uint8_t>(retention_class >> 8),
            static_cast<std::uint8_t>(day),
            static_cast<std::uint8_t>(day >> 8)};
}

void encode(const Entry& entry, Bytes& out) {
    const auto result = entry.refusal ? static_cast<std::uint8_t>(*entry.refusal) : std::uint8_t{0};
    ByteWriter{out}
        .u8(1)
        .u8(static_cast<std::uint8_t>(entry.action))
        .u8(result)
        .u8(entry.transform)
        .le32(entry.time.minutes())
        .le16(entry.actor)
        .le16(entry.purpose)
        .le16(entry.policy_version)
        .le16(entry.field)
        .bytes(entry.pseudonym)
        .le16(entry.failed_steps)
        .le16(0)
        .bytes(entry.object);
}

std::optional<Entry> decode_entry(ByteView bytes) noexcept {
    ByteReader in{bytes};
    Entry entry;
    const std::uint8_t format = in.u8();
    entry.action = static_cast<Action>(in.u8());
    if (const std::uint8_t result = in.u8(); result != 0) entry.refusal = Refusal{result};
    entry.transform = in.u8();
    const std::uint32_t minutes = in.le32();
    entry.time.seconds = minutes * 60;
    entry.actor = in.le16();
    entry.purpose = in.le16();
    entry.policy_version = in.le16();
    entry.field = in.le16();
    entry.pseudonym = in.array<16>();
    entry.failed_steps = in.le16();
    const std::uint16_t zero = in.le16();
    entry.object = in.array<16>();
    const bool is_time = minutes <= kMinutesMax;  // seconds fit 32 bits
    if (!in.finished() || format != 1 || zero != 0 || !is_time) return std::nullopt;
    return entry;
}

}  // namespace oubliette::audit
