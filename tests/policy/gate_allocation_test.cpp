#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/policy/policy_fixture.hpp"

// Counts what this test program allocates; array forms end here, too. A program of its own, so that
// the sanitizers watch new and delete in the others.
namespace {
std::atomic<std::size_t> allocation_count{0};
}  // namespace

void* operator new(std::size_t size) {
    ++allocation_count;
    if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc{};
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
    ++allocation_count;
    return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept {
    std::free(memory);
}

namespace oubliette::policy {

TEST_CASE("deciding allocates nothing, whatever the answer", "[policy][gate]") {
    CountingIds ids;
    const auto gate = Gate::compile(parsed(example_policy()), ids);
    SubjectState subject;
    subject.seen_version = gate->version();
    subject.granted = gate->objection_slots();
    for (const SlotRule& slot : gate->document().slots) {
        if (slot.name != "improve") subject.granted.set(*gate->find_slot(slot.name));
    }
    subject.last_activity = kTestNow.seconds - 3 * 365 * 86'400;  // the calendar has to be asked
    subject.earliest_expiry = 1;
    std::size_t allowed = 0;
    std::size_t refused = 0;
    const std::size_t before = allocation_count;
    for (const RecipientRule& recipient : gate->document().recipients) {
        for (const PurposeRule& purpose : gate->document().purposes) {
            for (const FieldRule& field : gate->document().fields) {
                const FieldId id = *gate->find_field(field.name);
                const auto cell =
                    gate->resolve(*gate->find_recipient(recipient.name), purpose.name, kTestNow);
                const bool shown =
                    cell.has_value() &&
                    gate->field(*cell, id, gate->find_transform("last4")).has_value() &&
                    !gate->person(*cell, subject, kTestNow, [] { return SlotMask{}; }) &&
                    !gate->write(*cell, subject, kTestNow, [] { return SlotMask{}; }) &&
                    !gate->value(*cell, id, subject, kTestNow, kTestNow);
                ++(shown ? allowed : refused);
            }
        }
    }
    const std::size_t after = allocation_count;
    CHECK(after == before);
    CHECK(allowed > 20);
    CHECK(refused > 20);
    const auto control = std::make_unique<int>(1);
    CHECK(allocation_count > after);
}

}  // namespace oubliette::policy
