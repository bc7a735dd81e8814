#pragma once

#include "tests/policy/policy_fixture.hpp"

namespace oubliette::policy {

// One gate with a person who has granted everything, and short words for the questions.
struct GateFixture {
    explicit GateFixture(std::string_view patch = "[]")
        : gate(Gate::compile(parsed(patched_example(patch)), ids)) {
        subject.seen_version = gate->version();
        subject.granted = gate->objection_slots();
        for (const SlotRule& slot : gate->document().slots) {
            subject.granted.set(*gate->find_slot(slot.name));
        }
    }

    Result<CellIndex> resolve(std::string_view recipient, std::string_view purpose) const {
        return gate->resolve(recipient_id(recipient), purpose, now);
    }
    CellIndex cell(std::string_view recipient, std::string_view purpose) const {
        const auto resolved = resolve(recipient, purpose);
        REQUIRE(resolved.has_value());
        return *resolved;
    }
    RecipientId recipient_id(std::string_view name) const {
        return gate->find_recipient(name).value_or(RecipientId{9'999});
    }
    FieldId field_id(std::string_view name) const {
        return gate->find_field(name).value_or(FieldId{9'999});
    }
    std::string shown(std::string_view recipient, std::string_view purpose, std::string_view field,
                      std::string_view want = "") const {
        std::optional<TransformIndex> wanted;
        if (!want.empty()) {
            wanted = gate->find_transform(want);
            REQUIRE(wanted);
        }
        const auto transform = gate->field(cell(recipient, purpose), field_id(field), wanted);
        if (transform.has_error()) return std::string{wire_name(transform.error())};
        return std::string{gate->name_of(*transform)};
    }
    std::optional<Refusal> person(std::string_view recipient, std::string_view purpose) const {
        return gate->person(cell(recipient, purpose), subject, now, [this] { return expired; });
    }
    std::optional<Refusal> write(std::string_view recipient, std::string_view purpose) const {
        return gate->write(cell(recipient, purpose), subject, now, [this] { return expired; });
    }
    std::optional<Refusal> value(std::string_view recipient, std::string_view purpose,
                                 std::string_view field) const {
        return gate->value(cell(recipient, purpose), field_id(field), subject, collected, now);
    }
    void withdraw(std::string_view slot) { subject.granted.clear(*gate->find_slot(slot)); }
    void expire(std::string_view slot) {
        expired.set(*gate->find_slot(slot));
        subject.earliest_expiry = now.seconds;
    }

    CountingIds ids;
    std::shared_ptr<const Gate> gate;
    SubjectState subject;
    SlotMask expired;
    Timestamp collected = kTestNow;
    Timestamp now = kTestNow;
};

inline std::vector<Refusal> all_of(const StepRefusals& refusals) {
    return {refusals.begin(), refusals.end()};
}

inline constexpr auto kNone = std::optional<Refusal>{};

inline Timestamp time_at(std::string_view text) {
    const auto time = parse_time(text);
    REQUIRE(time);
    return *time;
}

}  // namespace oubliette::policy
