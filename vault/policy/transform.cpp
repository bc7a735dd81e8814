#include "vault/policy/transform.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <unicode/brkiter.h>
#include <unicode/locid.h>
#include <unicode/utext.h>
#include <vector>

#include "crypto/assert.hpp"
#include "crypto/encoding.hpp"
#include "crypto/hash.hpp"
#include "vault/policy/calendar.hpp"
#include "vault/policy/value_json.hpp"

namespace oubliette::policy {

namespace {

constexpr std::string_view kPseudonymLabel = "obl/pseudonym/1";

Transformed text_result(crypto::SecretBytes value) {
    return {ValueKind::text, std::move(value)};
}
Transformed text_result(std::string_view value) {
    return text_result(crypto::SecretBytes{bytes_of(value)});
}

// ---- Mask.

// Ends of the graphemes of `text`, in bytes, rising.
using Boundaries = std::vector<std::size_t>;

bool is_plain_ascii(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

// One iterator a thread: making one loads rules and takes tens of microseconds.
icu::BreakIterator& grapheme_iterator() {
    thread_local const std::unique_ptr<icu::BreakIterator> iterator = [] {
        UErrorCode status = U_ZERO_ERROR;
        std::unique_ptr<icu::BreakIterator> made{
            icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status)};
        OBL_ASSERT(U_SUCCESS(status));  // data of the ICU library itself
        return made;
    }();
    return *iterator;
}

class Utf8Text {
public:
    explicit Utf8Text(std::string_view text) {
        UErrorCode status = U_ZERO_ERROR;
        utext_openUTF8(&text_, text.data(), static_cast<std::int64_t>(text.size()), &status);
        OBL_ASSERT(U_SUCCESS(status));
    }
    Utf8Text(const Utf8Text&) = delete;
    Utf8Text& operator=(const Utf8Text&) = delete;
    ~Utf8Text() { utext_close(&text_); }

    UText* get() noexcept { return &text_; }

private:
    UText text_ = UTEXT_INITIALIZER;
};

void set_text(icu::BreakIterator& iterator, Utf8Text& text) {
    UErrorCode status = U_ZERO_ERROR;
    iterator.setText(text.get(), status);
    OBL_ASSERT(U_SUCCESS(status));
}

Boundaries graphemes_of(std::string_view text) {
    Boundaries ends;
    if (is_plain_ascii(text)) {
        for (std::size_t i = 1; i <= text.size(); ++i) ends.push_back(i);
        return ends;
    }
    icu::BreakIterator& iterator = grapheme_iterator();
    Utf8Text opened{text};
    set_text(iterator, opened);
    for (auto end = iterator.next(); end != icu::BreakIterator::DONE; end = iterator.next()) {
        ends.push_back(static_cast<std::size_t>(end));
    }
    // The iterator reads its text lazily and must not keep a view of this one.
    Utf8Text nothing{""};
    set_text(iterator, nothing);
    return ends;
}

Transformed mask(const TransformRule& rule, std::string_view value) {
    const Boundaries ends = graphemes_of(value);
    // A mask that shows everything would be no mask.
    const std::size_t kept = ends.size() > rule.mask_keep_count ? rule.mask_keep_count : 0;
    const std::size_t hidden = ends.size() - kept;
    const auto offset_of = [&](std::size_t grapheme) {
        return grapheme == 0 ? 0 : ends[grapheme - 1];
    };
    const bool first = rule.mask_keep == MaskKeep::first;
    const std::string_view shown =
        first ? value.substr(0, offset_of(kept)) : value.substr(offset_of(hidden));
    crypto::SecretBytes result{shown.size() + hidden * rule.mask_with.size()};
    auto out = result.expose_mut().begin();
    if (first) out = std::copy(shown.begin(), shown.end(), out);
    for (std::size_t i = 0; i < hidden; ++i) {
        out = std::copy(rule.mask_with.begin(), rule.mask_with.end(), out);
    }
    if (!first) std::copy(shown.begin(), shown.end(), out);
    return text_result(std::move(result));
}

// ---- Generalise and partial.

std::string_view address_part_of(GeneraliseLevel level) noexcept {
    switch (level) {
    case GeneraliseLevel::address_city: return "city";
    case GeneraliseLevel::address_region: return "region";
    case GeneraliseLevel::address_country: return "country";
    case GeneraliseLevel::date_year:
    case GeneraliseLevel::date_age:
    case GeneraliseLevel::prefix: break;
    }
    return {};
}

bool is_sign(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Whole years from the date of birth to `now`, as the band they are in.
Result<Transformed> age_band(std::string_view date, std::uint16_t years, Timestamp now) {
    using namespace std::chrono;
    if (!parse_date(date)) return Refusal::transform_unavailable;
    const auto number = [date](std::size_t at, std::size_t size) {
        int value = 0;
        for (const char c : date.substr(at, size)) value = value * 10 + (c - '0');
        return value;
    };
    const year_month_day born{year{number(0, 4)}, month{static_cast<unsigned>(number(5, 2))},
                              day{static_cast<unsigned>(number(8, 2))}};
    const sys_days start = 2020y / January / 1;
    const year_month_day today{start + floor<days>(seconds{now.seconds})};
    int age = static_cast<int>(today.year()) - static_cast<int>(born.year());
    const bool is_before_birthday =
        std::pair{today.month(), today.day()} < std::pair{born.month(), born.day()};
    if (is_before_birthday) --age;
    if (age < 0) return Refusal::transform_unavailable;
    const int low = age / years * years;
    return text_result(std::to_string(low) + "-" + std::to_string(low + years - 1));
}

// The first `count` letters or digits, without what is between them. A prefix that is the whole
// value would be no generalisation.
Result<Transformed> prefix(std::string_view value, std::size_t count) {
    crypto::SecretBytes shown{count};
    std::size_t size = 0;
    for (const char c : value) {
        if (!is_sign(c)) continue;
        if (size == count) return text_result(std::move(shown));
        shown.expose_mut()[size++] = static_cast<Byte>(c);
    }
    return Refusal::transform_unavailable;
}

// Fewer than twice as many would show most of it.
Result<Transformed> last_four(std::string_view value) {
    constexpr std::size_t kShown = 4;
    crypto::SecretBytes shown{kShown};
    std::size_t count = 0;
    for (auto at = value.rbegin(); at != value.rend(); ++at) {
        if (!is_sign(*at)) continue;
        if (count < kShown) shown.expose_mut()[kShown - 1 - count] = static_cast<Byte>(*at);
        ++count;
    }
    if (count <= 2 * kShown) return Refusal::transform_unavailable;
    return text_result(std::move(shown));
}

// E.164: zones 1 and 7 have one digit, these two, all others three.
std::size_t calling_code_size(std::string_view digits) noexcept {
    constexpr std::string_view kTwoDigits =
        "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 "
        "64 65 66 81 82 84 86 90 91 92 93 94 95 98";
    if (digits.front() == '1' || digits.front() == '7') return 1;
    const std::size_t found = kTwoDigits.find(digits.substr(0, 2));
    return found != std::string_view::npos && found % 3 == 0 ? 2 : 3;
}

Result<Transformed> phone_country(std::string_view value) {
    const auto normalised = normalise(FieldType::phone, value);
    const std::string_view number = normalised ? text_of(normalised->expose()) : std::string_view{};
    constexpr std::size_t kShortest = 8;
    if (number.size() < kShortest || number.front() != '+') return Refusal::transform_unavailable;
    return text_result(number.substr(0, 1 + calling_code_size(number.substr(1))));
}

Result<Transformed> generalise(const TransformRule& rule, ValueKind kind, std::string_view value,
                               Timestamp now) {
    const bool is_text = kind == ValueKind::text;
    if (rule.generalise_level == GeneraliseLevel::date_age) {
        return is_text ? age_band(value, rule.generalise_count, now)
                       : Refusal::transform_unavailable;
    }
    if (rule.generalise_level == GeneraliseLevel::prefix) {
        return is_text ? prefix(value, rule.generalise_count) : Refusal::transform_unavailable;
    }
    if (rule.generalise_level == GeneraliseLevel::date_year) {
        constexpr std::size_t kYearSize = 4;
        if (kind != ValueKind::text || value.size() < kYearSize) {
            return Refusal::transform_unavailable;
        }
        return text_result(value.substr(0, kYearSize));
    }
    if (kind != ValueKind::json) return Refusal::transform_unavailable;
    auto part = find_address_part(value, address_part_of(rule.generalise_level));
    if (!part) return Refusal::transform_unavailable;
    return text_result(std::move(*part));
}

Result<Transformed> email_domain(ValueKind kind, std::string_view value) {
    const std::size_t at = value.rfind('@');
    if (kind != ValueKind::text || at == std::string_view::npos || at + 1 == value.size()) {
        return Refusal::transform_unavailable;
    }
    return text_result(value.substr(at + 1));
}

Result<Transformed> partial(PartialPart part, ValueKind kind, std::string_view value) {
    if (kind != ValueKind::text) return Refusal::transform_unavailable;
    switch (part) {
    case PartialPart::email_domain: return email_domain(kind, value);
    case PartialPart::account_last4: return last_four(value);
    case PartialPart::phone_country: return phone_country(value);
    }
    return Refusal::transform_unavailable;
}

// ---- Pseudonym.

// RFC 4648 section 6 in lower case, without padding.
std::string base32_encode(ByteView bytes) {
    constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
    std::string text;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const Byte byte : bytes) {
        bits = bits << 8 | byte;
        count += 8;
        for (; count >= 5; count -= 5) text += kAlphabet[bits >> (count - 5) & 31];
    }
    if (count != 0) text += kAlphabet[bits << (5 - count) & 31];
    return text;
}

Transformed pseudonym(const TransformRule& rule, FieldType type, std::string_view value,
                      const PseudonymKey& key) {
    constexpr std::size_t kPseudonymBitsMax = 512;
    const auto normal = normalise(type, value);
    const Byte type_byte = static_cast<Byte>(type);
    ByteArray<kPseudonymBitsMax / 8> buffer{};
    OBL_ASSERT(rule.pseudonym_bits >= 128 && rule.pseudonym_bits <= kPseudonymBitsMax);
    const ByteSpan out = ByteSpan{buffer}.first(rule.pseudonym_bits / 8U);
    crypto::blake2b_keyed(
        key.expose(),
        {bytes_of(kPseudonymLabel), {&type_byte, 1}, normal ? normal->expose() : bytes_of(value)},
        out);
    return text_result(rule.pseudonym_text == PseudonymText::hex ? crypto::hex_encode(out)
                                                                 : base32_encode(out));
}

}  // namespace

unsigned strictness_rank(TransformKind kind) noexcept {
    switch (kind) {
    case TransformKind::exists: return 1;
    case TransformKind::pseudonym: return 2;
    case TransformKind::generalise: return 3;
    case TransformKind::mask:
    case TransformKind::partial: return 4;
    case TransformKind::plain: return 5;
    }
    return 0;
}

namespace {

bool has_part(FieldType type, PartialPart part) noexcept {
    switch (part) {
    case PartialPart::email_domain: return type == FieldType::email;
    case PartialPart::account_last4:
        return type == FieldType::account || type == FieldType::national_id;
    case PartialPart::phone_country: return type == FieldType::phone;
    }
    return false;
}

bool has_level(FieldType type, GeneraliseLevel level) noexcept {
    switch (level) {
    case GeneraliseLevel::address_city:
    case GeneraliseLevel::address_region:
    case GeneraliseLevel::address_country: return type == FieldType::address;
    case GeneraliseLevel::date_year:
    case GeneraliseLevel::date_age: return type == FieldType::date;
    case GeneraliseLevel::prefix:
        return type == FieldType::string || type == FieldType::phone ||
               type == FieldType::account || type == FieldType::national_id;
    }
    return false;
}

}  // namespace

bool fits(const TransformRule& rule, FieldType type) noexcept {
    switch (rule.kind) {
    case TransformKind::plain:
    case TransformKind::exists:
    case TransformKind::pseudonym: return true;
    case TransformKind::mask: return type != FieldType::json;
    case TransformKind::partial: return has_part(type, rule.partial_part);
    case TransformKind::generalise: return has_level(type, rule.generalise_level);
    }
    return false;
}

Result<Transformed> apply_transform(const TransformRule& rule, FieldType type, ValueKind kind,
                                    std::string_view value, const PseudonymKey& key,
                                    Timestamp now) {
    if (!fits(rule, type)) return Refusal::transform_unavailable;
    switch (rule.kind) {
    case TransformKind::plain: return Transformed{kind, crypto::SecretBytes{bytes_of(value)}};
    case TransformKind::exists:
        return Transformed{ValueKind::json, crypto::SecretBytes{bytes_of("true")}};
    case TransformKind::pseudonym: return pseudonym(rule, type, value, key);
    case TransformKind::generalise: return generalise(rule, kind, value, now);
    case TransformKind::mask:
        if (kind != ValueKind::text) return Refusal::transform_unavailable;
        return mask(rule, value);
    case TransformKind::partial: return partial(rule.partial_part, kind, value);
    }
    return Refusal::transform_unavailable;
}

}  // namespace oubliette::policy
