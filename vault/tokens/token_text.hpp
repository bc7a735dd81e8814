#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "crypto/assert.hpp"

// The characters of one token of any kind, held in place: a batch has ten thousand of them.

namespace oubliette::tokens {

inline constexpr std::size_t kTokenTextMax = 128;  // characters

class TokenText {
public:
    TokenText() noexcept = default;
    // REQUIRES: text.size() <= kTokenTextMax.
    explicit TokenText(std::string_view text) noexcept { *this += text; }

    TokenText& operator+=(std::string_view text) noexcept {
        OBL_ASSERT(text.size() <= kTokenTextMax - size_);
        std::copy(text.begin(), text.end(), characters_.begin() + static_cast<long>(size_));
        size_ += text.size();
        return *this;
    }
    TokenText& operator+=(char character) noexcept {
        return *this += std::string_view{&character, 1};
    }

    [[nodiscard]] std::string_view view() const noexcept { return {characters_.data(), size_}; }
    [[nodiscard]] char& operator[](std::size_t at) noexcept {
        OBL_ASSERT(at < size_);
        return characters_[at];
    }
    [[nodiscard]] const char* data() const noexcept { return characters_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] const char* begin() const noexcept { return characters_.data(); }
    [[nodiscard]] const char* end() const noexcept { return characters_.data() + size_; }

private:
    std::array<char, kTokenTextMax> characters_{};
    std::size_t size_ = 0;
};

}  // namespace oubliette::tokens
