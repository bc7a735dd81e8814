#include "vault/orders.hpp"

#include <algorithm>
#include <set>

#include "vault/core.hpp"
#include "vault/people/links.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

constexpr std::size_t kSubjectsMax = 10'000;  // of one order: they are one transaction
constexpr RoleMask kRolesOtherwise =
    static_cast<RoleMask>(Role::privacy_officer) | static_cast<RoleMask>(Role::legal);
constexpr std::string_view kTellWithin = "within:";

// What the committing work found; handed on after the commit.
struct OrderWork {
    std::optional<Refusal> refusal;
    Order order;
    Core::Revoking revoking;
};

void note(Writing& writing, std::uint16_t actor, audit::Action action, const OrderWork& work) {
    PendingEntry pending;
    pending.entry.action = action;
    pending.entry.refusal = work.refusal;
    pending.entry.time = writing.now;
    pending.entry.actor = actor;
    pending.entry.policy_version = writing.gate->version();
    pending.entry.object = work.order.id;
    writing.audit(pending);
}

RoleMask roles_of(const policy::OrderRule& rule) {
    RoleMask mask = 0;
    for (const std::string& name : rule.roles) {
        if (const auto role = find_role(name)) mask |= static_cast<RoleMask>(*role);
    }
    return mask != 0 ? mask : kRolesOtherwise;
}

const policy::OrderRule* find_rule(const policy::Document& document, std::string_view basis) {
    const auto found = std::ranges::find(document.orders, basis, &policy::OrderRule::name);
    return found == document.orders.end() ? nullptr : &*found;
}

// True if the authority sits where the policy's home region does.
bool is_at_home(const policy::Document& document, std::string_view country) {
    const policy::RegionRule* const home = document.find_region(document.head.home_region);
    return country.empty() || (home != nullptr && std::ranges::find(home->countries, country) !=
                                                      home->countries.end());
}

Order order_of(const StoredException& stored, bool is_alive, Timestamp now) {
    auto row = decode_order_row(stored.plaintext);
    if (!row) throw Fault{FaultKind::corrupt, "the row of an order is damaged"};
    Order order{stored.id, std::move(*row), false};
    if (!is_alive) order.row.state = OrderState::closed;
    order.has_expired = now >= order.row.expires;
    return order;
}

// ---- Opening -------------------------------------------------------------------------------

bool is_zero(const crypto::Hash& hash) noexcept {
    return hash == crypto::Hash{};
}

// What the rule says of the request, before any person is looked at.
std::optional<Refusal> check_request(const Writing& writing, const policy::OrderRule& rule,
                                     const OrderRequest& request) {
    const bool is_text_valid =
        !request.authority.empty() && request.authority.size() <= kExceptionTextSizeMax;
    const bool is_end_valid = !request.expires || *request.expires > writing.now;
    const bool names_nobody = request.subjects.empty() || request.fields.empty();
    if (!is_text_valid || !is_end_valid || names_nobody) return Refusal::value_invalid;
    const bool needs_permit = rule.permit || !is_at_home(writing.gate->document(), request.country);
    if (needs_permit && is_zero(request.permit)) return Refusal::evidence_required;
    if (rule.paper && is_zero(request.paper)) return Refusal::evidence_required;
    const std::size_t subjects_max = rule.subjects_max.value_or(kSubjectsMax);
    const bool is_too_long =
        request.expires && *request.expires > policy::plus(writing.now, rule.max);
    if (request.subjects.size() > std::min(subjects_max, kSubjectsMax) || is_too_long) {
        return Refusal::order_scope;
    }
    return std::nullopt;
}

Result<std::vector<std::uint16_t>> fields_of(const policy::Gate& gate,
                                             const std::vector<std::string_view>& names) {
    std::vector<std::uint16_t> fields;
    for (const std::string_view name : names) {
        const auto field = gate.find_field(name);
        if (!field) return Refusal::field_unknown;
        fields.push_back(static_cast<std::uint16_t>(*field));
    }
    return fields;
}

Result<std::set<keys::SubjectNumber>> people_of(const Writing& writing,
                                                const std::vector<std::string_view>& subjects) {
    std::set<keys::SubjectNumber> numbers;
    for (const std::string_view subject : subjects) {
        const auto number = writing.find_number(subject);
        if (!number) return number.error();
        numbers.insert(*number);
    }
    return numbers;
}

bool is_overdue(const OrderRow& row, Timestamp now) noexcept {
    return row.owes_notice() && now >= row.notice_due;
}

// True if somebody was not told in time of an order that this officer opened.
bool is_blocked(const Core& core, const store::ReadView& view, std::uint16_t officer,
                Timestamp now) {
    bool is_found = false;
    core.exceptions->visit(view, ExceptionKind::order, now, [&](StoredException&& stored) {
        const OrderRow row = order_of(stored, true, now).row;
        is_found = is_found || (row.opener == officer && is_overdue(row, now));
    });
    return is_found;
}

// Pending until nothing is owed any more; due when the first of its moments comes.
void store_order(Writing& writing, StoredException& stored, const OrderRow& row) {
    stored.plaintext = encode(row);
    stored.is_pending = row.state != OrderState::closed || row.owes_notice();
    stored.due = row.state == OrderState::closed ? row.notice_due : row.expires;
    if (row.owes_notice()) stored.due = std::min(stored.due, row.notice_due);
    writing.core.exceptions->put(writing.view, stored);
}

OrderRow new_order(const Writing& writing, const Caller& caller, const policy::OrderRule& rule,
                   const OrderRequest& request) {
    OrderRow row;
    row.is_public = request.is_public;
    row.opener = caller.client;
    row.opened = writing.now;
    row.expires = request.expires.value_or(policy::plus(writing.now, rule.max));
    row.paper = request.paper;
    row.permit = request.permit;
    // What is published cannot be taken back: one more looks at it.
    const unsigned needed = rule.approvals + (request.is_public ? 1U : 0U);
    row.approvals = Approvals{needed, roles_of(rule), row.expires};
    row.basis = rule.name;
    row.clause = rule.clause.substr(0, kExceptionTextSizeMax);
    row.authority = request.authority;
    row.mark = rule.fields_marked.substr(0, kExceptionTextSizeMax);
    row.tell = rule.tell_subject.substr(0, kExceptionTextSizeMax);
    return row;
}

std::optional<Refusal> open_in(Writing& writing, const Caller& caller, const OrderRequest& request,
                               OrderWork& work) {
    const policy::OrderRule* const rule = find_rule(writing.gate->document(), request.basis);
    if (rule == nullptr) return Refusal::value_invalid;
    if (const auto refusal = check_request(writing, *rule, request)) return refusal;
    if (is_blocked(writing.core, writing.view, caller.client, writing.now)) {
        return Refusal::wrong_state;
    }
    auto fields = fields_of(*writing.gate, request.fields);
    if (!fields) return fields.error();
    const auto people = people_of(writing, request.subjects);
    if (!people) return people.error();

    StoredException stored = writing.core.exceptions->begin(ExceptionKind::order);
    OrderRow row = new_order(writing, caller, *rule, request);
    row.fields = std::move(*fields);
    row.subjects = static_cast<std::uint32_t>(people->size());
    const people::Links links{*writing.core.plane, writing.core.tenant};
    for (const keys::SubjectNumber number : *people) {
        links.add(writing.view, number, people::RowKind::order_link, stored.id);
    }
    store_order(writing, stored, row);
    work.order = {stored.id, std::move(row), false};
    return std::nullopt;
}

// ---- Acts on one that is there ---------------------------------------------------------------

struct Loaded {
    StoredException stored;
    Order order;
};

std::optional<Loaded> load(const Writing& writing, const ExceptionId& id) {
    auto stored = writing.core.exceptions->find(writing.view, ExceptionKind::order, id);
    if (!stored) return std::nullopt;
    const bool is_alive = writing.core.exceptions->is_alive(stored->number);
    Order order = order_of(*stored, is_alive, writing.now);
    return Loaded{std::move(*stored), std::move(order)};
}

std::optional<Refusal> approve_in(Writing& writing, const Caller& caller, const ExceptionId& id,
                                  OrderWork& work) {
    auto found = load(writing, id);
    if (!found) return Refusal::not_found;
    OrderRow& row = found->order.row;
    if (row.state == OrderState::closed) return Refusal::wrong_state;
    if (found->order.has_expired) return Refusal::order_expired;
    if (is_blocked(writing.core, writing.view, caller.client, writing.now)) {
        return Refusal::wrong_state;
    }
    if (const auto refusal = row.approvals.add(caller, writing.now)) return refusal;
    if (row.approvals.are_enough()) {
        row.state = OrderState::live;
        const std::string_view tell = row.tell;
        const auto within = tell.starts_with(kTellWithin)
                                ? policy::parse_duration(tell.substr(kTellWithin.size()))
                                : std::nullopt;
        if (within) row.notice_due = policy::plus(writing.now, *within);
    }
    store_order(writing, found->stored, row);
    work.order = std::move(found->order);
    return std::nullopt;
}

// The leaf dies: no older copy of the data opens this order again.
void end_order(Writing& writing, Loaded& found, OrderWork& work) {
    OrderRow& row = found.order.row;
    row.state = OrderState::closed;
    row.closed = writing.now;
    keys::Revocation& revocation = work.revoking.row.revocation;
    crypto::random_bytes(revocation.id);
    crypto::random_bytes(revocation.blind);
    revocation.scope = keys::RevocationScope::exception;
    revocation.addresses = {writing.core.exceptions->path_of(found.stored.number)};
    work.revoking.row.due = writing.now;
    writing.enqueue(work.revoking.row);
    store_order(writing, found.stored, row);
}

std::optional<Refusal> close_in(Writing& writing, const ExceptionId& id, OrderWork& work) {
    auto found = load(writing, id);
    if (!found) return Refusal::not_found;
    if (found->order.row.state != OrderState::closed) end_order(writing, *found, work);
    work.order = std::move(found->order);
    return std::nullopt;
}

// As close_in(), but the row is written also when an older copy of the data has an order whose leaf
// is dead already.
std::optional<Refusal> expire_in(Writing& writing, const ExceptionId& id, OrderWork& work) {
    auto found = load(writing, id);
    if (!found) return Refusal::not_found;
    end_order(writing, *found, work);
    work.order = std::move(found->order);
    return std::nullopt;
}

std::optional<Refusal> give_notice_in(Writing& writing, const ExceptionId& id,
                                      const crypto::Hash& evidence, OrderWork& work) {
    auto found = load(writing, id);
    if (!found) return Refusal::not_found;
    OrderRow& row = found->order.row;
    if (!row.owes_notice()) return Refusal::wrong_state;
    if (is_zero(evidence)) return Refusal::evidence_required;
    row.notice_given = writing.now;
    row.notice_evidence = evidence;
    store_order(writing, found->stored, row);
    work.order = std::move(found->order);
    return std::nullopt;
}

// Commits what `act` does, with its entry; answers when a keeper knows what must die.
void commit(Core& core, const Caller& caller, audit::Action action, const ExceptionId& id,
            std::function<std::optional<Refusal>(Writing&, OrderWork&)> act, Done<Order> done) {
    const auto work = std::make_shared<OrderWork>();
    core.submit(
        [=, act = std::move(act)](Writing& writing) {
            *work = {};
            work->order.id = id;
            work->refusal = act(writing, *work);
            note(writing, caller.client, action, *work);
        },
        [&core, work, done = std::move(done)](const Fault* fault) {
            if (fault != nullptr) return done(Refusal::wrong_state, fault);
            if (work->refusal) return done(*work->refusal, nullptr);
            if (work->revoking.row.revocation.addresses.empty()) return done(work->order, nullptr);
            core.revoke(std::move(work->revoking),
                        [work, done](const Fault* failed) { done(work->order, failed); });
        });
}

}  // namespace

Orders::Orders(Core& core) : core_(core) {}

void Orders::open(const Caller& caller, const OrderRequest& request, Done<Order> done) {
    commit(
        core_, caller, audit::Action::order_open, {},
        [caller, request](Writing& writing, OrderWork& work) {
            return open_in(writing, caller, request, work);
        },
        std::move(done));
}

void Orders::approve(const Caller& caller, const ExceptionId& id, Done<Order> done) {
    commit(
        core_, caller, audit::Action::order_approve, id,
        [caller, id](Writing& writing, OrderWork& work) {
            return approve_in(writing, caller, id, work);
        },
        std::move(done));
}

void Orders::close(const Caller& caller, const ExceptionId& id, Done<Order> done) {
    commit(
        core_, caller, audit::Action::order_close, id,
        [id](Writing& writing, OrderWork& work) { return close_in(writing, id, work); },
        std::move(done));
}

void Orders::give_notice(const Caller& caller, const ExceptionId& id, const crypto::Hash& evidence,
                         Done<Order> done) {
    commit(
        core_, caller, audit::Action::order_notice, id,
        [id, evidence](Writing& writing, OrderWork& work) {
            return give_notice_in(writing, id, evidence, work);
        },
        std::move(done));
}

Result<Order> Orders::find(const ExceptionId& id) const {
    const auto stored = core_.exceptions->find(*core_.store->read(), ExceptionKind::order, id);
    if (!stored) return Refusal::not_found;
    return order_of(*stored, core_.exceptions->is_alive(stored->number), core_.now());
}

std::vector<Order> Orders::list() const {
    std::vector<Order> orders;
    const auto view = core_.store->read();
    core_.exceptions->visit(
        *view, ExceptionKind::order, std::nullopt, [&](StoredException&& stored) {
            orders.push_back(
                order_of(stored, core_.exceptions->is_alive(stored.number), core_.now()));
        });
    return orders;
}

std::size_t Orders::overdue_count() const {
    std::size_t count = 0;
    const Timestamp now = core_.now();
    const auto view = core_.store->read();
    core_.exceptions->visit(*view, ExceptionKind::order, now, [&](StoredException&& stored) {
        if (is_overdue(order_of(stored, true, now).row, now)) ++count;
    });
    return count;
}

void Orders::end_expired(std::uint16_t day_floor) {
    std::vector<ExceptionId> expired;
    const Timestamp now = core_.now();
    const auto view = core_.store->read();
    core_.exceptions->visit(*view, ExceptionKind::order, now, [&](StoredException&& stored) {
        const OrderRow row = order_of(stored, true, now).row;
        const bool is_over = row.state != OrderState::closed && row.expires.day() < day_floor;
        if (is_over) expired.push_back(stored.id);
    });
    for (const ExceptionId& id : expired) {
        commit(
            core_, {}, audit::Action::order_close, id,
            [id](Writing& writing, OrderWork& work) { return expire_in(writing, id, work); },
            [](const auto&, const Fault*) {});
    }
}

// ---- Step 11 -------------------------------------------------------------------------------

OrderUse::OrderUse(const Core& core, std::string_view order)
    : core_(core), id_(parse_exception_id(ExceptionKind::order, order)) {}

void OrderUse::load(const store::ReadView& view, Timestamp now) {
    if (is_loaded_ || !id_) return;
    is_loaded_ = true;
    const auto stored = core_.exceptions->find(view, ExceptionKind::order, *id_);
    if (!stored) return;
    order_ = order_of(*stored, core_.exceptions->is_alive(stored->number), now);
    is_blocked_ = is_blocked(core_, view, order_->row.opener, now);
}

std::optional<Refusal> OrderUse::check_scope(const store::ReadView& view,
                                             keys::SubjectNumber number,
                                             policy::FieldId field) const {
    const auto name = static_cast<std::uint16_t>(field);
    const people::Links links{*core_.plane, core_.tenant};
    const auto& fields = order_->row.fields;
    const bool is_within = std::ranges::find(fields, name) != fields.end() &&
                           links.has(view, number, people::RowKind::order_link, order_->id);
    if (!is_within) return Refusal::order_scope;
    if (order_->row.mark.empty()) return std::nullopt;
    // Only values that the world knows already (MISSION 3.4(5)(6)).
    const auto row = view.last(
        Tables::kPeople, people::field_prefix(core_.tenant, number, people::RowKind::value, name));
    if (!row || !links.public_source(view, number, row->key)) return Refusal::order_scope;
    return std::nullopt;
}

std::optional<Refusal> OrderUse::permit(const store::ReadView& view, keys::SubjectNumber number,
                                        policy::FieldId field, Timestamp now) {
    load(view, now);
    if (!order_) return Refusal::order_required;
    if (order_->row.state == OrderState::waiting && !order_->has_expired) {
        return Refusal::order_needs_approval;
    }
    if (const auto refusal = check_scope(view, number, field)) return refusal;
    if (order_->row.state != OrderState::live || order_->has_expired) return Refusal::order_expired;
    if (is_blocked_) return Refusal::wrong_state;
    return std::nullopt;
}

}  // namespace oubliette
