#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

// What a client may do. Roles are apart: a key operator cannot read data, a privacy officer cannot
// rotate keys. Bits of a mask that is stored in client rows: append only.

namespace oubliette {

enum class Role : std::uint16_t {
    app = 1,
    privacy_officer = 2,
    key_operator = 4,
    policy_admin = 8,
    auditor = 16,
    legal = 32,
    duty_manager = 64,  // on duty when life is at stake: approves break-glass orders
};
using RoleMask = std::uint16_t;

[[nodiscard]] std::optional<Role> find_role(std::string_view name) noexcept;
[[nodiscard]] std::string_view name_of(Role role) noexcept;

}  // namespace oubliette
