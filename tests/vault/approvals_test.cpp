#include "vault/approvals.hpp"

#include <catch2/catch.hpp>

namespace oubliette {
namespace {

constexpr Timestamp kNow{1'000};
constexpr Timestamp kEnd{2'000};
constexpr auto kBoth = static_cast<RoleMask>(static_cast<RoleMask>(Role::privacy_officer) |
                                             static_cast<RoleMask>(Role::legal));

Caller person(std::uint16_t client, RoleMask roles) {
    Caller caller;
    caller.client = client;
    caller.roles = roles;
    return caller;
}
Caller officer(std::uint16_t client) {
    return person(client, static_cast<RoleMask>(Role::privacy_officer));
}
Caller lawyer(std::uint16_t client) {
    return person(client, static_cast<RoleMask>(Role::legal));
}

}  // namespace

TEST_CASE("two approvals are of two people in two roles", "[approvals]") {
    Approvals approvals{2, kBoth, kEnd};
    CHECK_FALSE(approvals.add(officer(1), kNow));
    CHECK(approvals.add(officer(1), kNow) == Refusal::same_approver);
    CHECK(approvals.add(officer(2), kNow) == Refusal::role_denied);
    CHECK(approvals.add(person(3, 0), kNow) == Refusal::role_denied);
    CHECK_FALSE(approvals.are_enough());
    CHECK_FALSE(approvals.add(lawyer(4), kNow));
    CHECK(approvals.are_enough());
    CHECK(approvals.add(lawyer(5), kNow) == Refusal::wrong_state);
}

TEST_CASE("who has both roles is one person, in the role that is missing", "[approvals]") {
    Approvals approvals{2, kBoth, kEnd};
    CHECK_FALSE(approvals.add(person(1, kBoth), kNow));
    CHECK(approvals.add(person(1, kBoth), kNow) == Refusal::same_approver);
    CHECK_FALSE(approvals.add(person(2, kBoth), kNow));
    CHECK(approvals.given()[0].role != approvals.given()[1].role);
}

TEST_CASE("a third approval may repeat a role, if not all are of one", "[approvals]") {
    Approvals mixed{3, kBoth, kEnd};
    CHECK_FALSE(mixed.add(officer(1), kNow));
    CHECK_FALSE(mixed.add(officer(2), kNow));
    CHECK(mixed.add(officer(3), kNow) == Refusal::role_denied);
    CHECK_FALSE(mixed.add(lawyer(4), kNow));
    CHECK(mixed.are_enough());
    // One role in the rule: then different people are enough.
    Approvals lawyers{2, static_cast<RoleMask>(Role::legal), kEnd};
    CHECK_FALSE(lawyers.add(lawyer(1), kNow));
    CHECK_FALSE(lawyers.add(lawyer(2), kNow));
}

TEST_CASE("an approval that comes too late is none", "[approvals]") {
    Approvals approvals{1, kBoth, kEnd};
    CHECK(approvals.add(officer(1), kEnd) == Refusal::wrong_state);
    CHECK_FALSE(approvals.add(officer(1), Timestamp{kEnd.seconds - 1}));
}

TEST_CASE("approvals decode to what was encoded, and to nothing else", "[approvals]") {
    Approvals approvals{2, kBoth, kEnd};
    REQUIRE_FALSE(approvals.add(officer(1), kNow));
    Bytes bytes;
    ByteWriter out{bytes};
    approvals.encode(out);
    ByteReader in{bytes};
    const auto decoded = Approvals::decode(in);
    REQUIRE(decoded);
    CHECK(in.finished());
    CHECK(decoded->has(1));
    CHECK(decoded->needed() == 2);
    CHECK(decoded->until() == kEnd);
    const auto refused = [](Bytes changed) {
        ByteReader reader{changed};
        return !Approvals::decode(reader).has_value();
    };
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK(refused({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}));
    }
    Bytes two_roles = bytes;
    two_roles[10] = 0x22;  // of the approval: two bits
    CHECK(refused(two_roles));
    Bytes nobody_needed = bytes;
    nobody_needed[0] = 0;
    CHECK(refused(nobody_needed));
}

}  // namespace oubliette
