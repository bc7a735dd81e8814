#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

// The byte vocabulary of every layer. A ByteView never owns: it is valid as long as its source is.

namespace oubliette {

using Byte = std::uint8_t;
using Bytes = std::vector<Byte>;
using ByteView = std::span<const Byte>;
using ByteSpan = std::span<Byte>;
template <std::size_t N>
using ByteArray = std::array<Byte, N>;

// The bytes of `text`, without its terminator.
[[nodiscard]] inline ByteView bytes_of(std::string_view text) noexcept {
    return {reinterpret_cast<const Byte*>(text.data()), text.size()};
}

// The text made of `bytes`. REQUIRES: the caller knows that they are text.
[[nodiscard]] inline std::string_view text_of(ByteView bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace oubliette
