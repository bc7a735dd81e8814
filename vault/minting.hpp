#pragma once

#include "vault/core.hpp"

// Making tokens of one recipient, for values that are stored: sealed ones
// (tokens/pointer_token.hpp) and rows of the table (token_table.hpp). Runs inside a transaction, on
// the committer's thread. Internal to vault/.

namespace oubliette {

class Minting {
public:
    // as_kind: what the kind of the field or of the request says. same_each_time: as a put answers,
    // where only one-time tokens are fresh.
    enum class Repeat : std::uint8_t { as_kind, same_each_time };

    // Refuses: recipient_unknown. `options.recipient` empty: the caller's own.
    [[nodiscard]] static Result<Minting> open(const Writing& writing, const Caller& caller,
                                              const TokenOptions& options, Repeat repeat);

    // What mint() would refuse, asked before a value is stored. `value` empty: the stored one.
    // Refuses: field_not_necessary (the recipient has no cell with the field), token_kind_unknown
    // (a value token of a field without index), token_space_full.
    [[nodiscard]] std::optional<Refusal> permit(const Writing& writing, policy::FieldId field,
                                                std::string_view value) const;

    // `salt32` is that of the value; it pins the token where the field holds many.
    // Refuses: as permit(); token_space_full also when the person has kHandleCountMax handles.
    [[nodiscard]] Result<TokenText> mint(Writing& writing, const people::Person& person,
                                         policy::FieldId field, std::uint32_t salt32) const;

    // Handles with an expiry are fresh each time; their leaves must die in one group.
    static constexpr std::uint32_t kHandleCountMax = 1'024;  // of one person

private:
    // One token under way.
    struct Making;

    Minting() = default;

    [[nodiscard]] std::optional<Refusal> permit_kind(policy::FieldId field) const;
    [[nodiscard]] policy::TokenKind kind_for(policy::FieldId field) const;
    [[nodiscard]] tokens::Shape shape_of(policy::FieldId field, policy::TokenKind kind,
                                         std::string_view value) const;
    [[nodiscard]] TokenText seal(const people::Person& person, policy::FieldId field,
                                 std::uint32_t salt32, policy::TokenKind kind) const;
    [[nodiscard]] Result<TokenText> from_table(Making& making) const;
    [[nodiscard]] std::optional<TokenText> given_before(const Making& making) const;
    [[nodiscard]] std::optional<TokenText> given_to_equal_value(Making& making) const;
    void remember(const Making& making, const TokenText& text) const;

    std::shared_ptr<const policy::Gate> gate_;
    tokens::TokenScope scope_;
    tokens::TokenKeys keys_;
    std::optional<TokenTable::Keys> table_;
    bool is_own_ = true;
    Repeat repeat_ = Repeat::as_kind;
    Timestamp expiry_;
    std::optional<policy::TokenKind> kind_;
};

}  // namespace oubliette
