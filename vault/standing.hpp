#pragma once

#include <array>
#include <atomic>
#include <vector>

#include "vault/vault.hpp"

// What stands against recipients and purposes between two versions of the policy, and acts on the
// next request: a recipient that is suspended (step 4 of MISSION 3.1), and a purpose whose impact
// assessment says high risk and is not approved (step 6). Thread-safe.
//
// Whether something is suspended or blocked is a register of the keepers, odd = yes: no older copy
// of the data lifts it. What an assessment says besides is a row:
//
//   table counters: 3 | purpose:u16be -> risk:u8 (1 low, 2 high) | approval count:u8 | 0^2 |
//                   recorded:u32 | client:u16 | 2 x (client:u16 | role mask:u16) | 0^2 |
//                   SHA-256 of the paper:32                                             (52 B)

namespace oubliette {

enum class Risk : std::uint8_t { low = 1, high = 2 };

struct Assessment {
    std::string purpose;
    Risk risk = Risk::low;
    bool is_blocked = false;
    unsigned approvals = 0;  // of the two that high risk needs
    Timestamp recorded;
    crypto::Hash paper{};
};

struct RecipientStanding {
    std::string name;
    policy::RecipientKind kind{};
    bool is_suspended = false;  // by an operator or by the policy itself
    std::optional<Timestamp> agreement_ends;
};

struct ExportReport {
    std::string recipient;
    std::uint16_t year = 0;
    std::uint64_t people = 0;
    std::optional<std::uint32_t> people_max;
    bool is_alarm = false;  // 90 % or more
};

class Standing {
public:
    explicit Standing(Core& core) noexcept : core_(core) {}

    // Reads the registers of all recipients and purposes that any version ever named.
    void load(const store::ReadView& view);

    [[nodiscard]] bool is_suspended(policy::RecipientId recipient) const noexcept {
        return suspended_.has(static_cast<std::uint16_t>(recipient));
    }
    [[nodiscard]] bool is_blocked(policy::PurposeId purpose) const noexcept {
        return blocked_.has(static_cast<std::uint16_t>(purpose));
    }

    // ---- Verbs of policy admins. `done` gets the new state; a repeated request changes nothing.
    // Refuses: recipient_unknown. Throws Fault{storage} when no keeper can be written.
    void suspend(const Caller& caller, std::string_view recipient, Done<bool> done);
    void resume(const Caller& caller, std::string_view recipient, Done<bool> done);
    [[nodiscard]] std::vector<RecipientStanding> recipients() const;

    // ---- Impact assessments (7.4(6)). A new one replaces the purpose's last. High risk blocks the
    // purpose until two people approve: different clients in different roles, of privacy_officer
    // and legal, and neither is who recorded it.
    // Refuses: purpose_unknown.
    void record(const Caller& caller, std::string_view purpose, Risk risk,
                const crypto::Hash& paper, Done<Assessment> done);
    // Refuses: purpose_unknown, not_found (none was recorded), wrong_state (nothing to approve),
    // same_approver.
    void approve(const Caller& caller, std::string_view purpose, Done<Assessment> done);
    [[nodiscard]] std::vector<Assessment> assessments() const;

    // People whose data went abroad, by receiver and year.
    [[nodiscard]] std::vector<ExportReport> exports() const;

private:
    // Bits for all numbers of a kind, read without a lock.
    class Marks {
    public:
        [[nodiscard]] bool has(std::uint16_t number) const noexcept {
            return (words_[number / 64U].load(std::memory_order_acquire) >> (number % 64U) & 1U) !=
                   0;
        }
        void set(std::uint16_t number, bool is_set) noexcept;

    private:
        std::array<std::atomic<std::uint64_t>, 1'024> words_{};
    };
    void change(const Caller& caller, std::string_view recipient, bool to_suspend, Done<bool> done);
    void raise(keys::RegisterKind kind, std::uint16_t number, bool is_set, Marks& marks);

    Core& core_;
    Marks suspended_;
    Marks blocked_;
};

}  // namespace oubliette
