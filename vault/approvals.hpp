#pragma once

#include <optional>
#include <vector>

#include "crypto/byte_io.hpp"
#include "vault/clients.hpp"
#include "vault/clock.hpp"
#include "vault/result.hpp"
#include "vault/roles.hpp"

// What takes more than one person: so many approvals by different clients, in different roles,
// before a moment. A value; its owner stores it and says what lacks of it means. Not thread-safe.
//
//   approvals := needed:u8 | roles:u16 | until:u32 | n:u8 | n x (client:u16 | role:u16 | at:u32)
//
// DO NOT CHANGE: it is on disk and in backups, inside the boxes of orders and holds.

namespace oubliette {

struct Approval {
    std::uint16_t client = 0;
    Role role{};  // in which it was given
    Timestamp at;
};

class Approvals {
public:
    static constexpr std::uint8_t kNeededMax = 17;  // 16 of a policy's rule, and one more

    Approvals() = default;
    // `needed` approvals by clients that have one of `roles`, given before `until`. Where more
    // than one is needed and there is more than one role, they are not all of one role.
    // REQUIRES: 1 <= needed <= kNeededMax; roles != 0.
    Approvals(unsigned needed, RoleMask roles, Timestamp until);

    // Records the caller's approval. Refuses, and changes nothing: role_denied (none of the roles,
    // or one of another role is missing), same_approver (this client has approved), wrong_state
    // (it is too late, or there are enough).
    [[nodiscard]] std::optional<Refusal> add(const Caller& caller, Timestamp now);

    [[nodiscard]] bool are_enough() const noexcept { return given_.size() >= needed_; }
    [[nodiscard]] std::size_t needed() const noexcept { return needed_; }
    [[nodiscard]] const std::vector<Approval>& given() const noexcept { return given_; }
    [[nodiscard]] bool has(std::uint16_t client) const noexcept;
    [[nodiscard]] Timestamp until() const noexcept { return until_; }

    void encode(ByteWriter& out) const;
    // nullopt for what encode() does not write; then the reader is not to be used any more.
    [[nodiscard]] static std::optional<Approvals> decode(ByteReader& in);

private:
    [[nodiscard]] std::optional<Role> role_for(RoleMask roles) const noexcept;

    std::uint8_t needed_ = 1;
    RoleMask roles_ = 0;
    Timestamp until_;
    std::vector<Approval> given_;
};

}  // namespace oubliette
