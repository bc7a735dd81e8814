#include "vault/roles.hpp"

#include <algorithm>
#include <array>

namespace oubliette {
namespace {

struct RoleName {
    Role role;
    std::string_view name;
};
constexpr std::array<RoleName, 7> kRoles{{{Role::app, "app"},
                                          {Role::privacy_officer, "privacy_officer"},
                                          {Role::key_operator, "key_operator"},
                                          {Role::policy_admin, "policy_admin"},
                                          {Role::auditor, "auditor"},
                                          {Role::legal, "legal"},
                                          {Role::duty_manager, "duty_manager"}}};

}  // namespace

std::optional<Role> find_role(std::string_view name) noexcept {
    const auto found = std::ranges::find(kRoles, name, &RoleName::name);
    return found == kRoles.end() ? std::nullopt : std::optional{found->role};
}

std::string_view name_of(Role role) noexcept {
    const auto found = std::ranges::find(kRoles, role, &RoleName::role);
    return found == kRoles.end() ? "" : found->name;
}

}  // namespace oubliette
