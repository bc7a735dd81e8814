#include <algorithm>
#include <thread>

#include "tests/vault/requests_fixture.hpp"
#include "vault/holds.hpp"

using namespace oubliette;
using namespace oubliette::testing;

namespace {

Requests::Opening opening(RequestType type, std::string_view subject) {
    Requests::Opening opened;
    opened.type = type;
    opened.subject = subject;
    return opened;
}

Requests::Proof matching(std::string_view field, std::string_view value) {
    Requests::Proof proof;
    proof.method = ProofMethod::match;
    proof.field = field;
    proof.value = value;
    return proof;
}

Requests::Proof session() {
    Requests::Proof proof;
    proof.method = ProofMethod::session;
    return proof;
}

void add_ann(RequestVault& vault) {
    REQUIRE(vault.consent("ann", "policy").empty());
    REQUIRE(
        vault
            .put("ann",
                 {{"email", "ann@example.org"}, {"mobile", "+8613800000001"}, {"username", "ann"}})
            .empty());
}

}  // namespace

TEST_CASE("a request is executed only when the identity is proved", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    const std::string id = vault.open_request(opening(RequestType::access, "ann"));
    CHECK(vault.execute(id, "privacy_officer") == "IDENTITY_NOT_PROVED");
    CHECK(vault.package(id).error() == Refusal::identity_not_proved);
    CHECK(vault.verify(id, session()) == "proving");
    CHECK(vault.verify(id, session()) == "proving");  // the same thing proves once
    CHECK(vault.execute(id, "privacy_officer") == "IDENTITY_NOT_PROVED");
    CHECK(vault.verify(id, matching("email", "bob@example.org")) == "IDENTITY_NOT_PROVED");
    CHECK(vault.verify(id, matching("email", "Ann@example.org")) == "accepted");
    CHECK(vault.execute(id, "privacy_officer") == "done");
    CHECK(vault.execute(id, "privacy_officer") == "done");
}

TEST_CASE("the fifth wrong try closes the request", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    const std::string id = vault.open_request(opening(RequestType::access, "ann"));
    for (int i = 0; i < 5; ++i) {
        CHECK(vault.verify(id, matching("email", "no")) == "IDENTITY_NOT_PROVED");
    }
    CHECK(vault.record(id).state == RequestState::not_proved);
    CHECK(vault.verify(id, matching("email", "ann@example.org")) == "WRONG_STATE");
}

TEST_CASE("a code is sent by an officer's system and checked once", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    const std::string id = vault.open_request(opening(RequestType::access, "ann"));
    Requests::Proof proof;
    proof.method = ProofMethod::code;
    proof.field = "email";
    CHECK(vault.verify(id, proof, "web") == "ROLE_DENIED");
    std::string code;
    CHECK(vault.verify(id, proof, "privacy_officer", &code) == "proving");
    REQUIRE(code.size() == 8);
    CHECK(vault.verify(id, session()) == "proving");
    SECTION("in time") {
        proof.code = code;
        CHECK(vault.verify(id, proof) == "accepted");
        CHECK(vault.record(id).code_hash == ByteArray<16>{});
    }
    SECTION("too late") {
        vault.clock.advance(kHour);
        proof.code = code;
        CHECK(vault.verify(id, proof) == "IDENTITY_NOT_PROVED");
    }
}

TEST_CASE("what is disputed proves nothing", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    auto opened = opening(RequestType::rectification, "ann");
    opened.fields = {"mobile"};
    const std::string id = vault.open_request(opened);
    CHECK(vault.verify(id, matching("mobile", "+8613800000001")) == "PROOF_NOT_INDEPENDENT");
    CHECK(vault.verify(id, matching("email", "ann@example.org")) == "accepted");
    const std::vector<FieldInput> right{{"mobile", {policy::ValueKind::text, "+8613800000009"}}};
    CHECK(vault.execute(id, "web", right) == "ROLE_DENIED");
    CHECK(vault.execute(id, "privacy_officer",
                        {{"email", {policy::ValueKind::text, "x@example.org"}}}) ==
          "FIELD_NOT_NECESSARY");
    CHECK(vault.execute(id, "privacy_officer", right) == "done");
    CHECK(vault.read("ann", "mobile") == "+8613800000009");
    CHECK(vault.execute(id, "privacy_officer", right) == "done");
}

TEST_CASE("an open request of the same type is the first one", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    const std::string first = vault.open_request(opening(RequestType::access, "ann"));
    CHECK(vault.open_request(opening(RequestType::access, "ann")) == first);
    CHECK(vault.open_request(opening(RequestType::portability, "ann")) != first);
    CHECK(vault.withdraw(first) == "withdrawn");
    CHECK(vault.open_request(opening(RequestType::access, "ann")) != first);
    CHECK(vault.open_request(opening(RequestType::access, "nobody")) == "NOT_FOUND");
    CHECK(vault.open_request(opening(RequestType::access, "ann"), "marketing") == "ROLE_DENIED");
}

TEST_CASE("the third access of a year waits for an officer, the first two do not", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    for (int i = 0; i < 2; ++i) {
        const std::string id = vault.proved_access("ann", "ann@example.org");
        CHECK(vault.record(id).state == RequestState::accepted);
        CHECK(vault.execute(id, "privacy_officer") == "done");
    }
    const std::string third = vault.proved_access("ann", "ann@example.org");
    CHECK(vault.record(third).state == RequestState::fee_or_refuse);
    CHECK(vault.execute(third, "privacy_officer") == "FEE_OR_REFUSE");
    CHECK(vault.accept(third) == "FEE_OR_REFUSE");
    SECTION("the fee is settled") {
        CHECK(vault.accept(third, true) == "accepted");
        CHECK(vault.execute(third, "privacy_officer") == "done");
    }
    SECTION("it is refused") {
        CHECK(vault.refuse(third, RefusalCode::repeated) == "refused");
        CHECK(vault.execute(third, "privacy_officer") == "WRONG_STATE");
    }
    SECTION("an erasure never costs anything") {
        const std::string id = vault.open_request(opening(RequestType::erasure, "ann"));
        CHECK(vault.prove(id, "email", "ann@example.org") == "accepted");
    }
    SECTION("the next year is another") {
        CHECK(vault.refuse(third, RefusalCode::repeated) == "refused");
        vault.clock.advance(366 * kDay);
        const std::string id = vault.proved_access("ann", "ann@example.org");
        CHECK(vault.record(id).state == RequestState::accepted);
    }
}

TEST_CASE("a request is refused with a code of the list, evidence, and two people where needed",
          "[requests]") {
    RequestVault vault;
    add_ann(vault);
    const std::string id = vault.proved_access("ann", "ann@example.org");
    CHECK(vault.refuse(id, RefusalCode::not_feasible, false) == "EVIDENCE_REQUIRED");
    CHECK(vault.refuse(id, RefusalCode::not_feasible, true, "web") == "ROLE_DENIED");
    CHECK(vault.refuse(id, RefusalCode::deceptive) == "NEEDS_SECOND");
    CHECK(vault.refuse(id, RefusalCode::deceptive) == "NEEDS_SECOND");  // the same person
    CHECK(vault.record(id).state == RequestState::accepted);
    CHECK(vault.refuse(id, RefusalCode::not_feasible) == "refused");
    CHECK(vault.record(id).code == RefusalCode::not_feasible);
    // Asked again within the window of the policy: somebody looks first.
    const std::string again = vault.proved_access("ann", "ann@example.org");
    CHECK(vault.record(again).state == RequestState::review);
    CHECK(vault.accept(again) == "accepted");
}

TEST_CASE("an answer that is late is a warning, and can be put off once", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    const std::string id = vault.proved_access("ann", "ann@example.org");
    const auto extend = [&] {
        return wait_for<RequestRecord>([&](Done<RequestRecord> done) {
            vault->requests().extend(vault.caller("privacy_officer"), *parse_request_id(id),
                                     std::move(done));
        });
    };
    vault.clock.advance(15 * kDay);
    CHECK(vault->status().answers_overdue == 1);
    CHECK(extend().has_value());
    CHECK(vault->status().answers_overdue == 0);
    CHECK(extend().error() == Refusal::wrong_state);
    vault.clock.advance(15 * kDay);
    CHECK(vault->status().answers_overdue == 1);
    const auto warnings = warnings_of(vault->status());
    CHECK(std::ranges::any_of(warnings, [](const std::string& warning) {
        return warning.find("not answered in time") != std::string::npos;
    }));
    CHECK(vault.execute(id, "privacy_officer") == "done");
    CHECK(vault->status().answers_overdue == 0);
}

TEST_CASE("the package holds what is held and is given once", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    REQUIRE(vault.read("ann", "email") == "ann@example.org");
    const std::string id = vault.proved_access("ann", "ann@example.org");
    CHECK(vault.package(id, "bob").error() == Refusal::not_found);
    auto package = vault.package(id, "ann");
    REQUIRE(package.has_value());
    CHECK(package->subject == "ann");
    CHECK(package->values.size() == 3);
    CHECK(package->consents.size() == 1);
    CHECK_FALSE(package->retention.empty());
    const auto& shown = package->disclosures.items;
    CHECK(std::ranges::any_of(shown, [](const DisclosureItem& item) {
        return item.action == audit::Action::read && item.field == "email" &&
               item.recipient == "web" && item.purpose == "own_account";
    }));
    CHECK(vault.record(id).state == RequestState::done);
    CHECK(vault.package(id).error() == Refusal::wrong_state);
    SECTION("and only for a week") {
        const std::string later = vault.proved_access("ann", "ann@example.org");
        REQUIRE(vault.execute(later, "privacy_officer") == "done");
        vault.clock.advance(7 * kDay);
        CHECK(vault.package(later).error() == Refusal::wrong_state);
    }
}

TEST_CASE("an erasure needs two officers or the person's own session", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    const std::string id = vault.open_request(opening(RequestType::erasure, "ann"));
    SECTION("without a session") {
        CHECK(vault.verify(id, matching("email", "ann@example.org")) == "proving");
        Requests::Proof paper;
        paper.method = ProofMethod::document;
        CHECK(vault.verify(id, paper, "privacy_officer") == "EVIDENCE_REQUIRED");
        paper.evidence = crypto::Hash{1};
        CHECK(vault.verify(id, paper, "privacy_officer") == "accepted");
        CHECK(vault.execute(id, "web") == "ROLE_DENIED");
        CHECK(vault.execute(id, "privacy_officer") == "NEEDS_SECOND");
        CHECK(vault.execute(id, "privacy_officer") == "NEEDS_SECOND");
        CHECK(vault.record(id).state == RequestState::accepted);
    }
    SECTION("with the session") {
        CHECK(vault.prove(id, "email", "ann@example.org") == "accepted");
        CHECK(vault.execute(id, "web") == "scheduled");
        CHECK(vault.read("ann", "email") == "ann@example.org");  // until the cooling-off is over
        CHECK(vault.withdraw(id) == "withdrawn");
        vault.clock.advance(4 * kDay);
        vault.clock.stay_awake(4 * kDay);
        CHECK(vault.execute(id, "web") == "WRONG_STATE");
        CHECK(vault.read("ann", "email") == "ann@example.org");
    }
}

TEST_CASE("a scheduled erasure runs by itself, once, and leaves codes and dates", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    const std::string access = vault.open_request(opening(RequestType::access, "ann"));
    const std::string id = vault.open_request(opening(RequestType::erasure, "ann"));
    REQUIRE(vault.prove(id, "email", "ann@example.org") == "accepted");
    REQUIRE(vault.execute(id, "web") == "scheduled");
    REQUIRE(vault.execute(id, "web") == "scheduled");
    SECTION("while the process runs") {
        vault.clock.advance(3 * kDay);
        vault.clock.stay_awake(3 * kDay);
    }
    SECTION("after a crash that ended the cooling-off too") {
        vault.close();
        vault.clock.advance(3 * kDay);
        vault.open();
        vault.clock.stay_awake(3 * kDay);
    }
    REQUIRE(vault.reaches(id, RequestState::done));
    const RequestRecord record = vault.record(id);
    CHECK(vault.read("ann", "email") == "NOT_FOUND");
    CHECK_FALSE(record.subject.has_value());
    CHECK(record.factors.empty());
    CHECK(record.kept_until.seconds > 0);
    CHECK(vault.record(access).state == RequestState::ended);
    const auto erasure = vault->find_erasure(vault.caller("privacy_officer"), record.erasure);
    REQUIRE(erasure.has_value());
    CHECK(erasure->state == ErasureState::final);
    CHECK(vault.execute(id, "web") == "done");
    CHECK(vault.record(id).erasure == record.erasure);
}

TEST_CASE("a hold placed while an erasure waits wins, and the rest is erased", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    const std::string id = vault.open_request(opening(RequestType::erasure, "ann"));
    REQUIRE(vault.prove(id, "email", "ann@example.org") == "accepted");
    REQUIRE(vault.execute(id, "web") == "scheduled");
    HoldRequest hold;
    hold.subject = "ann";
    hold.ground = "legal_obligation";
    hold.categories = {"contact"};
    hold.review = Timestamp{ManualClock::kStart + 90 * kDay};
    hold.law = "tax code";
    const auto placed = wait_for<Hold>([&](Done<Hold> done) {
        vault->holds().place(vault.caller("privacy_officer"), hold, std::move(done));
    });
    REQUIRE(placed.has_value());
    vault.clock.advance(3 * kDay);
    vault.clock.stay_awake(3 * kDay);
    REQUIRE(vault.reaches(id, RequestState::done));
    CHECK(vault.read("ann", "email") == "RESTRICTED");
    CHECK(vault.read("ann", "username") == "ERASED");
    const auto officer = vault.caller("privacy_officer");
    const auto erasure = vault->find_erasure(officer, vault.record(id).erasure);
    REQUIRE(erasure.has_value());
    REQUIRE(erasure->kept.size() == 1);
    CHECK(erasure->kept.front().category == "contact");
}

TEST_CASE("a clock that jumps ahead erases nobody", "[requests]") {
    RequestVault vault;
    add_ann(vault);
    const std::string id = vault.close_account("ann");
    vault.clock.advance(365 * kDay);
    std::this_thread::sleep_for(std::chrono::milliseconds{2'500});
    CHECK(vault.record(id).state == RequestState::scheduled);
    vault.clock.set({ManualClock::kStart + kHour});
    CHECK(vault.reopen_account("ann") == "withdrawn");
    CHECK(vault.read("ann", "email") == "ann@example.org");
}

TEST_CASE("a closed account ends at once, can be reopened, and is erased in the end",
          "[requests]") {
    RequestVault vault;
    add_ann(vault);
    CHECK(vault.close_account("ann", "marketing") == "ROLE_DENIED");
    const std::string id = vault.close_account("ann");
    CHECK(vault.close_account("ann") == id);
    CHECK(vault.read("ann", "mobile", "web", "provide") == "RETENTION_ENDED");
    SECTION("reopened") {
        CHECK(vault.reopen_account("ann") == "withdrawn");
        CHECK(vault.reopen_account("ann") == "WRONG_STATE");
        CHECK(vault.read("ann", "mobile", "web", "provide") == "+8613800000001");
    }
    SECTION("not reopened") {
        vault.clock.advance(3 * kDay + 60);
        vault.clock.stay_awake(3 * kDay);
        CHECK(vault.reaches(id, RequestState::done));
        CHECK(vault.reopen_account("ann") == "NOT_FOUND");
        CHECK(vault.read("ann", "mobile", "web", "provide") == "NOT_FOUND");
    }
}

TEST_CASE("requests of a person who is erased at once are ended and say nothing of anybody",
          "[requests]") {
    RequestVault vault;
    add_ann(vault);
    const std::string id = vault.proved_access("ann", "ann@example.org");
    REQUIRE(vault.erase("ann").empty());
    const RequestRecord record = vault.record(id);
    CHECK(record.state == RequestState::ended);
    CHECK_FALSE(record.subject.has_value());
    CHECK(record.factors.empty());
    CHECK(record.pseudonym != ByteArray<16>{});
    CHECK(vault.package(id).error() == Refusal::wrong_state);
}
