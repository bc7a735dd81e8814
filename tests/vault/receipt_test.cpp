#include <nlohmann/json.hpp>

#include "crypto/encoding.hpp"
#include "tests/vault/vault_fixture.hpp"
#include "vault/keys/records.hpp"
#include "vault/receipt_json.hpp"

// Receipts as their holders have them: JSON, checked with public keys only.

namespace oubliette::testing {
namespace {

using nlohmann::ordered_json;

// A vault that erased a person, with others in the same log.
struct Erased {
    Erased() {
        for (int i = 0; i < 4; ++i) (void)vault.person("c-" + std::to_string(i), "name");
        REQUIRE(vault.erase("c-0").empty());
        REQUIRE(vault.erase("c-1", "privacy_officer", &row, &opening).empty());
        REQUIRE(vault.erase("c-2").empty());
    }
    [[nodiscard]] std::string json() const { return receipt_json(vault->receipt_of(row)); }
    [[nodiscard]] ReceiptQuestion question() const {
        ReceiptQuestion question;
        question.keys = vault->receipt_keys();
        question.opening = opening;
        question.external_id = "c-1";
        return question;
    }

    TestVault vault;
    ErasureRow row;
    ByteArray<32> opening{};
};

// Names of the checks that fail, or "unreadable".
std::string flaws_of(std::string_view json, const ReceiptQuestion& question) {
    const auto file = read_receipt_file(json);
    if (!std::holds_alternative<ReceiptFile>(file)) return "unreadable";
    std::string flaws;
    for (const auto& finding :
         check_receipt(std::get<ReceiptFile>(file).receipt, question).findings) {
        if (finding.is_good) continue;
        if (!flaws.empty()) flaws += ' ';
        flaws += name_of(finding.check);
    }
    return flaws;
}

}  // namespace

TEST_CASE("a receipt verifies with public keys only", "[receipt]") {
    const Erased f;
    const auto file = read_receipt_file(f.json());
    REQUIRE(std::holds_alternative<ReceiptFile>(file));
    const auto report = check_receipt(std::get<ReceiptFile>(file).receipt, f.question());
    for (const auto& finding : report.findings) {
        INFO(name_of(finding.check) << ": " << finding.text);
        CHECK(finding.is_good);
    }
    CHECK(report.findings.size() == 10);
    CHECK(report.is_pinned);
    // What it says in words.
    const auto json = ordered_json::parse(f.json());
    CHECK(json["keepers"].size() == 2);
    CHECK(json["keepers"][0]["status"] == "active");
    CHECK(json["notes"].empty());
    CHECK(json["scope"] == "subject");
    CHECK(json["addresses"].size() == 1);
    const auto alone = check_receipt(std::get<ReceiptFile>(file).receipt, {});
    CHECK(alone.passed());
    CHECK_FALSE(alone.is_pinned);
}

TEST_CASE("a receipt with any byte changed does not verify", "[receipt]") {
    const Erased f;
    const std::string good = f.json();
    const ReceiptQuestion question = f.question();
    REQUIRE(flaws_of(good, question).empty());
    for (std::size_t at = 0; at < good.size(); ++at) {
        // Mostly another digit, which reading takes; a letter that no hex has now and then.
        const char other = at % 8 == 7 ? 'Z' : good[at] == '0' ? 'b' : '0';
        if (good[at] == other) continue;
        std::string bad = good;
        bad[at] = other;
        if (!flaws_of(bad, question).empty()) continue;
        FAIL("byte " << at << " became " << other
                     << " and nothing was noticed: " << good.substr(at > 30 ? at - 30 : 0, 60));
    }
}

TEST_CASE("a receipt with a part exchanged fails the check of that part", "[receipt]") {
    const Erased f;
    const auto good = ordered_json::parse(f.json());
    ErasureRow other_row;
    // Not in const: another erasure of the same vault, to take parts from.
    TestVault& vault = const_cast<TestVault&>(f.vault);
    REQUIRE(vault.erase("c-3", "privacy_officer", &other_row).empty());
    const auto other = ordered_json::parse(receipt_json(f.vault->receipt_of(other_row)));
    const auto flaws = [&](auto change) {
        ordered_json json = good;
        change(json);
        return flaws_of(json.dump(), f.question());
    };
    using Catch::Matchers::Contains;
    CHECK_THAT(flaws([](auto& json) { json["acknowledgements"].erase(0); }),
               Contains("completeness"));
    CHECK_THAT(flaws([&](auto& json) {
                   json["acknowledgements"][0]["signature"] =
                       other["acknowledgements"][0]["signature"];
               }),
               Contains("signatures"));
    CHECK_THAT(flaws([&](auto& json) { json["h_before"] = other["h_before"]; }), Contains("chain"));
    CHECK_THAT(flaws([&](auto& json) { json["addresses"] = other["addresses"]; }),
               Contains("request"));
    CHECK_THAT(flaws([](auto& json) { json["scope"] = "field"; }), Contains("request"));
    CHECK_THAT(flaws([&](auto& json) { json["commitment"] = other["commitment"]; }),
               Contains("log_entry"));
    CHECK_THAT(flaws([](auto& json) { json["ground"] = "breach"; }), Contains("log_entry"));
    CHECK_THAT(flaws([&](auto& json) { json["audit_entry"] = other["audit_entry"]; }),
               Contains("log_entry") || Contains("unreadable"));
    CHECK_THAT(flaws([](auto& json) { json["audit_index"] = 1; }), Contains("log_inclusion"));
    CHECK_THAT(flaws([&](auto& json) { json["checkpoint"] = other["checkpoint"]; }),
               Contains("log_inclusion"));
    CHECK_THAT(flaws([](auto& json) { json["log_keys"] = ordered_json::array(); }),
               Contains("checkpoint"));
    // What is for people must be what the rest says.
    for (const char* const name : {"notes", "irrecoverable_after", "accepted_at"}) {
        CHECK_FALSE(flaws([&](auto& json) { json[name] = "2026-01-02T00:00:00Z"; }).empty());
    }
    CHECK(flaws([](auto& json) { json["keepers"][0]["cell"] = "perfect"; }) == "unreadable");
    CHECK(flaws([](auto& json) { json["more"] = 1; }) == "unreadable");
    CHECK(flaws([](auto& json) { json.erase("r2"); }) == "unreadable");
    CHECK(flaws_of("{\"epoch\":1," + good.dump().substr(1), f.question()) == "unreadable");
    // Spelling is free.
    CHECK(flaws_of(good.dump(4), f.question()).empty());
}

TEST_CASE("keys that came another way decide whose receipt it is", "[receipt]") {
    const Erased f;
    const TestVault stranger;
    ReceiptQuestion question = f.question();
    SECTION("of another vault") {
        question.keys = stranger->receipt_keys();
        CHECK(flaws_of(f.json(), question) == "pinned_keepers pinned_log");
    }
    SECTION("without a keeper") {
        question.keys->keepers.erase(question.keys->keepers.begin());
        CHECK(flaws_of(f.json(), question) == "pinned_keepers");
    }
    SECTION("only the log's") {
        question.vkeys = question.keys->log;
        question.keys.reset();
        CHECK(flaws_of(f.json(), question).empty());
        question.vkeys = stranger->receipt_keys().log;
        CHECK(flaws_of(f.json(), question) == "pinned_log");
    }
    SECTION("the file has one spelling") {
        const std::string text = receipt_keys_json(*question.keys);
        const auto parsed = parse_receipt_keys(text);
        REQUIRE(parsed);
        CHECK(receipt_keys_json(*parsed) == text);
        CHECK_FALSE(parse_receipt_keys(text.substr(1)));
        CHECK_FALSE(parse_receipt_keys("{}"));
        CHECK_FALSE(parse_receipt_keys("{\"more\":1," + text.substr(1)));
    }
    SECTION("another person") {
        question.external_id = "c-2";
        CHECK(flaws_of(f.json(), question) == "commitment");
        question.external_id = "c-1";
        question.opening->front() ^= 1;
        CHECK(flaws_of(f.json(), question) == "commitment");
        question.opening.reset();
        CHECK(flaws_of(f.json(), question) == "commitment");
    }
}

TEST_CASE("a receipt says when there was one keeper only, and who was not waited for",
          "[receipt]") {
    Erased f;
    CHECK(notes_of(f.row).empty());
    keys::Finality& finality = *f.row.finality;
    keys::Members members = keys::decode_members(finality.members).value();
    members[0].status = keys::MemberStatus::expelled;
    finality.members = keys::encode_members(members);
    // It acknowledged before it was expelled: nothing of it opens.
    CHECK(notes_of(f.row) == std::vector<std::string>{"only one keeper was registered"});
    finality.acknowledgements.erase(finality.acknowledgements.begin());
    const auto notes = notes_of(f.row);
    REQUIRE(notes.size() == 2);
    CHECK(notes[1].find(crypto::hex_encode(members[0].id)) != std::string::npos);
    // And nobody can make such a receipt out of another one.
    CHECK(flaws_of(f.json(), f.question()) == "chain log_entry");
}

TEST_CASE("a receipt stays the same while the log grows and after a start", "[receipt]") {
    Erased f;
    const std::string before = f.json();
    for (int i = 0; i < 300; ++i) (void)f.vault.person("more-" + std::to_string(i % 7), "name");
    CHECK(f.json() == before);
    f.vault.reopen();
    const auto row = f.vault->find_erasure(f.vault.caller("privacy_officer"), f.row.id);
    REQUIRE(row.has_value());
    CHECK(receipt_json(f.vault->receipt_of(*row)) == before);
}

TEST_CASE("the receipt of a deleted field names its keys", "[receipt]") {
    TestVault vault;
    (void)vault.person("c-1", "ann");
    REQUIRE(vault.put("c-1", {{"mobile", "+8613900001234"}}).empty());
    REQUIRE(vault.put("c-1", {{"mobile", "+8613900001235"}}).empty());
    ErasureRow row;
    REQUIRE(vault.delete_field("c-1", "mobile", "web", "own_account", &row).empty());
    const Receipt receipt = vault->receipt_of(row);
    CHECK(receipt.erasure.addresses.size() == 2);  // the value that it replaced, too
    ReceiptQuestion question;
    question.keys = vault->receipt_keys();
    CHECK(flaws_of(receipt_json(receipt), question).empty());
}

}  // namespace oubliette::testing
