#include "tests/policy/gate_fixture.hpp"

namespace oubliette::policy {

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

}  // namespace oubliette::policy
