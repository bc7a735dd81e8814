#include "tests/vault/stuck_disk.hpp"

#include <thread>

#include "tests/vault/vault_fixture.hpp"

// The log cannot be written: nothing is disclosed and nobody hangs, and what erases goes on.

namespace oubliette::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kStore = "/data/store/";

// One disclosure, asked for on this thread and answered on another.
class Asked {
public:
    Asked(const TestVault& vault, const std::string& token) : token_(token) {
        request_.purpose = "own_account";
        request_.tokens.push_back(token_);
        try {
            vault->detokenize(
                vault.caller("web"), request_,
                [this](Result<DetokenizeAnswer> answer, const Fault* fault) {
                    if (++told_ > 1) std::abort();
                    promise_.set_value(fault != nullptr ? code_of(*fault) : shown_in(answer));
                });
        } catch (const Fault& fault) {
            promise_.set_value(code_of(fault));
        }
    }
    [[nodiscard]] std::string answer() {
        if (!answer_) {
            REQUIRE(future_.wait_for(seconds{30}) == std::future_status::ready);
            answer_ = future_.get();
        }
        return *answer_;
    }
    [[nodiscard]] bool is_answered() const {
        return answer_ || future_.wait_for(seconds{0}) == std::future_status::ready;
    }

private:
    static std::string code_of(const Fault& fault) {
        return fault.kind() == FaultKind::audit_unavailable ? "AUDIT_UNAVAILABLE" : fault.what();
    }
    static std::string shown_in(const Result<DetokenizeAnswer>& answer) {
        if (!answer) return std::string{wire_name(answer.error())};
        const auto* const shown = std::get_if<Disclosed>(&answer->items.front());
        return shown == nullptr ? "REFUSED" : std::string{text_of(shown->value.value.expose())};
    }

    std::string token_;
    DetokenizeRequest request_;
    std::atomic<int> told_{0};
    std::promise<std::string> promise_;
    std::future<std::string> future_ = promise_.get_future();
    std::optional<std::string> answer_;
};

// An erasure, asked for on this thread: gets its two answers on others, without Catch.
class Erasing {
public:
    Erasing(const TestVault& vault, const std::string& subject) : subject_(subject) {
        vault->erase(
            vault.caller("privacy_officer"), subject_, "no_longer_using",
            [this](const Result<ErasureAnswer>& answer, const Fault* fault) {
                const bool is_accepted = fault == nullptr && answer.has_value();
                if (!is_accepted) final_.set_value(false);
            },
            [this](const ErasureRow&) { final_.set_value(true); });
    }
    [[nodiscard]] bool is_answered() const {
        return future_.wait_for(seconds{0}) == std::future_status::ready;
    }
    [[nodiscard]] bool is_final() {
        REQUIRE(future_.wait_for(seconds{30}) == std::future_status::ready);
        return future_.get();
    }

private:
    std::string subject_;
    std::promise<bool> final_;
    std::future<bool> future_ = final_.get_future();
};

// One more consent in the store; why it could not be stored, if so.
std::optional<FaultKind> store_consent(const TestVault& vault, const std::string& subject) {
    ConsentInput consent;
    consent.slot = "policy";
    consent.granted = true;
    consent.policy_version = vault->gate()->version();
    consent.kind = policy::ConsentKind::separate;
    std::promise<std::optional<FaultKind>> promise;
    auto future = promise.get_future();
    vault->put_consent(
        vault.caller("web"), subject, consent,
        [&](const Result<ConsentRecord>&, const Fault* fault) {
            promise.set_value(fault == nullptr ? std::nullopt : std::optional{fault->kind()});
        });
    return future.get();
}

void use_product_limits(TestVault& vault) {
    vault.next_options().audit_wait = VaultOptions{}.audit_wait;
    vault.reopen();
}

std::size_t detokenize_entries(const TestVault& vault) {
    std::size_t count = 0;
    for (const audit::Entry& entry : vault->log_entries(0, 100'000)) {
        if (entry.action == audit::Action::detokenize) ++count;
    }
    return count;
}

// Puts the disk right again before the vault of the test is closed.
struct GoodAtEnd {
    ~GoodAtEnd() { set_disk({}, DiskState::good); }
};

}  // namespace

TEST_CASE("a disk that hangs refuses disclosures while it hangs, and they stay refused",
          "[audit]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    use_product_limits(vault);
    const std::size_t before = detokenize_entries(vault);
    const GoodAtEnd good_at_end;
    set_disk(kStore, DiskState::hangs);

    Asked first{vault, token};
    CHECK(first.answer() == "AUDIT_UNAVAILABLE");
    CHECK(hanging_calls() == 1);  // answered while the disk still hangs
    Asked second{vault, token};
    CHECK(second.is_answered());  // at once: nothing moves
    CHECK(second.answer() == "AUDIT_UNAVAILABLE");
    // What does not wait for the log goes on.
    CHECK(vault->ready());
    CHECK(vault->status().log_size > 0);
    CHECK_FALSE(vault->log_checkpoint().empty());
    CHECK(detokenize_entries(vault) == before);

    set_disk(kStore, DiskState::good);
    std::string shown = "AUDIT_UNAVAILABLE";
    for (int tries = 0; tries < 300 && shown == "AUDIT_UNAVAILABLE"; ++tries) {
        std::this_thread::sleep_for(milliseconds{20});
        shown = Asked{vault, token}.answer();
    }
    CHECK(shown == "ann");
    // The entry of the first became durable after its refusal: too much, never too little.
    CHECK(detokenize_entries(vault) == before + 2);
    CHECK(first.answer() == "AUDIT_UNAVAILABLE");
}

TEST_CASE("an erasure that meets a disk that hangs is final when it moves again", "[audit]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    use_product_limits(vault);
    const GoodAtEnd good_at_end;
    set_disk(kStore, DiskState::hangs);
    Asked disclosure{vault, token};
    Erasing erasing{vault, "c-1"};
    // The disclosure holds a ticket of the key plane; refused, it must not hold up the erasure.
    CHECK(disclosure.answer() == "AUDIT_UNAVAILABLE");
    CHECK_FALSE(erasing.is_answered());
    set_disk(kStore, DiskState::good);
    CHECK(erasing.is_final());
    CHECK(Asked{vault, token}.answer() == "REFUSED");
}

TEST_CASE("after a failed flush nothing is disclosed", "[audit]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    use_product_limits(vault);
    {
        const GoodAtEnd good_at_end;
        set_disk(kStore, DiskState::fails);
        CHECK(Asked{vault, token}.answer() == "AUDIT_UNAVAILABLE");
    }
    // Also when the disk is good again: a failed flush is never retried.
    CHECK(Asked{vault, token}.answer() == "AUDIT_UNAVAILABLE");
    CHECK_FALSE(vault->ready());
    vault.reopen();
    CHECK(Asked{vault, token}.answer() == "ann");
}

TEST_CASE("a full store refuses disclosures, and erasing goes on", "[audit]") {
    TestVault vault;
    vault.close();
    auto& store = vault.next_options().store;
    store.bytes_initial = store.bytes_max = 3ULL << 20;
    store.bytes_reserve = 1ULL << 20;
    vault.open();
    const std::string ann = vault.person("c-1", "ann");
    std::optional<FaultKind> fault;
    for (int i = 0; i < 20'000 && !fault; ++i) {
        fault = store_consent(vault, "f-" + std::to_string(i));
    }
    REQUIRE(fault == FaultKind::storage_full);
    std::string shown = "ann";
    for (int i = 0; i < 5'000 && shown == "ann"; ++i) shown = Asked{vault, ann}.answer();
    CHECK(shown == "AUDIT_UNAVAILABLE");
    CHECK(vault->ready());
    CHECK(Erasing(vault, "c-1").is_final());
}

}  // namespace oubliette::testing
