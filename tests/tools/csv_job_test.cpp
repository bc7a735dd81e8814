#include "tools/csv_job.hpp"

#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>

#include <catch2/catch.hpp>

#include "tests/tools/temp_folder.hpp"

using namespace oubliette::tools;
using Catch::Contains;

// The pipeline without a network: what a verb sends is given as a function, as both verbs do.

namespace {

constexpr std::size_t kRows = 500;

struct Bench {
    TempFolder folder;
    CsvOptions options;
    CsvVerb verb;
    std::string text = "id,a\n";
    std::string expected = "id,a\n";
    std::mutex mutex;
    std::multiset<std::string> keys;
    std::atomic<int> calls{0};
    std::atomic<int> fail_at{-1};  // that call is refused as a whole
    std::string bad;               // this value is refused

    Bench() {
        for (std::size_t i = 0; i < kRows; ++i) {
            const std::string id = std::to_string(i);
            text += "p" + id + ",v" + id + "\n";
            expected += "p" + id + ",<v" + id + ">\n";
        }
        options.input = folder / "in.csv";
        options.output = folder / "out.csv";
        options.talk = Talk::quiet;
        write_text(options.input, text);
        verb.name = "test";
        verb.options_text = "options";
    }

    CsvSummary run() {
        const CsvInput input(options.input, options.output);
        TableCheck check;
        check.name = "in.csv";
        check.subject = "id";
        check.maps = {{"a", "f", ""}};
        const TableFacts facts =
            check_table(input.fd(), check, [](std::uint64_t, std::uint64_t) {});
        verb.add = [&](Batch& batch, const CsvRow& row) {
            return add_to_tokenize(batch, row, facts.columns, {.item_count_max = 7});
        };
        verb.send = [this](HttpsClient&, const Batch& batch, const std::string& key) {
            return send(batch, key);
        };
        return run_csv_job(options, verb, input, facts);
    }

    std::vector<CellResult> send(const Batch& batch, const std::string& key) {
        if (calls.fetch_add(1) == fail_at) throw CommandError(Exit::refused, "refused as a whole");
        const std::lock_guard lock(mutex);
        keys.insert(key);
        std::vector<CellResult> results;
        for (const CellEdit& edit : batch.edits) {
            const std::string value = batch.raw.substr(edit.begin, edit.size);
            results.push_back(value == bad ? CellResult{{}, "CONSENT_MISSING"}
                                           : CellResult{"<" + value + ">", {}});
        }
        return results;
    }
};

}  // namespace

TEST_CASE("batches are written in order however many are under way", "[csv]") {
    Bench bench;
    bench.options.connections = GENERATE(1U, 8U);
    const CsvSummary summary = bench.run();
    CHECK(read_text(bench.options.output) == bench.expected);
    CHECK(summary.state.rows == kRows);
    CHECK(summary.state.values == kRows);
    CHECK(bench.keys.size() == summary.state.batches);
    CHECK_FALSE(std::filesystem::exists(bench.options.output + ".state"));
}

TEST_CASE("a run that broke goes on and sends what was under way under the same keys", "[csv]") {
    Bench bench;
    bench.fail_at = 40;
    CHECK_THROWS_WITH(bench.run(), "refused as a whole");
    const std::string partial = read_text(bench.options.output);
    CHECK(partial.size() < bench.expected.size());
    CHECK(bench.expected.starts_with(partial));
    CHECK(std::filesystem::exists(bench.options.output + ".state"));
    const CsvSummary summary = bench.run();
    CHECK(summary.is_resumed);
    CHECK(read_text(bench.options.output) == bench.expected);
    const std::set<std::string> different(bench.keys.begin(), bench.keys.end());
    CHECK(different.size() == summary.state.batches);
}

TEST_CASE("a refused value stops the run, and the vault is asked anew", "[csv]") {
    Bench bench;
    bench.bad = "v100";
    CHECK_THROWS_WITH(bench.run(),
                      Contains("line 102, column 'a': CONSENT_MISSING") && !Contains("v100"));
    const std::string partial = read_text(bench.options.output);
    CHECK(bench.expected.starts_with(partial));
    CHECK(partial.find("v100") == std::string::npos);
    const auto before = bench.keys;
    bench.bad.clear();
    const CsvSummary summary = bench.run();
    CHECK(read_text(bench.options.output) == bench.expected);
    const std::set<std::string> different(bench.keys.begin(), bench.keys.end());
    CHECK(different.size() == summary.state.batches + 1);
}

TEST_CASE("a run refused from the start leaves nothing behind", "[csv]") {
    Bench bench;
    bench.bad = "v0";
    CHECK_THROWS_AS(bench.run(), CommandError);
    CHECK_FALSE(std::filesystem::exists(bench.options.output));
    CHECK_FALSE(std::filesystem::exists(bench.options.output + ".state"));
}

TEST_CASE("with report a refused value is left out and listed", "[csv]") {
    Bench bench;
    bench.options.on_error = OnError::report;
    bench.bad = "v100";
    const CsvSummary summary = bench.run();
    CHECK(summary.state.refused == 1);
    CHECK(report_csv_summary(bench.options, summary, false) == Exit::items_refused);
    CHECK(read_text(bench.options.output + ".errors") ==
          "line,column,code\n102,a,CONSENT_MISSING\n");
    std::string expected = bench.expected;
    expected.replace(expected.find("<v100>"), 6, "");
    CHECK(read_text(bench.options.output) == expected);
}

TEST_CASE("a changed input or output path is refused", "[csv]") {
    Bench bench;
    SECTION("input changed between two runs") {
        bench.fail_at = 40;
        CHECK_THROWS_AS(bench.run(), CommandError);
        write_text(bench.options.input, bench.text + "p9999,x\n");
        CHECK_THROWS_WITH(bench.run(), Contains("the input changed"));
    }
    SECTION("input changed while it was read") {
        const auto original = bench.text;
        const CsvInput input(bench.options.input, bench.options.output);
        write_text(bench.options.input, original + "p9999,x\n");
        CHECK_THROWS_WITH(input.check_unchanged(), Contains("was written to"));
    }
    SECTION("the same file") {
        std::filesystem::create_hard_link(bench.options.input, bench.folder / "same.csv");
        bench.options.output = bench.folder / "same.csv";
        CHECK_THROWS_WITH(bench.run(), Contains("the same file"));
        CHECK(read_text(bench.options.input) == bench.text);
    }
    SECTION("not a file") {
        bench.options.input = "/dev/null";
        CHECK_THROWS_WITH(bench.run(), Contains("not a regular file"));
    }
}
