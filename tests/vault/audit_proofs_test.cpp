#include <random>

#include <catch2/catch.hpp>

#include "tests/store/store_fixture.hpp"
#include "vault/audit/audit_log.hpp"
#include "vault/audit/proofs.hpp"
#include "vault/tables.hpp"

namespace oubliette::audit {
namespace {

using crypto::Hash;
using store::WriteView;

// A log whose entries are known, in segments of random lengths.
class KnownLog {
public:
    explicit KnownLog(std::uint64_t seed) : random_{seed} {}

    void grow(std::uint64_t count) {
        AuditLog log{*store_->read()};
        while (count > 0) {
            const std::uint64_t in_group = std::min<std::uint64_t>(count, 1 + random_() % 700);
            log.begin();
            for (std::uint64_t i = 0; i < in_group; ++i) log.append(next_entry());
            store_->write([&](WriteView& view) { log.finish(view); });
            log.committed();
            count -= in_group;
        }
    }
    void store_tiles(std::size_t count_max) {
        const auto rows = missing_tiles(*store_->read(), leaves_.size(), count_max);
        store_->write([&](WriteView& view) {
            for (const TileRow& row : rows) view.put(Tables::kTiles, row.key, row.value);
        });
    }
    void store_all_tiles() {
        while (!missing_tiles(*store_->read(), leaves_.size(), 1).empty()) store_tiles(64);
    }
    void change(store::TableId table, const Bytes& key, std::size_t at) {
        store_->write([&](WriteView& view) {
            const auto row = view.get(table, key);
            REQUIRE(row.has_value());
            Bytes changed(row->begin(), row->end());
            changed.at(at) ^= 1;
            view.put(table, key, changed);
        });
    }
    [[nodiscard]] Hash root_at(std::uint64_t size) const {
        return crypto::merkle_root(std::span{leaves_}.first(size));
    }
    [[nodiscard]] std::unique_ptr<store::ReadView> view() const { return store_->read(); }
    [[nodiscard]] const std::vector<Hash>& leaves() const { return leaves_; }
    [[nodiscard]] NodeCache& nodes() noexcept { return nodes_; }
    [[nodiscard]] std::uint64_t any(std::uint64_t below) { return random_() % below; }

private:
    Entry next_entry() {
        Entry entry;
        entry.action = Action::read;
        for (Byte& byte : entry.object) byte = static_cast<Byte>(random_());
        Bytes encoded;
        encode(entry, encoded);
        leaves_.push_back(crypto::merkle_leaf(encoded));
        return entry;
    }

    std::mt19937_64 random_;
    store::TemporaryDirectory directory_;
    std::unique_ptr<store::Store> store_ =
        store::open_lmdb_store(directory_.path(), Tables::names(), store::small_options());
    std::vector<Hash> leaves_;
    NodeCache nodes_;
};

void check_proofs(KnownLog& log, std::uint64_t old_size, std::uint64_t size) {
    CAPTURE(old_size, size);
    const auto view = log.view();
    const Hash root = log.root_at(size);
    REQUIRE(root_of(*view, size) == root);
    const std::uint64_t index = log.any(size);
    const auto inclusion = inclusion_proof(*view, index, size);
    REQUIRE(inclusion ==
            crypto::merkle_inclusion_proof(std::span{log.leaves()}.first(size), index));
    REQUIRE(crypto::verify_inclusion(log.leaves()[index], index, size, inclusion, root));
    // What one size put into the cache is right for all later ones.
    REQUIRE(inclusion_proof(*view, index, size, &log.nodes()) == inclusion);
    const auto consistency = consistency_proof(*view, old_size, size);
    REQUIRE(crypto::verify_consistency(old_size, size, consistency, log.root_at(old_size), root));
}

Bytes tile_key(Byte level, Byte n) {
    return {level, 0, 0, 0, 0, 0, 0, 0, n};
}

}  // namespace

TEST_CASE("proofs of all small logs are right, before there is any tile") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    KnownLog log{seed};
    log.grow(40);
    for (std::uint64_t size = 1; size <= 40; ++size) {
        const auto view = log.view();
        const Hash root = log.root_at(size);
        for (std::uint64_t i = 0; i < size; ++i) {
            REQUIRE(crypto::verify_inclusion(log.leaves()[i], i, size,
                                             inclusion_proof(*view, i, size), root));
            REQUIRE(crypto::verify_consistency(i + 1, size, consistency_proof(*view, i + 1, size),
                                               log.root_at(i + 1), root));
        }
    }
}

TEST_CASE("proofs do not depend on which tiles are stored") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    KnownLog log{seed};
    constexpr std::uint64_t kSizes[] = {255, 256, 257, 511, 512, 513, 5'000};
    log.grow(5'000);
    for (int stored = 0; stored < 6; ++stored) {
        for (const std::uint64_t size : kSizes) check_proofs(log, 1 + log.any(size), size);
        log.store_tiles(4);
    }
    log.store_all_tiles();
    CHECK(verify_tiles(*log.view(), 5'000));
    for (int i = 0; i < 100; ++i) {
        const std::uint64_t size = 1 + log.any(5'000);
        check_proofs(log, 1 + log.any(size), size);
    }
}

TEST_CASE("a tile of the second level is made when its 256 tiles are there") {
    KnownLog log{1};
    log.grow(65'535);
    log.store_all_tiles();
    const auto tile = [&](Byte level, Byte n) {
        return log.view()->get(Tables::kTiles, tile_key(level, n)).has_value();
    };
    CHECK(tile(0, 254));
    CHECK_FALSE(tile(0, 255));
    CHECK_FALSE(tile(1, 0));
    log.grow(1'000);
    log.store_all_tiles();
    CHECK(tile(0, 255));
    CHECK(tile(1, 0));
    CHECK_FALSE(tile(2, 0));
    CHECK(verify_tiles(*log.view(), 66'535));
    {
        const auto view = log.view();
        TreeReader tree{*view, 66'535};
        CHECK(tree.tile(0, 259).size() == 231);
        CHECK(tree.tile(1, 1).size() == 3);
        CHECK(tree.tile(2, 0) == std::vector{log.root_at(65'536)});
    }
    for (int i = 0; i < 20; ++i) {
        const std::uint64_t size = 65'000 + 1 + log.any(1'535);
        check_proofs(log, 1 + log.any(size), size);
    }
}

TEST_CASE("a changed tile and a changed entry under a tile are found") {
    KnownLog log{2};
    log.grow(1'500);
    log.store_all_tiles();
    REQUIRE(verify_tiles(*log.view(), 1'500));
    for (const std::size_t at :
         {std::size_t{0}, std::size_t{31}, std::size_t{32}, std::size_t{8'223}}) {
        log.change(Tables::kTiles, tile_key(0, 3), at);
        CHECK_FALSE(verify_tiles(*log.view(), 1'500));
        log.change(Tables::kTiles, tile_key(0, 3), at);
    }
    CHECK_FALSE(verify_tiles(*log.view(), 1'279));  // a tile too early
    log.change(Tables::kAudit, store::number_key(0), 32 + 40);
    CHECK_FALSE(verify_tiles(*log.view(), 1'500));
}

TEST_CASE("widths of tiles are those of the specification") {
    // Its example: a log of 70,000 entries.
    CHECK(tile_width(0, 272, 70'000) == 256);
    CHECK(tile_width(0, 273, 70'000) == 112);
    CHECK(tile_width(0, 274, 70'000) == 0);
    CHECK(tile_width(1, 0, 70'000) == 256);
    CHECK(tile_width(1, 1, 70'000) == 17);
    CHECK(tile_width(2, 0, 70'000) == 1);
    CHECK(tile_width(2, 1, 70'000) == 0);
    CHECK(tile_width(3, 0, 70'000) == 0);
    CHECK(tile_width(0, 0, 0) == 0);
    CHECK(tile_width(0, 0, 256) == 256);
    CHECK(tile_width(0, 1, 256) == 0);
    CHECK(tile_width(1, 0, 256) == 1);
    CHECK(tile_width(8, 0, ~std::uint64_t{0}) == 0);
    CHECK(tile_width(0, ~std::uint64_t{0}, 70'000) == 0);
}

TEST_CASE("paths of tiles: one spelling each") {
    CHECK(tile_index_path({0, 0, 256}) == "000");
    CHECK(tile_index_path({0, 1'234'067, 256}) == "x001/x234/067");
    CHECK(tile_index_path({3, 1'000, 7}) == "x001/000.p/7");
    for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{999}, std::uint64_t{1'000},
                                  std::uint64_t{1'234'067}, std::uint64_t{1} << 56}) {
        for (const unsigned width : {1U, 99U, 255U, 256U}) {
            const TileName name{2, n, width};
            CHECK(parse_tile_index(2, tile_index_path(name)) == name);
        }
    }
    for (const char* const wrong : {"",
                                    "0",
                                    "00",
                                    "0000",
                                    "67",
                                    "x001",
                                    "x001/",
                                    "x001/67",
                                    "001/067",
                                    "x000/067",
                                    "x001/x234/067/",
                                    "/067",
                                    "067.p",
                                    "067.p/",
                                    "067.p/0",
                                    "067.p/01",
                                    "067.p/256",
                                    "067.p/1000",
                                    "067.p/1.p/1",
                                    "x1/067",
                                    "x-01/067",
                                    "+67",
                                    "0a7",
                                    "067 ",
                                    "x001//067",
                                    "x001/x001/x001/x001/x001/x001/001"}) {
        INFO(wrong);
        CHECK_FALSE(parse_tile_index(0, wrong));
    }
}

TEST_CASE("an entry bundle holds the entries with their sizes") {
    KnownLog log{3};
    log.grow(600);
    const Bytes bundle = entry_bundle(*log.view(), 2, 88);
    REQUIRE(bundle.size() == 88 * (2 + kEntrySize));
    for (std::size_t i = 0; i < 88; ++i) {
        const ByteView entry = ByteView{bundle}.subspan(i * (2 + kEntrySize));
        CHECK(ByteReader{entry}.be16() == kEntrySize);
        CHECK(crypto::merkle_leaf(entry.subspan(2, kEntrySize)) == log.leaves()[512 + i]);
    }
    CHECK_THROWS_AS(entry_bundle(*log.view(), 2, 89), Fault);
}

TEST_CASE("what the log says of itself is in its entries") {
    Entry entry;
    LogOrigin origin{7, 0x1234'5678'9ABC, {1, 2, 3}};
    cite(origin, entry);
    Bytes bytes;
    encode(entry, bytes);
    const auto cited = cited_origin(decode_entry(bytes).value());
    REQUIRE(cited);
    CHECK(cited->generation == 7);
    CHECK(cited->lost_size == 0x1234'5678'9ABC);
    CHECK(cited->lost_root == origin.lost_root);
    CHECK_FALSE(cited_rotation(entry));
    entry.pseudonym[15] = 1;
    CHECK_FALSE(cited_origin(entry));

    LogKeyRotation rotation{3, true, {}};
    for (std::size_t i = 0; i < 32; ++i) rotation.public_key[i] = static_cast<Byte>(i);
    cite(rotation, entry);
    REQUIRE(cited_rotation(entry));
    CHECK(cited_rotation(entry)->kid == 3);
    CHECK(cited_rotation(entry)->is_retired);
    CHECK(cited_rotation(entry)->public_key == rotation.public_key);
    CHECK_FALSE(cited_origin(entry));
}

}  // namespace oubliette::audit
