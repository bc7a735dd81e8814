#include "tools/people.hpp"

#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

#include "tools/csv.hpp"
#include "tools/people_names.hpp"
#include "vault/policy/value.hpp"

using namespace oubliette::tools;

TEST_CASE("the same seed and number give the same person", "[people]") {
    for (std::uint64_t number = 0; number < 100; ++number) {
        CHECK(person_csv_row(7, number) == person_csv_row(7, number));
    }
    CHECK(person_csv_row(7, 1) != person_csv_row(8, 1));
    // Held fast: users compare runs of different days and machines.
    CHECK(make_person(1, 0).user_name == "jose.0");
}

TEST_CASE("synthetic people cannot be reached and differ", "[people]") {
    std::set<std::string> names;
    bool has_newline = false;
    bool has_quote = false;
    bool has_comma = false;
    for (std::uint64_t number = 0; number < 5'000; ++number) {
        const SyntheticPerson person = make_person(3, number);
        CHECK(names.insert(person.user_name).second);
        for (const std::string* text : {&person.user_name, &person.real_name, &person.mobile,
                                        &person.email, &person.address}) {
            CHECK_FALSE(text->empty());
            CHECK(is_utf8(*text));
        }
        const std::string domain = person.email.substr(person.email.find('@') + 1);
        const bool is_reserved = domain.ends_with("example.org") ||
                                 domain.ends_with("example.com") ||
                                 domain.ends_with("example.net") || domain.ends_with(".invalid");
        CHECK(is_reserved);
        CHECK(person.mobile.size() >= 9);
        CHECK(person.mobile.size() <= 16);
        CHECK(person.mobile.front() == '+');
        has_newline |= person.address.find('\n') != std::string::npos;
        has_quote |= person.real_name.find('"') != std::string::npos;
        has_comma |= person.address.find(',') != std::string::npos;
    }
    CHECK(has_newline);
    CHECK(has_quote);
    CHECK(has_comma);
}

TEST_CASE("the vault takes every synthetic value", "[people]") {
    using namespace oubliette::policy;
    const auto is_taken = [](FieldType type, const std::string& value) {
        return check_value(type, ValueKind::text, value).has_value();
    };
    for (std::uint64_t number = 0; number < 2'000; ++number) {
        const SyntheticPerson person = make_person(5, number);
        INFO("number " << number);
        CHECK(is_taken(FieldType::string, person.user_name));
        CHECK(is_taken(FieldType::name, person.real_name));
        CHECK(is_taken(FieldType::phone, person.mobile));
        CHECK(is_taken(FieldType::email, person.email));
        CHECK(is_taken(FieldType::address, person.address));
    }
}

TEST_CASE("at least twelve countries are there", "[people]") {
    std::set<std::string_view> countries;
    for (const Locale& locale : locales()) {
        countries.insert(locale.country);
        for (const auto list :
             {locale.handles, locale.given, locale.family, locale.streets, locale.cities}) {
            CHECK_FALSE(list.empty());
        }
    }
    CHECK(countries.size() >= 12);
}
