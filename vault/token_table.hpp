#pragma once

#include <optional>
#include <string_view>

#include "vault/people/people.hpp"
#include "vault/tokens/token_row.hpp"
#include "vault/tokens/token_shape.hpp"

// Tokens that are rows of table `table_tokens` (tokens/token_row.hpp): finding, drawing, using up.
// Reading functions are thread-safe; writing ones belong to the committer's thread. Internal to
// vault/.

namespace oubliette {

class Core;
struct Writing;

// A row that was found, opened.
struct FoundToken {
    tokens::TokenRowPlace place;
    tokens::TokenRowHead head;
    tokens::TokenRow row;
};

class TokenTable {
public:
    explicit TokenTable(Core& core) : core_(core) {}

    // The keys of a recipient's rows under its present kid; all earlier ones were cut off. nullopt
    // when that one was cut off, too, by an act that is not final yet.
    struct Keys {
        tokens::TokenRowPlace place;  // without `find`
        tokens::TokenRowKeys keys;
    };
    [[nodiscard]] std::optional<Keys> keys_of(policy::RecipientId recipient) const;

    // The row behind a text. Refuses: not_found, erased (a handle of somebody who was erased).
    // Throws Fault{corrupt}.
    [[nodiscard]] Result<FoundToken> find(const store::ReadView& view, const Keys& keys,
                                          std::string_view text) const;

    // True if a one-time token may still be opened: it was not used, as far as this copy of the
    // data knows, and no older copy was put in place since it was drawn.
    [[nodiscard]] bool is_open(const FoundToken& found) const noexcept;

    struct NewToken {
        tokens::TableKind kind{};
        tokens::TableState state = tokens::TableState::open;
        std::uint16_t field = 0;
        Timestamp expiry;
        std::optional<tokens::TokenMember> member;
        tokens::Shape shape;
        std::string_view value;  // what the text must not be
    };
    // Draws a text that no living token of this recipient has and that is no present value of the
    // field, as far as the field is indexed, and writes its row.
    // The last characters of a value are given up where too few texts with them are left.
    // REQUIRES: `person` for a handle. Refuses: token_space_full (as has_room()).
    [[nodiscard]] Result<tokens::TokenText> issue(Writing& writing, const Keys& keys,
                                                  const people::Person* person, NewToken token);
    // False above a quarter of the space, or if the space is too small.
    [[nodiscard]] bool has_room(const store::ReadView& view, const Keys& keys,
                                const tokens::Shape& shape, std::uint64_t count) const;

    // One more person holds the value of a value token. False: no more find room in its row.
    [[nodiscard]] bool add_member(Writing& writing, const Keys& keys, std::string_view text,
                                  const tokens::TokenMember& member);

    // The keepers learn of the handle numbers that this copy of the data knows as given.
    void teach_lease(const store::ReadView& view);

    // False if the token was used already: then nothing is written.
    [[nodiscard]] bool use_up(store::WriteView& view, const Keys& keys,
                              const tokens::TokenRowPlace& place) const;

private:
    [[nodiscard]] Result<FoundToken> open(const Keys& keys, const tokens::TokenRowPlace& place,
                                          ByteView row) const;
    [[nodiscard]] std::uint64_t count_of(const store::ReadView& view, const Keys& keys,
                                         ByteView row_key) const;
    void count_one(store::WriteView& view, const Keys& keys, const tokens::Shape& shape) const;
    [[nodiscard]] std::optional<tokens::TokenText> draw_free(Writing& writing, const Keys& keys,
                                                             const NewToken& token) const;
    [[nodiscard]] bool is_taken(Writing& writing, const NewToken& token,
                                const tokens::TokenRowPlace& place, std::string_view text) const;
    void lease_handles();
    [[nodiscard]] keys::SubjectNumber next_handle(store::WriteView& view);

    Core& core_;
    std::uint64_t next_handle_ = 0;
    std::uint64_t handle_lease_end_ = 0;
};

}  // namespace oubliette
