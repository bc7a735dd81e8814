#include "vault/policy/value.hpp"

#include <algorithm>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "crypto/assert.hpp"
#include "vault/policy/normalise.hpp"
#include "vault/policy/text_check.hpp"
#include "vault/policy/value_json.hpp"

namespace oubliette::policy {

namespace {

constexpr std::size_t kLocalPartSizeMax = 64;    // RFC 5321 4.5.3.1.1, bytes
constexpr std::size_t kDomainLabelSizeMax = 63;  // RFC 1035 2.3.4, bytes

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_ascii(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x80;
}

bool is_line(std::string_view value, std::size_t size_max) noexcept {
    return !value.empty() && value.size() <= size_max && has_no_control(value);
}

bool is_email_atom(std::string_view atom) noexcept {
    constexpr std::string_view kSpecials = "!#$%&'*+-/=?^_`{|}~";  // RFC 5322 3.2.3
    return !atom.empty() && std::all_of(atom.begin(), atom.end(), [&](char c) {
        return !is_ascii(c) || is_letter(c) || is_digit(c) ||
               kSpecials.find(c) != std::string_view::npos;
    });
}

bool is_domain_label(std::string_view label) noexcept {
    if (label.empty() || label.size() > kDomainLabelSizeMax) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    return std::all_of(label.begin(), label.end(), [](char c) {
        return !is_ascii(c) || is_letter(c) || is_digit(c) || c == '-';
    });
}

// True if every piece of `text` between dots passes `is_piece`.
template <class IsPiece>
bool all_between_dots(std::string_view text, IsPiece is_piece) noexcept {
    while (true) {
        const std::size_t dot = text.find('.');
        if (!is_piece(text.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        text.remove_prefix(dot + 1);
    }
}

bool is_email(std::string_view value) noexcept {
    if (value.size() > kEmailSizeMax || !has_no_control(value)) return false;
    const std::size_t at = value.find('@');
    if (at == std::string_view::npos || value.find('@', at + 1) != std::string_view::npos) {
        return false;
    }
    const std::string_view local = value.substr(0, at);
    if (local.size() > kLocalPartSizeMax || has_white_space(value)) return false;
    return all_between_dots(local, is_email_atom) &&
           all_between_dots(value.substr(at + 1), is_domain_label);
}

bool is_url(std::string_view value) {
    if (value.empty() || value.size() > kUrlSizeMax) return false;
    const auto url = boost::urls::parse_uri({value.data(), value.size()});
    if (!url) return false;
    const bool is_web = url->scheme_id() == boost::urls::scheme::http ||
                        url->scheme_id() == boost::urls::scheme::https;
    return is_web && url->has_authority() && !url->encoded_host().empty();
}

bool is_account(std::string_view value) noexcept {
    if (value.size() < kAccountSizeMin || value.size() > kAccountSizeMax) return false;
    const auto is_account_char = [](char c) {
        return is_digit(c) || is_letter(c) || c == ' ' || c == '-';
    };
    const auto is_sign = [](char c) { return is_digit(c) || is_letter(c); };
    return std::all_of(value.begin(), value.end(), is_account_char) &&
           std::count_if(value.begin(), value.end(), is_sign) >=
               static_cast<std::ptrdiff_t>(kAccountSizeMin);
}

// Two letters and two digits at the front, and long enough: whoever writes that means an IBAN.
bool looks_like_iban(std::string_view signs) noexcept {
    constexpr std::size_t kIbanMin = 15;
    constexpr std::size_t kHead = 4;
    return signs.size() >= kIbanMin && is_letter(signs[0]) && is_letter(signs[1]) &&
           is_digit(signs[2]) && is_digit(signs[kHead - 1]);
}

// ISO 13616: the first four characters moved to the end, letters as 10 to 35, modulo 97 is 1.
bool has_iban_check(std::string_view signs) noexcept {
    unsigned rest = 0;
    for (std::size_t i = 0; i < signs.size(); ++i) {
        const char c = signs[(i + 4) % signs.size()];
        const auto upper = static_cast<unsigned>(c >= 'a' ? c - 32 : c);
        rest = is_digit(c) ? rest * 10 + static_cast<unsigned>(c - '0')
                           : rest * 100 + upper - 'A' + 10;
        rest %= 97;
    }
    return rest == 1;
}

bool is_checked_account(std::string_view value) {
    if (!is_account(value)) return false;
    ByteArray<kAccountSizeMax> signs{};
    std::size_t size = 0;
    for (const char c : value) {
        if (is_digit(c) || is_letter(c)) signs[size++] = static_cast<Byte>(c);
    }
    const std::string_view text = text_of(ByteView{signs}.first(size));
    const bool is_good = !looks_like_iban(text) || has_iban_check(text);
    crypto::wipe(signs);
    return is_good;
}

bool is_national_id(std::string_view value) noexcept {
    if (value.empty() || value.size() > kNationalIdSizeMax) return false;
    const auto is_sign = [](char c) { return is_digit(c) || is_letter(c); };
    const auto is_allowed = [&](char c) {
        return is_sign(c) || c == ' ' || c == '-' || c == '.' || c == '/';
    };
    return std::all_of(value.begin(), value.end(), is_allowed) &&
           std::count_if(value.begin(), value.end(), is_sign) >= 4;
}

// RFC 4648 section 4, with padding and nothing else.
bool is_base64(std::string_view value) noexcept {
    if (value.empty() || value.size() > kTextSizeMax || value.size() % 4 != 0) return false;
    const std::size_t end = std::min(value.find('='), value.size());
    if (value.size() - end > 2 || value.find_first_not_of('=', end) != std::string_view::npos) {
        return false;
    }
    return std::all_of(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(end),
                       [](char c) { return is_digit(c) || is_letter(c) || c == '+' || c == '/'; });
}

bool is_text_of(FieldType type, std::string_view value) {
    switch (type) {
    case FieldType::string:
    case FieldType::name: return is_line(value, kStringSizeMax);
    case FieldType::enumeration: return is_line(value, kEnumSizeMax);
    case FieldType::phone: return normalise_phone(value, PhoneDigits::whole_number).has_value();
    case FieldType::email: return is_email(value);
    case FieldType::url: return is_url(value);
    case FieldType::account: return is_checked_account(value);
    case FieldType::national_id: return is_national_id(value);
    case FieldType::binary: return is_base64(value);
    case FieldType::address:
        return !value.empty() && value.size() <= kAddressSizeMax && has_no_control_but_lines(value);
    case FieldType::text: return value.size() <= kTextSizeMax && has_no_control_but_lines(value);
    case FieldType::json: return value.size() <= kTextSizeMax;
    case FieldType::date: return parse_date(value).has_value();
    }
    return false;
}

bool is_json_of(FieldType type, std::string_view value) {
    if (type == FieldType::address) return is_address(value);
    return type == FieldType::json && is_json_value(value);
}

}  // namespace

Result<void> check_value(FieldType type, ValueKind kind, std::string_view value) {
    if (!is_utf8(value)) return Refusal::value_invalid;
    const bool accepted =
        kind == ValueKind::text ? is_text_of(type, value) : is_json_of(type, value);
    if (!accepted) return Refusal::value_invalid;
    return {};
}

std::string_view value_rule(FieldType type) noexcept {
    switch (type) {
    case FieldType::string:
        return "a string is 1 to 4096 bytes of UTF-8 without control characters";
    case FieldType::name: return "a name is 1 to 4096 bytes of UTF-8 without control characters";
    case FieldType::phone:
        return "a phone number is 5 to 17 digits, optionally with + or 00 in front and spaces, "
               "hyphens or brackets between";
    case FieldType::email:
        return "an email address is local@domain of at most 254 bytes, without spaces, quotes or "
               "a second @";
    case FieldType::url: return "a URL begins with http:// or https:// and has at most 4096 bytes";
    case FieldType::address:
        return "an address is a string of up to 8192 bytes, or an object with only lines, city, "
               "region, postal_code and country";
    case FieldType::enumeration:
        return "an enum value is 1 to 64 bytes of UTF-8 without control characters";
    case FieldType::account:
        return "an account number is 4 to 34 of A-Z, a-z, 0-9, space and hyphen, at least 4 of "
               "them letters or digits; what looks like an IBAN must have the right check digits";
    case FieldType::text:
        return "a text is up to 60000 bytes of UTF-8 without control characters but line ends and "
               "tabs";
    case FieldType::json:
        return "a json value is any JSON but null, up to 60000 bytes and 16 levels deep";
    case FieldType::date: return "a date is written like 1990-12-31";
    case FieldType::national_id:
        return "a national id is up to 40 of A-Z, a-z, 0-9, space, hyphen, dot and slash, at least "
               "4 of them letters or digits";
    case FieldType::binary:
        return "binary data is base64 of RFC 4648 section 4 with its padding, up to 60000 bytes";
    }
    return "";
}

}  // namespace oubliette::policy
