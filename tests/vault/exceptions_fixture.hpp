#pragma once

#include "tests/vault/vault_fixture.hpp"
#include "vault/holds.hpp"
#include "vault/orders.hpp"

// Orders and holds as plain calls, over TestVault.

namespace oubliette::testing {

// One order or hold, or the code of the refusal.
template <class Thing>
struct Outcome {
    std::string code;
    Thing thing{};
};

// A vault with officers who can approve: privacy_officer, legal, duty_manager, and an application
// of the recipient that reads under orders.
class ExceptionVault : public TestVault {
public:
    explicit ExceptionVault(std::string_view policy = policy::example_policy());

    [[nodiscard]] Caller officer(const std::string& name) const;

    Outcome<Order> open_order(OrderRequest request, const std::string& by = "privacy_officer");
    Outcome<Order> approve_order(const ExceptionId& id, const std::string& by);
    Outcome<Order> close_order(const ExceptionId& id, const std::string& by = "legal");
    Outcome<Order> give_notice(const ExceptionId& id, const std::string& by = "privacy_officer");
    // An order that two have approved.
    ExceptionId live_order(const OrderRequest& request);
    // What the office reads for purpose `disclosure` under `order`.
    Shown read_under(const ExceptionId& order, const std::string& subject,
                     const std::string& field);
    Shown read_for(const std::string& purpose, const std::string& order, const std::string& subject,
                   const std::string& field, const std::string& by = "office");

    Outcome<Hold> place_hold(HoldRequest request, const std::string& by = "privacy_officer");
    Outcome<Hold> approve_hold(const ExceptionId& id, const std::string& by);
    Outcome<Hold> release_hold(const ExceptionId& id, const std::string& by);

    // Turns clock and uptime until the day floor is `days` further, and lets holds and orders end.
    void let_days_pass(unsigned days);
    [[nodiscard]] std::uint16_t day_floor();

    // The erasure's answer: "" for one that is final but for what is held.
    std::string erase_around(const std::string& subject, ErasureRow* row,
                             ByteArray<32>* opening = nullptr, bool* first = nullptr);
    // Waits until what was held is destroyed and the receipt is there.
    ErasureRow wait_for_rest(const ErasureRow& row);
    // The person's orders as JSON, put by the shop.
    void put_order_info(const std::string& subject);

private:
    std::map<std::string, ApiKey> officers_;
};

[[nodiscard]] crypto::Hash some_hash();

}  // namespace oubliette::testing
