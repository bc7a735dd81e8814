#include "tools/forensic/shapes.hpp"

#include "crypto/box.hpp"
#include "vault/keys/page.hpp"
#include "vault/keys/records.hpp"
#include "vault/people/records.hpp"

namespace oubliette::forensic {
namespace {

constexpr std::size_t kValueBox = crypto::box_overhead(crypto::Commitment::value);
constexpr std::size_t kStructuralBox = crypto::box_overhead(crypto::Commitment::structural);
constexpr std::size_t kPageEpochSize = 8;
constexpr std::size_t kClientHeadSize = 4;
constexpr std::size_t kRequestKeySize = 8 + 1 + 16 + 2;  // epoch, 0x01, request id, piece
constexpr std::size_t kBanksKeySize = 8 + 1;             // epoch, 0x02
constexpr std::size_t kPendingKeySize = 16 + 2;
constexpr std::size_t kRegisterKeySize = 7;
constexpr std::size_t kRootRecordSize = keys::kPlaneHeadSize + 33 + kStructuralBox;
constexpr std::size_t kRegisterSize = 8 + kValueBox;
constexpr std::size_t kStateSize = 52 + kValueBox;

constexpr ShapeMask bit(Shape shape) noexcept {
    return ShapeMask{1} << static_cast<unsigned>(shape);
}

bool is_person_key(ByteView key) noexcept {
    return people::kind_of(key).has_value() && people::subject_of(key).has_value();
}

// True if a box of at least `overhead` bytes can begin at `at`.
bool has_box(ByteView value, std::size_t at, std::size_t overhead) noexcept {
    return value.size() >= at + overhead && value[at] == 1 && value[at + 1] == 1;
}

bool fits(Shape shape, ByteView value) {
    switch (shape) {
    case Shape::person:
        return people::Header::decode(value).has_value() &&
               has_box(value, people::kHeaderSize, kValueBox);
    case Shape::client: return has_box(value, kClientHeadSize, kValueBox);
    case Shape::page: return has_box(value, kPageEpochSize, kStructuralBox);
    case Shape::root:
        return value.size() == kRootRecordSize &&
               has_box(value, keys::kPlaneHeadSize, kStructuralBox);
    case Shape::request:
    case Shape::pending: return has_box(value, 0, kValueBox);
    case Shape::number: return value.size() == kRegisterSize && has_box(value, 0, kValueBox);
    case Shape::banks: return keys::decode_address_list(value).has_value();
    case Shape::state: return value.size() == kStateSize && has_box(value, 0, kValueBox);
    }
    return false;
}

}  // namespace

ShapeMask shapes_of_key(ByteView key) noexcept {
    switch (key.size()) {
    case 2: return bit(Shape::client);
    case 4: return text_of(key) == "root" ? bit(Shape::root) : 0;
    case 5: return text_of(key) == "state" ? bit(Shape::state) : 0;
    case kRegisterKeySize: return bit(Shape::number);
    case kPendingKeySize: return bit(Shape::pending);
    case kBanksKeySize: return key[8] == 0x02 ? bit(Shape::banks) : 0;
    case kRequestKeySize: return key[8] == 0x01 ? bit(Shape::request) : 0;
    case 10:
        return (keys::is_page_id(key) ? bit(Shape::page) : 0) |
               (is_person_key(key) ? bit(Shape::person) : 0);
    default: return is_person_key(key) ? bit(Shape::person) : 0;
    }
}

bool may_be_sealed(ByteView value) {
    return fits(Shape::person, value) || fits(Shape::page, value);
}

ShapeMask shapes_of(ByteView key, ByteView value) {
    const ShapeMask possible = shapes_of_key(key);
    if (possible == 0) return 0;
    ShapeMask shapes = 0;
    for (std::size_t i = 0; i < kShapeCount; ++i) {
        const auto shape = static_cast<Shape>(i);
        if (has_shape(possible, shape) && fits(shape, value)) shapes |= bit(shape);
    }
    return shapes;
}

}  // namespace oubliette::forensic
