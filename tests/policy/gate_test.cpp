#include <array>

#include "tests/policy/gate_fixture.hpp"

namespace oubliette::policy {

TEST_CASE("resolve refuses a purpose the policy does not name", "[policy][gate][promise]") {
    const GateFixture f;
    CHECK(f.resolve("web", "credit_score").error() == Refusal::purpose_unknown);
    CHECK(f.resolve("nobody", "credit_score").error() == Refusal::purpose_unknown);
    CHECK(f.resolve("web", "").error() == Refusal::purpose_unknown);
    CHECK(f.resolve("web", "provid").error() == Refusal::purpose_unknown);
    CHECK(f.resolve("web", "provide ").error() == Refusal::purpose_unknown);
}

TEST_CASE("policy 1.3(2): marketing cannot use the purpose notify", "[policy][gate][promise]") {
    const GateFixture f;
    CHECK(f.resolve("marketing", "notify").error() == Refusal::purpose_not_allowed);
    CHECK(f.resolve("support_desk", "notify").has_value());
}

TEST_CASE("policy 3.1(4)b: the host of the disks may not read at all", "[policy][gate][promise]") {
    const GateFixture f;
    for (const PurposeRule& purpose : f.gate->document().purposes) {
        CHECK(f.resolve("hosting", purpose.name).error() == Refusal::purpose_not_allowed);
    }
}

TEST_CASE("resolve refuses recipients the policy does not name", "[policy][gate]") {
    const GateFixture f;
    CHECK(f.gate->resolve(RecipientId{0}, "provide", kTestNow).error() ==
          Refusal::purpose_not_allowed);
    CHECK(f.gate->resolve(RecipientId{16'383}, "provide", kTestNow).error() ==
          Refusal::purpose_not_allowed);
}

TEST_CASE("resolve refuses a suspended recipient, also after its agreement", "[policy][gate]") {
    GateFixture f{R"([{"op":"add","path":"/recipients/affiliate_motor/suspended","value":true}])"};
    CHECK(f.resolve("affiliate_motor", "group_service").error() == Refusal::recipient_suspended);
    f.now = time_at("2031-01-01T00:00:00Z");
    CHECK(f.resolve("affiliate_motor", "group_service").error() == Refusal::recipient_suspended);
    CHECK(f.resolve("affiliate_motor", "provide").error() == Refusal::purpose_not_allowed);
}

TEST_CASE("policy 3.1(4): an agreement ends with the first second of its day", "[policy][gate]") {
    GateFixture f;
    f.now = time_at("2030-07-13T23:59:59Z");
    CHECK(f.resolve("partner_idcheck", "identity_check").has_value());
    f.now = time_at("2030-07-14T00:00:00Z");
    CHECK(f.resolve("partner_idcheck", "identity_check").error() == Refusal::agreement_expired);
    CHECK(f.resolve("web", "provide").has_value());  // internal: no agreement, no end
}

TEST_CASE("policy 3.1(3): an affiliate gets its fields and no others", "[policy][gate][promise]") {
    const GateFixture f;
    CHECK(f.shown("affiliate_motor", "group_service", "username") == "plain");
    CHECK(f.shown("affiliate_motor", "group_service", "order_info") == "FIELD_NOT_NECESSARY");
    CHECK(f.resolve("affiliate_motor", "promote").error() == Refusal::purpose_not_allowed);
}

TEST_CASE("field refuses what the purpose does not use and what nobody knows", "[policy][gate]") {
    const GateFixture f;
    CHECK(f.shown("marketing", "promote", "cookie_prefs") == "FIELD_NOT_NECESSARY");
    CHECK(f.shown("web", "provide", "email") == "FIELD_NOT_NECESSARY");
    CHECK(f.shown("web", "provide", "no_such_field") == "FIELD_NOT_NECESSARY");
    CHECK(f.shown("privacy_office", "subject_rights", "account_no") == "plain");  // "*"
    CHECK(f.shown("privacy_office", "subject_rights", "no_such_field") == "FIELD_NOT_NECESSARY");
}

TEST_CASE("field answers the strictest of purpose, cap and want", "[policy][gate]") {
    const GateFixture f;
    CHECK(f.shown("support_desk", "notify", "mobile") == "last4");  // capped
    CHECK(f.shown("support_desk", "notify", "email") == "plain");   // no cap
    CHECK(f.shown("web", "improve", "address") == "city");
    CHECK(f.shown("web", "improve", "address", "plain") == "city");  // policy 1.3(1)
    CHECK(f.shown("web", "improve", "address", "exists") == "exists");
    CHECK(f.shown("web", "improve", "address", "pseudo") == "pseudo");
    CHECK(f.shown("web", "improve", "website", "plain") == "exists");
    CHECK(f.shown("web", "provide", "mobile", "last4") == "last4");
    CHECK(f.shown("support_desk", "support", "mobile", "plain") == "last4");
    // Of equal rank but different: the policy's.
    CHECK(f.shown("support_desk", "support", "mobile", "initial") == "last4");
    CHECK(f.shown("support_desk", "support", "mobile", "domain") == "last4");
    CHECK(f.shown("marketing", "promote", "real_name", "last4") == "initial");
}

TEST_CASE("a cap never widens what a purpose shows", "[policy][gate]") {
    const GateFixture f{R"([{"op":"add","path":"/recipients/web/cap","value":
        {"address":"plain","website":"plain","username":"exists","industry":"exists"}}])"};
    CHECK(f.shown("web", "improve", "address") == "city");
    CHECK(f.shown("web", "improve", "website") == "exists");
    CHECK(f.shown("web", "improve", "username") == "exists");
    CHECK(f.shown("web", "own_account", "industry") == "exists");
}

TEST_CASE("explain names no person's state without a cell", "[policy][gate]") {
    GateFixture f;
    f.subject.granted = {};
    f.subject.flags = SubjectState::kPaused;
    CHECK(all_of(f.gate->explain({f.recipient_id("web"),
                                  "credit_score",
                                  f.field_id("mobile"),
                                  f.subject,
                                  f.collected,
                                  f.now,
                                  {}})) == std::vector<Refusal>{Refusal::purpose_unknown});
    CHECK(all_of(f.gate->explain({f.recipient_id("hosting"),
                                  "provide",
                                  f.field_id("mobile"),
                                  f.subject,
                                  f.collected,
                                  f.now,
                                  {}})) == std::vector<Refusal>{Refusal::purpose_not_allowed});
}

TEST_CASE("a grant of kind policy opens no express or separate slot", "[policy][promise]") {
    CHECK(is_strong_enough(ConsentKind::policy, ConsentKind::policy));
    CHECK_FALSE(is_strong_enough(ConsentKind::policy, ConsentKind::express));
    CHECK_FALSE(is_strong_enough(ConsentKind::policy, ConsentKind::separate));
    CHECK_FALSE(is_strong_enough(ConsentKind::express, ConsentKind::separate));
    CHECK(is_strong_enough(ConsentKind::separate, ConsentKind::policy));
}

TEST_CASE("names and ids lead to each other and to their rules", "[policy][gate]") {
    const GateFixture f;
    for (const FieldRule& field : f.gate->document().fields) {
        const auto id = f.gate->find_field(field.name);
        REQUIRE(id);
        CHECK(f.gate->name_of(*id) == field.name);
        CHECK(f.gate->field_rule(*id) == &field);
    }
    for (const TransformRule& transform : f.gate->document().transforms) {
        const auto index = f.gate->find_transform(transform.name);
        REQUIRE(index);
        CHECK(&f.gate->transform_rule(*index) == &transform);
    }
    CHECK_FALSE(f.gate->find_field("fax"));
    CHECK_FALSE(f.gate->find_slot(""));
    CHECK(f.gate->field_rule(FieldId{0}) == nullptr);
    CHECK(f.gate->field_rule(FieldId{65'535}) == nullptr);
    CHECK(f.gate->name_of(SlotId{125}).empty());
    CHECK(f.gate->retention_class(f.field_id("mobile")) ==
          f.gate->retention_class(f.field_id("email")));
    CHECK(f.gate->retention_class(f.field_id("mobile")) !=
          f.gate->retention_class(f.field_id("username")));
    CHECK(f.gate->has_cell_with(f.recipient_id("affiliate_motor"), f.field_id("mobile")));
    CHECK_FALSE(f.gate->has_cell_with(f.recipient_id("affiliate_motor"), f.field_id("order_info")));
    CHECK_FALSE(f.gate->has_cell_with(f.recipient_id("hosting"), f.field_id("mobile")));
    CHECK_FALSE(f.gate->has_cell_with(RecipientId{0}, f.field_id("mobile")));
}

TEST_CASE("ids of the register, not positions, name things over versions", "[policy][gate]") {
    CountingIds ids;
    const auto first = Gate::compile(parsed(patched_example("[]")), ids);
    const auto second = Gate::compile(parsed(patched_example(R"([
        {"op":"replace","path":"/policy/version","value":4},
        {"op":"remove","path":"/holds"},
        {"op":"add","path":"/fields/a_new_one","value":{"category":"profile","type":"string"}},
        {"op":"add","path":"/purposes/own_account/fields/a_new_one","value":"plain"}])")),
                                      ids);
    for (const FieldRule& field : first->document().fields) {
        CHECK(first->find_field(field.name) == second->find_field(field.name));
    }
    const FieldId added = *second->find_field("a_new_one");
    CHECK(first->field_rule(added) == nullptr);
    const auto cell = first->resolve(*first->find_recipient("web"), "own_account", kTestNow);
    CHECK(first->field(*cell, added, std::nullopt).error() == Refusal::field_not_necessary);
}

TEST_CASE("compile faults when the register has no slot number left", "[policy][gate][fault]") {
    class FullIds final : public NameIds {
    public:
        std::uint16_t id_of(NameKind kind, std::string_view name) override {
            return kind == NameKind::slot && name == "publish" ? std::uint16_t{126}
                                                               : ids_.id_of(kind, name);
        }

    private:
        CountingIds ids_;
    };
    FullIds ids;
    CHECK_THROWS_AS(Gate::compile(parsed(example_policy()), ids), Fault);
}

TEST_CASE("slot masks keep the bits of both words apart", "[policy][gate]") {
    for (const auto bit : std::array<std::uint16_t, 6>{0, 1, 63, 64, 65, 125}) {
        SlotMask mask;
        mask.set(SlotId{bit});
        for (std::uint16_t other = 0; other <= 125; ++other) {
            CHECK(mask.has(SlotId{other}) == (other == bit));
        }
        mask.clear(SlotId{bit});
        CHECK(mask == SlotMask{});
    }
}

}  // namespace oubliette::policy
