#include "tools/people.hpp"

#include <array>
#include <span>

#include "tools/csv.hpp"
#include "tools/people_names.hpp"

namespace oubliette::tools {

namespace {

// SplitMix64 (Steele, Lea, Flood 2014): tiny, and the same everywhere, unlike std::distributions.
class Dice {
public:
    Dice(std::uint64_t seed, std::uint64_t number) noexcept
        : state_(mix(seed) ^ mix(number + 0x9E3779B97F4A7C15U)) {}

    [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept {
        state_ += 0x9E3779B97F4A7C15U;
        return mix(state_) % bound;
    }
    [[nodiscard]] bool one_in(std::uint64_t bound) noexcept { return below(bound) == 0; }
    template <class T>
    [[nodiscard]] const T& pick(std::span<const T> list) noexcept {
        return list[below(list.size())];
    }
    [[nodiscard]] std::string_view pick(std::span<const std::string_view> list) noexcept {
        return list[below(list.size())];
    }

private:
    static std::uint64_t mix(std::uint64_t z) noexcept {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
        return z ^ (z >> 31);
    }
    std::uint64_t state_;
};

std::string digits(Dice& dice, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text.push_back(static_cast<char>('0' + dice.below(10)));
    return text;
}

// Ranges kept for fiction by Ofcom, NANPA, ARCEP and Bundesnetzagentur are small, so most numbers
// come from country codes that ITU has not assigned.
std::string make_mobile(Dice& dice) {
    switch (dice.below(24)) {
    case 0: return "+447700900" + digits(dice, 3);
    case 1: return "+120255501" + digits(dice, 2);
    case 2: return "+3363998" + digits(dice, 4);
    case 3: return "+491713920" + digits(dice, 3);
    case 4:
    case 5:
    case 6: return "+214" + digits(dice, 9);
    case 7:
    case 8: return "+801" + digits(dice, 8);
    default: return "+210" + digits(dice, 9);
    }
}

std::string make_name(Dice& dice, const Locale& locale) {
    std::string given(dice.pick(locale.given));
    std::string family(dice.pick(locale.family));
    if (locale.order == NameOrder::family_first_joined) return family + given;
    if (locale.order == NameOrder::family_first) return family + " " + given;
    if (dice.one_in(9)) given += " " + std::string(dice.pick(locale.given));
    if (dice.one_in(14)) family += "-" + std::string(dice.pick(locale.family));
    if (dice.one_in(150)) {  // long names exist
        for (int i = 0; i < 6; ++i) given += " " + std::string(dice.pick(locale.given));
    }
    return given + " " + family;
}

std::string make_address(Dice& dice, const Locale& locale) {
    const std::string house = std::to_string(1 + dice.below(240));
    const std::string street(dice.pick(locale.streets));
    const std::string city(dice.pick(locale.cities));
    const std::string gap = dice.one_in(10) ? "\n" : ", ";
    switch (locale.address) {
    case AddressShape::house_first: return house + " " + street + gap + city;
    case AddressShape::house_last: return street + " " + house + gap + city;
    case AddressShape::large_to_small:
        return city + street + house + std::string(locale.house_word);
    }
    return city;
}

std::string make_email(Dice& dice, const std::string& user_name) {
    constexpr std::array<std::string_view, 5> kDomains{"example.org", "example.com", "example.net",
                                                       "mail.example.org", "people.invalid"};
    constexpr std::array<std::string_view, 3> kTags{"shop", "news", "2022"};
    std::string local = user_name;
    if (dice.one_in(6)) local += "+" + std::string(dice.pick(kTags));
    return local + "@" + std::string(dice.pick(kDomains));
}

}  // namespace

SyntheticPerson make_person(std::uint64_t seed, std::uint64_t number) {
    Dice dice(seed, number);
    const Locale& locale = dice.pick(locales());
    SyntheticPerson person;
    person.user_name = std::string(dice.pick(locale.handles)) + "." + std::to_string(number);
    person.real_name = make_name(dice, locale);
    if (dice.one_in(40)) person.real_name += " \"" + std::string(dice.pick(locale.handles)) + "\"";
    person.mobile = make_mobile(dice);
    person.email = make_email(dice, person.user_name);
    person.address = make_address(dice, locale);
    return person;
}

std::string person_csv_row(std::uint64_t seed, std::uint64_t number) {
    const SyntheticPerson person = make_person(seed, number);
    Dice dice(seed ^ 0x63737621U, number);
    std::string row;
    const std::array<const std::string*, 5> cells{&person.user_name, &person.real_name,
                                                  &person.mobile, &person.email, &person.address};
    for (const std::string* const cell : cells) {
        if (!row.empty()) row.push_back(',');
        const bool is_quoted = dice.one_in(8) || cell->find('"') != std::string::npos;
        csv_encode(row, *cell, is_quoted ? CsvQuoting::always : CsvQuoting::as_needed, ',');
    }
    row.push_back('\n');
    return row;
}

}  // namespace oubliette::tools
