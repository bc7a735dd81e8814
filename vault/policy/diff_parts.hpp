#pragma once

#include <string>
#include <vector>

#include "vault/policy/diff.hpp"

// The parts of diff(), each over its own part of the document. Internal to vault/policy.

namespace oubliette::policy {

class ChangeSink {
public:
    void add(ChangeKind kind, std::string pointer, std::string object, std::string text,
             std::vector<std::string> purposes = {}) {
        changes_.push_back({kind, std::move(pointer), std::move(object), std::move(text),
                            std::move(purposes), false});
    }
    [[nodiscard]] std::vector<Change> take() { return std::move(changes_); }

private:
    std::vector<Change> changes_;
};

// RFC 6901 pointer of the keys.
[[nodiscard]] std::string pointer_to(std::initializer_list<std::string_view> keys);

// Purposes, consents, recipients, and what each sees of each field.
void diff_uses(const Document& from, const Document& to, ChangeSink& out);
// Fields, retention, regions, and the rules of orders, holds, requests and incidents.
void diff_promises(const Document& from, const Document& to, ChangeSink& out);

// False unless it surely ends no later, whenever it begins.
[[nodiscard]] bool is_no_longer(const CalendarDuration& a, const CalendarDuration& than) noexcept;
// The same where nullopt means: for ever.
[[nodiscard]] bool is_no_longer(const std::optional<CalendarDuration>& a,
                                const std::optional<CalendarDuration>& than) noexcept;
// Lists of names compared as sets: those of `a` that `b` lacks.
[[nodiscard]] std::vector<std::string> not_in(const std::vector<std::string>& a,
                                              const std::vector<std::string>& b);

}  // namespace oubliette::policy
