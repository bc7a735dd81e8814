#include "vault/policy/diff.hpp"

#include <algorithm>

#include "tests/policy/policy_fixture.hpp"

namespace oubliette::policy {
namespace {

struct ChangeCase {
    std::string_view name;
    std::string_view patch;
    std::string_view kind;    // the one kind of all its changes; "" = nothing material
    std::string_view object;  // of the first
};

const ChangeCase kCases[] = {
    {"nothing", R"([])", "", ""},
    {"the wording of a question",
     R"([{"op":"replace","path":"/consents/policy/text","value":"I have read and accept it."}])",
     "", ""},
    {"a stricter transform",
     R"([{"op":"replace","path":"/purposes/notify/fields/mobile","value":"last4"}])", "", ""},
    {"a shorter time", R"([{"op":"replace","path":"/retention/5/keep","value":"P6M"}])", "", ""},
    {"the same time in other units",
     R"([{"op":"replace","path":"/retention/5/keep","value":"P12M"}])", "", ""},
    {"an additional end",
     R"([{"op":"add","path":"/retention/-","value":
          {"category":"profile","purpose":"*","from":"last_activity","keep":"P1Y"}}])",
     "", ""},
    {"a purpose that is gone",
     R"([{"op":"remove","path":"/purposes/activate"},
         {"op":"remove","path":"/recipients/web/purposes/2"}])",
     "", ""},
    {"a slot that is asked for in addition",
     R"([{"op":"add","path":"/purposes/notify/needs/-","value":"promote"}])", "", ""},

    {"a new purpose",
     R"([{"op":"add","path":"/purposes/newsletter","value":{"clause":"1.4","basis":"consent",
          "needs":["policy","promote"],"fields":{"mobile":"plain"}}},
         {"op":"add","path":"/recipients/web/purposes/-","value":"newsletter"}])",
     "purpose.added recipient.fields_added", "newsletter"},
    {"another basis",
     R"([{"op":"replace","path":"/purposes/improve/basis","value":"legitimate_interest"}])",
     "purpose.basis", "improve"},
    {"a consent that is asked no more",
     R"([{"op":"replace","path":"/purposes/promote/needs","value":["promote"]}])", "purpose.basis",
     "promote"},
    {"a consent that is asked more softly",
     R"([{"op":"replace","path":"/consents/campaign/ask","value":"express"}])", "purpose.basis",
     "campaign"},
    {"a grant that never ends", R"([{"op":"remove","path":"/consents/promote/expires"}])",
     "purpose.basis", "promote"},
    {"a field more",
     R"([{"op":"add","path":"/purposes/support/fields/real_name","value":"initial"}])",
     "purpose.fields_added", "support"},
    {"a new field in a purpose",
     R"([{"op":"add","path":"/fields/hobby","value":{"category":"profile","type":"string"}},
         {"op":"add","path":"/purposes/provide/fields/hobby","value":"plain"}])",
     "purpose.fields_added", "provide"},
    {"last four digits in plain",
     R"([{"op":"replace","path":"/purposes/support/fields/mobile","value":"plain"}])",
     "transform.weakened", "support"},
    {"a mask that keeps more",
     R"([{"op":"replace","path":"/transforms/last4/keep","value":"last:6"}])", "transform.weakened",
     "campaign"},
    {"a mask that keeps the other end",
     R"([{"op":"replace","path":"/transforms/last4/keep","value":"first:4"}])",
     "transform.weakened", "campaign"},
    {"a pseudonym that joins recipients",
     R"([{"op":"replace","path":"/transforms/pseudo/key","value":"per_tenant"}])",
     "transform.weakened", "improve"},
    {"a cap that is gone", R"([{"op":"remove","path":"/recipients/support_desk/cap/mobile"}])",
     "transform.weakened", "support_desk"},
    {"a new recipient",
     R"([{"op":"add","path":"/recipients/call_centre","value":{"kind":"internal","country":"CN",
          "purposes":["support"]}}])",
     "recipient.added", "call_centre"},
    {"a consent that names one more",
     R"([{"op":"add","path":"/consents/affiliates/names/-","value":"affiliate_de"}])",
     "recipient.added", "affiliates"},
    {"a purpose more for a recipient",
     R"([{"op":"add","path":"/recipients/finance/purposes/-","value":"notify"}])",
     "recipient.fields_added", "finance"},
    {"a field more for a recipient",
     R"([{"op":"add","path":"/recipients/affiliate_motor/fields/-","value":"order_info"}])",
     "recipient.fields_added", "affiliate_motor"},
    {"a recipient without its list of fields",
     R"([{"op":"remove","path":"/recipients/partner_idcheck/fields"}])", "recipient.fields_added",
     "partner_idcheck"},
    {"a budget that is gone",
     R"([{"op":"remove","path":"/recipients/marketing/subjects_per_hour"}])",
     "recipient.fields_added", "marketing"},
    {"a partner that may pass on",
     R"([{"op":"replace","path":"/recipients/partner_idcheck/onward","value":true}])",
     "recipient.fields_added", "partner_idcheck"},
    {"a longer time", R"([{"op":"replace","path":"/retention/5/keep","value":"P2Y"}])",
     "retention.longer", "messages"},
    {"days that may be more than months",
     R"([{"op":"replace","path":"/retention/2/keep","value":"P1096D"}])", "retention.longer",
     "contact"},
    {"an end that is gone", R"([{"op":"remove","path":"/retention/2"}])", "retention.longer",
     "contact"},
    {"another event", R"([{"op":"replace","path":"/retention/5/from","value":"last_activity"}])",
     "retention.longer", "messages"},
    {"anonymised instead of deleted",
     R"([{"op":"replace","path":"/retention/4/then","value":"anonymise"},
         {"op":"add","path":"/retention/4/method","value":"k>=20"}])",
     "retention.longer", "identity"},
    {"a country more at home", R"([{"op":"add","path":"/regions/cn/countries/-","value":"SG"}])",
     "region.added", "cn"},
    {"another company",
     R"([{"op":"replace","path":"/policy/controller/name","value":"Successor Ltd."}])",
     "controller.changed", "controller"},
    {"slower answers", R"([{"op":"replace","path":"/requests/answer_within","value":"P30D"}])",
     "rights.reduced", "requests"},
    {"a harder proof",
     R"([{"op":"replace","path":"/requests/proof/withdraw","value":"two_factors"}])",
     "rights.reduced", "requests"},
    {"fewer free requests", R"([{"op":"replace","path":"/requests/free_per_year","value":1}])",
     "rights.reduced", "requests"},
    {"a cooling-off that was none",
     R"([{"op":"replace","path":"/requests/cooling_off","value":"P9D"}])", "rights.reduced",
     "requests"},
    {"an objection that is not heard", R"([{"op":"remove","path":"/purposes/promote/objection"}])",
     "rights.reduced", "promote"},
    {"one approval less", R"([{"op":"replace","path":"/orders/litigation/approvals","value":1}])",
     "rights.reduced", "litigation"},
    {"a hold without evidence", R"([{"op":"remove","path":"/holds/abuse/evidence"}])",
     "rights.reduced", "abuse"},
    {"fields that may be read together",
     R"([{"op":"replace","path":"/never_together","value":[]}])", "rights.reduced",
     "never_together"},
    {"another contact",
     R"([{"op":"replace","path":"/policy/controller/contact","value":"dpo@example.invalid"}])",
     "contact.changed", "contact"},
};

std::shared_ptr<const Document> next_version(std::string_view patch) {
    auto json = nlohmann::json::parse(example_policy()).patch(nlohmann::json::parse(patch));
    json["policy"]["version"] = 4;
    json["policy"]["supersedes"] = 3;
    return parsed(json.dump(1));
}

std::string kinds_of(const std::vector<Change>& changes) {
    std::string kinds;
    for (const Change& change : changes) {
        const std::string word{word_of(change.kind)};
        if (kinds.find(word) == std::string::npos) kinds += (kinds.empty() ? "" : " ") + word;
    }
    return kinds;
}

std::string declared(const std::vector<Change>& changes) {
    nlohmann::json notes = nlohmann::json::array();
    for (const Change& change : changes) {
        notes.push_back({{"kind", word_of(change.kind)}, {"affects", {change.object}}});
    }
    return nlohmann::json::array(
               {{{"op", "replace"}, {"path", "/policy/changes"}, {"value", notes}}})
        .dump();
}

}  // namespace

TEST_CASE("what widens a use is found and named", "[policy][diff]") {
    const auto from = parsed(example_policy());
    for (const ChangeCase& change_case : kCases) {
        CAPTURE(change_case.name);
        const auto to = next_version(change_case.patch);
        const auto changes = diff(*from, *to);
        CHECK(kinds_of(changes) == change_case.kind);
        if (!changes.empty()) CHECK(changes.front().object == change_case.object);
    }
}

TEST_CASE("the way back of every widening is none", "[policy][diff]") {
    // Only those that are not a change in both directions: another basis is.
    const auto from = parsed(example_policy());
    for (const std::string_view name :
         {"a field more", "a purpose more for a recipient", "a longer time", "a new recipient",
          "last four digits in plain", "a country more at home", "a harder proof",
          "one approval less", "a grant that never ends"}) {
        CAPTURE(name);
        const auto found = std::ranges::find(kCases, name, &ChangeCase::name);
        REQUIRE(found != std::end(kCases));
        CHECK(kinds_of(diff(*next_version(found->patch), *from)).empty());
    }
}

TEST_CASE("a material change is refused unless the author declares it", "[policy][diff]") {
    const auto from = parsed(example_policy());
    const std::string_view weaker =
        R"([{"op":"replace","path":"/purposes/support/fields/mobile","value":"plain"}])";
    const auto silent = next_version(weaker);
    const auto findings = check_changes(*from, *silent, kTestNow);
    const auto codes = codes_of(findings);
    CHECK(std::ranges::count(codes, "DIFF_MATERIAL") == 1);
    CHECK(findings.front().pointer == "/purposes/support/fields/mobile");
    CHECK(findings.front().line > 0);

    const auto notes = declared(diff(*from, *silent));
    auto json = nlohmann::json::parse(silent->json).patch(nlohmann::json::parse(notes));
    CHECK(codes_of(check_changes(*from, *parsed(json.dump()), kTestNow)) ==
          std::vector<std::string>{"DIFF_SINCE"});

    // And asks again: the purpose needs only the acceptance of the policy.
    json["consents"]["policy"]["since"] = 4;
    CHECK(check_changes(*from, *parsed(json.dump()), kTestNow).empty());
}

TEST_CASE("an author may declare more than there is", "[policy][diff]") {
    const auto from = parsed(example_policy());
    const auto to = next_version(
        R"([{"op":"add","path":"/policy/changes/-","value":
            {"kind":"rights.reduced","affects":["requests"],"text":"We think so."}}])");
    CHECK(check_changes(*from, *to, kTestNow).empty());
}

TEST_CASE("what the law or an order demands asks nobody again", "[policy][diff]") {
    const auto from = parsed(example_policy());
    const auto to = next_version(
        R"([{"op":"add","path":"/purposes/accounting/fields/account_no","value":"plain"},
            {"op":"replace","path":"/policy/changes","value":
             [{"kind":"purpose.fields_added","affects":["accounting"]}]}])");
    CHECK(check_changes(*from, *to, kTestNow).empty());
}

TEST_CASE("lapsed grants do not count again", "[policy][diff]") {
    const auto from = parsed(example_policy());
    const auto to =
        next_version(R"([{"op":"replace","path":"/consents/promote/since","value":1}])");
    const auto findings = check_changes(*from, *to, kTestNow);
    CHECK(codes_of(findings) == std::vector<std::string>{"DIFF_SINCE_LOWERED"});
    CHECK(findings.front().pointer == "/consents/promote/since");
}

TEST_CASE("another controller needs a transfer, declared or not", "[policy][diff]") {
    const auto from = parsed(example_policy());
    const auto to = next_version(
        R"([{"op":"replace","path":"/policy/controller/name","value":"Successor Ltd."},
            {"op":"replace","path":"/policy/changes","value":
             [{"kind":"controller.changed","affects":["controller"]}]}])");
    const auto codes = codes_of(check_changes(*from, *to, kTestNow));
    CHECK(std::ranges::count(codes, "TRANSFER_REQUIRED") == 1);
    CHECK(std::ranges::count(codes, "DIFF_MATERIAL") == 0);
}

TEST_CASE("people get the notice period that the version in force promises", "[policy][diff]") {
    auto json = nlohmann::json::parse(example_policy());
    json["policy"]["notice"]["period"] = "P14D";
    const auto from = parsed(json.dump());
    const auto checked = [&](std::string_view effective) {
        const auto to = next_version(
            R"([{"op":"replace","path":"/policy/controller/contact","value":"dpo@example.invalid"},
                {"op":"replace","path":"/policy/changes","value":
                 [{"kind":"contact.changed","affects":["contact"]}]},
                {"op":"replace","path":"/policy/effective","value":")" +
            std::string{effective} + R"("}])");
        return codes_of(check_changes(*from, *to, kTestNow));
    };
    CHECK(checked("2023-06-14T23:59:59Z") == std::vector<std::string>{"NOTICE_PERIOD"});
    CHECK(checked("2023-06-15T00:00:00Z").empty());
    // Nothing material: at once.
    CHECK(check_changes(*from, *next_version("[]"), kTestNow).empty());
}

}  // namespace oubliette::policy
