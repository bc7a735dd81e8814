#include "tools/forensic/carve.hpp"

#include <fstream>
#include <map>
#include <random>

#include <catch2/catch.hpp>

#include "crypto/byte_io.hpp"
#include "tests/store/store_fixture.hpp"
#include "vault/people/records.hpp"
#include "vault/tables.hpp"

// Rows out of files, without asking the database.

namespace oubliette::forensic {
namespace {

namespace fs = std::filesystem;
using keys::kFirstTenant;
using people::RowKind;

Bytes key_of(std::uint64_t person, std::uint32_t item) {
    const auto key = people::row_key(kFirstTenant, {person}, RowKind::value, 1, item);
    const ByteView view = key;
    return {view.begin(), view.end()};
}

// Header and the beginning of a box; the rest is noise.
Bytes value_of(std::size_t size, std::mt19937_64& random) {
    Bytes value(size);
    for (Byte& byte : value) byte = static_cast<Byte>(random());
    const auto head = people::Header{}.encode();
    std::ranges::copy(head, value.begin());
    value[people::kHeaderSize] = 1;
    value[people::kHeaderSize + 1] = 1;
    return value;
}

Bytes node(const Bytes& key, const Bytes& value) {
    Bytes out;
    ByteWriter{out}
        .le32(static_cast<std::uint32_t>(value.size()))
        .le16(0)
        .le16(static_cast<std::uint16_t>(key.size()))
        .bytes(key)
        .bytes(value);
    return out;
}

// The finds view the images.
Finds carve(std::initializer_list<ByteView> images) {
    Carver carver;
    for (const ByteView image : images) (void)carver.add(image);
    return carver.finish();
}

bool holds(const Finds& finds, const Bytes& key, const Bytes& value) {
    for (const Row& row : finds.of(Shape::person)) {
        if (std::ranges::equal(row.key, key) && std::ranges::equal(row.value, value)) return true;
    }
    return false;
}

Bytes read(const fs::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

TEST_CASE("every row of a store is found and indexed, and deleted ones too") {
    std::mt19937_64 random{1};
    const store::TemporaryDirectory home;
    std::map<Bytes, Bytes> rows;
    {
        const auto store =
            store::open_lmdb_store(home.path() / "s", Tables::names(), store::small_options());
        store->write([&](store::WriteView& view) {
            for (std::uint64_t n = 0; n < 400; ++n) {
                const Bytes key = key_of(n, 1);
                rows[key] = value_of(100 + random() % 1'500, random);
                view.put(Tables::kPeople, key, rows[key]);
            }
        });
        store->write([&](store::WriteView& view) {
            for (std::uint64_t n = 0; n < 400; n += 2) {
                (void)view.remove(Tables::kPeople, key_of(n, 1));
            }
        });
    }
    const Bytes image = read(home.path() / "s" / "data.mdb");
    const Finds finds = carve({image});
    std::size_t living = 0;
    std::size_t deleted = 0;
    for (std::uint64_t n = 0; n < 400; ++n) {
        const bool is_found = holds(finds, key_of(n, 1), rows[key_of(n, 1)]);
        if (is_found) ++(n % 2 == 0 ? deleted : living);
    }
    CHECK(living == 200);
    CHECK(deleted >= 150);  // their pages are free and not written over yet
    // What only looks like a row, half written over, is told apart from what was one.
    for (const Row& row : finds.of(Shape::person)) {
        const Bytes& original = rows[Bytes(row.key.begin(), row.key.end())];
        CHECK(row.is_indexed == std::ranges::equal(row.value, original));
    }
}

TEST_CASE("long values are found on their overflow pages, old versions too") {
    std::mt19937_64 random{2};
    const store::TemporaryDirectory home;
    const Bytes key = key_of(1, 1);
    const Bytes first = value_of(9'000, random);
    const Bytes second = value_of(20'000, random);
    const auto put = [&](const Bytes& value) {
        const auto store =
            store::open_lmdb_store(home.path() / "s", Tables::names(), store::small_options());
        store->write([&](store::WriteView& view) { view.put(Tables::kPeople, key, value); });
    };
    put(first);
    const Bytes before = read(home.path() / "s" / "data.mdb");
    put(second);
    const Bytes after = read(home.path() / "s" / "data.mdb");
    CHECK(holds(carve({before}), key, first));
    CHECK(holds(carve({after}), key, second));
    const Finds both = carve({after, before});
    CHECK(holds(both, key, first));
    CHECK(holds(both, key, second));
    CHECK(both.overflows_unpaired == 0);
}

TEST_CASE("an overflow page that nothing points to is counted") {
    std::mt19937_64 random{3};
    Bytes image;
    ByteWriter{image}.le64(7).le16(0).le16(4).le32(1).bytes(value_of(4'080, random));
    CHECK(carve({image}).overflows_unpaired == 1);
    image[16 + people::kHeaderSize] = 9;  // no box of ours
    CHECK(carve({image}).overflows_unpaired == 0);
}

TEST_CASE("a row is found in a torn page, at any even place and across pages") {
    std::mt19937_64 random{4};
    const Bytes key = key_of(5, 2);
    const Bytes value = value_of(300, random);
    for (const std::size_t at : {0U, 2U, 1'234U, 4'000U, 4'094U, 8'190U}) {
        Bytes image(at, 0xFF);
        ByteWriter{image}.bytes(node(key, value));
        const Finds finds = carve({image});
        CHECK(holds(finds, key, value));
        CHECK_FALSE(finds.of(Shape::person).front().is_indexed);
        // Cut off: not all of it is there any more.
        image.pop_back();
        CHECK(carve({image}).of(Shape::person).empty());
    }
}

TEST_CASE("the same content is looked at and kept once") {
    std::mt19937_64 random{5};
    Bytes image(64, 0);
    ByteWriter{image}.bytes(node(key_of(1, 1), value_of(200, random))).zeros(8'192);
    Carver carver;
    CHECK(carver.add(image));
    const Bytes copy = image;
    CHECK_FALSE(carver.add(copy));
    CHECK(carver.finish().of(Shape::person).size() == 1);
}

TEST_CASE("noise holds no rows and does no harm") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    Bytes image(1 << 20);
    for (Byte& byte : image) byte = static_cast<Byte>(random() % (random() % 3 == 0 ? 256 : 4));
    const Finds finds = carve({image});
    CHECK(finds.of(Shape::person).size() < 5);
    CHECK(carve({ByteView{}}).windows == 0);
    CHECK(carve({ByteView{image}.first(3)}).windows == 1);
}

}  // namespace oubliette::forensic
