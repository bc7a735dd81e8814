#include "vault/policy/diff.hpp"

#include <algorithm>

#include "vault/policy/diff_parts.hpp"

namespace oubliette::policy {
namespace {

bool lists(const std::vector<std::string>& names, std::string_view name) noexcept {
    return std::ranges::find(names, name) != names.end();
}

// What the version in force promised, and what the new one adds.
bool is_promised(const Document& from, const Document& to, ChangeKind kind) noexcept {
    return lists(from.re_consent_on, word_of(kind)) || lists(to.re_consent_on, word_of(kind));
}

class Checker {
public:
    Checker(const Document& from, const Document& to, Timestamp now)
        : from_(from), to_(to), now_(now), changes_(diff(from, to)) {}

    std::vector<Finding> run() {
        for (const Change& change : changes_) {
            if (change.kind == ChangeKind::controller_changed) {
                refuse("TRANSFER_REQUIRED", change.pointer,
                       "people's data does not pass to another company by publishing a policy; "
                       "leave the controller's name and country as they are");
            }
            check_declared(change);
            if (change.asks_again) check_asked(change);
        }
        for (const SlotRule& slot : to_.slots) check_since(slot);
        check_notice();
        add_places(to_.json, findings_);
        return std::move(findings_);
    }

private:
    void refuse(std::string_view code, std::string pointer, std::string message) {
        findings_.push_back(
            {std::string{code}, std::move(pointer), 0, 0, std::move(message), Severity::error});
    }

    void check_declared(const Change& change) {
        const auto declares = [&](const ChangeNote& note) {
            return note.kind == word_of(change.kind) && lists(note.affects, change.object);
        };
        if (std::ranges::any_of(to_.head.changes, declares)) return;
        refuse("DIFF_MATERIAL", change.pointer,
               "\"" + change.object + "\": " + change.text + ", a material change (" +
                   std::string{clause_of(change.kind)} +
                   "); declare it in \"changes\" with kind \"" + std::string{word_of(change.kind)} +
                   "\" and \"" + change.object + "\" in \"affects\"");
    }

    // Law and orders need nobody's consent, so that nobody can be asked again.
    static bool can_ask(const PurposeRule& purpose) noexcept {
        const bool is_asked = purpose.basis == Basis::consent || purpose.basis == Basis::contract ||
                              purpose.basis == Basis::legitimate_interest;
        return is_asked && !purpose.needs.empty();
    }

    bool is_asked_again(const PurposeRule& purpose) const noexcept {
        return std::ranges::any_of(purpose.needs, [&](const std::string& need) {
            const SlotRule* const slot = to_.find_slot(need);
            return slot != nullptr && slot->since == to_.head.version;
        });
    }

    void check_asked(const Change& change) {
        for (const PurposeRule& purpose : to_.purposes) {
            const bool is_concerned =
                change.purposes.empty() || lists(change.purposes, purpose.name);
            if (!is_concerned || !can_ask(purpose) || is_asked_again(purpose)) continue;
            const std::string version = std::to_string(to_.head.version);
            refuse("DIFF_SINCE", pointer_to({"purposes", purpose.name, "needs"}),
                   "\"" + change.object + "\": " + change.text +
                       "; the policy promised to ask again, but old grants would go on counting; "
                       "set \"since\": " +
                       version + " for a consent that this purpose needs");
        }
    }

    void check_since(const SlotRule& slot) {
        const SlotRule* const before = from_.find_slot(slot.name);
        if (before == nullptr || slot.since >= before->since) return;
        refuse("DIFF_SINCE_LOWERED", pointer_to({"consents", slot.name, "since"}),
               "grants from before version " + std::to_string(before->since) +
                   " have lapsed; use at least that");
    }

    void check_notice() {
        if (changes_.empty() || !from_.head.notice_period) return;
        const Timestamp earliest = plus(now_, *from_.head.notice_period);
        if (to_.head.effective && *to_.head.effective >= earliest) return;
        refuse("NOTICE_PERIOD", pointer_to({"policy", "effective"}),
               "people are promised time to read a material change before it is in force; set "
               "\"effective\" at least the notice period of the present version after now");
    }

    const Document& from_;
    const Document& to_;
    Timestamp now_;
    std::vector<Change> changes_;
    std::vector<Finding> findings_;
};

}  // namespace

std::string_view word_of(ChangeKind kind) noexcept {
    switch (kind) {
    case ChangeKind::purpose_added: return "purpose.added";
    case ChangeKind::purpose_basis: return "purpose.basis";
    case ChangeKind::purpose_fields_added: return "purpose.fields_added";
    case ChangeKind::recipient_added: return "recipient.added";
    case ChangeKind::recipient_fields_added: return "recipient.fields_added";
    case ChangeKind::transform_weakened: return "transform.weakened";
    case ChangeKind::retention_longer: return "retention.longer";
    case ChangeKind::region_added: return "region.added";
    case ChangeKind::controller_changed: return "controller.changed";
    case ChangeKind::rights_reduced: return "rights.reduced";
    case ChangeKind::contact_changed: return "contact.changed";
    }
    return "";
}

std::string_view clause_of(ChangeKind kind) noexcept {
    switch (kind) {
    case ChangeKind::purpose_added:
    case ChangeKind::purpose_basis:
    case ChangeKind::purpose_fields_added:
    case ChangeKind::transform_weakened:
    case ChangeKind::retention_longer: return "7.4(1)";
    case ChangeKind::controller_changed: return "7.4(2)";
    case ChangeKind::recipient_added:
    case ChangeKind::recipient_fields_added:
    case ChangeKind::region_added: return "7.4(3)";
    case ChangeKind::rights_reduced: return "7.4(4)";
    case ChangeKind::contact_changed: return "7.4(5)";
    }
    return "";
}

std::vector<Change> diff(const Document& from, const Document& to) {
    ChangeSink sink;
    diff_uses(from, to, sink);
    diff_promises(from, to, sink);
    std::vector<Change> changes = sink.take();
    for (Change& change : changes) change.asks_again = is_promised(from, to, change.kind);
    return changes;
}

std::vector<Finding> check_changes(const Document& from, const Document& to, Timestamp now) {
    return Checker{from, to, now}.run();
}

}  // namespace oubliette::policy
