#include "vault/token_table.hpp"

#include <algorithm>
#include <limits>

#include "vault/core.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

using keys::NodeState;
using keys::SystemKind;
using tokens::TableKind;
using tokens::TableState;

constexpr std::uint32_t kHandleLease = 4'096;  // numbers taken at once
// At a fill of a quarter, 64 clashes in a row are once in 2^128 draws: then a part of the space is
// full, such as the texts that end with the same four digits.
constexpr unsigned kClashesMax = 64;

[[noreturn]] void corrupt(const char* what) {
    throw Fault{FaultKind::corrupt, what};
}

bool is_endless(const tokens::Shape& shape) noexcept {
    return tokens::size_of(shape) == std::numeric_limits<std::uint64_t>::max();
}

// Texts that may be drawn in this generation.
std::uint64_t room_of(const tokens::Shape& shape, std::uint16_t generation) noexcept {
    const unsigned group = tokens::class_of_generation(generation);
    return tokens::size_of(shape) >> (group == tokens::kClassLast ? group : group + 1);
}

}  // namespace

std::optional<TokenTable::Keys> TokenTable::keys_of(policy::RecipientId recipient) const {
    Keys keys;
    keys.place.tenant = core_.tenant;
    keys.place.recipient = static_cast<std::uint16_t>(recipient);
    keys.place.kid = core_.kid_of(SystemKind::token_row, recipient);
    const auto leaf = core_.leaves->get(
        keys::system_path(core_.tenant, static_cast<std::uint8_t>(SystemKind::token_row),
                          keys.place.recipient, keys.place.kid));
    if (leaf.state == NodeState::dead) return std::nullopt;
    if (leaf.state != NodeState::whole) corrupt("the key of a recipient's tokens is damaged");
    keys.keys = tokens::TokenRowKeys::derive(leaf.seed.expose());
    return keys;
}

Result<FoundToken> TokenTable::open(const Keys& keys, const tokens::TokenRowPlace& place,
                                    ByteView row) const {
    const auto head = tokens::token_row_head(row);
    if (!head) corrupt("a token's row has another format");
    std::optional<tokens::TokenRow> opened;
    if (head->handle) {
        // The leaf of one person's token: not for the cache of leaves that all requests need.
        const auto leaf = core_.plane->derive(keys::handle_path(core_.tenant, *head->handle));
        if (leaf.state == NodeState::dead) return Refusal::erased;
        if (leaf.state != NodeState::whole) corrupt("a handle's key cannot be derived");
        const auto key = tokens::handle_box_key(leaf.seed.expose());
        opened = tokens::open_token_row(key.expose(), place, row);
    } else {
        opened = tokens::open_token_row(keys.keys.box.expose(), place, row);
    }
    if (!opened) corrupt("a token's row does not authenticate");
    return FoundToken{place, *head, std::move(*opened)};
}

Result<FoundToken> TokenTable::find(const store::ReadView& view, const Keys& keys,
                                    std::string_view text) const {
    if (text.empty() || text.size() > tokens::kTokenTextMax) return Refusal::not_found;
    tokens::TokenRowPlace place = keys.place;
    place.find = tokens::find_key(keys.keys, text);
    const auto row = view.get(Tables::kTableTokens, tokens::token_row_key(place));
    if (!row) return Refusal::not_found;
    return open(keys, place, *row);
}

bool TokenTable::is_open(const FoundToken& found) const noexcept {
    return found.row.state == TableState::open && found.head.generation == core_.generation();
}

// ---- Drawing -------------------------------------------------------------------------------

std::uint64_t TokenTable::count_of(const store::ReadView& view, const Keys& keys,
                                   ByteView row_key) const {
    const auto row = view.get(Tables::kTableTokens, row_key);
    if (!row) return 0;
    const auto count = tokens::open_count_row(keys.keys, row_key, *row);
    if (!count) corrupt("the count of a recipient's tokens does not authenticate");
    return *count;
}

bool TokenTable::has_room(const store::ReadView& view, const Keys& keys, const tokens::Shape& shape,
                          std::uint64_t count) const {
    if (tokens::size_of(shape) < tokens::kSpaceMin) return false;
    if (is_endless(shape)) return true;
    const std::uint16_t generation = core_.generation();
    const Bytes key = tokens::count_row_key(keys.place, tokens::id_of(shape), generation);
    return count_of(view, keys, key) + count <= room_of(shape, generation) / 4;
}

void TokenTable::count_one(store::WriteView& view, const Keys& keys,
                           const tokens::Shape& shape) const {
    if (is_endless(shape)) return;
    const Bytes key = tokens::count_row_key(keys.place, tokens::id_of(shape), core_.generation());
    const std::uint64_t count = count_of(view, keys, key) + 1;
    view.put(Tables::kTableTokens, key, tokens::seal_count_row(keys.keys, key, count));
}

bool TokenTable::is_taken(Writing& writing, const NewToken& token,
                          const tokens::TokenRowPlace& place, std::string_view text) const {
    if (text == token.value) return true;
    if (writing.view.get(Tables::kTableTokens, tokens::token_row_key(place))) return true;
    const auto* const rule = writing.gate->field_rule(policy::FieldId{token.field});
    if (rule == nullptr || rule->search != policy::SearchIndex::blind_index) return false;
    const auto normalised = policy::normalise(*rule, text);
    if (!normalised) return false;
    bool is_live = false;
    const auto print = core_.fingerprint(token.field, normalised->expose());
    writing.find_indexed(token.field, index_fingerprint(print), [&](keys::SubjectNumber) {
        is_live = true;
        return false;
    });
    return is_live;
}

std::optional<tokens::TokenText> TokenTable::draw_free(Writing& writing, const Keys& keys,
                                                       const NewToken& token) const {
    const unsigned group = tokens::class_of_generation(core_.generation());
    const bool has_classes = !is_endless(token.shape);
    tokens::TokenRowPlace place = keys.place;
    for (unsigned clashes = 0; clashes < kClashesMax;) {
        const tokens::TokenText text = tokens::draw(token.shape);
        place.find = tokens::find_key(keys.keys, text.view());
        if (has_classes && tokens::class_of(place.find) != group) continue;
        if (!is_taken(writing, token, place, text.view())) return text;
        ++clashes;
    }
    return std::nullopt;
}

Result<tokens::TokenText> TokenTable::issue(Writing& writing, const Keys& keys,
                                            const people::Person* person, NewToken token) {
    if (!has_room(writing.view, keys, token.shape, 1)) return Refusal::token_space_full;
    auto text = draw_free(writing, keys, token);
    if (!text && !token.shape.kept.empty()) {
        token.shape.kept.clear();
        text = draw_free(writing, keys, token);
    }
    if (!text) return Refusal::token_space_full;
    count_one(writing.view, keys, token.shape);
    tokens::TokenRowPlace place = keys.place;
    place.find = tokens::find_key(keys.keys, text->view());
    tokens::TokenRow row;
    row.kind = token.kind;
    row.state = token.state;
    row.field = token.field;
    row.expiry = token.expiry;
    if (token.member) row.members.push_back(*token.member);
    tokens::TokenRowHead head{core_.generation(), std::nullopt};
    crypto::SubKey key = keys.keys.box.duplicate();
    if (token.kind == TableKind::handle) {
        OBL_ASSERT(person != nullptr);
        head.handle = next_handle(writing.view);
        const auto leaf = core_.plane->derive(keys::handle_path(core_.tenant, *head.handle));
        if (leaf.state != NodeState::whole) corrupt("a fresh handle has no living key");
        key = tokens::handle_box_key(leaf.seed.expose());
        core_.people->add_handle(writing.view, *person, *head.handle);
    }
    writing.view.put(Tables::kTableTokens, tokens::token_row_key(place),
                     tokens::seal_token_row(key.expose(), place, head, row));
    return *text;
}

// As person numbers: leased from the keepers, never used again, never continued across a start.
void TokenTable::lease_handles() {
    constexpr std::uint16_t kBankReserved = 0xFFF;
    const std::uint64_t first =
        core_.plane->lease({keys::RegisterKind::handle_lease, core_.tenant, 0, 0}, kHandleLease);
    const std::uint16_t bank = keys::SubjectNumber{first}.bank();
    if (first >> 36 != 0 || bank == kBankReserved) {
        throw Fault{FaultKind::storage_full, "all handle numbers of this tenant are used"};
    }
    const auto handles = static_cast<std::uint16_t>(keys::AddressClass::handles);
    const std::uint64_t next_bank =
        core_.plane->read_register({keys::RegisterKind::next_bank, core_.tenant, handles, 0});
    if (bank >= next_bank) {
        core_.plane->open_bank(core_.tenant, keys::AddressClass::handles, bank);
    }
    next_handle_ = first;
    handle_lease_end_ = first + kHandleLease;
    if ((handle_lease_end_ & 0xFF'FFFF) == 0) --handle_lease_end_;  // all ones are reserved
}

// The end of the lease goes into the commit of the token that got the number: the keeper that gave
// the lease may be lost, and the start teaches the others.
keys::SubjectNumber TokenTable::next_handle(store::WriteView& view) {
    if (next_handle_ == handle_lease_end_) lease_handles();
    Bytes row;
    ByteWriter{row}.le64((handle_lease_end_ + kHandleLease - 1) / kHandleLease * kHandleLease);
    view.put(Tables::kMeta, bytes_of(MetaRow::kHandles), row);
    return {next_handle_++};
}

void TokenTable::teach_lease(const store::ReadView& view) {
    const auto row = view.get(Tables::kMeta, bytes_of(MetaRow::kHandles));
    if (!row) return;  // no handle was ever drawn
    if (row->size() != sizeof(std::uint64_t)) corrupt("the row of given handles is damaged");
    core_.plane->raise_registers(
        {{{keys::RegisterKind::handle_lease, core_.tenant, 0, 0}, ByteReader{*row}.le64()}});
}

bool TokenTable::add_member(Writing& writing, const Keys& keys, std::string_view text,
                            const tokens::TokenMember& member) {
    auto found = find(writing.view, keys, text);
    if (!found || found->row.kind != TableKind::value) corrupt("a value token has no row");
    auto& members = found->row.members;
    if (std::ranges::find(members, member) != members.end()) return true;
    if (members.size() == tokens::kMemberCountMax) return false;
    members.push_back(member);
    writing.view.put(
        Tables::kTableTokens, tokens::token_row_key(found->place),
        tokens::seal_token_row(keys.keys.box.expose(), found->place, found->head, found->row));
    return true;
}

bool TokenTable::use_up(store::WriteView& view, const Keys& keys,
                        const tokens::TokenRowPlace& place) const {
    const Bytes key = tokens::token_row_key(place);
    const auto row = view.get(Tables::kTableTokens, key);
    if (!row) return false;
    auto found = open(keys, place, *row);
    if (!found || found->row.kind != TableKind::one_time || !is_open(*found)) return false;
    found->row.state = TableState::used;
    found->row.members.clear();  // nothing of the person is left in it
    view.put(Tables::kTableTokens, key,
             tokens::seal_token_row(keys.keys.box.expose(), place, found->head, found->row));
    return true;
}

}  // namespace oubliette
