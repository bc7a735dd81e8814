#include "vault/exception_rows.hpp"

#include <random>

#include <catch2/catch.hpp>

namespace oubliette {
namespace {

constexpr auto kRoles = static_cast<RoleMask>(static_cast<RoleMask>(Role::privacy_officer) |
                                              static_cast<RoleMask>(Role::legal));

Approvals one_approval() {
    Approvals approvals{2, kRoles, {5'000}};
    Caller officer;
    officer.client = 7;
    officer.roles = static_cast<RoleMask>(Role::legal);
    REQUIRE_FALSE(approvals.add(officer, {1'000}));
    return approvals;
}

OrderRow some_order() {
    OrderRow row;
    row.state = OrderState::live;
    row.is_public = true;
    row.opener = 3;
    row.opened = {1'000};
    row.expires = {9'000};
    row.notice_due = {4'000};
    row.subjects = 12;
    row.paper.fill(0xAB);
    row.approvals = one_approval();
    row.basis = "criminal_case";
    row.clause = "3.4(3)";
    row.authority = "district court";
    row.tell = "within:P3D";
    row.fields = {1, 4, 65'535};
    return row;
}

HoldRow some_hold() {
    HoldRow row;
    row.state = HoldState::live;
    row.extension = 2;
    row.subject = keys::SubjectNumber{123'456'789};
    row.placer = 3;
    row.placed = {1'000};
    row.review = {9'000};
    row.evidence.fill(0xCD);
    row.extends.fill(0x11);
    row.approvals = one_approval();
    row.release = Approvals{2, kRoles, {0xFFFF'FFFF}};
    row.ground = "criminal_case";
    row.clause = "5.5(4)";
    row.law = "code of procedure";
    row.categories = {5};
    row.fields = {9, 10};
    return row;
}

}  // namespace

TEST_CASE("orders and holds come back as they were; cut or lengthened ones are refused",
          "[exceptions]") {
    const Bytes order = encode(some_order());
    const auto decoded_order = decode_order_row(order);
    REQUIRE(decoded_order);
    CHECK(encode(*decoded_order) == order);
    CHECK(decoded_order->owes_notice());
    CHECK(decoded_order->fields == some_order().fields);
    const Bytes hold = encode(some_hold());
    const auto decoded_hold = decode_hold_row(hold);
    REQUIRE(decoded_hold);
    CHECK(encode(*decoded_hold) == hold);
    CHECK(decoded_hold->subject == some_hold().subject);
    CHECK(decoded_hold->covers(9, 0));
    CHECK(decoded_hold->covers(0, 5));
    CHECK_FALSE(decoded_hold->covers(5, 9));
    for (std::size_t size = 0; size < order.size(); ++size) {
        REQUIRE_FALSE(decode_order_row(ByteView{order}.first(size)));
    }
    for (std::size_t size = 0; size < hold.size(); ++size) {
        REQUIRE_FALSE(decode_hold_row(ByteView{hold}.first(size)));
    }
    Bytes longer = order;
    longer.push_back(0);
    CHECK_FALSE(decode_order_row(longer));
    longer = hold;
    longer.push_back(0);
    CHECK_FALSE(decode_hold_row(longer));
}

TEST_CASE("a changed byte of an order or a hold never decodes to the same row", "[exceptions]") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    for (const Bytes& good : {encode(some_order()), encode(some_hold())}) {
        for (std::size_t at = 0; at < good.size(); ++at) {
            Bytes changed = good;
            changed[at] ^= static_cast<Byte>(1 + random() % 255);
            // One decoder or the other may take it; what it makes of it is what was there.
            if (const auto order = decode_order_row(changed)) REQUIRE(encode(*order) == changed);
            if (const auto hold = decode_hold_row(changed)) REQUIRE(encode(*hold) == changed);
        }
    }
}

TEST_CASE("reserved bytes and unknown numbers of orders and holds are refused", "[exceptions]") {
    const Bytes order = encode(some_order());
    const Bytes hold = encode(some_hold());
    const auto order_with = [&](std::size_t at, unsigned value) {
        Bytes changed = order;
        changed[at] = static_cast<Byte>(value);
        return decode_order_row(changed).has_value();
    };
    const auto hold_with = [&](std::size_t at, unsigned value) {
        Bytes changed = hold;
        changed[at] = static_cast<Byte>(value);
        return decode_hold_row(changed).has_value();
    };
    for (unsigned value = 0; value < 256; ++value) {
        CHECK(order_with(0, value) == (value == 1));
        CHECK(order_with(1, value) == (value >= 1 && value <= 3));
        CHECK(order_with(2, value) == (value <= 1));
        CHECK(order_with(3, value) == (value == 0));
        CHECK(hold_with(0, value) == (value == 1));
        // One that has ended names nobody.
        CHECK(hold_with(1, value) == (value == 1 || value == 2));
        CHECK(hold_with(2, value) == (value <= 1));
    }
}

}  // namespace oubliette
