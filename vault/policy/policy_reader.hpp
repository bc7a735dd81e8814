#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault/policy/document.hpp"
#include "vault/policy/json_places.hpp"

// Reads one object of a policy document with a strict list of keys, and reports what is wrong with
// it. Every getter returns its default after a mistake, so that reading goes on and finds the next.

namespace oubliette::policy {

inline constexpr std::size_t kFindingCountMax = 100;
inline constexpr std::size_t kPolicyTextSizeMax = 4'096;  // bytes of a string in a document

// Where findings go.
class FindingSink {
public:
    FindingSink(std::string_view text, std::vector<Finding>& findings) noexcept
        : text_(text), findings_(findings) {}

    // Over kFindingCountMax nothing is added.
    void add(std::string_view code, std::string pointer, std::size_t offset, std::string message);

private:
    std::string_view text_;
    std::vector<Finding>& findings_;
};

// A word of the document and what it stands for.
template <class T>
struct Word {
    std::string_view text;
    T value;
};

[[nodiscard]] bool is_policy_name(std::string_view name) noexcept;

class ObjectReader {
public:
    // `what` is the thing in messages: "a field". A node that is no object is reported here.
    ObjectReader(FindingSink& sink, const JsonNode& node, std::string pointer,
                 std::string_view what);

    // The member, or nullptr. A key asked for is a known key; a missing required one is reported.
    [[nodiscard]] const JsonNode* find(std::string_view key);
    [[nodiscard]] const JsonNode* require(std::string_view key);

    [[nodiscard]] std::string text(std::string_view key);           // "" if absent
    [[nodiscard]] std::string required_text(std::string_view key);  // not empty
    [[nodiscard]] std::string required_name(std::string_view key);
    [[nodiscard]] bool flag(std::string_view key);  // false if absent
    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key, std::int64_t min,
                                                      std::int64_t max);
    [[nodiscard]] std::optional<double> share(std::string_view key);  // 0 to 1
    [[nodiscard]] std::vector<std::string> texts(std::string_view key, std::size_t count_max);
    [[nodiscard]] std::vector<std::string> names(std::string_view key, std::size_t count_max);
    [[nodiscard]] NamePairs name_pairs(std::string_view key, std::size_t count_max);
    [[nodiscard]] std::optional<CalendarDuration> duration(std::string_view key);
    [[nodiscard]] CalendarDuration required_duration(std::string_view key);
    [[nodiscard]] std::optional<Timestamp> date(std::string_view key);
    [[nodiscard]] std::optional<Timestamp> time(std::string_view key);

    template <class T, std::size_t N>
    [[nodiscard]] std::optional<T> word(std::string_view key, const std::array<Word<T>, N>& words) {
        const JsonNode* const node = find(key);
        if (node == nullptr || !is_kind(key, *node, JsonNode::Kind::string)) return std::nullopt;
        for (const Word<T>& one : words) {
            if (one.text == node->string) return one.value;
        }
        std::string list;
        for (const Word<T>& one : words) list.append(list.empty() ? "" : ", ").append(one.text);
        wrong_value(key, *node, "is not known here; use one of: " + list);
        return std::nullopt;
    }
    template <class T, std::size_t N>
    [[nodiscard]] T required_word(std::string_view key, const std::array<Word<T>, N>& words) {
        if (require(key) == nullptr) return words.front().value;
        return word(key, words).value_or(words.front().value);
    }

    // Reports members that nobody asked for. Call it last.
    void finish();

    // Reports a mistake in the value of `key`; `message` follows its quoted text.
    void wrong_value(std::string_view key, const JsonNode& node, std::string_view message);
    // Reports `code` at the value of `key`, or at the object if there is none.
    void report(std::string_view code, std::string_view key, std::string message);

    [[nodiscard]] const std::string& pointer() const noexcept { return pointer_; }
    [[nodiscard]] FindingSink& sink() noexcept { return sink_; }

private:
    // False, and reported, if `node` is not of `kind`.
    bool is_kind(std::string_view key, const JsonNode& node, JsonNode::Kind kind);
    std::vector<std::string> strings(std::string_view key, std::size_t count_max, bool only_names);

    FindingSink& sink_;
    const JsonNode& node_;
    std::string pointer_;
    std::string_view what_;
    std::vector<std::string_view> known_;
};

// True, and reported if not: the text of a name or of a string in the document.
[[nodiscard]] bool check_name(FindingSink& sink, std::string_view name, std::string pointer,
                              std::size_t offset);

}  // namespace oubliette::policy
