#include <random>

#include "tests/policy/policy_fixture.hpp"

namespace oubliette::policy {

namespace {

// `text` with the first `from` replaced by `to`; both lines and columns stay easy to count.
std::string edited(std::string_view from, std::string_view to) {
    std::string text{example_policy()};
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

// Line of `needle` in `text`, from 1.
std::size_t line_of(const std::string& text, std::string_view needle) {
    const std::size_t at = text.find(needle);
    REQUIRE(at != std::string::npos);
    return 1 + static_cast<std::size_t>(
                   std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

struct BadEdit {
    std::string_view from;
    std::string_view to;
    std::string_view code;
    std::string_view pointer;
    std::string_view at;  // text at whose line the finding is
};

const BadEdit kBadEdits[] = {
    {R"("schema": "oubliette.policy/1")", R"("schema": "oubliette.policy/2")", "POLICY_VALUE",
     "/schema", R"("schema")"},
    {R"("schema": "oubliette.policy/1",)", "", "POLICY_MISSING_KEY", "", "{"},
    {R"("version": 3)", R"("version": "3")", "POLICY_TYPE", "/policy/version", R"("version")"},
    {R"("version": 3)", R"("version": 0)", "POLICY_VALUE", "/policy/version", R"("version")"},
    {R"("version": 3)", R"("version": 65536)", "POLICY_VALUE", "/policy/version", R"("version")"},
    {R"("version": 3)", R"("version": 3.5)", "POLICY_TYPE", "/policy/version", R"("version")"},
    {R"("supersedes": 2)", R"("supersedes": 3)", "POLICY_VALUE", "/policy/supersedes",
     R"("supersedes")"},
    {R"("tenant": "overseas", )", "", "POLICY_MISSING_KEY", "/policy", R"("policy": {)"},
    {R"("published": "2022-08-10T00:00:00Z")", R"("published": "2022-08-10")", "POLICY_VALUE",
     "/policy/published", R"("published")"},
    {R"("CN"] }, "eu")", R"("cn"] }, "eu")", "POLICY_VALUE", "/regions/cn/countries",
     R"("regions")"},
    {R"("industry":        { "category": "profile",   "type": "enum")",
     R"("industry":        { "category": "profile",   "type": "enmu")", "POLICY_VALUE",
     "/fields/industry/type", R"("industry":  )"},
    {R"("industry":        { "category": "profile",   "type": "enum")",
     R"("industry":        { "category": "profile",   "type": "password")", "LINT_PASSWORD_FIELD",
     "/fields/industry/type", R"("industry":  )"},
    {R"("clause": "2.1",    "subject")", R"("klause": "2.1",    "subject")", "POLICY_UNKNOWN_KEY",
     "/fields/cookie_prefs/klause", R"("cookie_prefs":)"},
    {R"("cookie_prefs":    {)", R"("cookie prefs":    {)", "POLICY_NAME", "/fields/cookie prefs",
     R"("cookie prefs")"},
    {R"("cookie_prefs":    {)", R"("a~b/c":    {)", "POLICY_NAME", "/fields/a~0b~1c", R"("a~b/c")"},
    {R"("optional": true },
    "industry")",
     R"("optional": "yes" },
    "industry")",
     "POLICY_TYPE", "/fields/real_name/optional", R"("real_name":  )"},
    {R"("keep": "last:4")", R"("keep": "last:65")", "POLICY_VALUE", "/transforms/last4/keep",
     R"("last4":)"},
    {R"("keep": "last:4")", R"("keep": "middle:4")", "POLICY_VALUE", "/transforms/last4/keep",
     R"("last4":)"},
    {R"("bits": 128)", R"("bits": 120)", "POLICY_VALUE", "/transforms/pseudo/bits", R"("pseudo":)"},
    {R"("bits": 128)", R"("bits": 129)", "POLICY_VALUE", "/transforms/pseudo/bits", R"("pseudo":)"},
    {R"("part": "email.domain")", R"("part": "email.local")", "POLICY_VALUE",
     "/transforms/domain/part", R"("domain":)"},
    {R"("exists":  { "kind": "exists" })", R"("exists":  { "kind": "exists", "bits": 128 })",
     "POLICY_UNKNOWN_KEY", "/transforms/exists/bits", R"("exists":)"},
    {R"("ask": "policy",   "since": 1)", R"("ask": "implied",   "since": 1)", "POLICY_VALUE",
     "/consents/policy/ask", R"("ask": "implied")"},
    {R"("ask": "policy",   "since": 1)", R"("ask": "policy")", "POLICY_MISSING_KEY",
     "/consents/policy", R"("ask": "policy")"},
    {R"("expires": "P1Y", "text": "Use my)", R"("expires": "1 year", "text": "Use my)",
     "POLICY_VALUE", "/consents/campaign/expires", R"("expires": "1 year")"},
    {R"("basis": "contract")", R"("basis": "because")", "POLICY_VALUE",
     "/purposes/own_account/basis", R"("basis": "because")"},
    {R"("needs": ["policy", "improve"])", R"("needs": ["policy", "policy"])", "POLICY_VALUE",
     "/purposes/improve/needs/1", R"(["policy", "policy"])"},
    {R"("needs": ["policy", "improve"])", R"("needs": ["policy", 7])", "POLICY_TYPE",
     "/purposes/improve/needs/1", R"(["policy", 7])"},
    {R"("country": "DE")", R"("country": "Germany")", "POLICY_VALUE",
     "/recipients/affiliate_de/country", R"("country": "Germany")"},
    {R"("expires": "2030-03-31")", R"("expires": "2030-02-30")", "POLICY_VALUE",
     "/recipients/affiliate_motor/agreement/expires", R"("2030-02-30")"},
    {R"("subjects_per_hour": 5000)", R"("subjects_per_hour": 0)", "POLICY_VALUE",
     "/recipients/marketing/subjects_per_hour", R"("subjects_per_hour")"},
    {R"("from": "account_closed")", R"("from": "account_opened")", "POLICY_VALUE",
     "/retention/0/from", R"("account_opened")"},
    {R"("public_if_unreachable_over": 0.05)", R"("public_if_unreachable_over": 5)", "POLICY_VALUE",
     "/incident/public_if_unreachable_over", R"("public_if_unreachable_over")"},
    {R"([ ["real_name", "account_no", "mobile"] ])", R"([ ["real_name"] ])", "POLICY_TYPE",
     "/never_together/0", R"("never_together")"},
    {R"("rechecks":)", R"("rechekcs":)", "POLICY_UNKNOWN_KEY", "/rechekcs", R"("rechekcs")"},
    {R"("holds": {)", R"("holds": [], "hulls": {)", "POLICY_TYPE", "/holds", R"("holds")"},
    {R"("email":           {)", R"("mobile":           {)", "POLICY_DUPLICATE_KEY",
     "/fields/mobile", R"("category": "contact",   "type": "email")"},
    {R"("email":           {)", R"("\u006dobile":           {)", "POLICY_DUPLICATE_KEY",
     "/fields/mobile", R"("category": "contact",   "type": "email")"},
    {R"("version": 3,)", R"("version": 3, "version": 4,)", "POLICY_DUPLICATE_KEY",
     "/policy/version", R"("version": 4)"},
};

}  // namespace

TEST_CASE("the example policy parses into what it says", "[policy][document]") {
    const auto document = parsed(example_policy());
    CHECK(document->head.id == "overseas-web");
    CHECK(document->head.version == 3);
    CHECK(document->head.tenant == "overseas");
    CHECK(document->fields.size() == 13);
    CHECK(document->purposes.size() == 17);
    CHECK(document->recipients.size() == 10);
    CHECK(document->retention.size() == 13);
    CHECK(document->slots.size() == 13);  // nine questions, three switches and one objection
    CHECK(document->slots.back().name == "not_objected.promote");
    CHECK(document->slots.back().objection_to == "promote");
    CHECK(document->find_field("chat_text")->owners_many);
    CHECK(document->find_field("chat_text")->many_values());
    CHECK(document->find_field("order_info")->many_values());
    CHECK_FALSE(document->find_field("mobile")->many_values());
    CHECK(document->find_field("mobile")->search == SearchIndex::blind_index);
    CHECK(document->find_field("mobile")->token == TokenKind::format);
    CHECK(document->find_field("account_no")->sensitive);
    CHECK(document->find_field("cookie_prefs")->subject_kind == "cookie_id");
    CHECK(document->find_slot("export_de")->tells.size() == 6);
    CHECK(document->find_slot("promote")->expires == CalendarDuration{24, 0, 0});
    CHECK(document->find_transform("initial")->mask_keep == MaskKeep::first);
    CHECK(document->find_transform("initial")->mask_keep_count == 1);
    CHECK(document->find_purpose("subject_rights")->all_fields == "plain");
    CHECK(document->find_purpose("subject_rights")->fields.empty());
    CHECK(document->find_recipient("web")->erase);
    CHECK_FALSE(document->find_recipient("marketing")->erase);
    CHECK(document->find_recipient("marketing")->subjects_per_hour == 5'000U);
    CHECK(document->find_recipient("partner_idcheck")->own_tokens);
    CHECK(document->find_recipient("affiliate_de")->cross_border->consent == "export_de");
    CHECK(document->incident.public_if_unreachable_over == 0.05);
    CHECK(document->requests.answer_within == CalendarDuration{0, 15, 0});
    CHECK(document->holds.size() == 8);
    CHECK(document->json == example_policy());
}

TEST_CASE("each mistake is reported at its pointer and line", "[policy][document]") {
    for (const BadEdit& bad : kBadEdits) {
        const std::string text = edited(bad.from, bad.to);
        INFO(bad.to);
        const ParseOutcome outcome = parse_document(text);
        CHECK(outcome.document == nullptr);
        REQUIRE(outcome.findings.size() >= 1);
        bool found = false;
        for (const Finding& finding : outcome.findings) {
            CAPTURE(finding.code, finding.pointer, finding.line, finding.message);
            CHECK_FALSE(finding.message.empty());
            found = found || (finding.code == bad.code && finding.pointer == bad.pointer &&
                              finding.line == line_of(text, bad.at));
            CHECK(finding.line != 0);
        }
        CAPTURE(codes_of(outcome.findings), line_of(text, bad.at));
        CHECK(found);
    }
}

TEST_CASE("the column is that of the value", "[policy][document]") {
    const std::string text = edited(R"("version": 3)", R"("version": true)");
    const ParseOutcome outcome = parse_document(text);
    REQUIRE(outcome.findings.size() == 1);
    const std::size_t at = text.find("true");
    CHECK(outcome.findings[0].column == at - text.rfind('\n', at));
}

TEST_CASE("several mistakes are reported at once, in order", "[policy][document]") {
    std::string text = edited(R"("version": 3)", R"("version": 0)");
    text.replace(text.find(R"("country": "DE")"), 15, R"("country": "D1")");
    const ParseOutcome outcome = parse_document(text);
    REQUIRE(outcome.findings.size() == 2);
    CHECK(outcome.findings[0].pointer == "/policy/version");
    CHECK(outcome.findings[1].pointer == "/recipients/affiliate_de/country");
}

TEST_CASE("texts that are no JSON are refused with their place", "[policy][document]") {
    const auto first = [](std::string_view text) {
        const ParseOutcome outcome = parse_document(text);
        CHECK(outcome.document == nullptr);
        REQUIRE_FALSE(outcome.findings.empty());
        return outcome.findings.front();
    };
    CHECK(first("").code == "POLICY_JSON");
    CHECK(first("{}x").code == "POLICY_JSON");
    CHECK(first("\xEF\xBB\xBF{}").code == "POLICY_JSON");
    CHECK(first(std::string_view{"{}\0{}", 5}).code == "POLICY_JSON");
    CHECK(first("{\"a\":\"\xFF\"}").code == "POLICY_JSON");
    CHECK(first("{\"a\":\"\\ud800\"}").code == "POLICY_JSON");
    CHECK(first("{\"a\":NaN}").code == "POLICY_JSON");
    CHECK(first("{\"a\":1e999}").code == "POLICY_JSON");
    CHECK(first("{\"a\":1,}").code == "POLICY_JSON");
    CHECK(first("// no\n{}").code == "POLICY_JSON");
    CHECK(first("[]").code == "POLICY_TYPE");
    CHECK(first("null").code == "POLICY_TYPE");
    const Finding finding = first("{\n  \"a\": 1,\n  oops\n}");
    CHECK(finding.line == 3);
    CHECK(finding.column == 3);
}

TEST_CASE("a document may have 1 MiB and not one byte more", "[policy][document]") {
    std::string text{example_policy()};
    text.resize(kDocumentSizeMax, ' ');
    CHECK(parse_document(text).document != nullptr);
    text += ' ';
    CHECK(codes_of(parse_document(text).findings) == std::vector<std::string>{"POLICY_TOO_LARGE"});
}

TEST_CASE("nesting may be 16 deep and not 17, and a bomb is no crash", "[policy][document]") {
    const auto nested = [](std::size_t depth) {
        std::string text = "{\"x\":";  // the object is one level
        text.append(depth - 1, '[').append(depth - 1, ']');
        return text + "}";
    };
    CHECK(codes_of(parse_document(nested(16)).findings).front() != "POLICY_TOO_DEEP");
    CHECK(codes_of(parse_document(nested(17)).findings).front() == "POLICY_TOO_DEEP");
    CHECK(codes_of(parse_document(std::string(1'000'000, '[')).findings).front() ==
          "POLICY_TOO_DEEP");
    std::string objects;
    for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
    CHECK(codes_of(parse_document(objects).findings).front() == "POLICY_TOO_DEEP");
}

TEST_CASE("limits hold at the limit and break one above", "[policy][document]") {
    const auto codes_with = [](const char* part, std::size_t count, const nlohmann::json& value) {
        nlohmann::json policy = nlohmann::json::parse(example_policy());
        for (std::size_t i = policy[part].size(); i < count; ++i) {
            policy[part]["n" + std::to_string(i)] = value;
        }
        return codes_of(parse_document(policy.dump()).findings);
    };
    const nlohmann::json field{{"category", "profile"}, {"type", "string"}};
    const nlohmann::json slot{{"ask", "policy"}, {"since", 1}, {"text", "Is this all right?"}};
    const nlohmann::json purpose{{"basis", "contract"}, {"fields", nlohmann::json::object()}};
    const nlohmann::json recipient{
        {"kind", "internal"}, {"country", "CN"}, {"purposes", nlohmann::json::array()}};
    const std::vector<std::string> none;
    const std::vector<std::string> limit{"POLICY_LIMIT"};
    CHECK(codes_with("fields", 256, field) == none);
    CHECK(codes_with("fields", 257, field) == limit);
    CHECK(codes_with("purposes", 256, purpose) == none);
    CHECK(codes_with("purposes", 257, purpose) == limit);
    CHECK(codes_with("consents", 122, slot) == none);  // and one objection slot, three switches
    CHECK(codes_with("consents", 123, slot) == limit);
    CHECK(codes_with("recipients", 1'024, recipient) == none);
    CHECK(codes_with("recipients", 1'025, recipient) == limit);
    CHECK(codes_with("transforms", 254, {{"kind", "exists"}}) == none);
    CHECK(codes_with("transforms", 255, {{"kind", "exists"}}) == limit);
}

TEST_CASE("names may have 64 characters and not 65", "[policy][document]") {
    const auto accepts = [](const std::string& name) {
        nlohmann::json policy = nlohmann::json::parse(example_policy());
        policy["transforms"][name] = {{"kind", "exists"}};
        return parse_document(policy.dump()).document != nullptr;
    };
    CHECK(accepts(std::string(64, 'a')));
    CHECK_FALSE(accepts(std::string(65, 'a')));
    CHECK_FALSE(accepts(""));
    CHECK_FALSE(accepts("_a"));
    CHECK_FALSE(accepts("-a"));
    CHECK_FALSE(accepts("not_objected.promote"));
    CHECK_FALSE(accepts("\xE5\xA7\x93\xE5\x90\x8D"));
    CHECK(accepts("A-1_b"));
}

TEST_CASE("findings stop at a hundred", "[policy][document]") {
    nlohmann::json policy = nlohmann::json::parse(example_policy());
    for (int i = 0; i < 200; ++i) policy["unknown" + std::to_string(i)] = 1;
    CHECK(parse_document(policy.dump()).findings.size() == 100);
}

TEST_CASE("no beginning of the example is a policy, and none is a crash", "[policy][document]") {
    const std::string_view text = example_policy();
    const std::size_t end = text.rfind('}') + 1;
    for (std::size_t size = 0; size < end; size += 7) {
        const ParseOutcome outcome = parse_document(text.substr(0, size));
        REQUIRE(outcome.document == nullptr);
        REQUIRE(has_errors(outcome.findings));
    }
    CHECK(parse_document(text.substr(0, end)).document != nullptr);
}

TEST_CASE("a field may keep the keys of replaced values as long as the person", "[policy]") {
    const auto with_supersede = [](const std::string& word) {
        std::string text{example_policy()};
        const std::string field = R"("username":        {)";
        text.insert(text.find(field) + field.size(), R"( "supersede": ")" + word + R"(",)");
        return parse_document(text).document;
    };
    const auto document = with_supersede("with_person");
    REQUIRE(document != nullptr);
    CHECK(document->find_field("username")->supersede == Supersede::keep);
    CHECK(document->find_field("mobile")->supersede == Supersede::erase);
    CHECK(with_supersede("sometimes") == nullptr);
}

TEST_CASE("damaged policies are read or refused, never a crash", "[policy][document]") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random{seed};
    constexpr std::string_view kBytes = "{}[]\",:\\0x*\x80\xFF tn-.";
    for (int round = 0; round < 400; ++round) {
        std::string text{example_policy()};
        const std::size_t edits = 1 + random() % 3;
        for (std::size_t i = 0; i < edits; ++i) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
            case 0: text[at] = kBytes[random() % kBytes.size()]; break;
            case 1: text.erase(at, 1 + random() % 40); break;
            default: text.insert(at, text.substr(random() % text.size(), random() % 60)); break;
            }
        }
        const ParseOutcome outcome = parse_document(text);
        REQUIRE((outcome.document != nullptr) == !has_errors(outcome.findings));
        if (!outcome.document) continue;
        if (has_errors(lint(*outcome.document, kTestNow))) continue;
        CountingIds ids;
        REQUIRE(Gate::compile(outcome.document, ids) != nullptr);
    }
}

}  // namespace oubliette::policy
