#include "tests/policy/policy_fixture.hpp"

namespace oubliette::policy {

namespace {

struct BadCase {
    std::string_view name;
    std::string_view patch;
    std::string_view code;
    std::string_view pointer;
};

// One per rule: the smallest change of the example that breaks it.
const BadCase kBadCases[] = {
    {"no contact", R"([{"op":"remove","path":"/policy/controller/contact"}])", "LINT_NO_CONTACT",
     "/policy/controller"},
    {"a field that no purpose names",
     R"([{"op":"add","path":"/fields/hobby","value":{"category":"profile","type":"string"}}])",
     "LINT_FIELD_WITHOUT_PURPOSE", "/fields/hobby"},
    {"a field that only \"*\" would reach",
     R"([{"op":"remove","path":"/purposes/own_account/fields/website"},
         {"op":"remove","path":"/purposes/improve/fields/website"}])",
     "LINT_FIELD_WITHOUT_PURPOSE", "/fields/website"},
    {"a purpose that nobody has",
     R"([{"op":"replace","path":"/recipients/support_desk/purposes","value":["support"]}])",
     "LINT_PURPOSE_WITHOUT_RECIPIENT", "/purposes/notify"},
    {"consent as a basis without any slot",
     R"([{"op":"replace","path":"/purposes/preferences/needs","value":[]}])",
     "LINT_CONSENT_WITHOUT_SLOT", "/purposes/preferences"},
    {"consent as a basis with the policy's acceptance only",
     R"([{"op":"replace","path":"/purposes/improve/needs","value":["policy"]}])",
     "LINT_CONSENT_WITHOUT_SLOT", "/purposes/improve"},
    {"a partner on an express consent",
     R"([{"op":"replace","path":"/consents/identity_check/ask","value":"express"}])",
     "LINT_SHARING_WITHOUT_SEPARATE", "/recipients/partner_idcheck/purposes"},
    {"an affiliate on the contract alone",
     R"([{"op":"replace","path":"/recipients/affiliate_motor/purposes","value":["provide"]},
         {"op":"add","path":"/recipients/web/purposes/-","value":"group_service"}])",
     "LINT_SHARING_WITHOUT_SEPARATE", "/recipients/affiliate_motor/purposes"},
    {"an affiliate abroad on an express consent",
     R"([{"op":"replace","path":"/consents/export_de/ask","value":"express"}])",
     "LINT_SHARING_WITHOUT_SEPARATE", "/recipients/affiliate_de/purposes"},
    {"a border consent that counts only abroad",
     R"([{"op":"replace","path":"/recipients/affiliate_de/country","value":"CN"}])",
     "LINT_SHARING_WITHOUT_SEPARATE", "/recipients/affiliate_de/purposes"},
    {"the public on an express consent",
     R"([{"op":"replace","path":"/consents/publish/ask","value":"express"}])",
     "LINT_SHARING_WITHOUT_SEPARATE", "/recipients/public/purposes"},
    {"a separate consent that names somebody else",
     R"([{"op":"replace","path":"/consents/affiliates/names","value":["affiliate_de"]}])",
     "LINT_SLOT_DOES_NOT_NAME_RECIPIENT", "/recipients/affiliate_motor/purposes"},
    {"a separate consent that names nobody",
     R"([{"op":"remove","path":"/consents/identity_check/names"}])",
     "LINT_SLOT_DOES_NOT_NAME_RECIPIENT", "/recipients/partner_idcheck/purposes"},
    {"a sensitive field under consent without separate",
     R"([{"op":"add","path":"/fields/website/sensitive","value":true}])",
     "LINT_SENSITIVE_WITHOUT_SEPARATE", "/purposes/improve/fields/website"},
    {"a foreign recipient without a border rule",
     R"([{"op":"replace","path":"/recipients/finance/country","value":"FR"}])", "LINT_CROSS_BORDER",
     "/recipients/finance"},
    {"a border rule without mechanism",
     R"([{"op":"remove","path":"/recipients/affiliate_de/cross_border/mechanism"}])",
     "LINT_CROSS_BORDER", "/recipients/affiliate_de"},
    {"a border rule without assessment",
     R"([{"op":"remove","path":"/recipients/affiliate_de/cross_border/assessment"}])",
     "LINT_CROSS_BORDER", "/recipients/affiliate_de"},
    {"an agreement that has ended",
     R"([{"op":"replace","path":"/recipients/hosting/agreement/expires","value":"2023-06-01"}])",
     "LINT_AGREEMENT_EXPIRED", "/recipients/hosting/agreement/expires"},
    {"a processor without agreement", R"([{"op":"remove","path":"/recipients/hosting/agreement"}])",
     "LINT_RECIPIENT_WITHOUT_AGREEMENT", "/recipients/hosting"},
    {"a category that never dies", R"([{"op":"remove","path":"/retention/12"}])",
     "LINT_CATEGORY_WITHOUT_RETENTION", "/fields/cookie_prefs/category"},
    {"\"*\" for a daily purpose",
     R"([{"op":"add","path":"/purposes/provide/fields/*","value":"plain"}])", "LINT_ALL_FIELDS",
     "/purposes/provide/fields/*"},
    {"a slot that changed in the future",
     R"([{"op":"replace","path":"/consents/improve/since","value":4}])", "LINT_SLOT_SINCE",
     "/consents/improve/since"},
    {"a transform that cannot fit",
     R"([{"op":"replace","path":"/purposes/notify/fields/mobile","value":"domain"}])",
     "LINT_TRANSFORM_DOES_NOT_FIT", "/purposes/notify/fields/mobile"},
    {"a cap that cannot fit",
     R"([{"op":"replace","path":"/recipients/support_desk/cap/mobile","value":"city"}])",
     "LINT_TRANSFORM_DOES_NOT_FIT", "/recipients/support_desk/cap/mobile"},
    {"a hold on a direct identifier",
     R"([{"op":"replace","path":"/holds/trade_secret/fields","value":["real_name"]}])",
     "LINT_HOLD_TOO_WIDE", "/holds/trade_secret/fields"},
    {"an unknown home region",
     R"([{"op":"add","path":"/regions/de","value":{"countries":["CN"]}},
         {"op":"remove","path":"/regions/cn"},
         {"op":"replace","path":"/policy/home_region","value":"xx"}])",
     "LINT_DANGLING_REFERENCE", "/policy/home_region"},
    {"an index over a handful of values",
     R"([{"op":"add","path":"/fields/industry/search","value":"blind_index"}])",
     "LINT_INDEX_LOW_ENTROPY", "/fields/industry/search"},
    {"tokens that would be guessed",
     R"([{"op":"add","path":"/fields/mobile/token_format","value":{"shape":"digits","length":5}}])",
     "LINT_TOKEN_SPACE", "/fields/mobile/token_format"},
    {"an alphabet that is too small",
     R"([{"op":"add","path":"/fields/mobile/token_format",
          "value":{"shape":"alphabet","alphabet":"a","length":60}}])",
     "LINT_TOKEN_SPACE", "/fields/mobile/token_format"},
    {"an alphabet that repeats itself",
     R"([{"op":"add","path":"/fields/mobile/token_format",
          "value":{"shape":"alphabet","alphabet":"abca","length":20}}])",
     "LINT_TOKEN_SPACE", "/fields/mobile/token_format"},
    {"tokens that could be values",
     R"([{"op":"replace","path":"/fields/username/token","value":"format"},
         {"op":"add","path":"/fields/username/token_format",
          "value":{"shape":"digits","length":9}}])",
     "LINT_TOKEN_NEEDS_INDEX", "/fields/username/token_format"},
    {"value tokens without an index",
     R"([{"op":"replace","path":"/fields/username/token","value":"value"}])",
     "LINT_TOKEN_NEEDS_INDEX", "/fields/username/token"},
    {"a domain that is none",
     R"([{"op":"add","path":"/fields/email/token_format","value":{"domain":"Tokens.example"}}])",
     "LINT_TOKEN_DOMAIN", "/fields/email/token_format/domain"},
    {"an unknown slot", R"([{"op":"replace","path":"/purposes/notify/needs","value":["polcy"]}])",
     "LINT_DANGLING_REFERENCE", "/purposes/notify/needs"},
    {"an unknown field", R"([{"op":"add","path":"/purposes/notify/fields/fax","value":"plain"}])",
     "LINT_DANGLING_REFERENCE", "/purposes/notify/fields/fax"},
    {"an unknown transform",
     R"([{"op":"replace","path":"/purposes/notify/fields/mobile","value":"clear"}])",
     "LINT_DANGLING_REFERENCE", "/purposes/notify/fields/mobile"},
    {"an unknown transform for all",
     R"([{"op":"replace","path":"/purposes/disclosure/fields/*","value":"clear"}])",
     "LINT_DANGLING_REFERENCE", "/purposes/disclosure/fields/*"},
    {"an unknown purpose",
     R"([{"op":"add","path":"/recipients/web/purposes/-","value":"credit_score"}])",
     "LINT_DANGLING_REFERENCE", "/recipients/web/purposes"},
    {"an unknown field of a recipient",
     R"([{"op":"add","path":"/recipients/affiliate_motor/fields/-","value":"fax"}])",
     "LINT_DANGLING_REFERENCE", "/recipients/affiliate_motor/fields"},
    {"an unknown field of a cap",
     R"([{"op":"add","path":"/recipients/support_desk/cap/fax","value":"plain"}])",
     "LINT_DANGLING_REFERENCE", "/recipients/support_desk/cap/fax"},
    {"an unknown border consent",
     R"([{"op":"add","path":"/recipients/web/cross_border","value":{"consent":"export_fr"}}])",
     "LINT_DANGLING_REFERENCE", "/recipients/web/cross_border/consent"},
    {"an unknown named recipient",
     R"([{"op":"add","path":"/consents/affiliates/names/-","value":"affiliate_xx"}])",
     "LINT_DANGLING_REFERENCE", "/consents/affiliates/names"},
    {"an unknown category",
     R"([{"op":"add","path":"/retention/-","value":{"category":"faxes","purpose":"*",
         "from":"collected","keep":"P1Y"}}])",
     "LINT_DANGLING_REFERENCE", "/retention/13/category"},
    {"an unknown purpose of a retention rule",
     R"([{"op":"replace","path":"/retention/0/purpose","value":"faxing"}])",
     "LINT_DANGLING_REFERENCE", "/retention/0/purpose"},
    {"an unknown field never together",
     R"([{"op":"replace","path":"/never_together/0/1","value":"fax"}])", "LINT_DANGLING_REFERENCE",
     "/never_together/0"},
    {"an unknown field of a hold",
     R"([{"op":"replace","path":"/holds/trade_secret/fields","value":["fax"]}])",
     "LINT_DANGLING_REFERENCE", "/holds/trade_secret/fields"},
};

}  // namespace

TEST_CASE("the example policy lints clean", "[policy][lint]") {
    const auto document = parsed(example_policy());
    CHECK(codes_of(lint(*document, kTestNow)) == std::vector<std::string>{});
}

TEST_CASE("lint refuses the smallest breach of each rule, at its place", "[policy][lint]") {
    for (const BadCase& bad : kBadCases) {
        INFO(bad.name);
        const std::string json = patched_example(bad.patch);
        const auto findings = lint(*parsed(json), kTestNow);
        bool found = false;
        for (const Finding& finding : findings) {
            CAPTURE(finding.code, finding.pointer, finding.message);
            CHECK(finding.line != 0);
            CHECK(finding.column != 0);
            found = found || (finding.code == bad.code && finding.pointer == bad.pointer);
        }
        CAPTURE(codes_of(findings));
        CHECK(found);
        CHECK(has_errors(findings));
    }
}

TEST_CASE("lint: a sensitive field is never plain for promotion", "[policy][lint]") {
    // Separate consent is there, so promotion is the only thing wrong.
    const auto findings = lint(*parsed(patched_example(R"([
        {"op":"replace","path":"/consents/promote/ask","value":"separate"},
        {"op":"add","path":"/fields/industry/sensitive","value":true},
        {"op":"remove","path":"/purposes/improve/fields/industry"}])")),
                               kTestNow);
    REQUIRE(codes_of(findings) == std::vector<std::string>{"LINT_SENSITIVE_PROMOTION"});
    CHECK(findings.front().pointer == "/purposes/promote/fields/industry");
}

TEST_CASE("lint: an agreement ends on its day, not the day before", "[policy][lint]") {
    const auto document = parsed(patched_example(
        R"([{"op":"replace","path":"/recipients/hosting/agreement/expires",
             "value":"2023-06-02"}])"));
    const Timestamp end = *parse_date("2023-06-02");
    CHECK(lint(*document, {end.seconds - 1}).empty());
    CHECK(codes_of(lint(*document, end)) == std::vector<std::string>{"LINT_AGREEMENT_EXPIRED"});
}

TEST_CASE("lint warns of a purpose without an end of its own", "[policy][lint]") {
    const auto findings =
        lint(*parsed(patched_example(
                 R"([{"op":"add","path":"/purposes/notify/fields/order_info","value":"plain"}])")),
             kTestNow);
    REQUIRE(codes_of(findings) == std::vector<std::string>{"LINT_PAIR_WITHOUT_RETENTION"});
    CHECK(findings.front().severity == Severity::warning);
    CHECK_FALSE(has_errors(findings));
}

}  // namespace oubliette::policy
