#pragma once

#include <cstdint>
#include <span>
#include <string_view>

// The words synthetic people are made of: one locale per country and script.

namespace oubliette::tools {

enum class NameOrder : std::uint8_t { given_first, family_first, family_first_joined };
enum class AddressShape : std::uint8_t { house_first, house_last, large_to_small };

struct Locale {
    std::string_view country;  // ISO 3166-1 alpha-2
    NameOrder order;
    AddressShape address;
    std::string_view house_word;                // behind the number, large_to_small only
    std::span<const std::string_view> handles;  // ASCII
    std::span<const std::string_view> given;
    std::span<const std::string_view> family;
    std::span<const std::string_view> streets;
    std::span<const std::string_view> cities;
};

[[nodiscard]] std::span<const Locale> locales() noexcept;

}  // namespace oubliette::tools
