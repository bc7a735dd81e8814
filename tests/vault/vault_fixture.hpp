#pragma once

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/store/store_fixture.hpp"
#include "vault/audit/audit_log.hpp"
#include "vault/policy/example.hpp"
#include "vault/vault.hpp"

// A real vault with two keepers in a directory of its own, and its verbs as plain calls.

namespace oubliette::testing {

// Time that stands still until it is turned. Thread-safe.
class ManualClock final : public Clock {
public:
    static constexpr std::uint32_t kStart = 189'388'800;  // 2026-01-01T00:00:00Z
    [[nodiscard]] Timestamp now() const noexcept override { return {seconds_.load()}; }
    [[nodiscard]] std::chrono::seconds uptime() const noexcept override {
        return std::chrono::seconds{uptime_.load()};
    }
    void advance(std::uint32_t seconds) noexcept { seconds_ += seconds; }
    // As somebody who sets the clock wrongly.
    void set(Timestamp now) noexcept { seconds_ = now.seconds; }
    // The machine is awake for so long; the clock stands still.
    void stay_awake(std::uint32_t seconds) noexcept { uptime_ += seconds; }

private:
    std::atomic<std::uint32_t> seconds_{kStart};
    std::atomic<std::uint32_t> uptime_{0};
};

inline constexpr std::uint32_t kHour = 3'600;
inline constexpr std::uint32_t kDay = 86'400;

// Runs `call` with a Done and waits for it. A Fault is thrown, as a session would answer 503.
template <class T, class Call>
Result<T> wait_for(Call call) {
    std::promise<Result<T>> promise;
    auto future = promise.get_future();
    call(Done<T>{[&promise](Result<T> result, const Fault* fault) {
        if (fault != nullptr) {
            promise.set_exception(std::make_exception_ptr(Fault{*fault}));
        } else {
            promise.set_value(std::move(result));
        }
    }});
    return future.get();
}

// What a token or a read gave: the value, or the wire name of the refusal.
using Shown = std::string;

class TestVault {
public:
    explicit TestVault(std::string_view policy = policy::example_policy());

    // ---- Life.
    void open();
    void close() { vault_.reset(); }
    void reopen() {
        close();
        open();
    }
    [[nodiscard]] Vault& operator*() const { return *vault_; }
    [[nodiscard]] Vault* operator->() const { return vault_.get(); }
    [[nodiscard]] std::filesystem::path home() const { return home_.path(); }
    [[nodiscard]] const VaultOptions& options() const { return options_; }
    // Count from the next open() on.
    [[nodiscard]] VaultOptions& next_options() { return options_; }
    // A copy of the data directory; of a closed vault, or of one that is at rest.
    void save_data(const std::string& name) const;
    // Puts that copy in place of the data. The vault must be closed.
    void restore_data(const std::string& name) const;

    // ---- Callers: "web", "support_desk", ... by recipient, or "privacy_officer", "policy_admin".
    [[nodiscard]] Caller caller(const std::string& name) const;
    [[nodiscard]] std::optional<Caller> authenticate(const std::string& name) const;
    [[nodiscard]] std::uint16_t client_number(const std::string& name) const {
        return keys_.at(name).client;
    }

    // ---- Verbs. Those that return text give "" for success or the code of the refusal.
    std::string consent(const std::string& subject, const std::string& slot, bool granted = true,
                        policy::ConsentKind kind = policy::ConsentKind::separate,
                        const std::string& by = "web");
    // First error of the put, "" if all was stored; `tokens` gets the tokens in order.
    std::string put(const std::string& subject,
                    const std::vector<std::pair<std::string, std::string>>& fields,
                    std::vector<std::string>* tokens = nullptr, const std::string& by = "web",
                    const std::string& purpose = "own_account");
    // A person with consent `policy` and one field; returns the field's token.
    std::string person(const std::string& subject, const std::string& value,
                       const std::string& field = "username");
    // Token or code.
    std::string tokenize(const std::string& subject, const std::string& field,
                         std::optional<std::string> value, TokenOptions token = {},
                         const std::string& by = "web", const std::string& purpose = "own_account",
                         policy::ValueKind kind = policy::ValueKind::text);
    Shown detokenize(const std::string& token, const std::string& by = "web",
                     const std::string& purpose = "own_account", const std::string& want = {});
    // Values joined by '|', or the code.
    Shown read(const std::string& subject, const std::string& field, const std::string& by = "web",
               const std::string& purpose = "own_account");
    std::string search(const std::string& field, const std::string& value,
                       const std::string& by = "web", const std::string& purpose = "own_account");
    std::string match(const std::string& token, const std::string& candidate,
                      const std::string& by = "web", const std::string& purpose = "activate");
    // Waits for finality. `row` gets the final row, `opening` the r of the receipt.
    std::string erase(const std::string& subject, const std::string& by = "privacy_officer",
                      ErasureRow* row = nullptr, ByteArray<32>* opening = nullptr);
    std::string delete_field(const std::string& subject, const std::string& field,
                             const std::string& by = "web",
                             const std::string& purpose = "own_account", ErasureRow* row = nullptr);
    std::string revoke(const std::string& name);
    // The next version, or the codes of the findings joined by ' '.
    std::string publish(const std::string& json);
    // The store of the closed vault.
    [[nodiscard]] std::unique_ptr<store::Store> open_store(
        const store::StoreOptions& options) const;
    // All entries of the closed vault's audit log.
    [[nodiscard]] std::vector<audit::Entry> audit_log() const;

    ManualClock clock;

private:
    store::TemporaryDirectory home_;
    VaultOptions options_;
    std::map<std::string, ApiKey> keys_;
    std::unique_ptr<Vault> vault_;
};

[[nodiscard]] keys::SealSecret test_seal();
// The example policy with `from` replaced by `to`; fails the test if `from` is not in it.
[[nodiscard]] std::string edited_policy(
    const std::vector<std::pair<std::string, std::string>>& edits);
[[nodiscard]] std::string text(const TokenText& token);

}  // namespace oubliette::testing
