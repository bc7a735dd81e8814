#pragma once

#include <map>
#include <string>
#include <string_view>

#include "vault/policy/gate.hpp"

namespace oubliette::policy {

// Numbers names in the order of asking, as a tenant's register does.
class CountingIds final : public NameIds {
public:
    std::uint16_t id_of(NameKind kind, std::string_view name) override {
        auto& names = ids_[kind];
        const auto first = kind == NameKind::slot ? 0U : 1U;  // 0 is nobody, but a slot
        const auto next = static_cast<std::uint16_t>(names.size() + first);
        return names.emplace(std::string{name}, next).first->second;
    }

private:
    std::map<NameKind, std::map<std::string, std::uint16_t>> ids_;
};

}  // namespace oubliette::policy
