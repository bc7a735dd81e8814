#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "crypto/secret.hpp"
#include "vault/clock.hpp"
#include "vault/policy/gate.hpp"
#include "vault/store/store.hpp"

// How many different people's data went to each receiver abroad in a calendar year (UTC), against
// `people_per_year` of its cross-border rule (step 13 of MISSION 3.1): an alarm at 90 %, and no new
// person at 100 %. Durable, in the same transaction as the disclosure's entry. Thread-safe.
//
//   table counters: 1 | recipient:u16be | year:u16be | mark:16 -> 1      this person was counted
//                   2 | recipient:u16be | year:u16be -> count:u64
//   mark := BLAKE2b-128(key = K_aud(person), "export" | recipient:u16 | year:u16)
//
// A mark says nothing without the person's key, and nothing at all when that is destroyed; it
// stays, because who was counted stays counted.

namespace oubliette {

struct ExportCount {
    policy::RecipientId recipient{};
    std::uint16_t year = 0;
    std::uint64_t people = 0;
};

class ExportCounter {
public:
    ExportCounter();
    ~ExportCounter();

    // Throws Fault{corrupt}.
    void load(const store::ReadView& view);

    // One person on the way to one receiver. Holds a place until it is destroyed.
    class Passage {
    public:
        ~Passage();
        Passage(const Passage&) = delete;
        Passage& operator=(const Passage&) = delete;

        // Within the transaction of the disclosure's entry; may be repeated. True if with this
        // person the alarm is due.
        [[nodiscard]] bool write(store::WriteView& view);
        // After the commit.
        void committed() noexcept { is_committed_ = true; }

        [[nodiscard]] policy::RecipientId recipient() const noexcept;
        [[nodiscard]] std::uint16_t year() const noexcept { return key_.second; }

    private:
        friend class ExportCounter;
        using Key = std::pair<std::uint16_t, std::uint16_t>;  // recipient, year
        Passage(ExportCounter& counter, Key key, ByteArray<16> mark, std::uint32_t limit) noexcept
            : counter_(counter), key_(key), mark_(mark), limit_(limit) {}

        ExportCounter& counter_;
        Key key_;
        ByteArray<16> mark_;
        std::uint32_t limit_;
        bool is_new_ = false;
        bool is_committed_ = false;
    };

    // nullptr inside: this person was counted before. Refuses: export_limit.
    [[nodiscard]] Result<std::shared_ptr<Passage>> pass(const store::ReadView& view,
                                                        policy::RecipientId recipient,
                                                        const crypto::SubKey& audit_key,
                                                        std::uint32_t limit, Timestamp now);
    // As of the last commit.
    [[nodiscard]] std::vector<ExportCount> counts() const;

private:
    struct Standing {
        std::uint64_t people = 0;   // committed
        std::uint64_t passing = 0;  // Passages alive
    };
    mutable std::mutex mutex_;
    std::map<Passage::Key, Standing> standings_;
};

}  // namespace oubliette
