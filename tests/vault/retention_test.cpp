#include <algorithm>
#include <thread>

#include "tests/vault/vault_fixture.hpp"
#include "vault/people/expiry.hpp"
#include "vault/tables.hpp"

// Values whose time is over lose their keys: whole days at once, and person by person. And what a
// wrong clock cannot do.

namespace oubliette::testing {
namespace {

constexpr std::uint32_t kYear = 365 * kDay;
constexpr std::uint16_t kFirstDay = ManualClock::kStart / kDay;
constexpr std::uint16_t kChatEnds = kFirstDay + 365;  // chat_text: P1Y from when it was collected

// Mobile and email end a year after they were collected.
std::string policy_with_contacts_for_a_year() {
    return edited_policy(
        {{R"({ "category": "contact",   "purpose": "*",          "from": )"
          R"("account_closed", "keep": "P0D",  "then": "delete" },)",
          ""},
         {R"("from": "last_activity",  "keep": "P3Y")", R"("from": "collected",  "keep": "P1Y")"}});
}

Result<RetentionReport> run(TestVault& vault, const RetentionRequest& request,
                            const std::string& by) {
    return wait_for<RetentionReport>([&](Done<RetentionReport> done) {
        vault->run_retention(vault.caller(by), request, std::move(done));
    });
}

RetentionReport sweep(TestVault& vault, bool is_dry_run = false) {
    auto report = run(vault, {is_dry_run, std::nullopt}, "privacy_officer");
    REQUIRE(report.has_value());
    return *report;
}

// The operator lifts the floor to `day`.
std::string catch_up(TestVault& vault, std::uint16_t day) {
    const auto report = run(vault, {false, day}, "key_operator");
    return report ? "" : std::string{wire_name(report.error())};
}

// Until all keepers have it and the rows are gone.
void settle(TestVault& vault) {
    for (int i = 0; i < 200 && vault->status().plane.waiting != 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    vault.reopen();  // the committer ends with what waits
}

std::string chat(TestVault& vault, const std::string& subject, const std::string& words) {
    return vault.tokenize(subject, "chat_text", words, {}, "support_desk", "support");
}

std::string read_chat(TestVault& vault, const std::string& token) {
    return vault.detokenize(token, "support_desk", "support");
}

std::vector<std::string> blocks_of(const RetentionReport& report) {
    std::vector<std::string> blocks;
    for (const RetentionDay& day : report.days) blocks.emplace_back(name_of(day.block));
    return blocks;
}

std::size_t rows_of(const TestVault& vault, store::TableId table) {
    store::StoreOptions read_only;
    read_only.read_only = true;
    const auto store =
        store::open_lmdb_store(vault.options().data / "store", Tables::names(), read_only);
    std::size_t count = 0;
    store->read()->scan(table, {}, {}, [&count](ByteView, ByteView) {
        ++count;
        return true;
    });
    return count;
}

std::size_t value_count(const TestVault& vault) {
    store::StoreOptions read_only;
    read_only.read_only = true;
    const auto store =
        store::open_lmdb_store(vault.options().data / "store", Tables::names(), read_only);
    std::size_t count = 0;
    store->read()->scan(Tables::kPeople, {}, {}, [&count](ByteView key, ByteView) {
        if (people::kind_of(key) == people::RowKind::value) ++count;
        return true;
    });
    return count;
}

void set_day(TestVault& vault, std::uint16_t day) {
    vault.clock.set({std::uint32_t{day} * kDay + kHour});
}

// One o'clock of its first day: at midnight a value's end would be the first second of a day.
class SweptVault : public TestVault {
public:
    explicit SweptVault(std::string_view policy = policy::example_policy()) : TestVault{policy} {
        clock.advance(kHour);
    }
};

}  // namespace

TEST_CASE("a day that is over loses its key, and no older copy brings it back", "[retention]") {
    SweptVault vault;
    const std::string name = vault.person("c-1", "ann");
    const std::string first = chat(vault, "c-1", "first");
    const std::string second = chat(vault, "c-1", "second");
    vault.clock.advance(kDay);
    const std::string later = chat(vault, "c-1", "a day later");
    vault.close();
    vault.save_data("old");
    vault.open();

    set_day(vault, kChatEnds + 3);
    CHECK(read_chat(vault, first) == "RETENTION_ENDED");  // by itself, at the second
    REQUIRE(catch_up(vault, kChatEnds + 1).empty());
    settle(vault);
    CHECK(vault.detokenize(name) == "ann");
    CHECK(read_chat(vault, first) == "NOT_FOUND");  // key and row are gone
    CHECK(sweep(vault, true).days.size() == 1);     // that of the day after

    vault.close();
    vault.restore_data("old");
    set_day(vault, kFirstDay + 2);  // when the values had not ended by the clock
    vault.open();
    CHECK(vault->status().rolled_back);
    CHECK(read_chat(vault, first) == "RETENTION_ENDED");
    CHECK(read_chat(vault, second) == "RETENTION_ENDED");
    CHECK(read_chat(vault, later) == "a day later");
    CHECK(vault.detokenize(name) == "ann");
    // What an older copy brought back is removed by the next sweep.
    set_day(vault, kChatEnds + 3);
    CHECK(sweep(vault).days.size() == 1);
    settle(vault);
    CHECK(read_chat(vault, first) == "NOT_FOUND");
    vault.close();
    const auto log = vault.audit_log();
    const auto ends = std::ranges::count_if(log, [](const audit::Entry& entry) {
        return entry.action == audit::Action::retention_end;
    });
    CHECK(ends == 0);  // the copy's own log; the entry of the end is in the lost tail
}

TEST_CASE("the end of a day is in the log", "[retention]") {
    SweptVault vault;
    (void)vault.person("c-1", "ann");
    REQUIRE(chat(vault, "c-1", "words").size() > 70);
    set_day(vault, kChatEnds + 3);
    REQUIRE(catch_up(vault, kChatEnds + 1).empty());
    settle(vault);
    vault.close();
    const auto log = vault.audit_log();
    const auto end = std::ranges::find(log, audit::Action::retention_end, &audit::Entry::action);
    REQUIRE(end != log.end());
    const auto ended = audit::cited_day(*end);
    REQUIRE(ended.has_value());
    CHECK(ended->day == kChatEnds);
    CHECK(end->pseudonym == ByteArray<16>{});
    CHECK(rows_of(vault, Tables::kExpiry) == 0);
    CHECK(rows_of(vault, Tables::kQueue) == 0);
}

TEST_CASE("a day keeps its key for two days and until the floor has passed it", "[retention]") {
    SweptVault vault;
    (void)vault.person("c-1", "ann");
    const std::string token = chat(vault, "c-1", "words");
    CHECK(sweep(vault).days.empty());
    CHECK(sweep(vault).day_floor == kFirstDay);

    set_day(vault, kChatEnds);
    CHECK(sweep(vault).days.empty());
    set_day(vault, kChatEnds + 2);
    CHECK(blocks_of(sweep(vault)) == std::vector<std::string>{"too_recent"});
    CHECK(catch_up(vault, kChatEnds + 1) == "VALUE_INVALID");
    set_day(vault, kChatEnds + 3);
    CHECK(blocks_of(sweep(vault)) == std::vector<std::string>{"day_floor"});
    REQUIRE(catch_up(vault, kChatEnds).empty());
    CHECK(catch_up(vault, kChatEnds).size() > 0);  // it only rises
    CHECK(blocks_of(sweep(vault)) == std::vector<std::string>{"day_floor"});
    vault.clock.stay_awake(20 * kHour);
    // A dry run says what the next sweep would do and changes nothing.
    CHECK(blocks_of(sweep(vault, true)) == std::vector<std::string>{"day_floor"});
    CHECK(sweep(vault, true).day_floor == kChatEnds);
    const RetentionReport report = sweep(vault);
    CHECK(report.day_floor == kChatEnds + 1);
    REQUIRE(report.days.size() == 1);
    CHECK(report.days.front().category == "messages");
    CHECK(report.days.front().day == kChatEnds);
    CHECK(report.days.front().values == 1);
    CHECK(report.days.front().block == RetentionBlock::none);
    settle(vault);
    CHECK(read_chat(vault, token) == "NOT_FOUND");
}

TEST_CASE("a clock that jumps a year ahead destroys nothing", "[retention][clock]") {
    SweptVault vault;
    (void)vault.person("c-1", "ann");
    const std::string mail = vault.person("c-2", "bob@example.org", "email");
    const std::string token = chat(vault, "c-1", "words");
    const auto here = vault.clock.now();
    vault.clock.advance(4 * kYear);
    for (int i = 0; i < 5; ++i) {
        const RetentionReport report = sweep(vault);
        CHECK(report.day_floor == kFirstDay);
        CHECK(std::ranges::all_of(report.days, [](const RetentionDay& day) {
            return day.block == RetentionBlock::day_floor;
        }));
    }
    // Awake for ten days with that clock: a day for each 20 hours.
    for (int i = 1; i <= 12; ++i) {
        vault.clock.stay_awake(20 * kHour);
        CHECK(sweep(vault).day_floor == kFirstDay + i);
        CHECK(sweep(vault).day_floor == kFirstDay + i);
    }
    vault.clock.set(here);
    vault.clock.advance(10 * kDay);
    CHECK(read_chat(vault, token) == "words");
    CHECK(vault.detokenize(mail) == "bob@example.org");
    CHECK(sweep(vault).days.empty());
}

TEST_CASE("a clock that jumps back revives nothing and lowers nothing", "[retention][clock]") {
    SweptVault vault;
    (void)vault.person("c-1", "ann");
    const std::string token = chat(vault, "c-1", "words");
    set_day(vault, kChatEnds + 3);
    REQUIRE(catch_up(vault, kChatEnds + 1).empty());
    set_day(vault, kFirstDay);
    CHECK(sweep(vault).day_floor == kChatEnds + 1);
    CHECK(read_chat(vault, token) != "words");
    // A value that would end on a destroyed day cannot be stored: its key is gone already.
    CHECK(chat(vault, "c-1", "again") == "RETENTION_ENDED");
    vault.clock.advance(kDay);
    CHECK(read_chat(vault, chat(vault, "c-1", "a day later")) == "a day later");
}

TEST_CASE("the floor outlives restarts and older copies, and uptime adds up",
          "[retention][clock]") {
    SweptVault vault;
    vault.close();
    vault.save_data("old");
    vault.open();
    vault.clock.advance(30 * kDay);
    vault.clock.stay_awake(12 * kHour);
    CHECK(sweep(vault).day_floor == kFirstDay);
    vault.reopen();
    vault.clock.stay_awake(9 * kHour);
    CHECK(sweep(vault).day_floor == kFirstDay + 1);
    vault.reopen();
    CHECK(sweep(vault).day_floor == kFirstDay + 1);
    vault.close();
    vault.restore_data("old");
    vault.open();
    CHECK(vault->status().rolled_back);
    CHECK(sweep(vault).day_floor == kFirstDay + 1);
    vault.clock.stay_awake(20 * kHour);
    CHECK(sweep(vault).day_floor == kFirstDay + 2);
}

TEST_CASE("a day from which values were moved keeps its key", "[retention]") {
    SweptVault vault;
    (void)vault.person("c-1", "ann");
    const std::string token = chat(vault, "c-1", "words");
    vault.clock.advance(kDay);
    (void)chat(vault, "c-1", "a day later");
    vault.close();
    {
        // As whoever moves a value leaves it: the day before still names the row of the day after.
        const auto store =
            store::open_lmdb_store(vault.options().data / "store", Tables::names(), {});
        store->write([](store::WriteView& view) {
            const auto buckets = people::find_buckets(view, keys::kFirstTenant, 0xFFF0);
            REQUIRE(buckets.size() == 2);
            const auto rows = people::bucket_rows(view, keys::kFirstTenant, buckets.back(), {}, 10);
            REQUIRE(rows.size() == 1);
            people::write_expiry(view, keys::kFirstTenant, buckets.front(),
                                 Bytes{rows.front().row_key});
        });
    }
    vault.open();
    set_day(vault, kChatEnds + 3);
    REQUIRE(catch_up(vault, kChatEnds + 1).empty());
    CHECK(blocks_of(sweep(vault)) == std::vector<std::string>{"moved", "too_recent"});
    set_day(vault, kFirstDay);
    CHECK(read_chat(vault, token) == "words");
}

TEST_CASE("what ends with its day leaves the index", "[retention]") {
    SweptVault vault{policy_with_contacts_for_a_year()};
    (void)vault.person("c-1", "ann@example.org", "email");
    vault.clock.advance(2 * kDay);
    (void)vault.person("c-2", "bob@example.org", "email");
    const std::size_t before = vault->status().index_entries;
    set_day(vault, kChatEnds + 3);
    REQUIRE(catch_up(vault, kChatEnds + 1).empty());
    CHECK(vault->status().index_entries == before - 1);
    set_day(vault, kFirstDay);
    CHECK(vault.search("email", "ann@example.org").empty());
    CHECK(vault.search("email", "bob@example.org") == "c-2");
}

TEST_CASE("a value that ends with an event loses its key person by person", "[retention]") {
    SweptVault vault;
    const std::string ann = vault.person("c-1", "ann@example.org", "email");
    const std::string bob = vault.person("c-2", "bob@example.org", "email");
    const std::string name = vault.person("c-3", "carl");
    vault.close();
    vault.save_data("old");
    vault.open();
    vault.clock.advance(kYear);
    REQUIRE(vault.put("c-2", {{"username", "bob"}}).empty());  // he is still here
    // email: three years after the last activity.
    set_day(vault, kFirstDay + 3 * 365 + 10);
    CHECK(vault.detokenize(ann) == "RETENTION_ENDED");
    const auto target = static_cast<std::uint16_t>(vault.clock.now().day() - 2);
    const auto dry = run(vault, {true, target}, "key_operator");
    REQUIRE(dry.has_value());
    REQUIRE(dry->by_person.size() == 1);
    CHECK(dry->by_person.front().category == "contact");
    CHECK(dry->by_person.front().values == 1);
    CHECK(dry->people == 3);
    CHECK(sweep(vault).by_person.empty());  // the floor has not risen
    const std::size_t before = vault->status().index_entries;
    REQUIRE(catch_up(vault, target).empty());
    CHECK(vault->status().index_entries == before - 1);
    CHECK(sweep(vault).by_person.empty());
    settle(vault);
    CHECK(vault.detokenize(ann) == "NOT_FOUND");
    CHECK(vault.search("email", "ann@example.org").empty());
    CHECK(vault.detokenize(bob) == "bob@example.org");
    CHECK(vault.detokenize(name) == "carl");

    vault.close();
    vault.restore_data("old");
    set_day(vault, kFirstDay);
    vault.open();
    CHECK(vault.detokenize(ann) == "ERASED");
    CHECK(vault.search("email", "ann@example.org").empty());
    CHECK(vault.detokenize(bob) == "bob@example.org");
}

TEST_CASE("a newer policy that keeps values for less time ends them", "[retention]") {
    SweptVault vault;
    (void)vault.person("c-1", "ann");
    const std::string token = chat(vault, "c-1", "words");
    REQUIRE(vault.publish(edited_policy(
                {{R"("version": 3, "supersedes": 2)", R"("version": 4, "supersedes": 3)"},
                 {R"("purpose": "support",    "from": "collected",      "keep": "P1Y")",
                  R"("purpose": "support",    "from": "collected",      "keep": "P30D")"}})) ==
            "4");
    set_day(vault, kFirstDay + 29);
    REQUIRE(catch_up(vault, kFirstDay + 27).empty());
    CHECK(read_chat(vault, token) == "words");
    set_day(vault, kFirstDay + 40);
    CHECK(read_chat(vault, token) == "RETENTION_ENDED");
    REQUIRE(catch_up(vault, kFirstDay + 38).empty());
    settle(vault);
    set_day(vault, kFirstDay);
    CHECK(read_chat(vault, token) == "NOT_FOUND");
}

TEST_CASE("many values end in groups of bounded size", "[retention]") {
    SweptVault vault;
    TokenizeRequest request;
    request.purpose = "support";
    const std::string words = "words";
    (void)vault.person("c-1", "ann");
    (void)vault.person("c-2", "bob");
    for (int i = 0; i < 1'500; ++i) {
        request.items.push_back(
            {i % 2 == 0 ? "c-1" : "c-2", "chat_text", ValueInput{policy::ValueKind::text, words}});
    }
    const auto answer = wait_for<TokenizeAnswer>([&](Done<TokenizeAnswer> done) {
        vault->tokenize(vault.caller("support_desk"), request, std::move(done));
    });
    REQUIRE(answer.has_value());
    SECTION("with their day") {
        set_day(vault, kChatEnds + 3);
        REQUIRE(catch_up(vault, kChatEnds + 1).empty());
    }
    SECTION("person by person") {
        REQUIRE(vault.publish(edited_policy(
                    {{R"("version": 3, "supersedes": 2)", R"("version": 4, "supersedes": 3)"},
                     {R"("from": "collected",      "keep": "P1Y",  "then": "delete" },)",
                      R"("from": "collected",      "keep": "P1D",  "then": "delete" },)"}})) ==
                "4");
        set_day(vault, kFirstDay + 10);
        REQUIRE(catch_up(vault, kFirstDay + 8).empty());
    }
    // Rows are removed a thousand at a time; what the end of a process cuts off, a sweep resumes.
    std::size_t values = 0;
    for (int i = 0; i < 20 && values != 2; ++i) {
        (void)sweep(vault);
        settle(vault);
        vault.close();
        values = value_count(vault);
        vault.open();
    }
    CHECK(values == 2);  // the two names
}

TEST_CASE("a day that ends while a keeper is away is dead at once, and final later",
          "[retention]") {
    SweptVault vault;
    (void)vault.person("c-1", "ann");
    const std::string token = chat(vault, "c-1", "words");
    vault.close();
    vault.save_data("old");
    const auto away = vault.home() / "away";
    std::filesystem::rename(vault.options().plane.keepers[1], away);
    std::filesystem::create_directory(vault.options().plane.keepers[1]);
    vault.open();
    set_day(vault, kChatEnds + 3);
    REQUIRE(catch_up(vault, kChatEnds + 1).empty());
    set_day(vault, kFirstDay);
    CHECK(read_chat(vault, token) == "RETENTION_ENDED");
    CHECK(vault->status().plane.waiting == 1);
    vault.close();
    std::filesystem::remove_all(vault.options().plane.keepers[1]);
    std::filesystem::rename(away, vault.options().plane.keepers[1]);
    vault.restore_data("old");
    vault.open();
    CHECK(read_chat(vault, token) == "RETENTION_ENDED");
    for (int i = 0; i < 300 && vault->status().plane.waiting != 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    CHECK(vault->status().plane.waiting == 0);
}

TEST_CASE("only officers sweep, and only operators lift the floor", "[retention]") {
    SweptVault vault;
    vault.clock.advance(10 * kDay);
    CHECK(run(vault, {}, "web").error() == Refusal::role_denied);
    CHECK(run(vault, {}, "key_operator").error() == Refusal::role_denied);
    const auto day = static_cast<std::uint16_t>(kFirstDay + 5);
    CHECK(run(vault, {false, day}, "privacy_officer").error() == Refusal::role_denied);
    CHECK(sweep(vault).day_floor == kFirstDay);
    CHECK(run(vault, {true, day}, "key_operator").has_value());
    CHECK(sweep(vault).day_floor == kFirstDay);
    CHECK(catch_up(vault, day).empty());
    CHECK(sweep(vault).day_floor == day);
}

TEST_CASE("replaced values of one window lose their keys together, within the hour",
          "[retention]") {
    SweptVault vault;
    (void)vault.person("c-1", "ann");
    (void)vault.person("c-2", "bob");
    for (int i = 0; i < 10; ++i) {
        vault.clock.advance(60);
        REQUIRE(vault.put("c-1", {{"username", "ann" + std::to_string(i)}}).empty());
        REQUIRE(vault.put("c-2", {{"username", "bob" + std::to_string(i)}}).empty());
    }
    vault.close();
    store::StoreOptions read_only;
    read_only.read_only = true;
    const auto store =
        store::open_lmdb_store(vault.options().data / "store", Tables::names(), read_only);
    const auto queue = read_queue(*store->read());
    REQUIRE(queue.size() == 20);
    for (const QueueRow& row : queue) {
        CHECK(row.revocation.scope == keys::RevocationScope::superseded);
        CHECK(row.due == queue.front().due);
        CHECK(row.due.seconds <= ManualClock::kStart + 2 * kHour);
    }
}

}  // namespace oubliette::testing
