#include "tools/csv_batch.hpp"

#include <fcntl.h>
#include <map>
#include <random>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

#include "tests/tools/csv_fuzz.hpp"
#include "tests/tools/temp_folder.hpp"
#include "tools/cli.hpp"
#include "tools/csv_verbs.hpp"

using namespace oubliette::tools;

namespace {

// The values behind made-up tokens, as a vault would keep them.
using Kept = std::map<std::string, boost::json::value>;

class Table {
public:
    Table(const std::string& text, const std::string& subject, std::vector<ColumnMap> maps) {
        write_text(folder_ / "t.csv", text);
        fd_ = ::open((folder_ / "t.csv").c_str(), O_RDONLY | O_CLOEXEC);
        TableCheck check;
        check.name = "t.csv";
        check.subject = subject;
        check.maps = std::move(maps);
        facts = check_table(fd_, check, [](std::uint64_t, std::uint64_t) {});
    }
    ~Table() { (void)::close(fd_); }
    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;

    template <class Add>
    std::vector<Batch> plan(Add add, const BatchLimits& limits) const {
        std::vector<Batch> batches(1);
        CsvReader reader(fd_, "t.csv", ',');
        CsvRow row;
        REQUIRE(reader.read(row));
        add_copied(batches.back(), row);
        while (reader.read(row)) {
            if (add(batches.back(), row, facts.columns, limits)) continue;
            batches.emplace_back();
            REQUIRE(add(batches.back(), row, facts.columns, limits));
        }
        return batches;
    }

    TableFacts facts;

private:
    TempFolder folder_;
    int fd_ = -1;
};

boost::json::array items_of(const Batch& batch) {
    boost::json::array items = boost::json::parse("[" + batch.items + "]").as_array();
    REQUIRE(items.size() == batch.item_count);
    return items;
}

std::string tokenize(const Table& table, const BatchLimits& limits, Kept& kept) {
    std::string out;
    for (const Batch& batch : table.plan(add_to_tokenize, limits)) {
        boost::json::array answers;
        for (const boost::json::value& item : items_of(batch)) {
            const std::string token = "obl1.t" + std::to_string(kept.size());
            boost::json::object stored{
                {"field", item.at("field")}, {"value", item.at("value")}, {"transform", "plain"}};
            kept.emplace(token, std::move(stored));
            answers.push_back(boost::json::object{{"token", token}});
        }
        const boost::json::value answer = boost::json::object{{"items", answers}};
        out += render(batch, read_tokens(answer, batch), ',');
    }
    return out;
}

std::string detokenize(const Table& table, const BatchLimits& limits, const Kept& kept) {
    std::string out;
    for (const Batch& batch : table.plan(add_to_detokenize, limits)) {
        boost::json::array answers;
        for (const boost::json::value& item : items_of(batch)) {
            answers.push_back(kept.at(std::string(item.as_string())));
        }
        const boost::json::value answer = boost::json::object{{"items", answers}};
        out += render(batch, read_values(answer, batch, table.facts.columns), ',');
    }
    return out;
}

}  // namespace

TEST_CASE("tokenize and detokenize give the table back byte for byte", "[csv]") {
    const std::uint64_t seed = std::random_device{}();
    INFO("seed " << seed);
    RandomCsv random(seed);
    for (int i = 0; i < 100; ++i) {
        const std::string text = random.table(6, random.below(60));
        const BatchLimits limits{.item_count_max = 1 + random.below(20)};
        Kept kept;
        const Table original(text, "id",
                             {{"c1", "email", ""},
                              {"c3", "address", "city"},
                              {"c4", "address", "lines"},
                              {"c5", "mobile", ""}});
        const std::string tokens = tokenize(original, limits, kept);
        if (!kept.empty()) CHECK(tokens != text);
        const Table tokenized(tokens, "",
                              {{"c1", "", ""},
                               {"c3", "address", "city"},
                               {"c4", "address", "lines"},
                               {"c5", "mobile", ""}});
        REQUIRE(detokenize(tokenized, limits, kept) == text);
    }
}

TEST_CASE("only mapped cells with a value change", "[csv]") {
    const Table table("id,a,b\np1,\"x\",y\np2,,\"\"\n\np3,\"\",z", "id", {{"a", "f", ""}});
    Kept kept;
    CHECK(tokenize(table, {}, kept) == "id,a,b\np1,\"obl1.t0\",y\np2,,\"\"\n\np3,\"\",z");
    CHECK(kept.size() == 1);
}

TEST_CASE("a batch holds whole rows and never more than its limits", "[csv]") {
    std::string text = "id,a,b\n";
    for (int i = 0; i < 10; ++i) text += "p" + std::to_string(i) + ",x,y\n";
    const Table table(text, "id", {{"a", "f", ""}, {"b", "g", ""}});
    SECTION("by items") {
        const auto batches = table.plan(add_to_tokenize, {.item_count_max = 5});
        REQUIRE(batches.size() == 5);
        std::string raw;
        for (const Batch& batch : batches) {
            CHECK(batch.item_count == 4);
            raw += batch.raw;
            CHECK(batch.input_end == raw.size());
        }
        CHECK(raw == text);
        CHECK(batches.back().line_end == 12);
    }
    SECTION("by bytes") {
        for (const Batch& batch :
             table.plan(add_to_tokenize, {.item_count_max = 100, .body_size_max = 120})) {
            CHECK(batch.items.size() <= 120);
        }
    }
}

TEST_CASE("the lines of an address are a list, whatever lines there are", "[csv]") {
    const std::string text = "id,a,b\np1,\"x\ny\",Cork\np2,\"\n\nz\n\",\np3,,Gaillimh\n";
    const std::vector<ColumnMap> maps{{"a", "address", "lines"}, {"b", "address", "city"}};
    const Table table(text, "id", maps);
    Kept kept;
    const std::string tokens = tokenize(table, {}, kept);
    REQUIRE(kept.size() == 3);
    CHECK(boost::json::serialize(kept.at("obl1.t0").at("value")) ==
          R"({"lines":["x","y"],"city":"Cork"})");
    CHECK(boost::json::serialize(kept.at("obl1.t2").at("value")) == R"({"city":"Gaillimh"})");
    CHECK(detokenize(Table(tokens, "", maps), {}, kept) == text);
}

TEST_CASE("people without a value are remembered for their consents", "[csv]") {
    const Table table("id,a\np1,x\np2,\n", "id", {{"a", "f", ""}});
    const auto batches = table.plan(add_to_tokenize, {});
    REQUIRE(batches.size() == 1);
    CHECK(batches[0].subjects_without_items == std::vector<std::string>{"p2"});
}

TEST_CASE("the same token is asked for once in a batch", "[csv]") {
    const Table table("id,a,b\np1,T1,T1\np2,T2,T1\n", "", {{"a", "", ""}, {"b", "", ""}});
    const auto batches = table.plan(add_to_detokenize, {});
    REQUIRE(batches.size() == 1);
    CHECK(batches[0].items == R"("T1","T2")");
    CHECK(batches[0].edits.size() == 4);
}

TEST_CASE("a refused cell has its code and no text", "[csv]") {
    const Table table("id,a,b\np1,T1,T2\n", "", {{"a", "", ""}, {"b", "", ""}});
    const auto batches = table.plan(add_to_detokenize, {});
    const auto answer = boost::json::parse(R"({"items":[{"error":{"code":"ERASED","status":410}},)"
                                           R"({"field":"f","value":"v"}],"failed":1})");
    const auto results = read_values(answer, batches[0], table.facts.columns);
    REQUIRE(results.size() == 2);
    CHECK(results[0].code == "ERASED");
    CHECK(render(batches[0], results, ',') == "id,a,b\np1,,v\n");
}

TEST_CASE("an answer that does not match the request is refused", "[csv]") {
    const Table table("id,a\np1,x\n", "id", {{"a", "f", ""}});
    const auto batches = table.plan(add_to_tokenize, {});
    for (const std::string text :
         {R"([])", R"({})", R"({"items":[]})", R"({"items":[{},{}]})", R"({"items":[{}]})",
          R"({"items":[{"token":""}]})", R"({"items":[{"token":"a,b"}]})",
          R"({"items":[{"token":"a\nb"}]})", R"({"items":[{"token":"\"x"}]})"}) {
        INFO(text);
        CHECK_THROWS_AS(read_tokens(boost::json::parse(text), batches[0]), CommandError);
    }
}

TEST_CASE("what is not a code is not repeated", "[csv]") {
    const Table table("id,a\np1,x\n", "id", {{"a", "f", ""}});
    const auto batches = table.plan(add_to_tokenize, {});
    const auto answer = boost::json::parse(R"({"items":[{"error":{"code":"Ann's \u001b[2J"}}]})");
    CHECK(read_tokens(answer, batches[0])[0].code == "REFUSED");
}

TEST_CASE("values of other types are written as JSON and parts are picked", "[csv]") {
    const Table table(
        "id,a,b,c,d\np1,T1,T2,T3,T4\n", "",
        {{"a", "", ""}, {"b", "address", "city"}, {"c", "address", "country"}, {"d", "email", ""}});
    const auto batches = table.plan(add_to_detokenize, {});
    const auto answer =
        boost::json::parse(R"({"items":[{"field":"x","value":true},)"
                           R"({"field":"address","value":"Cork","transform":"city"},)"
                           R"({"field":"address","value":"Cork","transform":"city"},)"
                           R"({"field":"mobile","value":"1"}]})");
    const auto results = read_values(answer, batches[0], table.facts.columns);
    CHECK(results[0].text == "true");
    CHECK(results[1].text == "Cork");
    CHECK(results[2].code == "PART_UNAVAILABLE");
    CHECK(results[3].code == "FIELD_DIFFERS");
}

TEST_CASE("consents are of the policy in force and of the kind their slot asks", "[csv]") {
    const auto document = boost::json::parse(R"({"policy":{"version":3},
        "fields":{"chat":{"type":"text","owners":"many"},"doc":{"type":"json"},
                  "email":{"type":"email"}},
        "consents":{"policy":{"ask":"policy"},"promote":{"ask":"express"}}})");
    const PolicyFacts facts = read_policy_facts(document);
    CHECK(facts.many == std::unordered_set<std::string>{"chat", "doc"});
    CHECK(facts.consents_json({"promote"}, "ab") ==
          R"([{"slot":"promote","policy_version":3,"kind":"express","evidence_sha256":"ab"}])");
    CHECK_THROWS_WITH(facts.consents_json({"promot"}, "ab"),
                      Catch::Contains("did you mean 'promote'?"));
    CHECK_THROWS_AS(read_policy_facts(boost::json::parse("{}")), CommandError);
}
