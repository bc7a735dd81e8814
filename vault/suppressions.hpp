#pragma once

#include <string_view>

#include "vault/core.hpp"
#include "vault/policy/value.hpp"

// Contacts that must not be used for promotion (MISSION 1.3(4)): somebody objected, or withdrew the
// consent. Survives the person: after the erasure the same e-mail address or telephone number,
// imported again for that purpose, is refused; every other purpose works.
//
//   table suppressions: key 32 -> since:u32 (s since 2020) | tag:16
//   key := BLAKE2b-256(key = subkey kSuppression of leaf(kind suppression), type:u8 |
//          size:u8 | name of the purpose | normalised contact)
//   tag := BLAKE2b-128(the same key, 0:u8 | key 32 | since:u32): a damaged row is found
//
// The rows say nothing to anybody without the vault's keys. With them one can try a contact: that
// is their use, and why this is all that is kept. An older copy of the data lacks newer entries.

namespace oubliette {

// An e-mail address or telephone number; everything else is never suppressed.
struct Contact {
    policy::FieldType type{};
    std::string_view text;
};

class Suppressions {
public:
    explicit Suppressions(Core& core) noexcept : core_(core) {}

    struct Entry {
        std::string_view purpose;
        std::string_view field;  // says how the contact is read
        std::string_view contact;
        bool is_suppressed = true;  // false: the entry is taken back
    };
    // Refuses: role_denied (privacy_officer, or an application that writes consents),
    // purpose_unknown (or none that people may object to), field_unknown, value_invalid.
    void set(const Caller& caller, const Entry& entry, Done<bool> done);

private:
    Core& core_;
};

// ---- Internal to vault/.
[[nodiscard]] bool is_suppressed(const Core& core, const store::ReadView& view,
                                 std::string_view purpose, const Contact& contact);
// All contacts of the person, for the purposes that withdrawing `slot` ends.
void suppress_contacts(Writing& writing, keys::SubjectNumber number, policy::SlotId slot);
// One contact, for the purposes that the person objected to.
void suppress_objected(Writing& writing, const people::Person& person, const Contact& contact);
// The person grants `slot` again: where nothing else is in the way, the contacts are free again.
void lift_contacts(Writing& writing, const people::Person& person, policy::SlotId slot);

}  // namespace oubliette
