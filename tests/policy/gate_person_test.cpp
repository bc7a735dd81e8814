#include "tests/policy/gate_fixture.hpp"

namespace oubliette::policy {

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

TEST_CASE("the earliest failing step answers", "[policy][gate]") {
    // A person and a recipient for whom everything is wrong; each repair shows the next step.
    GateFixture f{R"([{"op":"add","path":"/recipients/affiliate_de/suspended","value":true}])"};
    const auto explain = [&] {
        return all_of(
            f.gate->explain({f.recipient_id("affiliate_de"), "support", f.field_id("mobile"),
                             f.subject, f.collected, f.now, f.expired}));
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
    f.subject.granted = open.gate->objection_slots();
    f.subject.granted.set(*open.gate->find_slot("export_de"));
    f.expire("export_de");
    CHECK(person() == Refusal::consent_missing);
    f.subject.granted.set(*open.gate->find_slot("policy"));
    CHECK(person() == Refusal::consent_expired);
    f.expired = {};
    CHECK(person() == kNone);
}

}  // namespace oubliette::policy
