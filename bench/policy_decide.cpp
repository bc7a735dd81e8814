#include <array>
#include <atomic>
#include <map>
#include <random>
#include <vector>

#include "bench/workload.hpp"
#include "vault/policy/example.hpp"
#include "vault/policy/gate.hpp"

// The whole decision (steps 2-12 of the policy model) under the example policy, for random people:
// one cell that allows, and mixed cells of which most refuse; in samples of 100, and one by one
// with the clock around each.

namespace oubliette::bench {
namespace {

constexpr std::size_t kPeople = 4'000'000;  // 256 MB of their hot rows
constexpr int kBatch = 100;                 // decisions per sample: the clock costs 25 ns
constexpr Timestamp kNow{108'000'000};

class CountingIds final : public policy::NameIds {
public:
    std::uint16_t id_of(policy::NameKind kind, std::string_view name) override {
        auto& names = ids_[kind];
        const auto first = kind == policy::NameKind::slot ? 0U : 1U;
        const auto next = static_cast<std::uint16_t>(names.size() + first);
        return names.emplace(std::string{name}, next).first->second;
    }

private:
    std::map<policy::NameKind, std::map<std::string, std::uint16_t>> ids_;
};

struct Question {
    policy::RecipientId recipient;
    std::string_view purpose;
    policy::FieldId field;
};

bool decide(const policy::Gate& gate, const Question& question,
            const policy::SubjectState& person) {
    const auto cell = gate.resolve(question.recipient, question.purpose, kNow);
    if (cell.has_error()) return false;
    const auto transform = gate.field(*cell, question.field, std::nullopt);
    if (transform.has_error()) return false;
    const auto expired = [] { return policy::SlotMask{}; };
    if (gate.person(*cell, person, kNow, expired)) return false;
    return !gate.value(*cell, question.field, person, Timestamp{kNow.seconds - 1'000}, kNow);
}

std::vector<policy::SubjectState> people(const policy::Gate& gate, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<policy::SubjectState> all(kPeople);
    for (policy::SubjectState& person : all) {
        person.seen_version = gate.version();
        person.granted = gate.objection_slots();
        person.granted.set(*gate.find_slot("policy"));
        for (const policy::SlotRule& slot : gate.document().slots) {
            if (random() % 2 == 0) person.granted.set(*gate.find_slot(slot.name));
        }
        person.last_activity = kNow.seconds - static_cast<std::uint32_t>(random() % 50'000'000);
    }
    return all;
}

void decide_batches(const policy::Gate& gate, const std::vector<Question>& questions,
                    const std::vector<policy::SubjectState>& people, const Settings& settings,
                    int batch, Result& result) {
    std::mt19937_64 random(settings.seed);
    std::size_t allowed = 0;
    measure(result, settings.duration / 4, [&] {
        for (int i = 0; i < batch; ++i) {
            const Question& question = questions[random() % questions.size()];
            allowed += decide(gate, question, people[random() % people.size()]) ? 1U : 0U;
        }
    });
    // So that the decisions are not removed as unused.
    static std::atomic<std::size_t> sink{0};
    sink += allowed;
    result.unit = "decisions";
    result.units_per_operation = batch;
}

void run(const Settings& settings, const Output& output) {
    const auto outcome = policy::parse_document(policy::example_policy());
    CountingIds ids;
    const auto gate = policy::Gate::compile(outcome.document, ids);
    const auto all = people(*gate, settings.seed);
    const policy::FieldId mobile = *gate->find_field("mobile");

    const std::vector<Question> one{{*gate->find_recipient("web"), "provide", mobile}};
    std::vector<Question> mixed;
    for (const policy::RecipientRule& recipient : gate->document().recipients) {
        for (const policy::PurposeRule& purpose : gate->document().purposes) {
            mixed.push_back({*gate->find_recipient(recipient.name), purpose.name, mobile});
        }
    }
    for (const int batch : {kBatch, 1}) {
        const std::string each = batch == 1 ? ", one by one" : ", samples of 100";
        Result result;
        result.name = "one cell, random people" + each;
        decide_batches(*gate, one, all, settings, batch, result);
        output(result);
        Result any;
        any.name = "every recipient and purpose, random people" + each;
        decide_batches(*gate, mixed, all, settings, batch, any);
        output(any);
    }
}

const Registration kRegistration{
    "policy_decide", "decide a read under the example policy, 4 million people, in process", run};

}  // namespace
}  // namespace oubliette::bench
