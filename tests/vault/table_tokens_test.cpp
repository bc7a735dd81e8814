#include <algorithm>
#include <set>
#include <thread>

#include "tests/vault/vault_fixture.hpp"
#include "vault/keys/registry.hpp"
#include "vault/tables.hpp"
#include "vault/token_desk.hpp"
#include "vault/tokens/token_row.hpp"

// Tokens of the table, as verbs of the vault: format, one-time, expiring, handle, value tokens.

namespace oubliette::testing {
namespace {

using policy::TokenKind;

TokenOptions options_of(TokenKind kind, std::uint32_t expires = 0) {
    TokenOptions options;
    options.kind = kind;
    options.expires_in_seconds = expires;
    return options;
}

std::string phone_of(int n) {
    const std::string digits = std::to_string(n);
    return "+86139" + std::string(8 - digits.size(), '0') + digits;
}

// The tests that draw many are scaled by this: CI has minutes, a nightly run has hours.
unsigned scaled(unsigned count) {
    const char* const factor = std::getenv("OUBLIETTE_TOKEN_SCALE");
    return factor == nullptr ? count : count * static_cast<unsigned>(std::atoi(factor));
}

// Tokens of six digits for usernames: half a million texts, among which values can be.
const std::pair<std::string, std::string> kSixDigits{
    R"json("username":        { "category": "account",   "type": "string",  "identifier": )json"
    R"json("direct", "token": "pointer",)json",
    R"json("username": { "category": "account", "type": "string", "identifier": "direct",
        "token": "format", "token_format": { "shape": "digits", "length": 6 },
        "search": "blind_index",)json"};

std::string cut_off(TestVault& vault, std::string_view recipient) {
    const auto answer = wait_for<ErasureAnswer>([&](Done<ErasureAnswer> done) {
        vault->cut_off(vault.caller("policy_admin"),
                       {keys::RevocationScope::recipient, recipient, 0}, std::move(done), {});
    });
    return answer ? "" : std::string{wire_name(answer.error())};
}

}  // namespace

TEST_CASE("a field of kind format gets a token of its shape, the same each time", "[tokens]") {
    TestVault vault;
    REQUIRE(vault.consent("c-1", "policy").empty());
    std::vector<std::string> tokens;
    REQUIRE(
        vault.put("c-1", {{"mobile", phone_of(1)}, {"email", "ann@example.org"}}, &tokens).empty());
    REQUIRE(tokens.size() == 2);
    CHECK(tokens[0].starts_with("+999"));
    CHECK(tokens[1].ends_with("@overseas.invalid"));
    CHECK(vault.detokenize(tokens[0]) == phone_of(1));
    CHECK(vault.detokenize(tokens[1]) == "ann@example.org");
    CHECK(vault.tokenize("c-1", "mobile", std::nullopt) == tokens[0]);
    REQUIRE(vault.put("c-1", {{"mobile", phone_of(2)}}, &tokens).empty());
    CHECK(tokens.back() == tokens[0]);  // it floats to the new value
    CHECK(vault.detokenize(tokens[0]) == phone_of(2));
    vault.reopen();
    CHECK(vault.detokenize(tokens[0]) == phone_of(2));
    CHECK(vault.tokenize("c-1", "mobile", std::nullopt) == tokens[0]);
    vault->rotate_anchor();
    (void)vault->rotate_bank(vault.caller("key_operator"));
    CHECK(vault.tokenize("c-1", "mobile", std::nullopt) == tokens[0]);
    CHECK(vault.detokenize(tokens[0]) == phone_of(2));
    // Two fields of equal shape have tokens of their own.
    CHECK(vault.tokenize("c-1", "username", "ann", options_of(TokenKind::format)).size() == 36);
}

TEST_CASE("a table token is its recipient's alone", "[tokens]") {
    TestVault vault;
    const std::string token = vault.person("c-1", phone_of(1), "mobile");
    CHECK(vault.detokenize(token, "support_desk", "support") == "NOT_FOUND");
    CHECK(vault.detokenize(token, "affiliate_motor", "group_service") == "NOT_FOUND");
    TokenOptions theirs;
    theirs.recipient = "support_desk";
    const std::string other = vault.tokenize("c-1", "mobile", std::nullopt, theirs);
    CHECK(other != token);
    CHECK(other.starts_with("+999"));
    CHECK(vault.detokenize(other, "support_desk", "support") == "**********0001");
    CHECK(vault.detokenize(other) == "NOT_FOUND");
    // In another letter case or Unicode form it is another text.
    const std::string mail = vault.tokenize("c-1", "email", "ann@example.org");
    std::string upper = mail;
    upper[0] = static_cast<char>(std::toupper(upper[0]));
    if (upper != mail) CHECK(vault.detokenize(upper) == "NOT_FOUND");
    CHECK(vault.detokenize(mail + " ") == "NOT_FOUND");
    CHECK(vault.detokenize(mail.substr(1)) == "NOT_FOUND");
    CHECK(vault.detokenize("\xEF\xBC\x8B" + token.substr(1)) == "NOT_FOUND");  // full-width plus
    CHECK(vault.detokenize(std::string(300, '9')) == "NOT_FOUND");
}

TEST_CASE("table tokens die with the person: 410 for the owner, 404 for others", "[tokens]") {
    TestVault vault;
    const std::string format = vault.person("c-1", phone_of(1), "mobile");
    const std::string once =
        vault.tokenize("c-1", "mobile", std::nullopt, options_of(TokenKind::one_time));
    const std::string handle =
        vault.tokenize("c-1", "mobile", std::nullopt, options_of(TokenKind::handle));
    const std::string value =
        vault.tokenize("c-1", "mobile", std::nullopt, options_of(TokenKind::value));
    vault.save_data("before");
    REQUIRE(vault.erase("c-1").empty());
    for (const std::string& token : {format, once, handle, value}) {
        CHECK(vault.detokenize(token) == "ERASED");
        CHECK(vault.detokenize(token, "support_desk", "support") == "NOT_FOUND");
    }
    vault.close();
    vault.restore_data("before");
    vault.open();
    CHECK(vault->status().rolled_back);
    CHECK(vault.detokenize(format) == "ERASED");
    CHECK(vault.detokenize(handle) == "ERASED");
    CHECK(vault.detokenize(value) == "ERASED");
    CHECK(vault.detokenize(once) == "TOKEN_USED");  // nobody can know any more
}

TEST_CASE("cutting a recipient off ends its table tokens with one request", "[tokens]") {
    TestVault vault;
    const std::string token = vault.person("c-1", phone_of(1), "mobile");
    TokenOptions theirs = options_of(TokenKind::format);
    theirs.recipient = "support_desk";
    const std::string other = vault.tokenize("c-1", "mobile", std::nullopt, theirs);
    REQUIRE(cut_off(vault, "web").empty());
    CHECK(vault.detokenize(token) == "NOT_FOUND");  // nobody can tell that it ever was a token
    CHECK(vault.detokenize(other, "support_desk", "support") == "**********0001");
    const std::string next = vault.tokenize("c-1", "mobile", std::nullopt);
    CHECK(next != token);
    CHECK(vault.detokenize(next) == phone_of(1));
    CHECK(vault.detokenize(token) == "NOT_FOUND");
}

TEST_CASE("an expired token says so to its owner only", "[tokens]") {
    TestVault vault;
    (void)vault.person("c-1", phone_of(1), "mobile");
    for (const TokenKind kind : {TokenKind::pointer, TokenKind::format, TokenKind::one_time,
                                 TokenKind::handle, TokenKind::value}) {
        const std::string token =
            vault.tokenize("c-1", "mobile", std::nullopt, options_of(kind, kHour));
        const std::string again =
            vault.tokenize("c-1", "mobile", std::nullopt, options_of(kind, kHour));
        CHECK(token != again);
        if (kind != TokenKind::one_time) CHECK(vault.detokenize(token) == phone_of(1));
        vault.clock.advance(kHour - 1);
        if (kind != TokenKind::one_time) CHECK(vault.detokenize(token) == phone_of(1));
        vault.clock.advance(1);
        CHECK(vault.detokenize(token) == "TOKEN_EXPIRED");
        CHECK(vault.detokenize(token, "support_desk", "support") == "NOT_FOUND");
    }
}

// ---- One-time tokens -----------------------------------------------------------------------

TEST_CASE("a one-time token opens once, and only a disclosure uses it up", "[tokens]") {
    TestVault vault;
    (void)vault.person("c-1", phone_of(1), "mobile");
    const auto once = [&] {
        return vault.tokenize("c-1", "mobile", std::nullopt, options_of(TokenKind::one_time));
    };
    const std::string token = once();
    CHECK(token != once());
    CHECK(vault.detokenize(token, "support_desk", "support") == "NOT_FOUND");
    CHECK(vault.detokenize(token, "web", "preferences") == "FIELD_NOT_NECESSARY");
    CHECK(vault.match(token, "+8613900000000") == "no");
    CHECK(vault.detokenize(token) == phone_of(1));
    CHECK(vault.detokenize(token) == "TOKEN_USED");
    CHECK(vault.match(token, phone_of(1)) == "TOKEN_USED");
    vault.reopen();
    CHECK(vault.detokenize(token) == "TOKEN_USED");
    // Twice in one batch.
    const std::string twice = once();
    DetokenizeRequest request{"own_account", {}, {twice, twice}};
    const auto answer = wait_for<DetokenizeAnswer>([&](Done<DetokenizeAnswer> done) {
        vault->detokenize(vault.caller("web"), request, std::move(done));
    });
    REQUIRE(answer.has_value());
    CHECK(std::holds_alternative<Disclosed>(answer->items[0]));
    CHECK(std::get<Refusal>(answer->items[1]) == Refusal::token_used);
}

TEST_CASE("of many openings at one instant exactly one gets the value", "[tokens][threads]") {
    TestVault vault;
    (void)vault.person("c-1", phone_of(1), "mobile");
    const unsigned count = scaled(100);
    constexpr unsigned kThreads = 8;
    std::vector<std::string> tokens;
    for (unsigned i = 0; i < count; ++i) {
        tokens.push_back(
            vault.tokenize("c-1", "mobile", std::nullopt, options_of(TokenKind::one_time)));
    }
    std::vector<std::atomic<unsigned>> opened(count);
    std::atomic<unsigned> refused{0};
    {
        std::vector<std::jthread> threads;
        for (unsigned t = 0; t < kThreads; ++t) {
            threads.emplace_back([&] {
                for (unsigned i = 0; i < count; ++i) {
                    const std::string shown = vault.detokenize(tokens[i]);
                    if (shown == phone_of(1)) ++opened[i];
                    if (shown == "TOKEN_USED") ++refused;
                }
            });
        }
    }
    CHECK(std::all_of(opened.begin(), opened.end(), [](const auto& n) { return n == 1; }));
    CHECK(refused == count * (kThreads - 1));
}

TEST_CASE("an older copy of the data opens no one-time token again", "[tokens][rollback]") {
    TestVault vault;
    (void)vault.person("c-1", phone_of(1), "mobile");
    const auto once = options_of(TokenKind::one_time);
    const std::string used = vault.tokenize("c-1", "mobile", std::nullopt, once);
    const std::string unused = vault.tokenize("c-1", "mobile", std::nullopt, once);
    vault.save_data("before");
    REQUIRE(vault.detokenize(used) == phone_of(1));
    vault.close();
    vault.restore_data("before");
    vault.open();
    REQUIRE(vault->status().rolled_back);
    CHECK(vault.detokenize(used) == "TOKEN_USED");
    CHECK(vault.detokenize(unused) == "TOKEN_USED");
    const std::string fresh = vault.tokenize("c-1", "mobile", std::nullopt, once);
    CHECK(vault.detokenize(fresh) == phone_of(1));
    CHECK(vault.detokenize(fresh) == "TOKEN_USED");
}

// ---- Rollback: no text twice ---------------------------------------------------------------

TEST_CASE("what an older copy forgot is never drawn again", "[tokens][rollback]") {
    TestVault vault;
    REQUIRE(vault.consent("c-1", "policy").empty());
    vault.save_data("before");
    std::set<std::string> lost;
    for (int i = 0; i < 50; ++i) {
        lost.insert(
            vault.tokenize("c-1", "mobile", phone_of(i), options_of(TokenKind::format, kDay)));
    }
    vault.close();
    vault.restore_data("before");
    vault.open();
    for (const std::string& token : lost) CHECK(vault.detokenize(token) == "NOT_FOUND");
    std::vector<std::string> fresh;
    for (int i = 0; i < 50; ++i) {
        fresh.push_back(
            vault.tokenize("c-1", "mobile", phone_of(i), options_of(TokenKind::format, kDay)));
    }
    vault.close();
    // Not by luck: the rows of the two generations are in different classes.
    const auto store = vault.open_store({});
    const auto view = store->read();
    std::size_t rows = 0;
    view->scan(Tables::kTableTokens, {}, {}, [&](ByteView key, ByteView row) {
        if (const auto place = tokens::token_place_of(key)) {
            CHECK(tokens::class_of(place->find) == tokens::token_row_head(row)->generation);
            ++rows;
        }
        return true;
    });
    CHECK(rows == fresh.size());
    for (const std::string& token : fresh) CHECK_FALSE(lost.contains(token));
}

// ---- Spaces --------------------------------------------------------------------------------

TEST_CASE("a token is never somebody's present value", "[tokens]") {
    TestVault vault{edited_policy({kSixDigits})};
    // A tenth of the space are living values: without the check a tenth of the tokens would clash.
    constexpr int kPeople = 2'000;
    std::set<std::string> values;
    TokenizeRequest request;
    request.purpose = "own_account";
    ConsentInput consent;
    consent.slot = "policy";
    consent.granted = true;
    consent.policy_version = 3;
    consent.kind = policy::ConsentKind::separate;
    request.consents = {consent};
    std::vector<std::string> names;
    std::vector<std::string> texts;
    for (int i = 0; i < kPeople; ++i) {
        names.push_back("c-" + std::to_string(i));
        texts.push_back(std::to_string(100'000 + i * 7));
    }
    for (int i = 0; i < kPeople; ++i) {
        const auto n = static_cast<std::size_t>(i);
        request.items.push_back(
            {names[n], "username", ValueInput{policy::ValueKind::text, texts[n]}});
    }
    const auto answer = wait_for<TokenizeAnswer>([&](Done<TokenizeAnswer> done) {
        vault->tokenize(vault.caller("web"), request, std::move(done));
    });
    REQUIRE(answer.has_value());
    values.insert(texts.begin(), texts.end());
    std::set<std::string> tokens;
    for (const auto& item : *answer) {
        REQUIRE(std::holds_alternative<TokenText>(item));
        const std::string token = text(std::get<TokenText>(item));
        CHECK(token.size() == 6);
        tokens.insert(token);
    }
    CHECK(tokens.size() == kPeople);  // no two people have one token
    for (unsigned i = 0; i < scaled(500); ++i) {
        const std::string token =
            vault.tokenize("c-1", "username", std::nullopt, options_of(TokenKind::format, kDay));
        CHECK_FALSE(values.contains(token));
    }
}

TEST_CASE("above a quarter of the space nothing is drawn", "[tokens]") {
    // Half of 10^6 may be drawn before the first rollback, so 125,000 tokens.
    TestVault vault{edited_policy({kSixDigits})};
    const std::string first = vault.person("c-1", "123456");
    vault.close();
    {
        const auto plane = keys::KeyPlane::open(vault.options().plane, test_seal(), vault.clock);
        const auto store = vault.open_store({});
        store->write([&](store::WriteView& view) {
            Bytes key;
            view.scan(Tables::kTableTokens, ByteArray<1>{2}, {}, [&key](ByteView found, ByteView) {
                key.assign(found.begin(), found.end());
                return false;
            });
            REQUIRE_FALSE(key.empty());
            const std::uint16_t recipient = ByteReader{ByteView{key}.subspan(3)}.be16();
            const auto leaf = plane->derive(keys::system_path(
                keys::kFirstTenant, static_cast<std::uint8_t>(keys::SystemKind::token_row),
                recipient, 0));
            const auto row_keys = tokens::TokenRowKeys::derive(leaf.seed.expose());
            const auto row = view.get(Tables::kTableTokens, key);
            REQUIRE(tokens::open_count_row(row_keys, key, *row) == 1);
            view.put(Tables::kTableTokens, key, tokens::seal_count_row(row_keys, key, 124'999));
        });
        plane->stop();
    }
    vault.open();
    const auto fresh = options_of(TokenKind::format, kDay);
    CHECK(vault.tokenize("c-1", "username", std::nullopt, fresh).size() == 6);
    CHECK(vault.tokenize("c-1", "username", std::nullopt, fresh) == "TOKEN_SPACE_FULL");
    CHECK(vault.put("c-2", {{"username", "654321"}}) != "");
    REQUIRE(vault.consent("c-2", "policy").empty());
    CHECK(vault.put("c-2", {{"username", "654321"}}) == "TOKEN_SPACE_FULL");
    CHECK(vault.read("c-2", "username") == "NOT_FOUND");  // all or nothing
    CHECK(vault.detokenize(first) == "123456");
    CHECK(vault.tokenize("c-1", "username", std::nullopt, options_of(TokenKind::pointer)).size() ==
          tokens::kTokenSize);
}

TEST_CASE("a put of another shape does not ask for room in the usual one", "[tokens]") {
    TestVault vault;
    REQUIRE(vault.consent("c-1", "policy").empty());
    REQUIRE(vault.consent("c-1", "campaign").empty());
    std::vector<std::string> tokens;
    for (const char* const account :
         {"DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111", "6222021234"}) {
        const std::string token =
            vault.tokenize("c-1", "account_no", account, {}, "finance", "campaign_pay");
        CAPTURE(account, token);
        CHECK((token.starts_with("XX") || token.starts_with("99")));
        CHECK(vault.detokenize(token, "finance", "campaign_pay") == account);
    }
}

// ---- Value tokens --------------------------------------------------------------------------

TEST_CASE("equal values of a field have one token for each recipient", "[tokens]") {
    TestVault vault;
    const auto value_kind = options_of(TokenKind::value);
    (void)vault.person("c-1", "Ann@Example.org", "email");
    (void)vault.person("c-2", "ann@example.org", "email");
    (void)vault.person("c-3", "bob@example.org", "email");
    const std::string ann = vault.tokenize("c-1", "email", std::nullopt, value_kind);
    CHECK(vault.tokenize("c-2", "email", std::nullopt, value_kind) == ann);
    CHECK(vault.tokenize("c-3", "email", std::nullopt, value_kind) != ann);
    CHECK(vault.tokenize("c-1", "email", std::nullopt, value_kind) == ann);
    TokenOptions theirs = value_kind;
    theirs.recipient = "support_desk";
    CHECK(vault.tokenize("c-1", "email", std::nullopt, theirs) != ann);
    vault.reopen();
    REQUIRE(vault.consent("c-4", "policy").empty());
    CHECK(vault.tokenize("c-4", "email", "ANN@example.org", value_kind) == ann);
    CHECK(vault.detokenize(ann) == "Ann@Example.org");
    REQUIRE(vault.erase("c-1").empty());
    CHECK(vault.detokenize(ann) == "ann@example.org");  // somebody still has the value
    REQUIRE(vault.put("c-2", {{"email", "new@example.org"}}).empty());
    CHECK(vault.detokenize(ann) == "ANN@example.org");
    CHECK(vault.tokenize("c-2", "email", std::nullopt, value_kind) != ann);
    REQUIRE(vault.erase("c-4").empty());
    const std::string after = vault.detokenize(ann);
    CHECK((after == "ERASED" || after == "NOT_FOUND"));
    // A field without an index has none.
    CHECK(vault.tokenize("c-2", "username", "x", value_kind) == "TOKEN_KIND_UNKNOWN");
}

TEST_CASE("equal values of one batch have one token", "[tokens]") {
    TestVault vault;
    for (const char* subject : {"c-1", "c-2"}) REQUIRE(vault.consent(subject, "policy").empty());
    TokenizeRequest request;
    request.purpose = "own_account";
    request.token.kind = TokenKind::value;
    const ValueInput mail{policy::ValueKind::text, "same@example.org"};
    request.items = {{"c-1", "email", mail}, {"c-2", "email", mail}};
    const auto answer = wait_for<TokenizeAnswer>([&](Done<TokenizeAnswer> done) {
        vault->tokenize(vault.caller("web"), request, std::move(done));
    });
    REQUIRE(answer.has_value());
    CHECK(text(std::get<TokenText>((*answer)[0])) == text(std::get<TokenText>((*answer)[1])));
}

// ---- Unlinkable ----------------------------------------------------------------------------

// Whoever holds both columns and the data may try any function of two texts; here the ones that a
// careless implementation would give away: equal, sharing a long run, ordered alike.
TEST_CASE("columns of two recipients say nothing of each other", "[tokens]") {
    TestVault vault;
    const unsigned count = scaled(60);
    std::vector<std::string> ours;
    std::vector<std::string> theirs;
    for (unsigned i = 0; i < count; ++i) {
        const std::string subject = "c-" + std::to_string(i);
        ours.push_back(vault.person(subject, phone_of(static_cast<int>(i)), "mobile"));
        TokenOptions options;
        options.recipient = "support_desk";
        theirs.push_back(vault.tokenize(subject, "mobile", std::nullopt, options));
    }
    std::set<std::string> all(ours.begin(), ours.end());
    all.insert(theirs.begin(), theirs.end());
    CHECK(all.size() == 2 * count);
    // A tester who pairs each text with the nearest of the other column is right as often as by
    // chance: once in `count`, so rarely more than six times.
    unsigned right = 0;
    const auto distance = [](const std::string& a, const std::string& b) {
        unsigned same = 0;
        for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) same += a[i] == b[i] ? 1U : 0U;
        return a.size() - same;
    };
    for (unsigned i = 0; i < count; ++i) {
        const auto nearest =
            std::min_element(theirs.begin(), theirs.end(), [&](const auto& a, const auto& b) {
                return distance(ours[i], a) < distance(ours[i], b);
            });
        if (*nearest == theirs[i]) ++right;
    }
    CHECK(right <= 9);
}

TEST_CASE("handles of an erased person cannot be linked by who has the files", "[tokens]") {
    TestVault vault;
    (void)vault.person("c-1", phone_of(1), "mobile");
    (void)vault.person("c-2", phone_of(2), "mobile");
    const auto handle = [&](const std::string& subject, std::uint32_t expires) {
        return vault.tokenize(subject, "mobile", std::nullopt,
                              options_of(TokenKind::handle, expires));
    };
    const std::string lasting = handle("c-1", 0);
    CHECK(handle("c-1", 0) == lasting);
    const std::string other = handle("c-1", kDay);
    CHECK(other != lasting);
    const std::string living = handle("c-2", 0);
    CHECK(vault.detokenize(lasting) == phone_of(1));
    CHECK(vault.detokenize(other) == phone_of(1));
    vault.save_data("before");
    ErasureRow row;
    REQUIRE(vault.erase("c-1", "privacy_officer", &row).empty());
    CHECK(row.addresses.size() == 1);  // the receipt does not say which handles were theirs
    CHECK(vault.detokenize(lasting) == "ERASED");
    CHECK(vault.detokenize(other) == "ERASED");
    CHECK(vault.detokenize(living) == phone_of(2));
    vault.close();
    vault.restore_data("before");
    vault.open();
    CHECK(vault.detokenize(lasting) == "ERASED");
    CHECK(vault.detokenize(living) == phone_of(2));
    vault.close();
    // Every row of the table: what is in clear differs from row to row.
    const auto store = vault.open_store({});
    std::set<std::uint64_t> leaves;
    std::size_t handles = 0;
    store->read()->scan(Tables::kTableTokens, {}, {}, [&](ByteView key, ByteView value) {
        const auto head = tokens::token_row_head(value);
        if (tokens::token_place_of(key) && head && head->handle) {
            leaves.insert(head->handle->local);
            ++handles;
        }
        return true;
    });
    CHECK(handles == 3);
    CHECK(leaves.size() == handles);
}

// ---- What officers and operators see --------------------------------------------------------

namespace {

std::string inspect(TestVault& vault, const std::string& token) {
    const auto facts = wait_for<TokenFacts>([&](Done<TokenFacts> done) {
        vault->token_desk().inspect(vault.caller("key_operator"), token, std::move(done));
    });
    if (!facts) return std::string{wire_name(facts.error())};
    return std::string{facts->kind} + " " + facts->recipient + " " + facts->field + " " +
           std::to_string(facts->kid) + " " + std::string{name_of(facts->state)};
}

std::string poison(TestVault& vault, const PoisonOrder& order) {
    const auto token = wait_for<TokenText>([&](Done<TokenText> done) {
        vault->token_desk().plant_poison(vault.caller("privacy_officer"), order, std::move(done));
    });
    return token ? text(*token) : std::string{wire_name(token.error())};
}

std::size_t entries_of(TestVault& vault, audit::Action action) {
    vault.close();
    const auto log = vault.audit_log();
    vault.open();
    return static_cast<std::size_t>(std::ranges::count(log, action, &audit::Entry::action));
}

}  // namespace

TEST_CASE("inspecting tells kind, key, recipient and state, and nothing else", "[tokens]") {
    TestVault vault;
    const std::string format = vault.person("c-1", phone_of(1), "mobile");
    const auto made = [&](TokenKind kind, std::uint32_t expires = 0) {
        return vault.tokenize("c-1", "mobile", std::nullopt, options_of(kind, expires));
    };
    const std::string once = made(TokenKind::one_time);
    const std::string handle = made(TokenKind::handle);
    const std::string ends = made(TokenKind::pointer, kHour);
    CHECK(inspect(vault, format) == "format web mobile 0 open");
    CHECK(inspect(vault, made(TokenKind::deterministic)) == "deterministic web mobile 0 open");
    CHECK(inspect(vault, made(TokenKind::value)) == "value web mobile 0 open");
    CHECK(inspect(vault, once) == "one_time web mobile 0 open");
    REQUIRE(vault.detokenize(once) == phone_of(1));
    CHECK(inspect(vault, once) == "one_time web mobile 0 used");
    CHECK(inspect(vault, ends) == "pointer web mobile 0 open");
    vault.clock.advance(kHour);
    CHECK(inspect(vault, ends) == "pointer web mobile 0 expired");
    CHECK(inspect(vault, "obl1.") == "NOT_FOUND");
    CHECK(inspect(vault, "+999000000000000") == "NOT_FOUND");
    TokenOptions theirs = options_of(TokenKind::format);
    theirs.recipient = "support_desk";
    const std::string other = vault.tokenize("c-1", "mobile", std::nullopt, theirs);
    CHECK(inspect(vault, other) == "format support_desk mobile 0 open");
    REQUIRE(cut_off(vault, "support_desk").empty());
    CHECK(inspect(vault, other) == "NOT_FOUND");
    REQUIRE(vault.erase("c-1").empty());
    CHECK(inspect(vault, format) == "format web mobile 0 erased");
    CHECK(inspect(vault, handle) == "handle web  0 erased");
    CHECK(entries_of(vault, audit::Action::token_inspect) == 13);
}

TEST_CASE("opening a poison token raises an alarm that its opener does not see", "[tokens]") {
    TestVault vault;
    const std::string real = vault.person("c-1", phone_of(1), "mobile");
    const std::string bait = poison(vault, {"web", "mobile"});
    const std::string sealed = poison(vault, {"web", "username"});
    CHECK(bait.starts_with("+999"));
    CHECK(sealed.size() == tokens::kTokenSize);
    CHECK(poison(vault, {"nobody", "mobile"}) == "RECIPIENT_UNKNOWN");
    CHECK(poison(vault, {"web", "nothing"}) == "FIELD_UNKNOWN");
    CHECK(poison(vault, {"hosting", "mobile"}) == "FIELD_NOT_NECESSARY");
    CHECK(inspect(vault, bait) == "NOT_FOUND");
    CHECK(inspect(vault, sealed) == "NOT_FOUND");
    CHECK(vault.detokenize(bait, "support_desk", "support") == "NOT_FOUND");
    CHECK(vault->status().poison_opened == 0);  // not theirs: no alarm
    CHECK(vault.detokenize(bait) == "NOT_FOUND");
    CHECK(vault.match(sealed, "ann") == "NOT_FOUND");
    CHECK(vault->status().poison_opened == 2);
    CHECK_FALSE(warnings_of(vault->status()).empty());
    CHECK(vault.detokenize(real) == phone_of(1));
    CHECK(entries_of(vault, audit::Action::poison_opened) == 2);
}

TEST_CASE("a poison token can end the client that opens it", "[tokens]") {
    TestVault vault;
    (void)vault.person("c-1", phone_of(1), "mobile");
    const std::string bait = poison(vault, {"support_desk", "mobile", true});
    REQUIRE(vault.authenticate("support_desk"));
    CHECK(vault.detokenize(bait, "support_desk", "support") == "NOT_FOUND");
    for (int i = 0; i < 500 && vault.authenticate("support_desk"); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    CHECK_FALSE(vault.authenticate("support_desk"));
    CHECK(vault.authenticate("web"));
    vault.reopen();
    CHECK_FALSE(vault.authenticate("support_desk"));
}

}  // namespace oubliette::testing
