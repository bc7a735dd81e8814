#pragma once

#include "vault/exception_rows.hpp"
#include "vault/exception_table.hpp"
#include "vault/vault.hpp"

// Disclosure orders (MISSION 3.4): basis, authority, paper, people, fields and an end; so many
// people in different roles must approve. With its id a request passes step 11 of the gate for what
// the order covers, and nothing else becomes wider. Break-glass is an order whose rule allows one
// person and a day, and demands that the person is told: while that is overdue, the orders of the
// officer who opened it are blocked.
//
// Clocks: an order ends by vault time for whoever uses it. It is ended for good (its leaf dies)
// when the day floor has passed its end, so that a clock that jumps ahead and back ends nothing.
// Thread-safe; verbs answer as vault.hpp says.

namespace oubliette {

// A hash of zeros: not given.
struct OrderRequest {
    std::string_view basis;      // name of an order rule of the policy
    std::string_view authority;  // who demands it
    std::string_view country;    // of the authority, ISO 3166; "" = at home
    std::vector<std::string_view> subjects;
    std::vector<std::string_view> fields;
    std::optional<Timestamp> expires;  // nullopt: as late as the rule allows
    crypto::Hash paper{};
    crypto::Hash permit{};  // of the regulator
    bool is_public = false;
};

struct Order {
    ExceptionId id{};
    OrderRow row;
    bool has_expired = false;  // by vault time
};

class Orders {
public:
    explicit Orders(Core& core);

    // Refuses: value_invalid (no such basis, an end in the past, a text too long), not_found,
    // erased (a person), field_unknown, evidence_required (paper, or the regulator's permit for an
    // authority abroad), order_scope (more people, longer or wider than the rule), wrong_state (an
    // order of this officer waits for its notice).
    void open(const Caller& caller, const OrderRequest& request, Done<Order> done);
    // Refuses: not_found, same_approver, role_denied (not a role of the rule, or one of another
    // role is missing), wrong_state (closed, live already, a notice is overdue), order_expired.
    void approve(const Caller& caller, const ExceptionId& id, Done<Order> done);
    // Ends it; of one that has ended says so again. Refuses: not_found.
    void close(const Caller& caller, const ExceptionId& id, Done<Order> done);
    // Records that the person was told. Refuses: not_found, wrong_state (nobody must be told, or it
    // was recorded), evidence_required (zero `evidence`).
    void give_notice(const Caller& caller, const ExceptionId& id, const crypto::Hash& evidence,
                     Done<Order> done);

    // Refuses: not_found.
    [[nodiscard]] Result<Order> find(const ExceptionId& id) const;
    [[nodiscard]] std::vector<Order> list() const;
    // Orders whose notice is overdue.
    [[nodiscard]] std::size_t overdue_count() const;

    // Once in a while, by the house thread: ends for good what has expired.
    void end_expired(std::uint16_t day_floor);

private:
    Core& core_;
};

// Step 11 for one request. Belongs to its thread.
class OrderUse {
public:
    // `order` as the request has it; "" or nonsense: none.
    OrderUse(const Core& core, std::string_view order);

    // Whether the order opens this field of this person. Refuses: order_required,
    // order_needs_approval, order_scope, order_expired, wrong_state (blocked: a notice of the
    // officer who opened it is overdue).
    [[nodiscard]] std::optional<Refusal> permit(const store::ReadView& view,
                                                keys::SubjectNumber number, policy::FieldId field,
                                                Timestamp now);
    [[nodiscard]] const std::optional<ExceptionId>& id() const noexcept { return id_; }

private:
    void load(const store::ReadView& view, Timestamp now);
    [[nodiscard]] std::optional<Refusal> check_scope(const store::ReadView& view,
                                                     keys::SubjectNumber number,
                                                     policy::FieldId field) const;

    const Core& core_;
    std::optional<ExceptionId> id_;
    bool is_loaded_ = false;
    bool is_blocked_ = false;
    std::optional<Order> order_;
};

}  // namespace oubliette
