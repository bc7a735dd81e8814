#include "vault/audit/checkpoint.hpp"

#include <catch2/catch.hpp>

#include "crypto/encoding.hpp"
#include "tests/crypto/vector_file.hpp"

namespace oubliette::audit {
namespace {

using crypto::testing::some_key;

// A checkpoint of the Go checksum database, from the text of C2SP tlog-checkpoint before it was
// given an example name; the key is the one that Go itself pins.
constexpr std::string_view kGoKey =
    "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
constexpr std::string_view kGoCheckpoint =
    "go.sum database tree\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "\xE2\x80\x94 sum.golang.org "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8="
    "\n";

struct Signed {
    std::string name = log_name({0xAB});
    crypto::SigningKey old_key{some_key(1).expose()};
    crypto::SigningKey new_key{some_key(2).expose()};
    Checkpoint checkpoint{log_origin(name, 3), 70'000, crypto::sha256({bytes_of("root")})};

    [[nodiscard]] VerifierKey verifier(const crypto::SigningKey& key) const {
        return {name, key.public_key()};
    }
    [[nodiscard]] std::string note(std::vector<const crypto::SigningKey*> keys) const {
        return sign_checkpoint(checkpoint, name, keys);
    }
};

CheckpointFlaw flaw_of(std::string_view text, const std::vector<VerifierKey>& known) {
    const auto opened = open_checkpoint(text, known);
    REQUIRE(std::holds_alternative<CheckpointFlaw>(opened));
    return std::get<CheckpointFlaw>(opened);
}

}  // namespace

TEST_CASE("a checkpoint of another log opens with the key that others pin") {
    const auto key = parse_vkey(kGoKey);
    REQUIRE(key);
    CHECK(encode_vkey(*key) == kGoKey);
    const auto opened = open_checkpoint(kGoCheckpoint, std::vector{*key});
    REQUIRE(std::holds_alternative<Checkpoint>(opened));
    CHECK(std::get<Checkpoint>(opened).origin == "go.sum database tree");
    CHECK(std::get<Checkpoint>(opened).size == 20'852'163);
}

TEST_CASE("while keys rotate both sign, and either one is enough") {
    const Signed s;
    const std::string note = s.note({&s.old_key, &s.new_key});
    for (const auto* const key : {&s.old_key, &s.new_key}) {
        const auto opened = open_checkpoint(note, std::vector{s.verifier(*key)});
        REQUIRE(std::holds_alternative<Checkpoint>(opened));
        CHECK(std::get<Checkpoint>(opened) == s.checkpoint);
    }
    CHECK(flaw_of(s.note({&s.new_key}), {s.verifier(s.old_key)}) == CheckpointFlaw::unknown_key);
    CHECK(flaw_of(note, {}) == CheckpointFlaw::unknown_key);
    VerifierKey other_name = s.verifier(s.old_key);
    other_name.name += "x";
    CHECK(flaw_of(note, {other_name}) == CheckpointFlaw::unknown_key);
}

TEST_CASE("no changed byte of a checkpoint is accepted") {
    const Signed s;
    const std::string note = s.note({&s.old_key});
    const std::vector known{s.verifier(s.old_key)};
    REQUIRE(std::holds_alternative<Checkpoint>(open_checkpoint(note, known)));
    for (std::size_t at = 0; at < note.size(); ++at) {
        for (const int flip : {1, 0x20, 0x80}) {
            std::string changed = note;
            changed[at] = static_cast<char>(changed[at] ^ flip);
            INFO("byte " << at << " flipped by " << flip);
            REQUIRE(std::holds_alternative<CheckpointFlaw>(open_checkpoint(changed, known)));
        }
    }
    for (std::size_t size = 0; size < note.size(); ++size) {
        REQUIRE(
            std::holds_alternative<CheckpointFlaw>(open_checkpoint(note.substr(0, size), known)));
    }
}

TEST_CASE("a wrong signature of a known key refuses the whole note, beside a right one too") {
    const Signed s;
    const std::string good = s.note({&s.old_key});
    Signed other = {};
    other.checkpoint.size = 1;
    const std::string foreign = other.note({&other.new_key});
    const std::string line = foreign.substr(foreign.find("\n\n") + 2);
    const std::vector both{s.verifier(s.old_key), s.verifier(s.new_key)};
    CHECK(flaw_of(good + line, both) == CheckpointFlaw::bad_signature);
    // A key that the reader does not know may have signed anything.
    const auto opened = open_checkpoint(good + line, std::vector{s.verifier(s.old_key)});
    CHECK(std::holds_alternative<Checkpoint>(opened));
}

TEST_CASE("one spelling of a checkpoint") {
    const Signed s;
    const std::vector known{s.verifier(s.old_key)};
    const auto note_of = [&](const std::string& head) {
        Bytes signature;
        const auto id = key_id(s.verifier(s.old_key));
        signature.assign(id.begin(), id.end());
        const auto made = s.old_key.sign(bytes_of(head));
        signature.insert(signature.end(), made.begin(), made.end());
        return head + "\n\xE2\x80\x94 " + s.name + " " + crypto::base64_encode(signature) + "\n";
    };
    const std::string root = crypto::base64_encode(s.checkpoint.root);
    REQUIRE(std::holds_alternative<Checkpoint>(
        open_checkpoint(note_of("o\n7\n" + root + "\n"), known)));
    REQUIRE(std::holds_alternative<Checkpoint>(
        open_checkpoint(note_of("o\n0\n" + root + "\n"), known)));
    for (const std::string& head :
         {"\n7\n" + root + "\n", "o\n07\n" + root + "\n", "o\n+7\n" + root + "\n",
          "o\n7 \n" + root + "\n", "o\n18446744073709551616\n" + root + "\n",
          "o\n7\n" + root.substr(0, 40) + "\n", "o\n7\n" + root + "\nextension\n",
          "o\r\n7\n" + root + "\n", std::string{"o\n\n"} + root + "\n", std::string{"o\n7\n"}}) {
        INFO(head);
        CHECK(flaw_of(note_of(head), known) == CheckpointFlaw::malformed);
    }
    CHECK(flaw_of(note_of("o\n7\n" + root + "\n") + "\n", known) == CheckpointFlaw::malformed);
    std::string many = s.note({&s.old_key});
    const std::string line = many.substr(many.find("\n\n") + 2);
    for (std::size_t i = 1; i < kSignaturesMax; ++i) many += line;
    CHECK(std::holds_alternative<Checkpoint>(open_checkpoint(many, known)));
    CHECK(flaw_of(many + line, known) == CheckpointFlaw::malformed);
}

TEST_CASE("verifier keys: one text per key") {
    const Signed s;
    const std::string text = encode_vkey(s.verifier(s.old_key));
    REQUIRE(parse_vkey(text) == s.verifier(s.old_key));
    CHECK_FALSE(parse_vkey(""));
    CHECK_FALSE(parse_vkey(text + " "));
    CHECK_FALSE(parse_vkey("x" + text));
    for (std::size_t at = 0; at < text.size(); ++at) {
        std::string changed = text;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        INFO("byte " << at);
        CHECK_FALSE(parse_vkey(changed));
    }
}

TEST_CASE("origins name their generation") {
    const std::string name = log_name({1, 2, 3});
    CHECK(name == "oubliette.01020300000000000000000000000000");
    CHECK(log_origin(name, 0) == name + "/g0");
    CHECK(generation_of(log_origin(name, 4'000'000'000), name) == 4'000'000'000U);
    for (const char* const wrong : {"", "/g", "/g01", "/g-1", "/h1", "/g1/", "/g4294967296"}) {
        CHECK_FALSE(generation_of(name + wrong, name));
    }
    CHECK_FALSE(generation_of("x/g1", name));
}

}  // namespace oubliette::audit
