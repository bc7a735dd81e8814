#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/demo_place.hpp"

// The story that `oubliette demo` tells: promises of a privacy policy, each kept or broken before
// one's eyes by requests over HTTPS. Nothing in it is simulated but the people.

namespace oubliette::tools {

struct DemoResult {
    std::string clause;  // of the example policy's published text
    std::string promise;
    std::string fact;  // what was measured, with numbers
    bool is_kept = false;
};

// Runs all of it on a fresh place; `told` is called with each result as it comes. Steps that need a
// step that failed are reported as broken. Throws CommandError interrupted.
std::vector<DemoResult> tell_story(const DemoPlace& place, std::uint64_t people_count,
                                   const std::function<void(const DemoResult&)>& told);

// The application's id of person `number`, 0 to people_count - 1.
[[nodiscard]] std::string demo_subject(std::uint64_t number);

}  // namespace oubliette::tools
