#include <random>
#include <set>

#include <catch2/catch.hpp>

#include "tests/crypto/vector_file.hpp"
#include "vault/people/boxes.hpp"

namespace oubliette::people {
namespace {

using crypto::testing::pattern;
using crypto::testing::some_key;
using keys::RecordType;

crypto::SubKey sub_key(std::size_t seed) {
    return crypto::SubKey{some_key(seed).expose()};
}
crypto::ValueKey value_key(std::size_t seed) {
    return crypto::ValueKey{some_key(seed).expose()};
}

constexpr std::uint32_t kItem = 5;
constexpr std::uint16_t kField = 9;

RecordPlace place_of(RecordType type) {
    return {type, keys::kFirstTenant, {0x10203}, kField, kItem};
}

Bytes value_row(const crypto::ValueKey& key, bool has_truth) {
    const auto plaintext = encode_value(policy::ValueKind::text, Timestamp{7}, "some text");
    std::optional<IndexTruth> truth;
    if (has_truth) truth = IndexTruth{{1, 2, 3}, 1, 0};
    BoxSalt salt{};
    crypto::random_bytes(salt);
    Header header;
    header.schema = kField;
    header.retention_class = 3;
    header.day = 2'500;
    header.region = 2;
    header.generation = 1;
    return seal_value_row(key, header, place_of(RecordType::value), salt, plaintext.expose(),
                          truth);
}

// Everything that a record's place says, each changed once.
std::vector<RecordPlace> other_places(const RecordPlace& place) {
    std::vector<RecordPlace> places(5, place);
    places[0].tenant = static_cast<keys::TenantId>(2);
    places[1].number.local ^= 1;
    places[2].field ^= 0x100;
    places[3].item ^= 0x10000;
    places[4].number.local ^= 1ULL << 35;
    return places;
}

template <class Decode>
void check_sizes(ByteView good, Decode decode) {
    CHECK(decode(good));
    for (std::size_t size = 0; size < good.size(); ++size) CHECK_FALSE(decode(good.first(size)));
    Bytes longer(good.begin(), good.end());
    longer.push_back(0);
    CHECK_FALSE(decode(longer));
}

template <class Decode>
void check_reserved(ByteView good, std::initializer_list<std::size_t> reserved, Decode decode) {
    for (const std::size_t at : reserved) {
        Bytes changed(good.begin(), good.end());
        changed[at] = 1;
        INFO("byte " << at);
        CHECK_FALSE(decode(changed));
    }
}

}  // namespace

TEST_CASE("no record opens as another type, nor at another place") {
    const crypto::SubKey key = sub_key(1);
    const Bytes plaintext = pattern(48, 3);
    const RecordType types[] = {
        RecordType::value,       RecordType::index_truth, RecordType::person_row,
        RecordType::hot_row,     RecordType::marker,      RecordType::access_list,
        RecordType::table_token, RecordType::handle,      RecordType::alias,
        RecordType::client,      RecordType::external_id, RecordType::audit_counter,
        RecordType::request,     RecordType::policy};
    for (const RecordType sealed_as : types) {
        const RecordPlace place = place_of(sealed_as);
        const Bytes row = seal_record(key, Header{}, place, plaintext);
        for (const RecordType opened_as : types) {
            RecordPlace other = place;
            other.type = opened_as;
            CHECK(open_record(key, other, row).has_value() == (sealed_as == opened_as));
        }
        for (const RecordPlace& other : other_places(place)) {
            CHECK_FALSE(open_record(key, other, row));
        }
        CHECK_FALSE(open_record(sub_key(2), place, row));
    }
}

TEST_CASE("a record with any bit changed, cut or grown does not open") {
    const crypto::SubKey key = sub_key(1);
    const RecordPlace place = place_of(RecordType::marker);
    Bytes row = seal_record(key, Header{}, place, pattern(48, 3));
    for (std::size_t bit = 0; bit < row.size() * 8; ++bit) {
        row[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
        REQUIRE_FALSE(open_record(key, place, row));
        row[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    }
    for (std::size_t size = 0; size < row.size(); ++size) {
        REQUIRE_FALSE(open_record(key, place, ByteView{row}.first(size)));
    }
    REQUIRE(open_record(key, place, row));
    row.push_back(0);
    CHECK_FALSE(open_record(key, place, row));
}

TEST_CASE("a value's row with any bit changed, cut or grown does not open") {
    const crypto::ValueKey key = value_key(1);
    const RecordPlace place = place_of(RecordType::value);
    for (const bool has_truth : {false, true}) {
        Bytes row = value_row(key, has_truth);
        REQUIRE(open_value_row(key, place, row));
        REQUIRE(open_index_truth(key, place, row).has_value() == has_truth);
        const std::size_t truth_end = kHeaderSize + (has_truth ? kIndexTruthBoxSize : 0);
        for (std::size_t bit = 0; bit < row.size() * 8; ++bit) {
            row[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
            const bool in_header = bit / 8 < kHeaderSize;
            const bool in_truth = !in_header && bit / 8 < truth_end;
            INFO("bit " << bit);
            REQUIRE(open_value_row(key, place, row).has_value() == in_truth);
            REQUIRE(open_index_truth(key, place, row).has_value() ==
                    (has_truth && !in_header && !in_truth));
            row[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
        }
        for (std::size_t size = 0; size < row.size(); ++size) {
            REQUIRE_FALSE(open_value_row(key, place, ByteView{row}.first(size)));
        }
        for (const RecordPlace& other : other_places(place)) {
            CHECK_FALSE(open_value_row(key, other, row));
            CHECK_FALSE(open_index_truth(key, other, row));
        }
        CHECK_FALSE(open_value_row(value_key(2), place, row));
        CHECK_FALSE(open_index_truth(value_key(2), place, row));
    }
}

TEST_CASE("the two boxes of a row cannot change places, nor rows their formats") {
    const crypto::ValueKey key = value_key(1);
    const RecordPlace place = place_of(RecordType::value);
    const Bytes with_truth = value_row(key, true);
    Bytes without = value_row(key, true);
    without.erase(without.begin() + kHeaderSize,
                  without.begin() + kHeaderSize + kIndexTruthBoxSize);
    without[0] = 1;
    CHECK_FALSE(open_value_row(key, place, without));
    Bytes with_other = value_row(key, true);
    std::copy_n(with_truth.begin() + kHeaderSize, kIndexTruthBoxSize,
                with_other.begin() + kHeaderSize);
    // The same item's older fingerprint: it authenticates, because nothing says which is newer.
    CHECK(open_index_truth(key, place, with_other));
    CHECK_FALSE(
        open_record(crypto::SubKey{key.expose()}, place_of(RecordType::index_truth), with_truth));
}

TEST_CASE("a value's key needs item, day and region") {
    const crypto::Seed item = some_key(1);
    const crypto::Seed day = some_key(2);
    const crypto::Seed region = some_key(3);
    const auto derive = [](const crypto::Seed& a, const crypto::Seed& b, const crypto::Seed& c) {
        const auto key = derive_value_key(a.expose(), b.expose(), c.expose());
        return Bytes(key.expose().begin(), key.expose().end());
    };
    const Bytes right = derive(item, day, region);
    const crypto::Seed other = some_key(4);
    CHECK(derive(other, day, region) != right);
    CHECK(derive(item, other, region) != right);
    CHECK(derive(item, day, other) != right);
    CHECK(derive(item, region, day) != right);
    CHECK(derive(item, day, crypto::Seed{}) != right);
}

TEST_CASE("headers of the future are refused") {
    const auto good = Header{}.encode();
    REQUIRE(Header::decode(good));
    for (unsigned format = 0; format < 256; ++format) {
        auto header = good;
        header[0] = static_cast<Byte>(format);
        CHECK(Header::decode(header).has_value() == (format == 1 || format == 2));
    }
    for (unsigned suite = 0; suite < 256; ++suite) {
        auto header = good;
        header[1] = static_cast<Byte>(suite);
        CHECK(Header::decode(header).has_value() == (suite == 1));
    }
    for (std::size_t size = 0; size < kHeaderSize; ++size) {
        CHECK_FALSE(Header::decode(ByteView{good}.first(size)));
    }
}

TEST_CASE("plaintexts that are cut, longer or use reserved bytes are refused") {
    const auto person = [](ByteView in) { return decode_person_row(in).has_value(); };
    const auto row = encode(PersonRow{100, 10, 47});
    check_sizes(row, person);
    check_reserved(row, {12, 13, 14, 15}, person);
    CHECK_FALSE(person(encode(PersonRow{100, 48, 47})));
    CHECK_FALSE(person(encode(PersonRow{46, 10, 47})));

    const auto hot = [](ByteView in) { return decode_subject_state(in).has_value(); };
    check_sizes(encode(policy::SubjectState{}), hot);
    check_reserved(encode(policy::SubjectState{}), {21, 22, 23, 40, 51, 63}, hot);

    const auto marker = [](ByteView in) { return decode_marker(in).has_value(); };
    Marker grant;
    grant.kind = policy::ConsentKind::express;
    check_sizes(encode(grant), marker);
    check_reserved(encode(grant), {6, 7}, marker);
    for (unsigned kind = 0; kind < 256; ++kind) {
        auto changed = encode(grant);
        changed[4] = static_cast<Byte>(kind);
        CHECK(marker(changed) == (kind >= 1 && kind <= 3));
    }

    check_sizes(encode(IndexTruth{{1}, 1, 0}),
                [](ByteView in) { return decode_index_truth(in).has_value(); });
}

TEST_CASE("padding is zero and of one size") {
    const auto value = [](ByteView in) { return decode_value(in).has_value(); };
    for (const std::size_t size : {0U, 6U, 7U, 8U, 246U, 247U, 300U}) {
        const std::string text(size, 'x');
        const auto good = encode_value(policy::ValueKind::text, Timestamp{1}, text);
        REQUIRE(value(good.expose()));
        Bytes changed(good.expose().begin(), good.expose().end());
        for (std::size_t at = 9 + size; at < changed.size(); ++at) {
            changed[at] = 1;
            CHECK_FALSE(value(changed));
            changed[at] = 0;
        }
        changed.insert(changed.end(), 16, Byte{0});
        CHECK_FALSE(value(changed));
        changed.resize(9 + size);
        CHECK(value(changed) == (padded_size(9 + size) == 9 + size));
        for (const std::size_t kind : {0U, 3U, 255U}) {
            Bytes other(good.expose().begin(), good.expose().end());
            other[0] = static_cast<Byte>(kind);
            CHECK_FALSE(value(other));
        }
        Bytes huge(good.expose().begin(), good.expose().end());
        huge[8] = 0xFF;  // a size of 4 GB
        CHECK_FALSE(value(huge));
    }
    const auto id = encode_external_id("ann-1");
    CHECK(decode_external_id(id.expose()) == "ann-1");
    Bytes changed(id.expose().begin(), id.expose().end());
    changed[0] = 0;
    CHECK_FALSE(decode_external_id(changed));
    changed[0] = 200;
    CHECK_FALSE(decode_external_id(changed));
    changed[0] = 4;
    CHECK_FALSE(decode_external_id(changed));
}

TEST_CASE("padded sizes: steps of 16 to 256, then at most 12 % more") {
    for (std::size_t size = 1; size <= 256; ++size) {
        CHECK(padded_size(size) % 16 == 0);
        CHECK(padded_size(size) >= size);
        CHECK(padded_size(size) < size + 16);
    }
    CHECK(padded_size(256) == 256);
    CHECK(padded_size(257) == 272);
    std::size_t before = 0;
    std::set<std::size_t> sizes;
    for (std::size_t size = 257; size <= 60'009; ++size) {
        const std::size_t padded = padded_size(size);
        REQUIRE(padded >= size);
        REQUIRE(padded * 100 <= size * 112);
        REQUIRE(padded >= before);
        REQUIRE(padded_size(padded) == padded);
        before = padded;
        sizes.insert(padded);
    }
    CHECK(sizes.size() < 130);  // so few lengths can be told apart
    // The longest value and its index truth fit one row of the store.
    CHECK(kHeaderSize + kIndexTruthBoxSize + padded_size(policy::kTextSizeMax + 9) +
              crypto::box_overhead(crypto::Commitment::value) <=
          65'535);
}

TEST_CASE("row keys: order, and keys that are none") {
    const auto bytes_of_key = [](ByteView key) { return Bytes(key.begin(), key.end()); };
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    for (int i = 0; i < 1'000; ++i) {
        const keys::SubjectNumber a{random() >> 28};
        const keys::SubjectNumber b{random() >> 28};
        const Bytes of_a = bytes_of_key(row_key(keys::kFirstTenant, a, RowKind::value, 3, 9));
        const Bytes of_b = bytes_of_key(row_key(keys::kFirstTenant, b, RowKind::value, 3, 9));
        CHECK((of_a < of_b) == (a < b));
        const Bytes next = bytes_of_key(row_key(keys::kFirstTenant, a, RowKind::value, 3, 10));
        CHECK(of_a < next);  // the last row of a field is its newest
        Bytes wrong = of_a;
        wrong[1] ^= 1;  // a shard that does not fit the number
        CHECK_FALSE(subject_of(wrong));
    }
    const Bytes key = bytes_of_key(row_key(keys::kFirstTenant, {5}, RowKind::value, 3, 9));
    for (std::size_t size = 0; size < key.size(); ++size) {
        CHECK_FALSE(kind_of(ByteView{key}.first(size)));
    }
    for (unsigned kind = 0; kind < 256; ++kind) {
        Bytes other = key;
        other[kPersonPrefixSize] = static_cast<Byte>(kind);
        CHECK(kind_of(other).has_value() == (kind == 0x10 || kind == 0x11));
    }
    Bytes too_high = key;
    too_high[4] = 0xFF;
    CHECK_FALSE(subject_of(too_high));
}

}  // namespace oubliette::people
