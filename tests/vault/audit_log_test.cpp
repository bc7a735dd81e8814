#include "vault/audit/audit_log.hpp"

#include <random>

#include <catch2/catch.hpp>

#include "tests/crypto/vector_file.hpp"
#include "tests/store/store_fixture.hpp"
#include "vault/tables.hpp"

namespace oubliette::audit {
namespace {

using crypto::testing::hex_of;
using store::ReadView;
using store::Store;
using store::WriteView;

std::unique_ptr<Store> open_store(const std::filesystem::path& directory) {
    return store::open_lmdb_store(directory, Tables::names(), store::small_options());
}

Entry entry_of(std::uint64_t number) {
    Entry entry;
    entry.action = Action::read;
    entry.time.seconds = static_cast<std::uint32_t>(number % 1'000 * 60);
    entry.field = static_cast<std::uint16_t>(number);
    for (std::size_t i = 0; i < 8; ++i) entry.object[i] = static_cast<Byte>(number >> (8 * i));
    return entry;
}

crypto::Hash leaf_of(const Entry& entry) {
    Bytes bytes;
    encode(entry, bytes);
    return crypto::merkle_leaf(bytes);
}

// The log of numbers 0..n-1, and what it should be.
struct Expected {
    std::vector<crypto::Hash> leaves;
    std::vector<std::uint64_t> ends;

    [[nodiscard]] crypto::Hash root_at(std::uint64_t size) const {
        return crypto::merkle_root(std::span{leaves}.first(size));
    }
};

void append(AuditLog& log, Expected& expected, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const Entry entry = entry_of(expected.leaves.size());
        REQUIRE(log.next_index() == expected.leaves.size());
        log.append(entry);
        expected.leaves.push_back(leaf_of(entry));
        const std::size_t in_batch = i + 1;
        if (in_batch % kSegmentEntriesMax == 0 || in_batch == count) {
            expected.ends.push_back(expected.leaves.size());
        }
    }
}

void commit(Store& store, AuditLog& log, Expected& expected, std::size_t count) {
    log.begin();
    append(log, expected, count);
    store.write([&](WriteView& view) { log.finish(view); });
    log.committed();
}

void check(const Store& store, const AuditLog& log, const Expected& expected) {
    const auto view = store.read();
    REQUIRE(log.size() == expected.leaves.size());
    REQUIRE(log.root() == expected.root_at(expected.leaves.size()));
    std::uint64_t next = 0;
    AuditLog::read(*view, 0, [&](std::uint64_t index, const Entry& entry) {
        REQUIRE(index == next);
        REQUIRE(leaf_of(entry) == expected.leaves[next]);
        ++next;
        return true;
    });
    REQUIRE(next == expected.leaves.size());
    for (const std::uint64_t end : expected.ends) {
        REQUIRE(AuditLog::root_at(*view, end) == expected.root_at(end));
    }
}

bool is_corrupt(const std::function<void()>& work) {
    try {
        work();
    } catch (const Fault& fault) {
        return fault.kind() == FaultKind::corrupt;
    }
    return false;
}

// A log of nine entries in three segments, to be damaged.
class Victim {
public:
    Victim() {
        AuditLog log{*store_->read()};
        Expected expected;
        for (const std::size_t count : {3U, 2U, 4U}) commit(*store_, log, expected, count);
    }
    [[nodiscard]] bool opens() const {
        return !is_corrupt([&] { (void)AuditLog{*store_->read()}; });
    }
    [[nodiscard]] bool reads() const {
        return !is_corrupt([&] {
            AuditLog::read(*store_->read(), 0, [](std::uint64_t, const Entry&) { return true; });
        });
    }
    [[nodiscard]] bool has_root() const {
        return !is_corrupt([&] { (void)AuditLog::root_at(*store_->read(), 9); });
    }
    [[nodiscard]] Bytes row(store::TableId table, const Bytes& key) const {
        const auto view = store_->read();
        const auto found = view->get(table, key);
        return found ? Bytes(found->begin(), found->end()) : Bytes{};
    }
    void remove(store::TableId table, const Bytes& key) {
        store_->write([&](WriteView& view) { view.remove(table, key); });
    }
    // Changes one row, checks, and puts it back.
    void with_row(store::TableId table, const Bytes& key, const Bytes& changed,
                  const std::function<void()>& checks) {
        const Bytes good = row(table, key);
        store_->write([&](WriteView& view) { view.put(table, key, changed); });
        checks();
        store_->write([&](WriteView& view) { view.put(table, key, good); });
    }

private:
    store::TemporaryDirectory directory_;
    std::unique_ptr<Store> store_ = open_store(directory_.path());
};

Bytes cut(const Bytes& row, std::size_t size) {
    return {row.begin(), row.begin() + static_cast<std::ptrdiff_t>(size)};
}

const Bytes kStanding{'l', 'o', 'g'};

}  // namespace

TEST_CASE("segments and the standing record are as the independent program writes them") {
    const auto vectors =
        crypto::testing::read_json(crypto::testing::vectors_folder() / "oubliette" / "rows.json");
    const auto& c = vectors["audit_logs"][0];
    const store::TemporaryDirectory directory;
    const auto store = open_store(directory.path());
    AuditLog log{*store->read()};
    CHECK(log.root() == ByteReader{hex_of(c["empty_root"])}.array<32>());
    CHECK(AuditLog::root_at(*store->read(), 0) == log.root());
    std::size_t at = 0;
    for (const auto& segment : c["segments"]) {
        log.begin();
        for (std::size_t i = 0; i < segment["count"].get<std::size_t>(); ++i, ++at) {
            log.append(decode_entry(hex_of(c["entries"][at])).value());
        }
        store->write([&](WriteView& view) { log.finish(view); });
        log.committed();
        const auto view = store->read();
        const auto row = view->get(Tables::kAudit, hex_of(segment["key"]));
        REQUIRE(row);
        CHECK(Bytes(row->begin(), row->end()) == hex_of(segment["segment"]));
    }
    const auto view = store->read();
    const auto row = view->get(Tables::kMeta, bytes_of("log"));
    REQUIRE(row);
    CHECK(Bytes(row->begin(), row->end()) == hex_of(c["log_row"]));
}

TEST_CASE("roots are those of the Merkle tree, however the entries are grouped") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    const store::TemporaryDirectory directory;
    Expected expected;
    for (int round = 0; round < 4; ++round) {
        const auto store = open_store(directory.path());
        AuditLog log{*store->read()};
        check(*store, log, expected);
        for (int i = 0; i < 12; ++i) commit(*store, log, expected, random() % 9);
        check(*store, log, expected);
        const auto view = store->read();
        for (std::uint64_t size = 1; size <= expected.leaves.size() + 1; ++size) {
            const bool is_end = std::ranges::find(expected.ends, size) != expected.ends.end();
            REQUIRE(AuditLog::root_at(*view, size).has_value() == is_end);
        }
    }
}

TEST_CASE("one commit of more entries than a row of the store holds") {
    const store::TemporaryDirectory directory;
    Expected expected;
    {
        const auto store = open_store(directory.path());
        AuditLog log{*store->read()};
        commit(*store, log, expected, 3);
        commit(*store, log, expected, kSegmentEntriesMax);
        commit(*store, log, expected, kSegmentEntriesMax + 1);
        commit(*store, log, expected, 2 * kSegmentEntriesMax + 5);
        check(*store, log, expected);
    }
    const auto store = open_store(directory.path());
    const AuditLog log{*store->read()};
    check(*store, log, expected);
    const auto view = store->read();
    // From any entry on, also one in the middle of the longest segment.
    for (const std::uint64_t from :
         {std::uint64_t{0}, std::uint64_t{2}, std::uint64_t{3},
          std::uint64_t{3 + kSegmentEntriesMax - 1}, std::uint64_t{3 + kSegmentEntriesMax},
          log.size() - 1, log.size(), log.size() + 1}) {
        std::optional<std::uint64_t> first;
        AuditLog::read(*view, from, [&](std::uint64_t index, const Entry&) {
            first = index;
            return false;
        });
        REQUIRE(first.has_value() == (from < log.size()));
        if (first) REQUIRE(*first == from);
    }
}

TEST_CASE("an attempt that was not committed leaves nothing behind") {
    const store::TemporaryDirectory directory;
    Expected expected;
    const auto store = open_store(directory.path());
    AuditLog log{*store->read()};
    commit(*store, log, expected, 5);
    const crypto::Hash before = log.root();

    Expected ignored = expected;
    log.begin();
    append(log, ignored, 4);
    log.begin();  // the works run again
    CHECK(log.next_index() == 5);
    append(log, ignored = expected, 2);
    const auto failing = [&] {
        store->write([&](WriteView& view) {
            log.finish(view);
            throw std::runtime_error("no commit");
        });
    };
    CHECK_THROWS_AS(failing(), std::runtime_error);
    CHECK(log.root() == before);
    CHECK(log.size() == 5);
    commit(*store, log, expected, 3);
    check(*store, log, expected);

    log.begin();
    store->write([&](WriteView& view) { log.finish(view); });  // no entries: no segment
    log.committed();
    check(*store, log, expected);
}

TEST_CASE("a damaged segment is not opened or read") {
    Victim victim;
    REQUIRE(victim.opens());
    REQUIRE(victim.reads());
    const Bytes key = store::number_key(5);
    const Bytes last = victim.row(Tables::kAudit, key);
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{31}, std::size_t{32},
                                   std::size_t{33}, std::size_t{84}, last.size() - 1}) {
        victim.with_row(Tables::kAudit, key, cut(last, size), [&] {
            INFO("the last segment has " << size << " bytes");
            CHECK_FALSE(victim.opens());
            const bool is_whole = size > 32 && (size - 32) % kEntrySize == 0;
            CHECK(victim.reads() == is_whole);
            CHECK(victim.has_root() == is_whole);
        });
    }
    for (const std::size_t at : {std::size_t{0}, std::size_t{31}}) {
        Bytes changed = last;
        changed[at] ^= 1;
        victim.with_row(Tables::kAudit, key, changed, [&] { CHECK_FALSE(victim.opens()); });
    }
    Bytes other_format = victim.row(Tables::kAudit, store::number_key(3));
    other_format[32] = 2;
    victim.with_row(Tables::kAudit, store::number_key(3), other_format,
                    [&] { CHECK_FALSE(victim.reads()); });
    const Bytes shorter = cut(victim.row(Tables::kAudit, store::number_key(3)), 32 + kEntrySize);
    victim.with_row(Tables::kAudit, store::number_key(3), shorter,
                    [&] { CHECK_FALSE(victim.reads()); });
    REQUIRE(victim.opens());
}

TEST_CASE("a damaged standing record is not opened") {
    Victim victim;
    const Bytes standing = victim.row(Tables::kMeta, kStanding);
    REQUIRE(standing.size() == 8 + 2 * 32);
    for (std::size_t size = 0; size < standing.size(); ++size) {
        victim.with_row(Tables::kMeta, kStanding, cut(standing, size),
                        [&] { CHECK_FALSE(victim.opens()); });
    }
    for (std::size_t at = 0; at < standing.size(); ++at) {
        Bytes changed = standing;
        changed[at] ^= 1;
        victim.with_row(Tables::kMeta, kStanding, changed, [&] { CHECK_FALSE(victim.opens()); });
    }
}

TEST_CASE("missing segments are noticed") {
    Victim victim;
    victim.remove(Tables::kAudit, store::number_key(3));
    CHECK_FALSE(victim.reads());
    victim.remove(Tables::kAudit, store::number_key(5));
    CHECK_FALSE(victim.opens());
    victim.remove(Tables::kAudit, store::number_key(0));
    CHECK_FALSE(victim.opens());
    victim.remove(Tables::kMeta, kStanding);
    CHECK(victim.opens());  // a log that never was
}

TEST_CASE("entries: sizes and formats") {
    Bytes good;
    encode(entry_of(7), good);
    REQUIRE(good.size() == kEntrySize);
    REQUIRE(decode_entry(good));
    for (std::size_t size = 0; size < good.size(); ++size) {
        CHECK_FALSE(decode_entry(ByteView{good}.first(size)));
    }
    Bytes longer = good;
    longer.push_back(0);
    CHECK_FALSE(decode_entry(longer));
    Bytes future = good;
    future[0] ^= 2;
    CHECK_FALSE(decode_entry(future));
    Bytes late = good;
    for (std::size_t at = 4; at < 8; ++at) late[at] = 0xFF;
    CHECK_FALSE(decode_entry(late));  // minutes whose seconds do not fit
    CHECK(pseudonym_of(crypto::SubKey{crypto::testing::some_key(1).expose()}, 0) !=
          pseudonym_of(crypto::SubKey{crypto::testing::some_key(1).expose()}, 1));
    CHECK(pseudonym_of(crypto::SubKey{crypto::testing::some_key(1).expose()}, 0) !=
          pseudonym_of(crypto::SubKey{crypto::testing::some_key(2).expose()}, 0));
}

}  // namespace oubliette::audit
