#include <algorithm>

#include "vault/erasing.hpp"
#include "vault/requests/request_acts.hpp"
#include "vault/requests/request_rules.hpp"
#include "vault/storing.hpp"

// Doing what was asked.

namespace oubliette {
namespace {

constexpr std::uint32_t kPackageLives = 7 * 86'400;  // s

std::optional<Refusal> not_yet(RequestState state) noexcept {
    switch (state) {
    case RequestState::proving:
    case RequestState::not_proved: return Refusal::identity_not_proved;
    case RequestState::fee_or_refuse: return Refusal::fee_or_refuse;
    case RequestState::review:
    case RequestState::refused:
    case RequestState::withdrawn:
    case RequestState::ended: return Refusal::wrong_state;
    case RequestState::accepted:
    case RequestState::scheduled:
    case RequestState::executing:
    case RequestState::done: break;
    }
    return std::nullopt;
}

bool has_session(const RequestRecord& record) noexcept {
    return std::ranges::any_of(record.factors, [](const ProofFactor& factor) {
        return factor.method == ProofMethod::session;
    });
}

// An erasure needs two people, or the person's own confirmed session.
std::optional<Refusal> check_erasers(const Caller& caller, RequestRecord& record) {
    if (has_session(record)) return std::nullopt;
    if (!caller.has(Role::privacy_officer)) return Refusal::role_denied;
    if (record.decided_by != 0 && record.decided_by != caller.client) return std::nullopt;
    record.decided_by = caller.client;
    return Refusal::needs_second;
}

// ---- The person's standing -----------------------------------------------------------------

struct Standing {
    unsigned marker = 0;  // alive: the flag is not set
    std::uint8_t flag = 0;
};
constexpr Standing kPause{keys::kMarkerNotPaused, policy::SubjectState::kPaused};
constexpr Standing kRestriction{keys::kMarkerNotRestricted, policy::SubjectState::kRestricted};

// The marker dies: no older copy of the data forgets it.
void set_standing(Writing& writing, people::Person& person, const Standing& standing,
                  RequestWork& work) {
    if ((person.state.flags & standing.flag) != 0) return;
    const auto slot = static_cast<policy::SlotId>(standing.marker);
    work.revocation = destroy_markers(writing, person, slot);
    person.state.flags |= standing.flag;
    person.changed = true;
}

// The implicit marker is dead, so that an ordinary one takes its place.
void lift_standing(Writing& writing, people::Person& person, const Standing& standing) {
    if ((person.state.flags & standing.flag) == 0) return;
    people::Marker marker;
    marker.slot = static_cast<std::uint16_t>(standing.marker);
    marker.version = writing.gate->version();
    marker.kind = policy::ConsentKind::express;
    marker.granted = writing.now;
    (void)writing.core.people->write_marker(writing.view, person, marker);
    person.state.flags &= static_cast<std::uint8_t>(~standing.flag);
    person.changed = true;
}

// ---- Rectification -------------------------------------------------------------------------

std::optional<Refusal> correct(Writing& writing, const Caller& caller, people::Person& person,
                               const RequestRecord& record,
                               const std::vector<FieldInput>& corrections) {
    if (corrections.empty()) return Refusal::value_invalid;
    std::string_view purpose;  // of the officers who correct
    for (const policy::PurposeRule& rule : writing.gate->document().purposes) {
        if (rule.request) purpose = rule.name;
    }
    Storing storing{writing, caller, purpose};
    std::vector<policy::FieldId> fields;
    for (const FieldInput& input : corrections) {
        const auto field = storing.check(input.field, &input.value);
        if (!field) return field.error();
        const auto number = static_cast<std::uint16_t>(*field);
        const bool is_disputed = std::ranges::find(record.fields, number) != record.fields.end();
        if (!is_disputed) return Refusal::field_not_necessary;
        fields.push_back(*field);
    }
    if (const auto refusal = storing.permit(person)) return refusal;
    std::vector<std::uint16_t> numbers;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        (void)storing.store_value(person, fields[i], corrections[i].value);
        storing.note(audit::Action::put, person.number, fields[i], std::nullopt);
        numbers.push_back(static_cast<std::uint16_t>(fields[i]));
    }
    recall_corrected(writing, person, numbers, record.id);
    return std::nullopt;
}

std::optional<Refusal> act(Writing& writing, const Caller& caller, people::Person& person,
                           const RequestRecord& record, const std::vector<FieldInput>& corrections,
                           RequestWork& work) {
    const auto slot = static_cast<policy::SlotId>(record.slot);
    switch (record.type) {
    case RequestType::withdraw:
    case RequestType::objection:
        work.revocation = withdraw_slot(writing, person, slot, record.id);
        break;
    case RequestType::pause: set_standing(writing, person, kPause, work); break;
    case RequestType::resume: lift_standing(writing, person, kPause); break;
    case RequestType::restriction: set_standing(writing, person, kRestriction, work); break;
    case RequestType::lift_restriction:
        if (!caller.has(Role::privacy_officer)) return Refusal::role_denied;
        lift_standing(writing, person, kRestriction);
        break;
    case RequestType::rectification:
        if (!caller.has(Role::privacy_officer)) return Refusal::role_denied;
        return correct(writing, caller, person, record, corrections);
    case RequestType::access:
    case RequestType::portability:
    case RequestType::explain:
    case RequestType::erasure: break;
    }
    return std::nullopt;
}

// Everything but an erasure: done at once.
std::optional<Refusal> execute_act(Writing& writing, const Caller& caller, RequestRecord& record,
                                   const std::vector<FieldInput>& corrections, RequestWork& work) {
    auto person = writing.core.people->load(writing.view, *writing.gate, *record.subject);
    if (!person) return person.error();
    if (!person->has_room()) return Refusal::storage_full;
    const auto refusal = act(writing, caller, *person, record, corrections, work);
    if (refusal) return refusal;
    writing.core.people->save(writing.view, *person);
    end_request(writing, record, RequestState::done);
    record.executed_by = caller.client;
    // Until then the package can be fetched.
    record.run_after = {writing.now.seconds + kPackageLives};
    return std::nullopt;
}

// ---- Erasure -------------------------------------------------------------------------------

std::optional<Refusal> schedule(Writing& writing, const Caller& caller, RequestRecord& record,
                                RequestWork& work) {
    const auto id = writing.core.people->external_id(writing.view, *record.subject);
    if (!id) return Refusal::erased;
    const auto& cooling_off = writing.gate->document().requests.cooling_off;
    record.state = RequestState::scheduled;
    record.decided = writing.now;
    record.awake = minutes_awake(writing.core);
    record.run_after = cooling_off ? policy::plus(writing.now, *cooling_off) : writing.now;
    record.executed_by = caller.client;
    ByteArray<32> opening{};
    crypto::random_bytes(opening);
    record.commitment = commitment_of(opening, *id);
    if (record.run_after == writing.now) erase_now(writing, caller, record, work);
    work.result = Requests::Executed{record, opening};
    return std::nullopt;
}

void close_in(Writing& writing, people::Person& person) {
    person.state.account_closed = writing.now.seconds;
    person.state.flags |= policy::SubjectState::kClosing;
    person.changed = true;
    writing.core.people->save(writing.view, person);
}

// Whoever does not use the service any more closes the account with it (MISSION 5.2(4)).
void close_with(Writing& writing, RequestRecord& record) {
    if (record.ground != Ground::no_longer_using || record.has(RequestRecord::kClosing)) return;
    auto person = writing.core.people->load(writing.view, *writing.gate, *record.subject);
    if (!person) return;
    close_in(writing, *person);
    record.flags |= RequestRecord::kClosing;
}

std::optional<Refusal> execute_erasure(Writing& writing, const Caller& caller,
                                       RequestRecord& record, RequestWork& work) {
    if (const auto refusal = check_erasers(caller, record)) return refusal;
    close_with(writing, record);
    return schedule(writing, caller, record, work);
}

}  // namespace

void erase_now(Writing& writing, const Caller& caller, RequestRecord& record, RequestWork& work) {
    const keys::SubjectNumber number = *record.subject;
    const auto id = writing.core.people->external_id(writing.view, number);
    if (!id) {
        // By another way, and that is what was asked for.
        end_request(writing, record, RequestState::ended);
        strip(record);
        return;
    }
    ErasureWork erasure;
    if (record.commitment != crypto::Hash{}) erasure.commitment = record.commitment;
    record.state = RequestState::executing;
    // Stored before: the end of the person's other requests must know which one this is.
    RequestTable{writing.core}.put(writing.view, record);
    erase_person(writing, caller, number, *id, record.ground, erasure);
    record.erasure = erasure.answer.erasure.id;
    strip(record);
    if (erasure.revoking.row.revocation.addresses.empty()) return;  // another one waits for a hold
    work.erasure = std::make_shared<Core::Revoking>(std::move(erasure.revoking));
}

void execute_in(Writing& writing, const Caller& caller, RequestRecord& record,
                const std::vector<FieldInput>& corrections, RequestWork& work) {
    std::optional<Refusal> refusal = not_yet(record.state);
    if (!refusal && record.state == RequestState::accepted) {
        refusal = record.type == RequestType::erasure
                      ? execute_erasure(writing, caller, record, work)
                      : execute_act(writing, caller, record, corrections, work);
        RequestTable{writing.core}.put(writing.view, record);
    }
    if (refusal) {
        work.result = *refusal;
    } else if (work.result) {
        work.result->record = record;
    } else {
        work.result = Requests::Executed{record, std::nullopt};
    }
}

void Requests::execute(const Caller& caller, const keys::RequestId& id,
                       const std::vector<FieldInput>& corrections, Done<Executed> done,
                       std::function<void(const ErasureRow&)> on_final) {
    const auto work = std::make_shared<RequestWork>();
    core_.submit(
        [=](Writing& writing) {
            *work = {};
            auto record = load_request(writing, caller, id);
            if (record) {
                execute_in(writing, caller, *record, corrections, *work);
            } else {
                work->result = record.error();
            }
            const auto refusal =
                work->result ? std::nullopt : std::optional<Refusal>{work->result.error()};
            note_request(writing, caller, audit::Action::request_execute, id, refusal);
        },
        [this, work, done = std::move(done), on_final = std::move(on_final)](const Fault* fault) {
            if (fault != nullptr) return done(Refusal::wrong_state, fault);
            finish_request(core_, work, done, on_final);
        });
}

// ---- Accounts ------------------------------------------------------------------------------

namespace {

// The request that closed the account; nullopt if it is open.
std::optional<RequestRecord> closing_of(Writing& writing, keys::SubjectNumber number) {
    for (RequestRecord& record : RequestTable{writing.core}.of_person(writing.view, number)) {
        const bool is_closing = record.has(RequestRecord::kClosing) && record.is_open();
        if (is_closing) return std::move(record);
    }
    return std::nullopt;
}

void close_account_in(Writing& writing, const Caller& caller, std::string_view subject,
                      RequestWork& work) {
    if (!may_handle(*writing.gate, caller)) {
        work.result = Refusal::role_denied;
        return;
    }
    auto person = writing.find_person(subject);
    if (!person) {
        work.result = person.error();
        return;
    }
    if (auto record = closing_of(writing, person->number)) {
        work.result = Requests::Executed{std::move(*record), std::nullopt};
        return;
    }
    close_in(writing, *person);
    RequestRecord record;
    crypto::random_bytes(record.id);
    record.type = RequestType::erasure;
    record.ground = Ground::no_longer_using;
    record.flags = RequestRecord::kClosing;
    record.subject = person->number;
    record.received = record.proved = writing.now;
    record.due = answer_due(writing.gate->document().requests, writing.now);
    record.opened_by = caller.client;
    const auto refusal = schedule(writing, caller, record, work);
    if (refusal) {
        work.result = *refusal;
        return;
    }
    RequestTable{writing.core}.put(writing.view, record);
    work.result->record = record;
}

}  // namespace

void Requests::close_account(const Caller& caller, std::string_view subject, Done<Executed> done) {
    const auto work = std::make_shared<RequestWork>();
    core_.submit(
        [=](Writing& writing) {
            *work = {};
            close_account_in(writing, caller, subject, *work);
            const bool is_done = work->result.has_value();
            note_request(writing, caller, audit::Action::account_close,
                         is_done ? work->result->record.id : keys::RequestId{},
                         is_done ? std::nullopt : std::optional<Refusal>{work->result.error()});
        },
        [this, work, done = std::move(done)](const Fault* fault) {
            if (fault != nullptr) return done(Refusal::wrong_state, fault);
            finish_request(core_, work, done, {});
        });
}

void Requests::reopen_account(const Caller& caller, std::string_view subject,
                              Done<RequestRecord> done) {
    const auto result = std::make_shared<Result<RequestRecord>>(Refusal::not_found);
    core_.submit(
        [=](Writing& writing) {
            *result = Refusal::role_denied;
            if (may_handle(*writing.gate, caller)) {
                const auto number = writing.find_number(subject);
                auto record = number ? closing_of(writing, *number) : std::nullopt;
                if (!number) {
                    *result = number.error();
                } else if (!record || record->state > RequestState::scheduled) {
                    *result = Refusal::wrong_state;
                } else {
                    undo_closing(writing, *record);
                    end_request(writing, *record, RequestState::withdrawn);
                    RequestTable{writing.core}.put(writing.view, *record);
                    *result = std::move(*record);
                }
            }
            const bool is_done = result->has_value();
            note_request(writing, caller, audit::Action::account_reopen,
                         is_done ? (**result).id : keys::RequestId{},
                         is_done ? std::nullopt : std::optional<Refusal>{result->error()});
        },
        [result, done = std::move(done)](const Fault* fault) { done(*result, fault); });
}

}  // namespace oubliette
