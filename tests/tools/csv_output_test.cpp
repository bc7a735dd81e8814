#include "tools/csv_output.hpp"

#include <filesystem>
#include <set>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "tests/tools/temp_folder.hpp"
#include "tools/cli.hpp"

using namespace oubliette::tools;
using Catch::Contains;

namespace {

CsvState fresh_state() {
    CsvState state;
    state.verb = "tokenize";
    state.options = "0011";
    state.input_sha256 = "aabb";
    state.input_size = 100;
    return state;
}

constexpr auto kKeep = CsvForce::keep_existing;
constexpr auto kUmask = CsvPrivacy::as_umask;

void record(CsvOutput& output, const std::string& bytes) {
    output.append(bytes);
    ++output.state().batches;
    output.state().input_offset += 10;
    output.checkpoint();
}

}  // namespace

TEST_CASE("a state is read back as it was written", "[csv]") {
    CsvState state = fresh_state();
    state.run = "77";
    state.input_offset = 18'446'744'073'709'551'615U;
    state.line = 9;
    state.attempt = 3;
    const std::string text = encode_state(state);
    CHECK(decode_state(text, "s") == state);
    for (std::size_t size = 0; size + 2 < text.size(); ++size) {
        CHECK_THROWS_AS(decode_state(text.substr(0, size), "s"), CommandError);
    }
    std::string other = text;
    other.replace(other.find("\"version\":1"), 11, "\"version\":2");
    CHECK_THROWS_WITH(decode_state(other, "s"), Contains("s is damaged or of another version"));
}

TEST_CASE("an interrupted output goes on where its state says", "[csv]") {
    const TempFolder folder;
    const std::string out = folder / "out.csv";
    std::string run;
    {
        CsvOutput output(out, fresh_state(), kKeep, kUmask);
        CHECK_FALSE(output.is_resumed());
        run = output.state().run;
        CHECK(run.size() == 32);
        record(output, "one\n");
        output.append_error("e1\n");
        record(output, "two\n");
        output.append("lost, for no checkpoint follows\n");
        output.append_error("lost too\n");
    }
    CsvOutput output(out, fresh_state(), kKeep, kUmask);
    CHECK(output.is_resumed());
    CHECK(output.state().run == run);
    CHECK(output.state().batches == 2);
    CHECK(output.state().input_offset == 20);
    CHECK(read_text(out) == "one\ntwo\n");
    CHECK(read_text(out + ".errors") == "e1\n");
    record(output, "three\n");
    output.finish();
    CHECK(read_text(out) == "one\ntwo\nthree\n");
    CHECK_FALSE(std::filesystem::exists(out + ".state"));
}

TEST_CASE("an output is never mixed with something else", "[csv]") {
    const TempFolder folder;
    const std::string out = folder / "out.csv";
    const auto open = [&](const CsvState& state) { CsvOutput output(out, state, kKeep, kUmask); };
    SECTION("a file that is there") {
        write_text(out, "precious\n");
        CHECK_THROWS_WITH(open(fresh_state()), Contains("--force"));
        CHECK(read_text(out) == "precious\n");
        CHECK_FALSE(std::filesystem::exists(out + ".state"));
    }
    SECTION("a run") {
        {
            CsvOutput output(out, fresh_state(), kKeep, kUmask);
            record(output, "one\n");
            CHECK_THROWS_WITH(open(fresh_state()), Contains("another process is writing"));
        }
        CsvState state = fresh_state();
        SECTION("of another input") {
            state.input_sha256 = "cc";
            CHECK_THROWS_WITH(open(state), Contains("the input changed"));
        }
        SECTION("of other options") {
            state.options = "0012";
            CHECK_THROWS_WITH(open(state), Contains("other options"));
        }
        SECTION("of the other verb") {
            state.verb = "detokenize";
            CHECK_THROWS_WITH(open(state), Contains("other options"));
        }
        SECTION("whose output was cut") {
            std::filesystem::resize_file(out, 3);
            CHECK_THROWS_WITH(open(state), Contains("shorter than its state says"));
        }
        SECTION("whose state is damaged") {
            write_text(out + ".state", "{");
            CHECK_THROWS_WITH(open(state), Contains("damaged"));
        }
        SECTION("begun anew by force") {
            CsvOutput output(out, state, CsvForce::overwrite, kUmask);
            CHECK_FALSE(output.is_resumed());
            CHECK(output.state().batches == 0);
            CHECK(read_text(out).empty());
        }
    }
    SECTION("a place that cannot be written") {
        CHECK_THROWS_AS(CsvOutput(folder / "no/such/out.csv", fresh_state(), kKeep, kUmask),
                        CommandError);
        CHECK_THROWS_AS(CsvOutput("/dev/full", fresh_state(), kKeep, kUmask), CommandError);
    }
}

TEST_CASE("an output without a batch leaves nothing behind", "[csv]") {
    const TempFolder folder;
    const std::string out = folder / "out.csv";
    CsvOutput output(out, fresh_state(), kKeep, kUmask);
    SECTION("when nothing was recorded") {
        output.append("not recorded");
        CHECK(output.abandon_if_empty());
        CHECK_FALSE(std::filesystem::exists(out));
        CHECK_FALSE(std::filesystem::exists(out + ".state"));
    }
    SECTION("but keeps what was") {
        record(output, "one\n");
        CHECK_FALSE(output.abandon_if_empty());
        CHECK(read_text(out) == "one\n");
    }
}

TEST_CASE("plain values are readable by their owner only", "[csv]") {
    const TempFolder folder;
    const CsvOutput output(folder / "out.csv", fresh_state(), kKeep, CsvPrivacy::owner_only);
    struct stat status {};
    REQUIRE(::stat((folder / "out.csv").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("a batch keeps its idempotency key until the vault refused it", "[csv]") {
    CsvState state = fresh_state();
    state.run = "77";
    const std::string key = idempotency_key(state, 4, "[]");
    CHECK(key.size() == 64);
    CHECK(idempotency_key(state, 4, "[]") == key);
    std::set<std::string> keys{key, idempotency_key(state, 5, "[]"),
                               idempotency_key(state, 4, "[1]")};
    CsvState other = state;
    other.run = "78";
    keys.insert(idempotency_key(other, 4, "[]"));
    other = state;
    other.stopped_batch = 4;
    other.attempt = 1;
    keys.insert(idempotency_key(other, 4, "[]"));
    CHECK(keys.size() == 5);
    CHECK(idempotency_key(other, 5, "[]") == idempotency_key(state, 5, "[]"));
}
