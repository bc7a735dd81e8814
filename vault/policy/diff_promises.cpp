#include <algorithm>
#include <array>

#include "vault/policy/diff_parts.hpp"
#include "vault/policy/json_places.hpp"

namespace oubliette::policy {
namespace {

class Promises {
public:
    Promises(const Document& from, const Document& to, ChangeSink& out)
        : from_(from), to_(to), out_(out) {}

    void run() {
        compare_head();
        for (const RegionRule& region : to_.regions) compare_region(region);
        for (const FieldRule& field : to_.fields) compare_field(field);
        compare_retention();
        for (const OrderRule& order : to_.orders) compare_order(order);
        for (const HoldRule& hold : to_.holds) compare_hold(hold);
        compare_requests();
        compare_incident();
        compare_rechecks();
    }

private:
    void rights(std::string pointer, std::string object, std::string text) {
        out_.add(ChangeKind::rights_reduced, std::move(pointer), std::move(object),
                 std::move(text));
    }

    void compare_head() {
        const Controller& before = from_.head.controller;
        const Controller& now = to_.head.controller;
        if (now.name != before.name || now.country != before.country) {
            out_.add(ChangeKind::controller_changed, pointer_to({"policy", "controller"}),
                     "controller", "another company is responsible");
        }
        if (now.contact != before.contact || now.officer != before.officer ||
            now.complaints != before.complaints) {
            out_.add(ChangeKind::contact_changed, pointer_to({"policy", "controller"}), "contact",
                     "another contact, officer or place for complaints");
        }
        if (to_.head.home_region != from_.head.home_region) {
            out_.add(ChangeKind::region_added, pointer_to({"policy", "home_region"}),
                     to_.head.home_region, "data is stored in another region");
        }
    }

    // A region nobody had before adds nothing by itself: people stay in theirs.
    void compare_region(const RegionRule& now) {
        const RegionRule* const before = from_.find_region(now.name);
        if (before == nullptr) return;
        for (const std::string& country : not_in(now.countries, before->countries)) {
            out_.add(ChangeKind::region_added, pointer_to({"regions", now.name, "countries"}),
                     now.name, "counts " + country + " as home");
        }
    }

    void compare_field(const FieldRule& now) {
        const FieldRule* const before = from_.find_field(now.name);
        if (before == nullptr) return;  // its purposes report it
        const auto add = [&](ChangeKind kind, std::string_view key, std::string text) {
            out_.add(kind, pointer_to({"fields", now.name, key}), now.name, std::move(text));
        };
        if (now.category != before->category) {
            add(ChangeKind::retention_longer, "category",
                "is kept by the rules of another category");
        }
        if (now.identifier < before->identifier) {
            add(ChangeKind::rights_reduced, "identifier", "counts as less identifying");
        }
        if (before->sensitive && !now.sensitive) {
            add(ChangeKind::rights_reduced, "sensitive", "is not treated as sensitive any more");
        }
        if (now.supersede > before->supersede) {
            add(ChangeKind::retention_longer, "supersede", "replaced values are kept");
        }
    }

    // The earliest end of a pair wins, so that a rule may only be added or made shorter.
    void compare_retention() {
        for (const RetentionRule& before : from_.retention) {
            const auto keeps = [&](const RetentionRule& now) {
                return now.category == before.category && now.purpose == before.purpose &&
                       now.from == before.from && is_no_longer(now.keep, before.keep) &&
                       now.then <= before.then;
            };
            if (std::ranges::any_of(to_.retention, keeps)) continue;
            out_.add(ChangeKind::retention_longer, pointer_to({"retention"}), before.category,
                     "is kept longer, from another event on, or not deleted, for \"" +
                         before.purpose + "\"");
        }
    }

    void compare_order(const OrderRule& now) {
        const std::string at = pointer_to({"orders", now.name});
        const auto before = std::ranges::find(from_.orders, now.name, &OrderRule::name);
        if (before == from_.orders.end()) return rights(at, now.name, "a new kind of order");
        const bool is_as_strict =
            now.approvals >= before->approvals && not_in(now.roles, before->roles).empty() &&
            now.paper >= before->paper && now.permit >= before->permit &&
            is_no_longer(now.max, before->max) &&
            now.subjects_max.value_or(UINT32_MAX) <= before->subjects_max.value_or(UINT32_MAX) &&
            (now.fields_marked == before->fields_marked || before->fields_marked.empty()) &&
            now.tell_subject == before->tell_subject;
        if (!is_as_strict) rights(at, now.name, "data may be disclosed by order more easily");
    }

    void compare_hold(const HoldRule& now) {
        const std::string at = pointer_to({"holds", now.name});
        const auto before = std::ranges::find(from_.holds, now.name, &HoldRule::name);
        if (before == from_.holds.end()) return rights(at, now.name, "a new ground to keep data");
        const bool is_narrow = before->fields.empty() ||
                               (!now.fields.empty() && not_in(now.fields, before->fields).empty());
        const bool is_as_strict = now.approvals >= before->approvals &&
                                  is_no_longer(now.review, before->review) &&
                                  now.evidence >= before->evidence && is_narrow;
        if (!is_as_strict) rights(at, now.name, "data may be kept on request more easily");
    }

    // From easy to hard; a word that is not known counts as hardest.
    static std::size_t proof_rank(std::string_view level) noexcept {
        constexpr std::array<std::string_view, 4> kLevels{"none", "session", "one_factor",
                                                          "two_factors"};
        return static_cast<std::size_t>(std::ranges::find(kLevels, level) - kLevels.begin());
    }

    // What is not said takes no time.
    static CalendarDuration time_of(const std::optional<CalendarDuration>& time) noexcept {
        return time.value_or(CalendarDuration{});
    }

    void compare_requests() {
        const RequestRules& before = from_.requests;
        const RequestRules& now = to_.requests;
        const auto add = [&](std::string_view key, std::string text) {
            rights(pointer_to({"requests", key}), "requests", std::move(text));
        };
        if (!is_no_longer(now.answer_within, before.answer_within)) {
            add("answer_within", "answers take longer");
        }
        if (!is_no_longer(time_of(now.extend), time_of(before.extend)))
            add("extend", "answers may take longer");
        if (now.free_per_year < before.free_per_year) {
            add("free_per_year", "fewer requests are free");
        }
        if (!is_no_longer(time_of(now.cooling_off), time_of(before.cooling_off))) {
            add("cooling_off", "erasure begins later");
        }
        if (!is_no_longer(time_of(now.repeat_window), time_of(before.repeat_window))) {
            add("repeat_window", "a repeated request is reviewed for longer");
        }
        if (!is_no_longer(now.records_keep, before.records_keep)) {
            add("records_keep", "records of requests are kept longer");
        }
        if (!is_no_longer(now.backups_keep, before.backups_keep)) {
            add("backups", "backups are kept longer");
        }
        if (!not_in(now.refusals, before.refusals).empty()) {
            add("refusals", "requests may be refused for more reasons");
        }
        compare_proof(before, now);
    }

    void compare_proof(const RequestRules& before, const RequestRules& now) {
        for (const auto& [type, level] : now.proof) {
            const auto was = std::ranges::find(
                before.proof, type, [](const auto& pair) { return std::string_view{pair.first}; });
            if (was != before.proof.end() && proof_rank(level) <= proof_rank(was->second)) continue;
            rights(pointer_to({"requests", "proof", type}), "requests",
                   "\"" + type + "\" needs a harder proof");
        }
    }

    void compare_incident() {
        const IncidentRules& before = from_.incident;
        const IncidentRules& now = to_.incident;
        const bool is_as_strict =
            is_no_longer(now.authority_within, before.authority_within) &&
            not_in(before.tell_subject, now.tell_subject).empty() &&
            not_in(before.contents, now.contents).empty() &&
            now.public_if_unreachable_over <= before.public_if_unreachable_over;
        if (!is_as_strict) {
            rights(pointer_to({"incident"}), "incident",
                   "people learn less of an incident, or later");
        }
    }

    void compare_rechecks() {
        const auto is_kept = [&](const std::vector<std::string>& set) {
            return std::ranges::find(to_.never_together, set) != to_.never_together.end();
        };
        if (!std::ranges::all_of(from_.never_together, is_kept)) {
            rights(pointer_to({"never_together"}), "never_together",
                   "fields that were kept apart may be read together");
        }
        if (!not_in(from_.re_consent_on, to_.re_consent_on).empty()) {
            rights(pointer_to({"rechecks", "re_consent_on"}), "rechecks",
                   "people are asked again after fewer changes");
        }
    }

    const Document& from_;
    const Document& to_;
    ChangeSink& out_;
};

}  // namespace

void diff_promises(const Document& from, const Document& to, ChangeSink& out) {
    Promises{from, to, out}.run();
}

bool is_no_longer(const CalendarDuration& a, const CalendarDuration& than) noexcept {
    if (a.months <= than.months && a.days <= than.days && a.seconds <= than.seconds) return true;
    // Months differ in length: true only if it holds from the first of every month of four years.
    Timestamp start{};
    for (unsigned month = 0; month < 48; ++month) {
        if (plus(start, than) < plus(start, a)) return false;
        start = plus(start, CalendarDuration{1, 0, 0});
    }
    return true;
}

bool is_no_longer(const std::optional<CalendarDuration>& a,
                  const std::optional<CalendarDuration>& than) noexcept {
    if (!than) return true;
    return a && is_no_longer(*a, *than);
}

std::vector<std::string> not_in(const std::vector<std::string>& a,
                                const std::vector<std::string>& b) {
    std::vector<std::string> missing;
    for (const std::string& name : a) {
        if (std::ranges::find(b, name) == b.end()) missing.push_back(name);
    }
    return missing;
}

std::string pointer_to(std::initializer_list<std::string_view> keys) {
    std::string pointer;
    for (const std::string_view key : keys) pointer = child_pointer(pointer, key);
    return pointer;
}

}  // namespace oubliette::policy
