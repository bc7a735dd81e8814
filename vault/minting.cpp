#include "vault/minting.hpp"

#include <algorithm>
#include <limits>

#include "vault/tables.hpp"

namespace oubliette {
namespace {

using policy::TokenKind;

// People of the index that are asked for a token of an equal value.
constexpr std::size_t kCandidatesMax = 64;

ByteArray<8> random_nonce() noexcept {
    ByteArray<8> nonce{};
    do {
        crypto::random_bytes(nonce);
    } while (nonce == ByteArray<8>{});  // all zero says deterministic
    return nonce;
}

bool is_in_table(TokenKind kind) noexcept {
    return kind != TokenKind::pointer && kind != TokenKind::deterministic;
}

}  // namespace

struct Minting::Making {
    Writing& writing;
    const people::Person& person;
    policy::FieldId field;
    TokenKind kind;
    people::OpenedValue value;
    people::GivenTokenPlace place;  // where the person's rows remember it
    TokenTable::NewToken token;
};

Result<Minting> Minting::open(const Writing& writing, const Caller& caller,
                              const TokenOptions& options, Repeat repeat) {
    Minting minting;
    minting.gate_ = writing.gate;
    minting.repeat_ = repeat;
    policy::RecipientId recipient = caller.recipient;
    if (!options.recipient.empty()) {
        const auto named = writing.gate->find_recipient(options.recipient);
        if (!named) return Refusal::recipient_unknown;
        recipient = *named;
        minting.is_own_ = recipient == caller.recipient;
    }
    const auto number = static_cast<std::uint16_t>(recipient);
    const std::uint16_t kid = writing.core.kid_of(keys::SystemKind::token, recipient);
    auto keys = writing.core.token_keys(recipient, kid);
    minting.table_ = writing.core.token_table->keys_of(recipient);
    if (!keys || !minting.table_) return Refusal::recipient_unknown;
    minting.keys_ = std::move(*keys);
    minting.scope_ = {writing.core.tenant, number, kid};
    if (options.expires_in_seconds != 0) {
        // An end beyond the last second that fits is that second, never one long past.
        constexpr std::uint32_t kLast = std::numeric_limits<std::uint32_t>::max();
        const std::uint32_t room = kLast - writing.now.seconds;
        minting.expiry_.seconds = writing.now.seconds + std::min(room, options.expires_in_seconds);
    }
    minting.kind_ = options.kind;
    return minting;
}

TokenKind Minting::kind_for(policy::FieldId field) const {
    const TokenKind kind = kind_.value_or(gate_->field_rule(field)->token);
    const bool is_same = repeat_ == Repeat::same_each_time;
    return kind == TokenKind::pointer && is_same ? TokenKind::deterministic : kind;
}

tokens::Shape Minting::shape_of(policy::FieldId field, TokenKind kind,
                                std::string_view value) const {
    if (kind != TokenKind::format) return {};
    return tokens::shape_for(gate_->field_rule(field)->token_format, value,
                             gate_->document().head.tenant);
}

std::optional<Refusal> Minting::permit_kind(policy::FieldId field) const {
    const auto recipient = static_cast<policy::RecipientId>(scope_.recipient);
    if (!is_own_ && !gate_->has_cell_with(recipient, field)) return Refusal::field_not_necessary;
    const bool is_indexed = gate_->field_rule(field)->search == policy::SearchIndex::blind_index;
    if (kind_for(field) == TokenKind::value && !is_indexed) return Refusal::token_kind_unknown;
    return std::nullopt;
}

std::optional<Refusal> Minting::permit(const Writing& writing, policy::FieldId field,
                                       std::string_view value) const {
    if (const auto refusal = permit_kind(field)) return *refusal;
    const TokenKind kind = kind_for(field);
    if (kind != TokenKind::format) return std::nullopt;
    // Other items of the same put may draw from the same space.
    const std::uint64_t count = repeat_ == Repeat::same_each_time ? policy::kFieldCountMax : 1;
    const bool has_room = writing.core.token_table->has_room(writing.view, *table_,
                                                             shape_of(field, kind, value), count);
    if (!has_room) return Refusal::token_space_full;
    return std::nullopt;
}

Result<TokenText> Minting::mint(Writing& writing, const people::Person& person,
                                policy::FieldId field, std::uint32_t salt32) const {
    const TokenKind kind = kind_for(field);
    if (!is_in_table(kind)) return seal(person, field, salt32, kind);
    if (const auto refusal = permit_kind(field)) return *refusal;
    auto value = writing.core.people->open_value(writing.view, person.number, field, salt32);
    if (!value) return value.error();
    const bool has_many = gate_->field_rule(field)->many_values();
    const auto number = static_cast<std::uint16_t>(field);
    Making making{writing, person, field, kind, std::move(*value), {}, {}};
    TokenTable::NewToken& token = making.token;
    token.kind = static_cast<tokens::TableKind>(kind);
    token.field = number;
    token.expiry = expiry_;
    token.value = making.value.value.text;
    token.shape = shape_of(field, kind, token.value);
    const bool is_tied = has_many || kind == TokenKind::value;
    token.member = {person.number, is_tied ? making.value.salt32 : 0};
    const bool has_part = !token.shape.kept.empty();
    making.place = {writing.core.tenant,
                    person.number,
                    number,
                    is_tied || has_part ? making.value.item : 0,
                    scope_.recipient,
                    static_cast<std::uint8_t>(kind)};
    return from_table(making);
}

Result<TokenText> Minting::from_table(Making& making) const {
    // A token that ends, by itself or by being used, is nobody's lasting name for the value.
    const bool lasts = expiry_.seconds == 0 && making.kind != TokenKind::one_time;
    if (lasts) {
        if (const auto text = given_before(making)) return *text;
    }
    if (lasts && making.kind == TokenKind::value) {
        if (const auto text = given_to_equal_value(making)) {
            remember(making, *text);
            return *text;
        }
    }
    Core& core = making.writing.core;
    if (making.kind == TokenKind::handle) {
        const auto last = making.writing.view.last(
            Tables::kPeople,
            people::row_key(core.tenant, making.person.number, people::RowKind::given_handle));
        const bool is_full = last && people::given_handle_number(last->key) + 1 >= kHandleCountMax;
        if (is_full && expiry_.seconds != 0) return Refusal::token_space_full;
    }
    auto text = core.token_table->issue(making.writing, *table_, &making.person, making.token);
    if (text && lasts) remember(making, *text);
    return text;
}

std::optional<TokenText> Minting::given_before(const Making& making) const {
    const auto given = making.writing.core.people->given_token(making.writing.view, making.place);
    if (!given || given->kid != table_->place.kid) return std::nullopt;
    return TokenText{given->text};
}

// Whoever holds the same value has its token under the key of their own value: so the token is
// random, and nothing on disk says which values are equal once they are gone.
std::optional<TokenText> Minting::given_to_equal_value(Making& making) const {
    Core& core = making.writing.core;
    const auto number = static_cast<std::uint16_t>(making.field);
    const policy::FieldRule& rule = *gate_->field_rule(making.field);
    const auto normalised = policy::normalise(rule, making.value.value.text);
    if (!normalised) return std::nullopt;
    std::vector<keys::SubjectNumber> candidates;
    making.writing.find_indexed(number,
                                index_fingerprint(core.fingerprint(number, normalised->expose())),
                                [&](keys::SubjectNumber candidate) {
                                    candidates.push_back(candidate);
                                    return candidates.size() < kCandidatesMax;
                                });
    for (const keys::SubjectNumber candidate : candidates) {
        const auto theirs =
            core.people->open_value(making.writing.view, candidate, making.field, 0);
        if (!theirs) continue;
        const auto their_form = policy::normalise(rule, theirs->value.text);
        const bool is_same =
            their_form && crypto::equal_constant_time(their_form->expose(), normalised->expose());
        if (!is_same) continue;
        people::GivenTokenPlace place = making.place;
        place.number = candidate;
        place.item = theirs->item;
        const auto given = core.people->given_token(making.writing.view, place);
        if (!given || given->kid != table_->place.kid) continue;
        const bool is_added = core.token_table->add_member(making.writing, *table_, given->text,
                                                           *making.token.member);
        if (is_added) return TokenText{given->text};
    }
    return std::nullopt;
}

void Minting::remember(const Making& making, const TokenText& text) const {
    making.writing.core.people->remember_token(making.writing.view, making.person, making.place,
                                               {table_->place.kid, std::string{text.view()}});
}

TokenText Minting::seal(const people::Person& person, policy::FieldId field, std::uint32_t salt32,
                        TokenKind kind) const {
    tokens::TokenPayload payload;
    payload.subject = person.number;
    payload.field = static_cast<std::uint16_t>(field);
    payload.salt32 = gate_->field_rule(field)->many_values() ? salt32 : 0;
    payload.recipient = scope_.recipient;
    payload.kind = kind == TokenKind::deterministic ? tokens::TokenKind::deterministic
                                                    : tokens::TokenKind::pointer;
    payload.expiry = expiry_;
    if (payload.kind == tokens::TokenKind::pointer) payload.nonce = random_nonce();
    std::array<char, tokens::kTokenSize> text{};
    tokens::seal_token(keys_, scope_, payload, text);
    return TokenText{{text.data(), text.size()}};
}

}  // namespace oubliette
