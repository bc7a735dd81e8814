#include <array>

#include "tests/policy/policy_fixture.hpp"

namespace oubliette::policy {

namespace {

// One gate with a person who has granted everything, and short words for the questions.
struct GateFixture {
    explicit GateFixture(std::string_view patch = "[]")
        : gate(Gate::compile(parsed(patched_example(patch)), ids)) {
        subject.seen_version = gate->version();
        subject.granted = gate->objection_slots();
        for (const SlotRule& slot : gate->document().slots) {
            subject.granted.set(*gate->find_slot(slot.name));
        }
    }

    Result<CellIndex> resolve(std::string_view recipient, std::string_view purpose) const {
        return gate->resolve(recipient_id(recipient), purpose, now);
    }
    CellIndex cell(std::string_view recipient, std::string_view purpose) const {
        const auto resolved = resolve(recipient, purpose);
        REQUIRE(resolved.has_value());
        return *resolved;
    }
    RecipientId recipient_id(std::string_view name) const {
        return gate->find_recipient(name).value_or(RecipientId{9'999});
    }
    FieldId field_id(std::string_view name) const {
        return gate->find_field(name).value_or(FieldId{9'999});
    }
    std::string shown(std::string_view recipient, std::string_view purpose, std::string_view field,
                      std::string_view want = "") const {
        std::optional<TransformIndex> wanted;
        if (!want.empty()) {
            wanted = gate->find_transform(want);
            REQUIRE(wanted);
        }
        const auto transform = gate->field(cell(recipient, purpose), field_id(field), wanted);
        if (transform.has_error()) return std::string{wire_name(transform.error())};
        return std::string{gate->name_of(*transform)};
    }
    std::optional<Refusal> person(std::string_view recipient, std::string_view purpose) const {
        return gate->person(cell(recipient, purpose), subject, now, [this] { return expired; });
    }
    std::optional<Refusal> write(std::string_view recipient, std::string_view purpose) const {
        return gate->write(cell(recipient, purpose), subject, now, [this] { return expired; });
    }
    std::optional<Refusal> value(std::string_view recipient, std::string_view purpose,
                                 std::string_view field) const {
        return gate->value(cell(recipient, purpose), field_id(field), subject, collected, now);
    }
    void withdraw(std::string_view slot) { subject.granted.clear(*gate->find_slot(slot)); }
    void expire(std::string_view slot) {
        expired.set(*gate->find_slot(slot));
        subject.earliest_expiry = now.seconds;
    }

    CountingIds ids;
    std::shared_ptr<const Gate> gate;
    SubjectState subject;
    SlotMask expired;
    Timestamp collected = kTestNow;
    Timestamp now = kTestNow;
};

constexpr auto kNone = std::optional<Refusal>{};

Timestamp time_at(std::string_view text) {
    const auto time = parse_time(text);
    REQUIRE(time);
    return *time;
}

}  // namespace

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

TEST_CASE("policy 0a: without acceptance of the policy nothing is stored", "[policy][promise]") {
    GateFixture f;
    CHECK(f.write("web", "own_account") == kNone);
    f.subject.granted = f.gate->objection_slots();
    CHECK(f.write("web", "own_account") == Refusal::consent_missing);
    CHECK(f.person("web", "own_account") == Refusal::consent_missing);
    f.subject.granted.set(*f.gate->find_slot("policy"));
    CHECK(f.write("web", "own_account") == kNone);
    CHECK(f.write("web", "campaign") == Refusal::consent_missing);
}

TEST_CASE("policy 1.2(3): refusing the campaign leaves the service alone", "[policy][promise]") {
    GateFixture f;
    f.withdraw("campaign");
    CHECK(f.person("marketing", "campaign") == Refusal::consent_missing);
    CHECK(f.write("marketing", "campaign") == Refusal::consent_missing);
    CHECK(f.person("web", "provide") == kNone);
}

TEST_CASE("policy 1.4: a question that changed has to be asked again", "[policy][gate][promise]") {
    GateFixture f;
    f.subject.seen_version = 2;  // identity_check changed in 3, promote in 2
    CHECK(f.person("partner_idcheck", "identity_check") == Refusal::consent_stale);
    CHECK(f.person("marketing", "promote") == kNone);
    f.subject.seen_version = 1;
    CHECK(f.person("marketing", "promote") == Refusal::consent_stale);
    CHECK(f.person("web", "provide") == kNone);
    f.withdraw("promote");
    CHECK(f.person("marketing", "promote") == Refusal::consent_missing);
    CHECK_FALSE(f.gate->live_grants(f.subject).has(*f.gate->find_slot("identity_check")));
    CHECK(f.gate->live_grants(f.subject).has(*f.gate->find_slot("policy")));
}

TEST_CASE("a stale and a never granted slot together are missing", "[policy][gate]") {
    GateFixture f;
    f.subject.seen_version = 2;
    f.withdraw("policy");
    CHECK(f.person("partner_idcheck", "identity_check") == Refusal::consent_missing);
}

TEST_CASE("grants of version 0 keep only what nobody has to ask", "[policy][gate]") {
    GateFixture f;
    f.subject.seen_version = 0;
    CHECK(f.gate->live_grants(f.subject) == f.gate->objection_slots());
    f.subject.seen_version = 65'535;  // a newer version has folded the person
    CHECK(f.gate->live_grants(f.subject) == f.subject.granted);
}

TEST_CASE("a grant of a slot this version does not have is no grant", "[policy][gate]") {
    GateFixture f;
    f.subject.granted.set(SlotId{125});
    CHECK_FALSE(f.gate->live_grants(f.subject).has(SlotId{125}));
}

TEST_CASE("an expired grant is refused in its second, and only where needed", "[policy][gate]") {
    GateFixture f;
    f.expire("campaign");
    CHECK(f.person("marketing", "campaign") == Refusal::consent_expired);
    CHECK(f.write("marketing", "campaign") == Refusal::consent_expired);
    CHECK(f.person("marketing", "promote") == kNone);
    f.subject.earliest_expiry = f.now.seconds + 1;
    CHECK(f.person("marketing", "campaign") == kNone);
}

TEST_CASE("expired slots are asked for only once something has expired", "[policy][gate]") {
    GateFixture f;
    unsigned calls = 0;
    const auto expired = [&calls] {
        ++calls;
        return SlotMask{};
    };
    const CellIndex cell = f.cell("marketing", "campaign");
    f.subject.earliest_expiry = 0;
    CHECK(f.gate->person(cell, f.subject, f.now, expired) == kNone);
    f.subject.earliest_expiry = f.now.seconds + 1;
    CHECK(f.gate->person(cell, f.subject, f.now, expired) == kNone);
    CHECK(calls == 0);
    f.subject.earliest_expiry = f.now.seconds;
    CHECK(f.gate->person(cell, f.subject, f.now, expired) == kNone);
    CHECK(calls == 1);
}

TEST_CASE("policy 1.3(4): promotion needs the consent and no objection", "[policy][promise]") {
    GateFixture f;
    const SlotId objection = *f.gate->find_slot("not_objected.promote");
    CHECK(f.gate->objection_slots().has(objection));
    CHECK(f.gate->slot_rule(objection)->starts_granted());
    CHECK(f.person("marketing", "promote") == kNone);
    f.subject.granted.clear(objection);
    CHECK(f.person("marketing", "promote") == Refusal::consent_missing);
    CHECK(f.write("marketing", "promote") == Refusal::consent_missing);
    CHECK(f.person("marketing", "campaign") == kNone);
    // Nobody starts with the consent itself.
    CHECK_FALSE(f.gate->objection_slots().has(*f.gate->find_slot("promote")));
}

TEST_CASE("a pause stops every purpose, a restriction all but the lawful ones", "[policy][gate]") {
    GateFixture f;
    f.subject.flags = SubjectState::kRestricted;
    CHECK(f.person("web", "provide") == Refusal::restricted);
    CHECK(f.person("finance", "accounting") == kNone);
    CHECK(f.person("privacy_office", "subject_rights") == kNone);
    CHECK(f.write("web", "provide") == kNone);  // the write gate is steps 8-10
    f.subject.flags = SubjectState::kPaused;
    CHECK(f.person("web", "provide") == Refusal::paused);
    CHECK(f.person("privacy_office", "subject_rights") == Refusal::paused);
    f.subject.flags = SubjectState::kPaused | SubjectState::kRestricted;
    CHECK(f.person("web", "provide") == Refusal::paused);
    f.subject.flags = SubjectState::kMinor;
    CHECK(f.person("web", "provide") == kNone);
}

TEST_CASE("policy 6b: abroad only with the consent for abroad", "[policy][gate][promise]") {
    GateFixture f;
    CHECK(f.person("affiliate_de", "support") == kNone);
    f.withdraw("export_de");
    CHECK(f.person("affiliate_de", "support") == Refusal::cross_border_no_consent);
    CHECK(f.write("affiliate_de", "support") == Refusal::cross_border_no_consent);
    CHECK(f.person("support_desk", "support") == kNone);
}

TEST_CASE("a consent for abroad expires like any other", "[policy][gate]") {
    GateFixture f;
    f.expire("export_de");
    CHECK(f.person("affiliate_de", "support") == Refusal::consent_expired);
    CHECK(f.person("support_desk", "support") == kNone);
}

TEST_CASE("policy 6a: where a person lives decides what is abroad", "[policy][gate][promise]") {
    GateFixture f{R"([{"op":"replace","path":"/regions/eu/countries","value":["DE","FR"]}])"};
    const std::uint16_t eu = f.ids.id_of(NameKind::region, "eu");
    f.subject.home_region = eu;
    CHECK(f.person("web", "provide") == Refusal::cross_border_blocked);  // CN has no rule
    CHECK(f.person("affiliate_de", "support") == kNone);
    f.withdraw("export_de");
    CHECK(f.person("affiliate_de", "support") == kNone);  // at home there
    f.subject.home_region = static_cast<std::uint16_t>(f.gate->home_region());
    CHECK(f.person("affiliate_de", "support") == Refusal::cross_border_no_consent);
    f.subject.home_region = 4'000;  // a region this version does not know
    CHECK(f.person("web", "provide") == Refusal::cross_border_blocked);
}

TEST_CASE("policy 3.3(1): the public is abroad for everybody", "[policy][gate][promise]") {
    GateFixture f;
    CHECK(f.person("public", "reference") == kNone);
    f.withdraw("publish");
    CHECK(f.person("public", "reference") == Refusal::cross_border_no_consent);
    CHECK(f.shown("public", "reference", "mobile") == "FIELD_NOT_NECESSARY");
}

TEST_CASE("policy 3.4: disclosure needs an order", "[policy][gate][promise]") {
    GateFixture f;
    CHECK(f.person("privacy_office", "disclosure") == Refusal::order_required);
    f.subject.flags = SubjectState::kRestricted;
    CHECK(f.person("privacy_office", "disclosure") == Refusal::order_required);
}

TEST_CASE("policy 4.2b: chat is readable for one year to the second", "[policy][gate][promise]") {
    GateFixture f;
    f.collected = time_at("2023-03-01T12:00:00Z");
    f.now = time_at("2024-03-01T11:59:59Z");  // 366 days, a leap day lies between
    CHECK(f.value("support_desk", "support", "chat_text") == kNone);
    f.now = time_at("2024-03-01T12:00:00Z");
    CHECK(f.value("support_desk", "support", "chat_text") == Refusal::retention_ended);
    f.collected = time_at("2024-02-29T08:00:00Z");
    f.now = time_at("2025-02-28T07:59:59Z");
    CHECK(f.value("support_desk", "support", "chat_text") == kNone);
    f.now = time_at("2025-02-28T08:00:00Z");
    CHECK(f.value("support_desk", "support", "chat_text") == Refusal::retention_ended);
}

TEST_CASE("policy 5.3: after closing, orders open for accounting only", "[policy][promise]") {
    GateFixture f;
    CHECK(f.value("web", "provide", "order_info") == kNone);
    f.subject.account_closed = f.now.seconds;
    CHECK(f.value("web", "provide", "order_info") == Refusal::retention_ended);
    CHECK(f.value("support_desk", "support", "order_info") == Refusal::retention_ended);
    CHECK(f.value("finance", "accounting", "order_info") == kNone);
    // A subject request reads as long as any purpose may.
    CHECK(f.value("privacy_office", "subject_rights", "order_info") == kNone);
    f.now = plus(f.collected, {36, 0, 0});
    CHECK(f.value("finance", "accounting", "order_info") == Refusal::retention_ended);
    CHECK(f.value("privacy_office", "subject_rights", "order_info") == Refusal::retention_ended);
}

TEST_CASE("policy 1.2(3): campaign data ends 90 days after the campaign", "[policy][promise]") {
    GateFixture f;
    f.now = time_at("2035-01-01T00:00:00Z");
    CHECK(f.value("finance", "campaign_pay", "account_no") == kNone);
    f.subject.campaign_ended = f.now.seconds;
    f.now.seconds += 90 * 86'400 - 1;
    CHECK(f.value("finance", "campaign_pay", "account_no") == kNone);
    f.now.seconds += 1;
    CHECK(f.value("finance", "campaign_pay", "account_no") == Refusal::retention_ended);
}

TEST_CASE("of two rules of a pair the earlier end wins", "[policy][gate]") {
    GateFixture f;
    f.subject.last_activity = f.now.seconds;
    CHECK(f.value("web", "provide", "mobile") == kNone);
    f.now = plus(f.now, {36, 0, 0});
    CHECK(f.value("web", "provide", "mobile") == Refusal::retention_ended);
    f.subject.last_activity = f.now.seconds;
    CHECK(f.value("web", "provide", "mobile") == kNone);
    f.subject.account_closed = f.now.seconds;
    CHECK(f.value("web", "provide", "mobile") == Refusal::retention_ended);
}

TEST_CASE("the end of a value is known when it only counts from collection", "[policy][gate]") {
    const GateFixture f;
    const Timestamp now = time_at("2023-06-01T10:00:00Z");
    const auto end = f.gate->known_end_day(f.field_id("chat_text"), now);
    REQUIRE(end);
    CHECK(*end == time_at("2024-06-01T10:00:00Z").day());
    CHECK(f.gate->known_end_day(f.field_id("cookie_prefs"), now) ==
          time_at("2024-06-01T10:00:00Z").day());
    CHECK_FALSE(f.gate->known_end_day(f.field_id("mobile"), now));
    CHECK_FALSE(f.gate->known_end_day(f.field_id("order_info"), now));  // mixed anchors
    CHECK_FALSE(f.gate->known_end_day(f.field_id("account_no"), now));
    const Timestamp last{0xFFFFFFFFU};
    CHECK_FALSE(f.gate->known_end_day(f.field_id("chat_text"), last));
}

TEST_CASE("the earliest failing step answers", "[policy][gate]") {
    // A person and a recipient for whom everything is wrong; each repair shows the next step.
    GateFixture f{R"([{"op":"add","path":"/recipients/affiliate_de/suspended","value":true}])"};
    const auto explain = [&] {
        return f.gate->explain({f.recipient_id("affiliate_de"), "support", f.field_id("mobile"),
                                f.subject, f.collected, f.now, f.expired});
    };
    f.collected = time_at("2022-06-01T00:00:00Z");
    f.now = time_at("2031-01-01T00:00:00Z");
    f.subject.flags = SubjectState::kPaused;
    f.subject.granted = {};
    f.subject.account_closed = 1;
    CHECK(explain() == std::vector<Refusal>{Refusal::recipient_suspended,
                                            Refusal::agreement_expired,
                                            Refusal::field_not_necessary, Refusal::paused,
                                            Refusal::cross_border_no_consent,
                                            Refusal::consent_missing, Refusal::retention_ended});
    CHECK(f.resolve("affiliate_de", "support").error() == Refusal::recipient_suspended);

    const GateFixture open;  // the same policy without the suspension
    const CellIndex cell = open.cell("affiliate_de", "support");
    const auto person = [&] {
        return open.gate->person(cell, f.subject, f.now, [&] { return f.expired; });
    };
    CHECK(person() == Refusal::paused);
    f.subject.flags = SubjectState::kRestricted;
    CHECK(person() == Refusal::restricted);
    f.subject.flags = 0;
    CHECK(person() == Refusal::cross_border_no_consent);
    f.subject.granted.set(*open.gate->find_slot("export_de"));
    f.expire("export_de");
    CHECK(person() == Refusal::consent_missing);
    f.subject.granted.set(*open.gate->find_slot("policy"));
    CHECK(person() == Refusal::consent_expired);
    f.expired = {};
    CHECK(person() == kNone);
}

TEST_CASE("explain names no person's state without a cell", "[policy][gate]") {
    GateFixture f;
    f.subject.granted = {};
    f.subject.flags = SubjectState::kPaused;
    CHECK(f.gate->explain({f.recipient_id("web"),
                           "credit_score",
                           f.field_id("mobile"),
                           f.subject,
                           f.collected,
                           f.now,
                           {}}) == std::vector<Refusal>{Refusal::purpose_unknown});
    CHECK(f.gate->explain({f.recipient_id("hosting"),
                           "provide",
                           f.field_id("mobile"),
                           f.subject,
                           f.collected,
                           f.now,
                           {}}) == std::vector<Refusal>{Refusal::purpose_not_allowed});
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
