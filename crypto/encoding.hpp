#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/bytes.hpp"

// Strict text encodings: exactly one text per byte string. Non-canonical input (padding, spare
// bits, another letter case, white space) is refused, never repaired. Thread-safe.

namespace oubliette::crypto {

// RFC 4648 section 5 without padding.
[[nodiscard]] std::string base64url_encode(ByteView bytes);
[[nodiscard]] std::optional<Bytes> base64url_decode(std::string_view text);
// Into a buffer of the exact size; false if `text` is not the encoding of out.size() bytes.
[[nodiscard]] bool base64url_decode_into(std::string_view text, ByteSpan out) noexcept;
void base64url_encode_into(ByteView bytes, std::span<char> out) noexcept;
[[nodiscard]] constexpr std::size_t base64url_size(std::size_t bytes) noexcept {
    return (bytes * 8 + 5) / 6;
}

// Standard base64 with padding (RFC 4648 section 4), for signed notes and receipts.
[[nodiscard]] std::string base64_encode(ByteView bytes);
[[nodiscard]] std::optional<Bytes> base64_decode(std::string_view text);

// Lower-case hex.
[[nodiscard]] std::string hex_encode(ByteView bytes);
[[nodiscard]] std::optional<Bytes> hex_decode(std::string_view text);

// CRC-32 (IEEE 802.3, as in zlib): a typing check on API keys, no security.
[[nodiscard]] std::uint32_t crc32(ByteView bytes) noexcept;

}  // namespace oubliette::crypto
