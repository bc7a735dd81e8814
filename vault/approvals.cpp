#include "vault/approvals.hpp"

#include <algorithm>
#include <bit>

#include "crypto/assert.hpp"

namespace oubliette {

Approvals::Approvals(unsigned needed, RoleMask roles, Timestamp until)
    : needed_(static_cast<std::uint8_t>(needed)), roles_(roles), until_(until) {
    OBL_ASSERT(needed >= 1 && needed <= kNeededMax && roles != 0);
}

bool Approvals::has(std::uint16_t client) const noexcept {
    return std::ranges::find(given_, client, &Approval::client) != given_.end();
}

// The role in which somebody with `roles` may approve next: one that nobody has used first. The
// last approval must bring a second role if all others were of one.
std::optional<Role> Approvals::role_for(RoleMask roles) const noexcept {
    RoleMask used = 0;
    for (const Approval& approval : given_) used |= static_cast<RoleMask>(approval.role);
    const auto eligible = static_cast<unsigned>(roles & roles_);
    const unsigned fresh = eligible & ~static_cast<unsigned>(used);
    const bool is_last = given_.size() + 1 >= needed_;
    const bool lacks_role = needed_ > 1 && std::popcount(roles_) > 1 && std::popcount(used) == 1;
    if (is_last && lacks_role && fresh == 0) return std::nullopt;
    const unsigned choice = fresh != 0 ? fresh : eligible;
    if (choice == 0) return std::nullopt;
    return static_cast<Role>(1U << std::countr_zero(choice));
}

std::optional<Refusal> Approvals::add(const Caller& caller, Timestamp now) {
    if ((caller.roles & roles_) == 0) return Refusal::role_denied;
    if (has(caller.client)) return Refusal::same_approver;
    if (are_enough() || now >= until_) return Refusal::wrong_state;
    const auto role = role_for(caller.roles);
    if (!role) return Refusal::role_denied;
    given_.push_back({caller.client, *role, now});
    return std::nullopt;
}

void Approvals::encode(ByteWriter& out) const {
    out.u8(needed_).le16(roles_).le32(until_.seconds);
    out.u8(static_cast<std::uint8_t>(given_.size()));
    for (const Approval& approval : given_) {
        out.le16(approval.client).le16(static_cast<RoleMask>(approval.role));
        out.le32(approval.at.seconds);
    }
}

std::optional<Approvals> Approvals::decode(ByteReader& in) {
    Approvals approvals;
    approvals.needed_ = in.u8();
    approvals.roles_ = in.le16();
    approvals.until_.seconds = in.le32();
    for (std::size_t n = in.u8(); n > 0 && in.ok(); --n) {
        Approval approval;
        approval.client = in.le16();
        approval.role = static_cast<Role>(in.le16());
        approval.at.seconds = in.le32();
        const auto role = static_cast<RoleMask>(approval.role);
        if (!std::has_single_bit(role) || approvals.has(approval.client)) return std::nullopt;
        approvals.given_.push_back(approval);
    }
    const bool is_known = approvals.needed_ >= 1 && approvals.needed_ <= kNeededMax &&
                          approvals.roles_ != 0 && approvals.given_.size() <= approvals.needed_;
    if (!in.ok() || !is_known) return std::nullopt;
    return approvals;
}

}  // namespace oubliette
