#include <catch2/catch.hpp>

#include "vault/requests/recall_record.hpp"
#include "vault/requests/request_rules.hpp"

using namespace oubliette;

namespace {

RequestRecord full_record() {
    RequestRecord record;
    record.id = {1, 2, 3};
    record.type = RequestType::rectification;
    record.state = RequestState::review;
    record.channel = RequestChannel::letter;
    record.ground = Ground::breach;
    record.code = RefusalCode::repeated;
    record.flags = RequestRecord::kExtended | RequestRecord::kReviewTask;
    record.subject = keys::SubjectNumber{77};
    record.pseudonym = {9};
    record.received = {1'000};
    record.due = {2'000};
    record.awake = 12;
    record.slot = 3;
    record.evidence = {7};
    record.commitment = {8};
    record.fields = {4, 9};
    record.factors = {{ProofMethod::session, 0}, {ProofMethod::match, 2}};
    return record;
}

}  // namespace

TEST_CASE("a request's record has one encoding", "[requests][format]") {
    const Bytes bytes = encode(full_record());
    const auto decoded = decode_request_record(bytes);
    REQUIRE(decoded.has_value());
    CHECK(encode(*decoded) == bytes);
    CHECK(decoded->factors == full_record().factors);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK_FALSE(decode_request_record(ByteView{bytes}.first(size)).has_value());
    }
    Bytes longer = bytes;
    longer.push_back(0);
    CHECK_FALSE(decode_request_record(longer).has_value());
    // format, type, state, channel, code, flags: numbers that mean nothing
    for (const std::size_t at : {0U, 1U, 2U, 3U, 6U, 7U}) {
        Bytes wrong = bytes;
        wrong.at(at) = 0xEE;
        CHECK_FALSE(decode_request_record(wrong).has_value());
    }
}

TEST_CASE("what is left of an erased person's request says nothing of the person",
          "[requests][format]") {
    RequestRecord record = full_record();
    strip(record);
    CHECK_FALSE(record.subject.has_value());
    CHECK(record.fields.empty());
    CHECK(record.factors.empty());
    CHECK(record.slot == RequestRecord::kNoSlot);
    CHECK(record.commitment == crypto::Hash{});
    CHECK(record.type == RequestType::rectification);
    CHECK(record.received.seconds == 1'000);
    CHECK(record.code == RefusalCode::repeated);
    const auto decoded = decode_request_record(encode(record));
    REQUIRE(decoded.has_value());
    CHECK_FALSE(decoded->subject.has_value());
}

TEST_CASE("a recall's record has one encoding", "[recalls][format]") {
    RecallRecord record;
    record.id = {1};
    record.reason = RecallReason::correction;
    record.recipient = 5;
    record.made = {10};
    record.due = {20};
    record.fields = {1, 2, 3};
    const Bytes bytes = encode(record);
    const auto decoded = decode_recall_record(bytes);
    REQUIRE(decoded.has_value());
    CHECK(encode(*decoded) == bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK_FALSE(decode_recall_record(ByteView{bytes}.first(size)).has_value());
    }
    Bytes wrong = bytes;
    wrong[1] = 9;
    CHECK_FALSE(decode_recall_record(wrong).has_value());
}

TEST_CASE("one factor is one thing besides the session", "[requests]") {
    CHECK(level_of({}) == ProofLevel::none);
    CHECK(level_of({{ProofMethod::session, 0}}) == ProofLevel::session);
    CHECK(level_of({{ProofMethod::document, 0}}) == ProofLevel::one_factor);
    CHECK(level_of({{ProofMethod::session, 0}, {ProofMethod::code, 1}}) == ProofLevel::two_factors);
}

TEST_CASE("proof is what the policy says, else ours; an unknown word asks for the most",
          "[requests]") {
    policy::RequestRules rules;
    CHECK(proof_for(rules, RequestType::access) == ProofLevel::two_factors);
    CHECK(proof_for(rules, RequestType::withdraw) == ProofLevel::session);
    CHECK(proof_for(rules, RequestType::objection) == ProofLevel::none);
    rules.proof = {{"access", "one_factor"}, {"withdraw", "a notary"}};
    CHECK(proof_for(rules, RequestType::access) == ProofLevel::one_factor);
    CHECK(proof_for(rules, RequestType::withdraw) == ProofLevel::two_factors);
}
