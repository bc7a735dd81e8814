#include "vault/people/boxes.hpp"
#include "vault/people/links.hpp"
#include "vault/people/people.hpp"
#include "vault/tables.hpp"

// Legal holds and the key of a value: its part from the retention day becomes that of the hold
// bucket, which no sweep destroys.

namespace oubliette::people {
namespace {

using keys::NodeState;
using keys::RecordType;

[[noreturn]] void corrupt(const char* what) {
    throw Fault{FaultKind::corrupt, what};
}

}  // namespace

bool People::move_to_hold(store::WriteView& view, SubjectNumber number, ByteView key,
                          ByteView row) const {
    const auto header = Header::decode(row);
    if (!header) corrupt("a value's row has another format");
    if (header->day == keys::kRetentionDayHold) return false;
    const FieldItem place = field_item_of(key);
    crypto::ValueKey old_key;
    const NodeState state = value_key(number, place.item, *header, old_key);
    if (state == NodeState::corrupt) corrupt("a value's key cannot be derived");
    if (state != NodeState::whole) return false;
    const RecordPlace at{RecordType::value, tenant_, number, place.field, place.item};
    const auto plaintext = open_value_row(old_key, at, row);
    const auto truth = open_index_truth(old_key, at, row);
    if (!plaintext || (header->format == 2 && !truth)) {
        corrupt("a stored value does not authenticate");
    }
    // KEYS 5.3: the first four bytes pin tokens, the others are fresh.
    BoxSalt salt{};
    crypto::random_bytes(salt);
    const std::uint32_t salt32 = *salt32_of(row);
    for (std::size_t i = 0; i < 4; ++i) salt.at(i) = static_cast<Byte>(salt32 >> (8 * i));
    Header held = *header;
    held.day = keys::kRetentionDayHold;
    held.generation = generation_;
    crypto::ValueKey new_key;
    if (value_key(number, place.item, held, new_key) != NodeState::whole) {
        corrupt("the key of the hold bucket cannot be derived");
    }
    const Bytes moved = seal_value_row(new_key, held, at, salt, plaintext->expose(), truth);
    remember_day(view, tenant_, number, key, *header);
    view.put(Tables::kPeople, key, moved);
    return true;
}

}  // namespace oubliette::people
