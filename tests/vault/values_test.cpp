#include "tests/vault/vault_fixture.hpp"

// Values in, tokens out, values back: put, tokenize, detokenize, read.

namespace oubliette::testing {

using policy::ConsentKind;
using policy::ValueKind;

TEST_CASE("without a consent nothing is stored and nobody is made", "[vault]") {
    TestVault vault;
    CHECK(vault.put("c-1", {{"username", "ann"}, {"mobile", "+8613900001111"}}) ==
          "CONSENT_MISSING");
    CHECK(vault.read("c-1", "username") == "NOT_FOUND");
    CHECK(vault.erase("c-1") == "NOT_FOUND");  // no person was made
    CHECK(vault->status().index_entries == 0);
    CHECK(vault.consent("c-1", "policy").empty());
    std::vector<std::string> tokens;
    CHECK(vault.put("c-1", {{"username", "ann"}, {"mobile", "+8613900001111"}}, &tokens).empty());
    REQUIRE(tokens.size() == 2);
    CHECK(vault.detokenize(tokens[0]) == "ann");
    CHECK(vault.detokenize(tokens[1]) == "+8613900001111");
    CHECK(vault.read("c-1", "mobile") == "+8613900001111");
    CHECK(vault.read("c-1", "email") == "NOT_FOUND");  // optional fields are optional
}

TEST_CASE("a put is all or nothing", "[vault]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    const auto entries = vault->status().index_entries;
    CHECK(vault.put("c-1", {{"username", "bob"}, {"email", "no mail address"}}) == "VALUE_INVALID");
    CHECK(vault.put("c-1", {{"username", "bob"}, {"id_number", "1101"}}) == "FIELD_UNKNOWN");
    CHECK(vault.put("c-1", {{"username", "bob"}, {"account_no", "6222021234"}}) ==
          "FIELD_NOT_NECESSARY");
    CHECK(vault.put("c-1", {{"username", "bob"}}, nullptr, "web", "credit_score") ==
          "PURPOSE_UNKNOWN");
    CHECK(vault.put("c-1", {{"username", "bob"}}, nullptr, "web", "support") ==
          "PURPOSE_NOT_ALLOWED");
    CHECK(vault.detokenize(token) == "ann");
    CHECK(vault->status().index_entries == entries);
}

TEST_CASE("every refused field of a put is named", "[vault]") {
    TestVault vault;
    PutRequest request{"c-1", "own_account", {}};
    request.fields.push_back({"email", {ValueKind::text, "none"}});
    request.fields.push_back({"username", {ValueKind::text, "ann"}});
    request.fields.push_back({"password", {ValueKind::text, "x"}});
    const auto answer = wait_for<PutAnswer>(
        [&](Done<PutAnswer> done) { vault->put(vault.caller("web"), request, std::move(done)); });
    REQUIRE(answer.has_value());
    REQUIRE(answer->errors.size() == 2);
    CHECK(answer->errors[0].field == "email");
    CHECK(answer->errors[0].refusal == Refusal::value_invalid);
    CHECK(answer->errors[1].field == "password");
    CHECK(answer->errors[1].refusal == Refusal::field_unknown);
}

TEST_CASE("what was stored comes back byte for byte", "[vault]") {
    TestVault vault;
    REQUIRE(vault.consent("c-1", "policy").empty());
    for (const std::string value :
         {"张伟", "  two  spaces ", "e\xCC\x81", "O'Brien \"x\" \\", "\xF0\x9F\x98\x80 smile"}) {
        std::vector<std::string> tokens;
        REQUIRE(vault.put("c-1", {{"username", value}}, &tokens).empty());
        CHECK(vault.detokenize(tokens.front()) == value);
    }
    const std::string address = R"({"lines":["Road 1"],"city":"Shenzhen","country":"CN"})";
    const std::string token =
        vault.tokenize("c-1", "address", address, {}, "web", "own_account", ValueKind::json);
    CHECK(vault.detokenize(token) == address);
    REQUIRE(vault.consent("c-1", "improve").empty());
    CHECK(vault.detokenize(token, "web", "improve") == "Shenzhen");
    CHECK(vault.detokenize(token, "web", "improve", "plain") == "Shenzhen");
    REQUIRE(vault.put("c-1", {{"address", "somewhere"}}).empty());
    CHECK(vault.detokenize(token, "web", "improve") == "TRANSFORM_UNAVAILABLE");
}

TEST_CASE("a token follows the value, and an equal value writes nothing", "[vault]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    const std::string pointer = vault.tokenize("c-1", "username", std::nullopt);
    CHECK(pointer != token);
    std::vector<std::string> again;
    REQUIRE(vault.put("c-1", {{"username", "ann"}}, &again).empty());
    CHECK(again.front() == token);
    REQUIRE(vault.put("c-1", {{"username", "ann marie"}}, &again).empty());
    CHECK(again.back() == token);
    CHECK(vault.detokenize(token) == "ann marie");
    CHECK(vault.detokenize(pointer) == "ann marie");
}

TEST_CASE("fields with many values keep them all, and their tokens stay at one", "[vault]") {
    TestVault vault;
    REQUIRE(vault.consent("c-1", "policy").empty());
    const auto tokenize = [&](const std::string& value) {
        return vault.tokenize("c-1", "order_info", value, {}, "web", "provide", ValueKind::json);
    };
    const std::string first = tokenize(R"({"order":1})");
    const std::string second = tokenize(R"({"order":2})");
    CHECK(vault.detokenize(first, "web", "provide") == R"({"order":1})");
    CHECK(vault.detokenize(second, "web", "provide") == R"({"order":2})");
    CHECK(vault.read("c-1", "order_info", "web", "provide") == R"({"order":1}|{"order":2})");
    CHECK(vault.delete_field("c-1", "order_info", "web", "provide").empty());
    CHECK(vault.detokenize(first, "web", "provide") != R"({"order":1})");
    CHECK(vault.read("c-1", "order_info", "web", "provide") == "NOT_FOUND");
}

TEST_CASE("one bad item does not fail a batch", "[vault]") {
    TestVault vault;
    REQUIRE(vault.consent("c-1", "policy").empty());
    TokenizeRequest request;
    request.purpose = "own_account";
    const auto item = [](std::string_view subject, std::string_view field, std::string_view value) {
        return TokenizeItem{subject, field, ValueInput{ValueKind::text, value}};
    };
    request.items = {item("c-1", "username", "ann"), item("c-1", "mobile", "no phone"),
                     item("c-2", "username", "bob"), item("", "username", "nobody"),
                     item("c-1", "nothing", "x"),    item("c-1", "email", "ann@example.org")};
    const auto answer = wait_for<TokenizeAnswer>([&](Done<TokenizeAnswer> done) {
        vault->tokenize(vault.caller("web"), request, std::move(done));
    });
    REQUIRE(answer.has_value());
    REQUIRE(answer->size() == 6);
    CHECK(vault.detokenize(text(std::get<TokenText>((*answer)[0]))) == "ann");
    CHECK(std::get<Refusal>((*answer)[1]) == Refusal::value_invalid);
    CHECK(std::get<Refusal>((*answer)[2]) == Refusal::consent_missing);
    CHECK(std::get<Refusal>((*answer)[3]) == Refusal::value_invalid);
    CHECK(std::get<Refusal>((*answer)[4]) == Refusal::field_unknown);
    CHECK(vault.detokenize(text(std::get<TokenText>((*answer)[5]))) == "ann@example.org");
    CHECK(vault.erase("c-2") == "NOT_FOUND");
}

TEST_CASE("consents of a batch are recorded for each of its people", "[vault]") {
    TestVault vault;
    TokenizeRequest request;
    request.purpose = "own_account";
    ConsentInput consent;
    consent.slot = "policy";
    consent.granted = true;
    consent.policy_version = 3;
    consent.kind = ConsentKind::policy;
    request.consents = {consent};
    request.items = {{"c-1", "username", ValueInput{ValueKind::text, "ann"}},
                     {"c-2", "username", ValueInput{ValueKind::text, "bob"}},
                     {"c-1", "mobile", ValueInput{ValueKind::text, "+8613900001111"}}};
    const auto run = [&] {
        return wait_for<TokenizeAnswer>([&](Done<TokenizeAnswer> done) {
            vault->tokenize(vault.caller("web"), request, std::move(done));
        });
    };
    const auto answer = run();
    REQUIRE(answer.has_value());
    for (const auto& token : *answer) CHECK(std::holds_alternative<TokenText>(token));
    CHECK(vault.read("c-2", "username") == "bob");

    request.consents.front().policy_version = 2;
    request.items = {{"c-3", "username", ValueInput{ValueKind::text, "eve"}}};
    const auto stale = run();
    CHECK(std::get<Refusal>(stale->front()) == Refusal::version_not_current);
    CHECK(vault.erase("c-3") == "NOT_FOUND");
}

TEST_CASE("a partner cannot record consents by way of a batch", "[vault]") {
    TestVault vault;
    Caller partner;
    partner.client = 99;
    partner.roles = static_cast<RoleMask>(Role::app);
    partner.recipient = *vault->gate()->find_recipient("partner_idcheck");
    TokenizeRequest request;
    request.purpose = "identity_check";
    for (const std::string_view slot : {"policy", "identity_check"}) {
        ConsentInput consent;
        consent.slot = slot;
        consent.granted = true;
        consent.policy_version = 3;
        consent.kind = ConsentKind::separate;
        request.consents.push_back(consent);
    }
    request.items = {{"c-1", "real_name", ValueInput{ValueKind::text, "Ann"}}};
    const auto answer = wait_for<TokenizeAnswer>(
        [&](Done<TokenizeAnswer> done) { vault->tokenize(partner, request, std::move(done)); });
    REQUIRE(answer.has_value());
    CHECK(std::get<Refusal>(answer->front()) == Refusal::role_denied);
    CHECK(vault.erase("c-1") == "NOT_FOUND");
}

TEST_CASE("a token opens for its own recipient only", "[vault]") {
    TestVault vault;
    const std::string own = vault.person("c-1", "ann");
    CHECK(vault.detokenize(own, "support_desk", "support") == "NOT_FOUND");
    TokenOptions options;
    options.recipient = "support_desk";
    const std::string theirs = vault.tokenize("c-1", "username", std::nullopt, options);
    CHECK(vault.detokenize(theirs) == "NOT_FOUND");
    CHECK(vault.detokenize(theirs, "support_desk", "support") == "ann");
    CHECK(vault.detokenize(theirs, "support_desk", "own_account") == "PURPOSE_NOT_ALLOWED");
}

TEST_CASE("an item that gets no token stores no value", "[vault]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    TokenOptions options;
    options.recipient = "finance";  // has no cell with user names
    CHECK(vault.tokenize("c-1", "username", "mallory", options) == "FIELD_NOT_NECESSARY");
    CHECK(vault.detokenize(token) == "ann");
    options.recipient = "nobody";
    CHECK(vault.tokenize("c-1", "username", "mallory", options) == "RECIPIENT_UNKNOWN");
    CHECK(vault.detokenize(token) == "ann");
}

TEST_CASE("deterministic tokens are equal, pointers are not, also after a restart", "[vault]") {
    TestVault vault;
    const std::string put_token = vault.person("c-1", "ann");
    TokenOptions deterministic;
    deterministic.kind = policy::TokenKind::deterministic;
    CHECK(vault.tokenize("c-1", "username", std::nullopt, deterministic) == put_token);
    const std::string pointer = vault.tokenize("c-1", "username", std::nullopt);
    CHECK(vault.tokenize("c-1", "username", std::nullopt) != pointer);
    vault.reopen();
    CHECK(vault.tokenize("c-1", "username", std::nullopt, deterministic) == put_token);
    CHECK(vault.detokenize(pointer) == "ann");
    CHECK(vault.detokenize(put_token) == "ann");
}

TEST_CASE("a token that expires is over from that second on", "[vault]") {
    TestVault vault;
    (void)vault.person("c-1", "ann");
    TokenOptions options;
    options.expires_in_seconds = 60;
    const std::string token = vault.tokenize("c-1", "username", std::nullopt, options);
    vault.clock.advance(59);
    CHECK(vault.detokenize(token) == "ann");
    vault.clock.advance(1);
    CHECK(vault.detokenize(token) == "TOKEN_EXPIRED");
    options.expires_in_seconds = std::numeric_limits<std::uint32_t>::max();
    const std::string longest = vault.tokenize("c-1", "username", std::nullopt, options);
    CHECK(vault.detokenize(longest) == "ann");  // later than the last second, not the first ones
}

TEST_CASE("what is no token is not found", "[vault]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    for (std::size_t i = 0; i < token.size(); ++i) {
        std::string flipped = token;
        flipped[i] = flipped[i] == 'A' ? 'B' : 'A';
        CHECK(vault.detokenize(flipped) == "NOT_FOUND");
    }
    CHECK(vault.detokenize("") == "NOT_FOUND");
    CHECK(vault.detokenize(token + "A") == "NOT_FOUND");
    CHECK(vault.detokenize(token.substr(0, token.size() - 1)) == "NOT_FOUND");
}

TEST_CASE("want narrows and never widens", "[vault]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "+8613900001234", "mobile");
    CHECK(vault.detokenize(token, "web", "own_account", "last4") == "**********1234");
    CHECK(vault.detokenize(token, "web", "own_account", "exists") == "true");
    CHECK(vault.detokenize(token, "web", "own_account", "nothing") == "TRANSFORM_UNKNOWN");
    TokenOptions options;
    options.recipient = "support_desk";
    const std::string theirs = vault.tokenize("c-1", "mobile", std::nullopt, options);
    CHECK(vault.detokenize(theirs, "support_desk", "support", "plain") == "**********1234");
}

TEST_CASE("a read by person decides as a token does", "[vault]") {
    TestVault vault;
    (void)vault.person("c-1", "+8613900001234", "mobile");
    CHECK(vault.read("c-1", "mobile", "support_desk", "support") == "**********1234");
    CHECK(vault.read("c-1", "mobile", "marketing", "own_account") == "PURPOSE_NOT_ALLOWED");
    CHECK(vault.read("c-1", "mobile", "web", "credit_score") == "PURPOSE_UNKNOWN");
    CHECK(vault.read("c-1", "account_no") == "FIELD_NOT_NECESSARY");
    CHECK(vault.read("c-1", "id_number") == "FIELD_UNKNOWN");
    CHECK(vault.read("c-9", "mobile") == "NOT_FOUND");
    // Who may not see the field learns nothing of the person.
    CHECK(vault.read("c-9", "account_no") == "FIELD_NOT_NECESSARY");
}

TEST_CASE("the decision without the data is the read's", "[vault]") {
    TestVault vault;
    (void)vault.person("c-1", "+8613900001234", "mobile");
    const auto decide = [&](const std::string& by, const std::string& purpose,
                            const std::string& field) -> std::string {
        const auto decision = wait_for<Decision>([&](Done<Decision> done) {
            vault->decide(vault.caller(by), {"c-1", purpose, {field}}, std::move(done));
        });
        REQUIRE(decision.has_value());
        return decision->refusal ? std::string{wire_name(*decision->refusal)} : decision->transform;
    };
    CHECK(decide("support_desk", "support", "mobile") == "last4");
    CHECK(decide("web", "own_account", "mobile") == "plain");
    CHECK(decide("web", "improve", "region") == "CONSENT_MISSING");
    CHECK(decide("web", "own_account", "nothing") == "FIELD_UNKNOWN");
    CHECK(decide("finance", "own_account", "mobile") == "PURPOSE_NOT_ALLOWED");
    REQUIRE(
        vault.tokenize("c-1", "order_info", R"({"order":1})", {}, "web", "provide", ValueKind::json)
            .starts_with("obl1."));
    CHECK(decide("web", "provide", "order_info") == "plain");
}

}  // namespace oubliette::testing
