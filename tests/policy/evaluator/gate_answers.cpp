#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/policy/counting_ids.hpp"
#include "vault/policy/gate.hpp"
#include "vault/policy/reasons.hpp"

// The gate of the product as a filter: a policy or a question a line in, an answer a line out. What
// asks it is written in another language and shares no code with it (evaluator_test.py).
//
//   {"policy": "<text of a document>"}    -> "ok", or the codes of its findings
//   {"recipient", "purpose", "field", "want", "now", "collected", "person": {...}, ...}
//                                         -> "<answer> <steps> <write> <ended> <end day>"
//   {"reads": "<text of a document>"}     -> "ok" or "no": the reader alone

namespace oubliette::policy {
namespace {

using nlohmann::json;

SlotMask mask_of(const Gate& gate, const json& names) {
    SlotMask mask;
    for (const std::string name : names) {
        if (const auto slot = gate.find_slot(name)) mask.set(*slot);
    }
    return mask;
}

class Answers {
public:
    std::string take(const std::string& text) {
        const auto outcome = parse_document(text);
        if (!outcome.document) {
            std::string codes;
            for (const Finding& finding : outcome.findings) codes += finding.code + " ";
            return codes;
        }
        ids_ = {};
        gate_ = Gate::compile(outcome.document, ids_);
        return "ok";
    }

    std::string answer(const json& line) {
        read_question(line);
        const auto write = written();
        const bool ended = gate_->field_rule(question_.field) != nullptr &&
                           gate_->has_ended(question_.field, question_.subject,
                                            *question_.collected, question_.now);
        const auto end = gate_->field_rule(question_.field) == nullptr
                             ? std::nullopt
                             : gate_->known_end_day(question_.field, question_.now);
        return decided(line) + " " + steps() + " " + write + " " + (ended ? "1" : "0") + " " +
               (end ? std::to_string(*end) : "-");
    }

private:
    void read_question(const json& line) {
        const json& person = line["person"];
        purpose_ = line["purpose"];
        question_ = {};
        question_.recipient =
            gate_->find_recipient(std::string{line["recipient"]}).value_or(RecipientId{});
        question_.purpose = purpose_;
        question_.field = gate_->find_field(std::string{line["field"]}).value_or(FieldId{});
        question_.now = {line["now"]};
        question_.collected = Timestamp{line["collected"]};
        question_.is_suspended = line["suspended"];
        question_.is_blocked = line["blocked"];
        SubjectState& state = question_.subject;
        state.granted = mask_of(*gate_, person["granted"]);
        state.seen_version = person["seen"];
        const std::string region = person["region"];
        if (!region.empty()) state.home_region = ids_.id_of(NameKind::region, region);
        if (person["paused"]) state.flags |= SubjectState::kPaused;
        if (person["restricted"]) state.flags |= SubjectState::kRestricted;
        state.account_closed = person["account_closed"];
        state.last_activity = person["last_activity"];
        state.campaign_ended = person["campaign_ended"];
        for (const auto& [slot, time] : person["expires"].items()) {
            const std::uint32_t second = time;
            if (state.earliest_expiry == 0 || second < state.earliest_expiry) {
                state.earliest_expiry = second;
            }
            const auto id = gate_->find_slot(slot);
            if (id && question_.now.seconds >= second) question_.expired.set(*id);
        }
    }

    // As a reading verb asks, call by call; what operators closed comes from explain().
    std::string decided(const json& line) const {
        const auto refusals = gate_->explain(question_);
        if (refusals.begin() != refusals.end()) {
            const auto first = read_path();
            if (!question_.is_suspended && !question_.is_blocked && first != *refusals.begin()) {
                return "EXPLAIN_DIFFERS";
            }
            return std::string{wire_name(*refusals.begin())};
        }
        if (read_path()) return "EXPLAIN_DIFFERS";
        const auto cell = gate_->resolve(question_.recipient, purpose_, question_.now);
        std::optional<TransformIndex> want;
        if (!std::string{line["want"]}.empty())
            want = gate_->find_transform(std::string{line["want"]});
        const auto shown = gate_->field(*cell, question_.field, want);
        const auto has_seen = [&](FieldId field) {
            for (const std::string name : line["seen"]) {
                if (gate_->find_field(name) == field) return true;
            }
            return false;
        };
        const bool is_watched = gate_->transform_rule(*shown).kind != TransformKind::exists &&
                                !gate_->purpose_rule(gate_->purpose_of(*cell))->request;
        if (is_watched && gate_->completes_set(question_.recipient, question_.field, has_seen)) {
            return "LINKAGE";
        }
        return std::string{gate_->name_of(*shown)};
    }

    std::optional<Refusal> read_path() const {
        const auto cell = gate_->resolve(question_.recipient, purpose_, question_.now);
        if (!cell) return cell.error();
        const auto shown = gate_->field(*cell, question_.field, std::nullopt);
        if (!shown) return shown.error();
        const auto expired = [&] { return question_.expired; };
        const auto no = gate_->person(*cell, question_.subject, question_.now, expired);
        if (no) return no;
        return gate_->value(*cell, question_.field, question_.subject, *question_.collected,
                            question_.now);
    }

    std::string steps() const {
        std::string list;
        for (const Refusal refusal : gate_->explain(question_)) {
            list += (list.empty() ? "" : ",") + std::to_string(step_of(refusal));
        }
        return list.empty() ? "-" : list;
    }

    std::string written() const {
        const auto cell = gate_->resolve(question_.recipient, purpose_, question_.now);
        if (!cell) return std::string{wire_name(cell.error())};
        const auto shown = gate_->field(*cell, question_.field, std::nullopt);
        if (!shown) return std::string{wire_name(shown.error())};
        const auto no = gate_->write(*cell, question_.subject, question_.now,
                                     [&] { return question_.expired; });
        return no ? std::string{wire_name(*no)} : "ok";
    }

    CountingIds ids_;
    std::shared_ptr<const Gate> gate_;
    std::string purpose_;
    DecisionCase question_;
};

void serve() {
    Answers answers;
    std::string line;
    while (std::getline(std::cin, line)) {
        const json input = json::parse(line);
        if (input.contains("policy")) {
            std::cout << answers.take(input["policy"]) << "\n";
        } else if (input.contains("reads")) {
            const auto outcome = parse_document(std::string{input["reads"]});
            std::cout << (outcome.document ? "ok" : "no") << "\n";
        } else {
            std::cout << answers.answer(input) << "\n";
        }
        std::cout.flush();
    }
}

}  // namespace
}  // namespace oubliette::policy

int main() {
    std::ios::sync_with_stdio(false);
    oubliette::policy::serve();
    return 0;
}
