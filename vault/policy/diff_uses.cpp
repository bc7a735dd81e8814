#include <algorithm>

#include "vault/policy/diff_parts.hpp"
#include "vault/policy/transform.hpp"

namespace oubliette::policy {
namespace {

const std::string* find_pair(const NamePairs& pairs, std::string_view key) noexcept {
    const auto found = std::ranges::find(
        pairs, key, [](const auto& pair) { return std::string_view{pair.first}; });
    return found == pairs.end() ? nullptr : &found->second;
}

// The transform by which a purpose sees a field; nullptr = not at all.
const TransformRule* shown_by(const Document& document, const PurposeRule& purpose,
                              std::string_view field) noexcept {
    const std::string* name = find_pair(purpose.fields, field);
    if (name == nullptr && purpose.all_fields) name = &*purpose.all_fields;
    return name == nullptr ? nullptr : document.find_transform(*name);
}

bool is_part_stricter(const TransformRule& now, const TransformRule& before) noexcept {
    switch (now.kind) {
    case TransformKind::plain:
    case TransformKind::exists: return true;
    case TransformKind::pseudonym:
        return now.pseudonym_bits <= before.pseudonym_bits &&
               (now.pseudonym_scope == before.pseudonym_scope ||
                now.pseudonym_scope == PseudonymScope::per_recipient);
    case TransformKind::generalise: return now.generalise_level == before.generalise_level;
    case TransformKind::mask:
        return now.mask_keep == before.mask_keep && now.mask_keep_count <= before.mask_keep_count;
    case TransformKind::partial: return now.partial_part == before.partial_part;
    }
    return false;
}

// True if `now` surely shows no more than `before`.
bool is_as_strict(const TransformRule& now, const TransformRule& before) noexcept {
    const unsigned rank = strictness_rank(now.kind);
    const unsigned rank_before = strictness_rank(before.kind);
    if (rank != rank_before) return rank < rank_before;
    return now.kind == before.kind && is_part_stricter(now, before);
}

std::string described(const TransformRule& rule) {
    std::string text = "\"" + rule.name + "\"";
    if (rule.kind == TransformKind::mask) {
        text += " (" + std::to_string(rule.mask_keep_count) + " kept)";
    }
    return text;
}

std::string pointer_of_use(const PurposeRule& purpose, const std::string& field) {
    const bool is_named = find_pair(purpose.fields, field) != nullptr;
    return pointer_to(
        {"purposes", purpose.name, "fields", is_named ? std::string_view{field} : "*"});
}

// ---- Purposes.

class Uses {
public:
    Uses(const Document& from, const Document& to, ChangeSink& out)
        : from_(from), to_(to), out_(out) {}

    void run() {
        for (const SlotRule& slot : to_.slots) compare_slot(slot);
        for (const PurposeRule& purpose : to_.purposes) {
            const PurposeRule* const before = from_.find_purpose(purpose.name);
            if (before == nullptr) {
                out_.add(ChangeKind::purpose_added, pointer_to({"purposes", purpose.name}),
                         purpose.name, "a new purpose", {purpose.name});
            } else {
                compare_purpose(*before, purpose);
            }
        }
        for (const RecipientRule& recipient : to_.recipients) {
            const RecipientRule* const before = from_.find_recipient(recipient.name);
            if (before == nullptr) {
                out_.add(ChangeKind::recipient_added, pointer_to({"recipients", recipient.name}),
                         recipient.name, "a new recipient", recipient.purposes);
            } else {
                compare_recipient(*before, recipient);
            }
        }
    }

private:
    std::vector<std::string> purposes_needing(const std::string& slot) const {
        std::vector<std::string> found;
        for (const PurposeRule& purpose : to_.purposes) {
            if (std::ranges::find(purpose.needs, slot) != purpose.needs.end()) {
                found.push_back(purpose.name);
            }
        }
        return found;
    }

    // Objection slots come and go with their purpose's "objection".
    void compare_slot(const SlotRule& slot) {
        const SlotRule* const before = from_.find_slot(slot.name);
        if (before == nullptr || slot.starts_granted()) return;
        const auto purposes = purposes_needing(slot.name);
        const auto add = [&](ChangeKind kind, std::string_view key, std::string text) {
            out_.add(kind, pointer_to({"consents", slot.name, key}), slot.name, std::move(text),
                     purposes);
        };
        if (slot.ask < before->ask) {
            add(ChangeKind::purpose_basis, "ask",
                "asks \"" + std::string{word_of(slot.ask)} + "\" instead of \"" +
                    std::string{word_of(before->ask)} + "\"");
        }
        if (!is_no_longer(slot.expires, before->expires)) {
            add(ChangeKind::purpose_basis, "expires", "a grant lasts longer");
        }
        const bool named_nobody = before->names.empty();
        for (const std::string& name : not_in(slot.names, before->names)) {
            if (!named_nobody) {
                add(ChangeKind::recipient_added, "names",
                    "the question names \"" + name + "\" too");
            }
        }
        if (!not_in(before->tells, slot.tells).empty()) {
            add(ChangeKind::rights_reduced, "tells", "people are told less before they are asked");
        }
    }

    void compare_purpose(const PurposeRule& before, const PurposeRule& now) {
        const auto add = [&](ChangeKind kind, std::string_view key, std::string text) {
            out_.add(kind, pointer_to({"purposes", now.name, key}), now.name, std::move(text),
                     {now.name});
        };
        if (now.basis != before.basis) {
            add(ChangeKind::purpose_basis, "basis",
                "basis " + std::string{word_of(now.basis)} + " instead of " +
                    std::string{word_of(before.basis)});
        }
        for (const std::string& slot : not_in(before.needs, now.needs)) {
            add(ChangeKind::purpose_basis, "needs", "\"" + slot + "\" is not asked any more");
        }
        if (before.objection && !now.objection) {
            add(ChangeKind::rights_reduced, "objection", "people may not object any more");
        }
        if (!before.when_restricted && now.when_restricted) {
            add(ChangeKind::rights_reduced, "when_restricted", "works on restricted people too");
        }
        for (const FieldRule& field : to_.fields) compare_use(before, now, field);
    }

    void compare_use(const PurposeRule& before, const PurposeRule& now, const FieldRule& field) {
        const TransformRule* const shown = shown_by(to_, now, field.name);
        if (shown == nullptr) return;
        const TransformRule* const was = shown_by(from_, before, field.name);
        if (was == nullptr) {
            out_.add(ChangeKind::purpose_fields_added, pointer_of_use(now, field.name), now.name,
                     "uses \"" + field.name + "\" too", {now.name});
        } else if (!is_as_strict(*shown, *was)) {
            out_.add(ChangeKind::transform_weakened, pointer_of_use(now, field.name), now.name,
                     "sees \"" + field.name + "\" by " + described(*shown) + " instead of " +
                         described(*was),
                     {now.name});
        }
    }

    // ---- Recipients.

    void compare_recipient(const RecipientRule& before, const RecipientRule& now) {
        compare_recipient_reach(before, now);
        compare_caps(before, now);
        const auto add = [&](ChangeKind kind, std::string_view key, std::string text) {
            out_.add(kind, pointer_to({"recipients", now.name, key}), now.name, std::move(text),
                     now.purposes);
        };
        if (now.kind != before.kind) {
            add(ChangeKind::recipient_added, "kind", "has become another kind of recipient");
        }
        if (now.country != before.country) {
            add(ChangeKind::recipient_added, "country", "has moved to another country");
        }
        if (before.cross_border && !now.cross_border) {
            add(ChangeKind::recipient_added, "cross_border",
                "data crosses the border without rule");
        } else if (before.cross_border &&
                   before.cross_border->consent != now.cross_border->consent) {
            add(ChangeKind::purpose_basis, "cross_border", "another question is asked for abroad");
        }
        if (now.onward && !before.onward) {
            add(ChangeKind::recipient_fields_added, "onward", "may pass data on");
        }
        // Nothing said = what the agreement says; a time is a promise.
        if (before.keep && !is_no_longer(now.keep, before.keep)) {
            add(ChangeKind::retention_longer, "keep", "may keep what it got longer");
        }
        if (before.subjects_per_hour &&
            now.subjects_per_hour.value_or(UINT32_MAX) > *before.subjects_per_hour) {
            add(ChangeKind::recipient_fields_added, "subjects_per_hour", "may see more people");
        }
    }

    void compare_recipient_reach(const RecipientRule& before, const RecipientRule& now) {
        for (const std::string& purpose : not_in(now.purposes, before.purposes)) {
            out_.add(ChangeKind::recipient_fields_added,
                     pointer_to({"recipients", now.name, "purposes"}), now.name,
                     "gets data for \"" + purpose + "\" too", {purpose});
        }
        if (!before.fields) return;
        const std::string at = pointer_to({"recipients", now.name, "fields"});
        if (!now.fields) {
            out_.add(ChangeKind::recipient_fields_added, at, now.name,
                     "gets all fields that its purposes use", now.purposes);
            return;
        }
        for (const std::string& field : not_in(*now.fields, *before.fields)) {
            out_.add(ChangeKind::recipient_fields_added, at, now.name, "gets \"" + field + "\" too",
                     now.purposes);
        }
    }

    void compare_caps(const RecipientRule& before, const RecipientRule& now) {
        for (const auto& [field, transform] : before.cap) {
            const TransformRule* const was = from_.find_transform(transform);
            const std::string* const name = find_pair(now.cap, field);
            const TransformRule* const cap = name == nullptr ? nullptr : to_.find_transform(*name);
            const bool is_plain = was == nullptr || was->kind == TransformKind::plain;
            if (is_plain || (cap != nullptr && is_as_strict(*cap, *was))) continue;
            out_.add(ChangeKind::transform_weakened, pointer_to({"recipients", now.name, "cap"}),
                     now.name, "sees more of \"" + field + "\"", now.purposes);
        }
    }

    const Document& from_;
    const Document& to_;
    ChangeSink& out_;
};

}  // namespace

void diff_uses(const Document& from, const Document& to, ChangeSink& out) {
    Uses{from, to, out}.run();
}

}  // namespace oubliette::policy
