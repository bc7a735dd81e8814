#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What a sweep of retention was asked for and what it found. Days are counted since 2020-01-01.

namespace oubliette {

struct RetentionRequest {
    bool is_dry_run = false;
    std::optional<std::uint16_t> catch_up;  // lift the day floor to this day first
};

// Why the key of a day that is over still lives.
enum class RetentionBlock : std::uint8_t {
    none,        // a sweep destroys it, or has destroyed it
    too_recent,  // less than two days ago
    day_floor,   // the floor has not risen that far (day_floor.hpp)
    moved,       // values were moved off the day and no backup has them at their new place yet
};
[[nodiscard]] std::string_view name_of(RetentionBlock block) noexcept;

struct RetentionDay {
    std::string category;  // "" if the policy in force no longer has it
    std::uint16_t day = 0;
    std::uint64_t values = 0;
    RetentionBlock block = RetentionBlock::none;
};

// Values that ended person by person, by category.
struct EndedCategory {
    std::string category;
    std::uint64_t values = 0;
};

struct RetentionReport {
    std::uint16_t today = 0;
    std::uint16_t day_floor = 0;  // what ended before this day goes
    std::vector<RetentionDay> days;
    std::vector<EndedCategory> by_person;
    std::uint64_t people = 0;  // that were looked at
};

}  // namespace oubliette
