#include "vault/people/people.hpp"
#include "vault/tables.hpp"

// What people's rows remember of their table tokens (given_tokens.hpp), read and written.

namespace oubliette::people {
namespace {

using keys::NodeState;

[[noreturn]] void corrupt(const char* what) {
    throw Fault{FaultKind::corrupt, what};
}

}  // namespace

std::optional<crypto::SubKey> People::box_key_of(const GivenTokenPlace& place) const {
    crypto::Seed fixed;
    crypto::ItemKey item;
    const NodeState state = place.item == 0
                                ? plane_.fixed_key(tenant_, place.number, fixed)
                                : plane_.item_key(tenant_, place.number, place.item, item);
    if (state == NodeState::dead) return std::nullopt;
    if (state != NodeState::whole) corrupt("a person's key cannot be derived");
    return given_token_box_key(place, place.item == 0 ? fixed.expose() : item.expose());
}

std::optional<GivenToken> People::given_token(const store::ReadView& view,
                                              const GivenTokenPlace& place) const {
    const auto row = view.get(Tables::kPeople, given_token_key(place));
    const auto key = row ? box_key_of(place) : std::nullopt;
    if (!key) return std::nullopt;
    auto token = open_given_token(*key, place, *row);
    if (!token) corrupt("a remembered token does not authenticate");
    return token;
}

std::vector<SubjectNumber> People::handles(const store::ReadView& view,
                                           SubjectNumber number) const {
    std::vector<SubjectNumber> handles;
    const auto fixed = fixed_key(number);
    if (!fixed) return handles;
    view.scan(Tables::kPeople, row_key(tenant_, number, RowKind::given_handle), {},
              [&](ByteView key, ByteView row) {
                  const std::uint32_t n = given_handle_number(key);
                  const auto handle = open_given_handle(*fixed, tenant_, number, n, row);
                  if (handle) handles.push_back(*handle);
                  return true;
              });
    return handles;
}

void People::remember_token(store::WriteView& view, const Person& person,
                            const GivenTokenPlace& place, const GivenToken& token) const {
    const auto key = box_key_of(place);
    if (!key) corrupt("a living person's key cannot be derived");
    Header header;
    header.region = person.state.home_region;
    header.generation = generation_;
    view.put(Tables::kPeople, given_token_key(place), seal_given_token(*key, header, place, token));
}

void People::add_handle(store::WriteView& view, const Person& person, SubjectNumber handle) const {
    const auto last =
        view.last(Tables::kPeople, row_key(tenant_, person.number, RowKind::given_handle));
    const std::uint32_t n = last ? given_handle_number(last->key) + 1 : 0;
    Header header;
    header.region = person.state.home_region;
    header.generation = generation_;
    view.put(Tables::kPeople, given_handle_key(tenant_, person.number, n),
             seal_given_handle(person.fixed, header, tenant_, person.number, n, handle));
}

void People::forget_tokens(store::WriteView& view, SubjectNumber number, FieldItem value) const {
    std::vector<Bytes> keys;
    view.scan(Tables::kPeople,
              row_key(tenant_, number, RowKind::given_token, value.field, value.item), {},
              [&keys](ByteView key, ByteView) {
                  keys.emplace_back(key.begin(), key.end());
                  return true;
              });
    for (const Bytes& key : keys) view.remove(Tables::kPeople, key);
}

}  // namespace oubliette::people
