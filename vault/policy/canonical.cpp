#include "vault/policy/canonical.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <unicode/unistr.h>

#include "crypto/assert.hpp"

namespace oubliette::policy {
namespace {

// ECMAScript writes numbers from 1e-6 up to below 1e21 without an exponent.
constexpr int kPlainExponentMax = 21;
constexpr int kPlainExponentMin = -6;

void append_string(std::string& out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out += '"';
    for (const char letter : text) {
        const auto byte = static_cast<unsigned char>(letter);
        switch (letter) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\b': out += "\\b"; break;
        case '\f': out += "\\f"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        default:
            if (byte < 0x20) {
                out += "\\u00";
                out += kHex[byte >> 4U];
                out += kHex[byte & 0xFU];
            } else {
                out += letter;
            }
        }
    }
    out += '"';
}

using Member = std::pair<std::string, JsonNode>;

// By UTF-16 code units, which differs from the order of UTF-8 bytes beyond U+FFFF.
std::vector<const Member*> in_order(const std::vector<Member>& members) {
    std::vector<std::pair<icu::UnicodeString, const Member*>> keyed;
    keyed.reserve(members.size());
    for (const Member& member : members) {
        keyed.emplace_back(icu::UnicodeString::fromUTF8(member.first), &member);
    }
    std::ranges::sort(keyed, [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<const Member*> ordered;
    ordered.reserve(keyed.size());
    for (const auto& [key, member] : keyed) ordered.push_back(member);
    return ordered;
}

// Recursion is bounded by the depth that parse_json() allows.
void append_node(std::string& out, const JsonNode& node) {
    switch (node.kind) {
    case JsonNode::Kind::null: out += "null"; return;
    case JsonNode::Kind::boolean: out += node.boolean ? "true" : "false"; return;
    case JsonNode::Kind::integer:
    case JsonNode::Kind::number: out += canonical_number(node.number); return;
    case JsonNode::Kind::string: append_string(out, node.string); return;
    case JsonNode::Kind::array: {
        out += '[';
        for (const JsonNode& item : node.items) {
            if (&item != node.items.data()) out += ',';
            append_node(out, item);
        }
        out += ']';
        return;
    }
    case JsonNode::Kind::object: {
        char before = '{';
        if (node.members.empty()) out += before;
        for (const Member* const member : in_order(node.members)) {
            out += before;
            append_string(out, member->first);
            out += ':';
            append_node(out, member->second);
            before = ',';
        }
        out += '}';
        return;
    }
    }
}

// The shortest decimal digits that give the number back, without a point, and how many of them
// stand in front of it.
struct Decimal {
    std::string digits;
    int point = 0;
};

Decimal shortest_decimal(double number) {
    std::array<char, 32> text{};
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number,
                                            std::chars_format::scientific);
    OBL_ASSERT(error == std::errc{});
    const std::string_view written{text.data(), static_cast<std::size_t>(end - text.data())};
    const std::size_t e = written.find('e');
    Decimal decimal;
    std::ranges::copy_if(written.substr(0, e), std::back_inserter(decimal.digits),
                         [](char letter) { return letter != '.'; });
    const std::size_t exponent_at = written[e + 1] == '+' ? e + 2 : e + 1;
    std::from_chars(written.data() + exponent_at, written.data() + written.size(), decimal.point);
    ++decimal.point;
    return decimal;
}

}  // namespace

std::string canonical_number(double number) {
    OBL_ASSERT(std::isfinite(number));
    if (number == 0) return "0";
    if (number < 0) return "-" + canonical_number(-number);
    auto [digits, point] = shortest_decimal(number);
    const int count = static_cast<int>(digits.size());
    if (point > kPlainExponentMin && point <= kPlainExponentMax) {
        if (point <= 0) return "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
        if (point >= count)
            return digits + std::string(static_cast<std::size_t>(point - count), '0');
        return digits.insert(static_cast<std::size_t>(point), ".");
    }
    if (count > 1) digits.insert(1, ".");
    const int exponent = point - 1;
    return digits + (exponent > 0 ? "e+" : "e") + std::to_string(exponent);
}

std::string canonical_json(const JsonNode& root) {
    std::string out;
    append_node(out, root);
    return out;
}

}  // namespace oubliette::policy
