#include "vault/holds.hpp"

#include <algorithm>
#include <limits>

#include "vault/held_values.hpp"
#include "vault/people/links.hpp"

namespace oubliette {
namespace {

constexpr RoleMask kRoles =
    static_cast<RoleMask>(Role::privacy_officer) | static_cast<RoleMask>(Role::legal);
constexpr Timestamp kNever{std::numeric_limits<std::uint32_t>::max()};

// What the committing work found; handed on after the commit.
struct HoldWork {
    std::optional<Refusal> refusal;
    std::optional<keys::SubjectNumber> subject;
    Hold hold;
    std::vector<Core::Revoking> revoking;
};

void note(Writing& writing, std::uint16_t actor, audit::Action action, const HoldWork& work) {
    PendingEntry pending;
    pending.subject = work.subject;
    pending.entry.action = action;
    pending.entry.refusal = work.refusal;
    pending.entry.time = writing.now;
    pending.entry.actor = actor;
    pending.entry.policy_version = writing.gate->version();
    pending.entry.object = work.hold.id;
    writing.audit(pending);
}

HoldRow row_of(const StoredException& stored) {
    auto row = decode_hold_row(stored.plaintext);
    if (!row) throw Fault{FaultKind::corrupt, "the row of a hold is damaged"};
    return std::move(*row);
}

Hold hold_of(const Core& core, const store::ReadView& view, const StoredException& stored) {
    Hold hold{stored.id, row_of(stored), {}};
    if (hold.row.has_ended()) return hold;
    hold.subject = core.people->external_id(view, *hold.row.subject).value_or("");
    if (core.exceptions->is_alive(stored.number)) return hold;
    hold.row.state = HoldState::released;  // an older copy of the data does not know it
    hold.row.subject.reset();
    return hold;
}

void store_hold(Writing& writing, StoredException& stored, const HoldRow& row) {
    stored.plaintext = encode(row);
    stored.is_pending = !row.has_ended();
    stored.due = row.review;
    writing.core.exceptions->put(writing.view, stored);
}

// ---- Placing -------------------------------------------------------------------------------

const policy::HoldRule* find_rule(const policy::Document& document, std::string_view ground) {
    const auto found = std::ranges::find(document.holds, ground, &policy::HoldRule::name);
    return found == document.holds.end() ? nullptr : &*found;
}

// What the rule says of the request, before the person is looked at.
std::optional<Refusal> check_request(const Writing& writing, const policy::HoldRule& rule,
                                     const HoldRequest& request) {
    const bool names_nothing = request.categories.empty() && request.fields.empty();
    const bool has_end = request.review && *request.review > writing.now;
    if (names_nothing || !has_end || request.law.size() > kExceptionTextSizeMax) {
        return Refusal::value_invalid;
    }
    if (*request.review > policy::plus(writing.now, rule.review)) return Refusal::hold_too_wide;
    const bool lacks_evidence = rule.evidence && request.evidence == crypto::Hash{};
    const bool lacks_law = rule.approvals == 1 && request.law.empty();
    if (lacks_evidence || lacks_law) return Refusal::evidence_required;
    return std::nullopt;
}

Result<std::vector<std::uint16_t>> categories_of(const policy::Gate& gate,
                                                 const policy::HoldRule& rule,
                                                 const std::vector<std::string_view>& names) {
    std::vector<std::uint16_t> categories;
    const auto& fields = gate.document().fields;
    for (const std::string_view name : names) {
        const auto found = std::ranges::find(fields, name, &policy::FieldRule::category);
        if (found == fields.end()) return Refusal::value_invalid;
        if (!rule.fields.empty()) return Refusal::hold_too_wide;
        categories.push_back(
            static_cast<std::uint16_t>(gate.retention_class(*gate.find_field(found->name))));
    }
    return categories;
}

// Where the rule lists fields, only those may be held, and never a direct identifier.
Result<std::vector<std::uint16_t>> fields_of(const policy::Gate& gate, const policy::HoldRule& rule,
                                             const std::vector<std::string_view>& names) {
    std::vector<std::uint16_t> fields;
    for (const std::string_view name : names) {
        const auto field = gate.find_field(name);
        if (!field) return Refusal::field_unknown;
        const bool is_listed = std::ranges::find(rule.fields, name) != rule.fields.end();
        const bool is_direct = gate.field_rule(*field)->identifier == policy::Identifier::direct;
        if (!rule.fields.empty() && (!is_listed || is_direct)) return Refusal::hold_too_wide;
        fields.push_back(static_cast<std::uint16_t>(*field));
    }
    return fields;
}

// The hold that `row` goes on from. Its number of extensions rises by one.
std::optional<Refusal> extend(const Writing& writing, const ExceptionId& before, HoldRow& row,
                              std::optional<HoldRow>& predecessor) {
    const auto stored = writing.core.exceptions->find(writing.view, ExceptionKind::hold, before);
    if (!stored) return Refusal::not_found;
    predecessor = row_of(*stored);
    if (predecessor->state == HoldState::waiting) return Refusal::needs_second;
    const bool is_same = predecessor->subject == row.subject && predecessor->ground == row.ground;
    const bool is_live =
        predecessor->state == HoldState::live && writing.core.exceptions->is_alive(stored->number);
    if (!is_same || !is_live || predecessor->extension == 0xFF) return Refusal::wrong_state;
    row.extends = before;
    row.extension = static_cast<std::uint8_t>(predecessor->extension + 1);
    return std::nullopt;
}

// A second extension needs people who did not approve the one before (MISSION 5.5(6)).
bool is_worn_out(const Writing& writing, const HoldRow& row, std::uint16_t client) {
    if (row.extension < 2) return false;
    const auto before =
        writing.core.exceptions->find(writing.view, ExceptionKind::hold, row.extends);
    return before && row_of(*before).approvals.has(client);
}

std::optional<Refusal> add_approval(Writing& writing, const Caller& caller, HoldRow& row) {
    if (is_worn_out(writing, row, caller.client)) return Refusal::same_approver;
    if (const auto refusal = row.approvals.add(caller, writing.now)) return refusal;
    if (!row.approvals.are_enough()) return std::nullopt;
    row.state = HoldState::live;
    take_into_hold(writing, *row.subject, row);
    return std::nullopt;
}

Result<HoldRow> new_hold(const Writing& writing, const Caller& caller, const HoldRequest& request) {
    const policy::HoldRule* const rule = find_rule(writing.gate->document(), request.ground);
    if (rule == nullptr) return Refusal::value_invalid;
    if (const auto refusal = check_request(writing, *rule, request)) return *refusal;
    auto categories = categories_of(*writing.gate, *rule, request.categories);
    if (!categories) return categories.error();
    auto fields = fields_of(*writing.gate, *rule, request.fields);
    if (!fields) return fields.error();
    const auto number = writing.find_number(request.subject);
    if (!number) return number.error();
    HoldRow row;
    row.bars_telling = request.bars_telling;
    row.subject = *number;
    row.placer = caller.client;
    row.placed = writing.now;
    row.review = *request.review;
    row.evidence = request.evidence;
    row.approvals = Approvals{rule->approvals, kRoles, *request.review};
    row.release = Approvals{rule->approvals, kRoles, kNever};
    row.ground = rule->name;
    row.clause = rule->clause.substr(0, kExceptionTextSizeMax);
    row.law = request.law;
    row.categories = std::move(*categories);
    row.fields = std::move(*fields);
    std::optional<HoldRow> predecessor;
    if (request.extends) {
        if (const auto refusal = extend(writing, *request.extends, row, predecessor)) {
            return *refusal;
        }
    }
    return row;
}

std::optional<Refusal> place_in(Writing& writing, const Caller& caller, const HoldRequest& request,
                                HoldWork& work) {
    auto row = new_hold(writing, caller, request);
    if (!row) return row.error();
    work.subject = row->subject;
    StoredException stored = writing.core.exceptions->begin(ExceptionKind::hold);
    // The link first: what is taken into the hold is found by it.
    const people::Links links{*writing.core.plane, writing.core.tenant};
    links.add(writing.view, *row->subject, people::RowKind::hold_link, stored.id);
    if (const auto refusal = add_approval(writing, caller, *row)) {
        links.remove(writing.view, *row->subject, people::RowKind::hold_link, stored.id);
        return refusal;
    }
    store_hold(writing, stored, *row);
    work.hold = hold_of(writing.core, writing.view, stored);
    return std::nullopt;
}

// ---- Acts on one that is there ---------------------------------------------------------------

struct Loaded {
    StoredException stored;
    HoldRow row;
};

// Refuses: not_found, wrong_state (it has ended).
Result<Loaded> load(const Writing& writing, const ExceptionId& id) {
    auto stored = writing.core.exceptions->find(writing.view, ExceptionKind::hold, id);
    if (!stored) return Refusal::not_found;
    HoldRow row = row_of(*stored);
    const bool is_over = row.has_ended() || !writing.core.exceptions->is_alive(stored->number);
    if (is_over) return Refusal::wrong_state;
    return Loaded{std::move(*stored), std::move(row)};
}

std::optional<Refusal> approve_in(Writing& writing, const Caller& caller, const ExceptionId& id,
                                  HoldWork& work) {
    auto found = load(writing, id);
    if (!found) return found.error();
    work.subject = found->row.subject;
    if (const auto refusal = add_approval(writing, caller, found->row)) return refusal;
    store_hold(writing, found->stored, found->row);
    work.hold = hold_of(writing.core, writing.view, found->stored);
    return std::nullopt;
}

// The leaf dies, and what only this hold kept with it; an erasure that waited goes on.
void end_hold(Writing& writing, Loaded& found, HoldState state, HoldWork& work) {
    const keys::SubjectNumber number = *found.row.subject;
    found.row.state = state;
    found.row.ended = writing.now;
    found.row.subject.reset();
    store_hold(writing, found.stored, found.row);
    const people::Links links{*writing.core.plane, writing.core.tenant};
    links.remove(writing.view, number, people::RowKind::hold_link, found.stored.id);

    EndOfHold end = settle_after_hold(writing, number);
    Core::Revoking& revoking = work.revoking.emplace_back();
    keys::Revocation& revocation = revoking.row.revocation;
    crypto::random_bytes(revocation.id);
    crypto::random_bytes(revocation.blind);
    revocation.scope = keys::RevocationScope::exception;
    revocation.addresses = std::move(end.items);
    revocation.addresses.push_back(writing.core.exceptions->path_of(found.stored.number));
    revoking.row.due = writing.now;
    writing.enqueue(revoking.row);
    if (end.erasure) work.revoking.push_back(std::move(*end.erasure));
    work.hold = hold_of(writing.core, writing.view, found.stored);
}

std::optional<Refusal> release_in(Writing& writing, const Caller& caller, const ExceptionId& id,
                                  HoldWork& work) {
    auto found = load(writing, id);
    if (!found) return found.error();
    work.subject = found->row.subject;
    if (found->row.state == HoldState::live) {
        const auto refusal = found->row.release.add(caller, writing.now);
        if (refusal) return refusal;
        if (!found->row.release.are_enough()) {
            store_hold(writing, found->stored, found->row);
            return Refusal::needs_second;
        }
    }
    end_hold(writing, *found, HoldState::released, work);
    return std::nullopt;
}

std::optional<Refusal> lapse_in(Writing& writing, const ExceptionId& id, std::uint16_t day_floor,
                                HoldWork& work) {
    auto stored = writing.core.exceptions->find(writing.view, ExceptionKind::hold, id);
    if (!stored) return Refusal::not_found;
    // Its leaf may be dead already in an older copy of the data; then its row is ended now.
    Loaded found{std::move(*stored), {}};
    found.row = row_of(found.stored);
    const bool is_due = !found.row.has_ended() && found.row.review.day() < day_floor;
    if (!is_due) return Refusal::wrong_state;
    work.subject = found.row.subject;
    end_hold(writing, found, HoldState::lapsed, work);
    return std::nullopt;
}

// Answers when a keeper knows all that must die.
void revoke_all(Core& core, const std::shared_ptr<HoldWork>& work, const Done<Hold>& done) {
    std::vector<Core::Revoking> revoking = std::move(work->revoking);
    if (revoking.empty()) return done(work->hold, nullptr);
    Core::Revoking last = std::move(revoking.back());
    revoking.pop_back();
    for (Core::Revoking& one : revoking) core.revoke(std::move(one), {});
    core.revoke(std::move(last), [work, done](const Fault* fault) { done(work->hold, fault); });
}

// Commits what `act` does, with its entry.
void commit(Core& core, const Caller& caller, audit::Action action, const ExceptionId& id,
            std::function<std::optional<Refusal>(Writing&, HoldWork&)> act, Done<Hold> done) {
    const auto work = std::make_shared<HoldWork>();
    core.submit(
        [=, act = std::move(act)](Writing& writing) {
            *work = {};
            work->hold.id = id;
            work->refusal = act(writing, *work);
            note(writing, caller.client, action, *work);
        },
        [&core, work, done = std::move(done)](const Fault* fault) {
            if (fault != nullptr) return done(Refusal::wrong_state, fault);
            if (work->refusal) return done(*work->refusal, nullptr);
            revoke_all(core, work, done);
        });
}

}  // namespace

Holds::Holds(Core& core) : core_(core) {}

void Holds::place(const Caller& caller, const HoldRequest& request, Done<Hold> done) {
    commit(
        core_, caller, audit::Action::hold_place, {},
        [caller, request](Writing& writing, HoldWork& work) {
            return place_in(writing, caller, request, work);
        },
        std::move(done));
}

void Holds::approve(const Caller& caller, const ExceptionId& id, Done<Hold> done) {
    commit(
        core_, caller, audit::Action::hold_approve, id,
        [caller, id](Writing& writing, HoldWork& work) {
            return approve_in(writing, caller, id, work);
        },
        std::move(done));
}

void Holds::release(const Caller& caller, const ExceptionId& id, Done<Hold> done) {
    commit(
        core_, caller, audit::Action::hold_release, id,
        [caller, id](Writing& writing, HoldWork& work) {
            return release_in(writing, caller, id, work);
        },
        std::move(done));
}

Result<Hold> Holds::find(const ExceptionId& id) const {
    const keys::KeyPlane::Gate ticket{*core_.plane};
    const auto view = core_.store->read();
    const auto stored = core_.exceptions->find(*view, ExceptionKind::hold, id);
    if (!stored) return Refusal::not_found;
    return hold_of(core_, *view, *stored);
}

std::vector<Hold> Holds::list() const {
    const keys::KeyPlane::Gate ticket{*core_.plane};
    std::vector<Hold> holds;
    const auto view = core_.store->read();
    core_.exceptions->visit(
        *view, ExceptionKind::hold, std::nullopt,
        [&](StoredException&& stored) { holds.push_back(hold_of(core_, *view, stored)); });
    return holds;
}

void Holds::lapse_due(std::uint16_t day_floor) {
    std::vector<ExceptionId> due;
    core_.exceptions->visit(*core_.store->read(), ExceptionKind::hold, core_.now(),
                            [&](StoredException&& stored) {
                                if (row_of(stored).review.day() < day_floor)
                                    due.push_back(stored.id);
                            });
    for (const ExceptionId& id : due) {
        commit(
            core_, {}, audit::Action::hold_lapse, id,
            [id, day_floor](Writing& writing, HoldWork& work) {
                return lapse_in(writing, id, day_floor, work);
            },
            [](const auto&, const Fault*) {});
    }
}

}  // namespace oubliette
