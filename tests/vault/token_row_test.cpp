#include "vault/tokens/token_row.hpp"

#include <catch2/catch.hpp>

#include "crypto/box.hpp"
#include "vault/people/given_tokens.hpp"

// Bytes of table tokens, and of what people's rows remember of them.

namespace oubliette::tokens {
namespace {

crypto::Seed seed_of(Byte byte) {
    const Bytes bytes(32, byte);
    return crypto::Seed{crypto::KeyView{bytes.data(), 32}};
}

struct Fixture {
    TokenRowKeys keys = TokenRowKeys::derive(seed_of(1).expose());
    TokenRowPlace place{keys::kFirstTenant, 7, 3, find_key(keys, "9990001112223334")};
    TokenRowHead head{5, std::nullopt};
    TokenRow row{TableKind::format, TableState::open, 9, {77}, {{{41}, 0}}};
};

}  // namespace

TEST_CASE("a token row opens at its place only", "[tokens]") {
    Fixture f;
    const Bytes sealed = seal_token_row(f.keys.box.expose(), f.place, f.head, f.row);
    REQUIRE(open_token_row(f.keys.box.expose(), f.place, sealed) == f.row);
    CHECK(token_row_head(sealed) == f.head);
    CHECK(token_place_of(token_row_key(f.place))->find == f.place.find);
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        Bytes flipped = sealed;
        flipped[i] ^= 1;
        CAPTURE(i);
        CHECK_FALSE(open_token_row(f.keys.box.expose(), f.place, flipped));
    }
    for (std::size_t size = 0; size < sealed.size(); ++size) {
        CHECK_FALSE(open_token_row(f.keys.box.expose(), f.place, ByteView{sealed}.first(size)));
    }
    TokenRowPlace other = f.place;
    other.recipient = 8;
    CHECK_FALSE(open_token_row(f.keys.box.expose(), other, sealed));
    other = f.place;
    other.kid = 4;
    CHECK_FALSE(open_token_row(f.keys.box.expose(), other, sealed));
    other = f.place;
    other.find[0] ^= 1;
    CHECK_FALSE(open_token_row(f.keys.box.expose(), other, sealed));
    CHECK_FALSE(open_token_row(f.keys.find.expose(), f.place, sealed));
}

TEST_CASE("a handle's row names its leaf in clear and binds it", "[tokens]") {
    Fixture f;
    f.row.kind = TableKind::handle;
    f.head.handle = keys::SubjectNumber{12};
    const auto key = handle_box_key(seed_of(2).expose());
    Bytes sealed = seal_token_row(key.expose(), f.place, f.head, f.row);
    REQUIRE(open_token_row(key.expose(), f.place, sealed) == f.row);
    CHECK(token_row_head(sealed)->handle == f.head.handle);
    sealed[4] ^= 1;
    CHECK_FALSE(open_token_row(key.expose(), f.place, sealed));
}

TEST_CASE("plaintexts that no vault writes are refused", "[tokens]") {
    Fixture f;
    const auto seal = [&](const Bytes& plaintext) {
        Bytes out{1, 1, 5, 0};
        Bytes ad{'o', 'b', 'l', '1', 0x07, 0, 1, 0, 7, 0, 3, 0};
        ad.insert(ad.end(), f.place.find.begin(), f.place.find.end());
        ad.insert(ad.end(), out.begin(), out.end());
        const Bytes box =
            crypto::seal_box(f.keys.box.expose(), crypto::Commitment::value, plaintext, ad);
        out.insert(out.end(), box.begin(), box.end());
        return out;
    };
    const Bytes good{3, 0, 9, 0, 77, 0, 0, 0, 1, 0, 0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    REQUIRE(open_token_row(f.keys.box.expose(), f.place, seal(good)) == f.row);
    const auto is_refused = [&](std::size_t at, Byte value) {
        Bytes changed = good;
        changed[at] = value;
        return !open_token_row(f.keys.box.expose(), f.place, seal(changed));
    };
    CHECK(is_refused(0, 2));   // a kind that is no row
    CHECK(is_refused(0, 7));   // a kind of the future
    CHECK(is_refused(0, 5));   // a handle without leaf
    CHECK(is_refused(1, 1));   // used, but not one-time
    CHECK(is_refused(1, 4));   // a state of the future
    CHECK(is_refused(8, 0));   // nobody
    CHECK(is_refused(8, 2));   // fewer members than it says
    CHECK(is_refused(10, 1));  // reserved
    CHECK(is_refused(17, 1));  // no such number of a person
    Bytes longer = good;
    longer.push_back(0);
    CHECK_FALSE(open_token_row(f.keys.box.expose(), f.place, seal(longer)));
    Bytes two = good;
    two[8] = 2;
    two.insert(two.end(), good.begin() + 12, good.end());
    CHECK_FALSE(open_token_row(f.keys.box.expose(), f.place, seal(two)));  // not a value token
    two[0] = 6;
    CHECK(open_token_row(f.keys.box.expose(), f.place, seal(two)));
}

TEST_CASE("each class has half of what the earlier ones leave", "[tokens]") {
    CHECK(class_of({0x00}) == 0);
    CHECK(class_of({0x7F, 0xFF}) == 0);
    CHECK(class_of({0x80}) == 1);
    CHECK(class_of({0xFE}) == 7);
    CHECK(class_of({0xFF, 0xE0}) == 11);
    CHECK(class_of({0xFF, 0xF0}) == kClassLast);
    CHECK(class_of({0xFF, 0xFF, 0xFF}) == kClassLast);
    CHECK(class_of_generation(0) == 0);
    CHECK(class_of_generation(11) == 11);
    CHECK(class_of_generation(65'535) == kClassLast);
}

TEST_CASE("a remembered token opens at its place only", "[tokens]") {
    people::GivenTokenPlace place{keys::kFirstTenant, {41}, 9, 0, 7, 3};
    const people::GivenToken token{2, "+999123456789012"};
    const auto fixed = seed_of(3);
    const auto key = people::given_token_box_key(place, fixed.expose());
    const Bytes row = people::seal_given_token(key, {}, place, token);
    REQUIRE(people::open_given_token(key, place, row) == token);
    const auto read = people::given_token_place(place.tenant, people::given_token_key(place));
    REQUIRE(read);
    CHECK(read->recipient == place.recipient);
    CHECK(read->kind == place.kind);
    CHECK(read->field == place.field);
    for (std::size_t i = 0; i < row.size(); ++i) {
        Bytes flipped = row;
        flipped[i] ^= 1;
        CHECK_FALSE(people::open_given_token(key, place, flipped));
    }
    auto other = place;
    other.recipient = 8;
    CHECK_FALSE(people::open_given_token(key, other, row));
    other = place;
    other.kind = 5;
    CHECK_FALSE(people::open_given_token(key, other, row));
    const Bytes handle = people::seal_given_handle(fixed, {}, place.tenant, place.number, 4, {99});
    CHECK(people::open_given_handle(fixed, place.tenant, place.number, 4, handle) ==
          keys::SubjectNumber{99});
    CHECK_FALSE(people::open_given_handle(fixed, place.tenant, place.number, 5, handle));
}

}  // namespace oubliette::tokens
