#pragma once

#include "tools/commands.hpp"

namespace oubliette::tools {

// `policy explain` and `policy history`, below the verb `policy`.
void add_policy_explain(CLI::App& policy, Run& chosen);

}  // namespace oubliette::tools
