#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "vault/clients.hpp"
#include "vault/clock.hpp"
#include "vault/result.hpp"
#include "vault/tokens/token_text.hpp"

// What officers and operators may ask about tokens. No value, no person. Thread-safe.

namespace oubliette {

class Core;

// A token that nobody has a use for: whoever opens it has read what they should not have. It looks
// like the recipient's other tokens of that field, and opening it is answered NOT_FOUND.
struct PoisonOrder {
    std::string_view recipient;
    std::string_view field;
    bool ends_client = false;  // revokes the client that opens it, for ever
};

// used: a one-time token that was opened, or drawn before an older copy of the data was put in
// place. erased: the keys of its person are gone.
enum class TokenState : std::uint8_t { open, expired, used, erased };
[[nodiscard]] std::string_view name_of(TokenState state) noexcept;

struct TokenFacts {
    std::string_view kind;  // the policy's word: "pointer", "one_time"
    std::string recipient;
    std::string field;      // "" if the policy in force has it no more
    std::uint16_t kid = 0;  // of the recipient's keys that it was made with
    Timestamp expiry;       // 0 = never
    TokenState state = TokenState::open;
};

class TokenDesk {
public:
    explicit TokenDesk(Core& core) : core_(core) {}

    // What there is to know of a token of any recipient, after the entry that says who asked.
    // Refuses: not_found (no token of this vault, or one whose recipient was cut off).
    void inspect(const Caller& caller, std::string_view text,
                 std::function<void(Result<TokenFacts>, const Fault*)> done);

    // Opening it leaves an entry poison_opened with the client, and a warning in the status until
    // the next start. Refuses: recipient_unknown, field_unknown, field_not_necessary (the recipient
    // never gets the field), token_space_full.
    void plant_poison(const Caller& caller, const PoisonOrder& order,
                      std::function<void(Result<tokens::TokenText>, const Fault*)> done);

private:
    Core& core_;
};

}  // namespace oubliette
