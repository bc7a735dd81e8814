#include <algorithm>

#include "crypto/kdf.hpp"
#include "vault/policy/value.hpp"
#include "vault/requests/request_acts.hpp"
#include "vault/requests/request_rules.hpp"

// Proving who asks (MISSION 5.2): nothing that was shown for it is kept, only that it was enough.

namespace oubliette {
namespace {

constexpr std::uint8_t kTriesMax = 5;
constexpr std::uint32_t kCodeLives = 15 * 60;  // s
constexpr unsigned kCodeDigits = 8;

struct ProvingWork {
    Result<Requests::Proving> result = Refusal::not_found;
};

// Bound to the request: a code proves nothing elsewhere.
ByteArray<16> code_hash_of(const keys::RequestId& id, std::string_view code) noexcept {
    const crypto::Hash hash = crypto::blake2b({bytes_of("obl/code/1"), id, bytes_of(code)});
    return ByteReader{hash}.array<16>();
}

std::string fresh_code() {
    std::string code;
    while (code.size() < kCodeDigits) {
        ByteArray<1> byte{};
        crypto::random_bytes(byte);
        constexpr unsigned kUnbiased = 250;
        if (byte[0] < kUnbiased) code.push_back(static_cast<char>('0' + byte[0] % 10));
    }
    return code;
}

class Prover {
public:
    Prover(Writing& writing, const Caller& caller, RequestRecord& record)
        : writing_(writing), caller_(caller), record_(record) {}

    // A new factor; nullopt: there is none (yet). Refuses as verify().
    Result<std::optional<ProofFactor>> try_one(const Requests::Proof& proof, std::string& code) {
        switch (proof.method) {
        case ProofMethod::session: return session();
        case ProofMethod::document: return document(proof);
        case ProofMethod::match: return match(proof);
        case ProofMethod::code: return proof.code.empty() ? send(proof, code) : receive(proof);
        }
        return Refusal::malformed;
    }

private:
    using Outcome = Result<std::optional<ProofFactor>>;

    // Only the application that the person is logged in to knows.
    Outcome session() const {
        if (!caller_.has(Role::app)) return Refusal::role_denied;
        return std::optional{ProofFactor{ProofMethod::session, 0}};
    }

    Outcome document(const Requests::Proof& proof) const {
        if (!caller_.has(Role::privacy_officer)) return Refusal::role_denied;
        if (!proof.evidence) return Refusal::evidence_required;
        return std::optional{ProofFactor{ProofMethod::document, 0}};
    }

    // The field, and what is stored in it. What is disputed proves nothing.
    Result<people::OpenedValue> stored(const Requests::Proof& proof, policy::FieldId& field) const {
        const auto found = writing_.gate->find_field(proof.field);
        if (!found) return Refusal::field_unknown;
        field = *found;
        const auto number = static_cast<std::uint16_t>(field);
        const bool is_disputed = std::ranges::find(record_.fields, number) != record_.fields.end();
        if (is_disputed) return Refusal::proof_not_independent;
        return writing_.core.people->open_value(writing_.view, *record_.subject, field, 0);
    }

    Outcome match(const Requests::Proof& proof) const {
        policy::FieldId field{};
        const auto value = stored(proof, field);
        if (!value) return value.error();
        const policy::FieldType type = writing_.gate->field_rule(field)->type;
        const auto known = policy::normalise(type, value->value.text);
        const auto shown = policy::normalise(type, proof.value);
        const bool is_match =
            known && shown && crypto::equal_constant_time(known->expose(), shown->expose());
        if (!is_match) return Refusal::identity_not_proved;
        return std::optional{ProofFactor{ProofMethod::match, static_cast<std::uint16_t>(field)}};
    }

    // An officer's system sends the code, so that the application that asks the person for it
    // cannot know it otherwise.
    Outcome send(const Requests::Proof& proof, std::string& code) {
        if (!caller_.has(Role::privacy_officer)) return Refusal::role_denied;
        policy::FieldId field{};
        const auto value = stored(proof, field);
        if (!value) return value.error();
        const policy::FieldType type = writing_.gate->field_rule(field)->type;
        const bool is_contact =
            type == policy::FieldType::email || type == policy::FieldType::phone;
        if (!is_contact) return Refusal::value_invalid;
        code = fresh_code();
        record_.code_field = static_cast<std::uint16_t>(field);
        record_.code_hash = code_hash_of(record_.id, code);
        record_.code_until = {writing_.now.seconds + kCodeLives};
        return std::optional<ProofFactor>{};
    }

    Outcome receive(const Requests::Proof& proof) {
        const bool is_right =
            writing_.now < record_.code_until &&
            crypto::equal_constant_time(code_hash_of(record_.id, proof.code), record_.code_hash);
        if (!is_right) return Refusal::identity_not_proved;
        record_.code_until = {};
        record_.code_hash = {};
        return std::optional{ProofFactor{ProofMethod::code, record_.code_field}};
    }

    Writing& writing_;
    const Caller& caller_;
    RequestRecord& record_;
};

// One thing proves once: a contact that was written to is not proved again by knowing it.
void add_factor(RequestRecord& record, const ProofFactor& factor) {
    const auto is_same_thing = [&factor](const ProofFactor& other) {
        return factor.field != 0 ? other.field == factor.field : other.method == factor.method;
    };
    const bool is_new = std::ranges::none_of(record.factors, is_same_thing);
    if (is_new && record.factors.size() < kProofFactorsMax) record.factors.push_back(factor);
}

void settle(Writing& writing, RequestRecord& record) {
    const policy::RequestRules& rules = writing.gate->document().requests;
    if (level_of(record.factors) < proof_for(rules, record.type)) return;
    record.proved = writing.now;
    record.state = state_when_proved(
        rules, record, RequestTable{writing.core}.of_person(writing.view, *record.subject));
}

std::optional<Refusal> verify_in(Writing& writing, const Caller& caller, const keys::RequestId& id,
                                 const Requests::Proof& proof, ProvingWork& work) {
    auto record = load_request(writing, caller, id);
    if (!record) return record.error();
    if (!record->is_open() || !record->subject) return Refusal::wrong_state;
    const RequestTable table{writing.core};
    std::string code;
    const auto factor = Prover{writing, caller, *record}.try_one(proof, code);
    if (!factor) {
        if (factor.error() != Refusal::identity_not_proved) return factor.error();
        if (++record->tries == kTriesMax && record->state == RequestState::proving) {
            end_request(writing, *record, RequestState::not_proved);
        }
        table.put(writing.view, *record);
        return factor.error();
    }
    if (*factor) add_factor(*record, **factor);
    if (record->state == RequestState::proving) settle(writing, *record);
    table.put(writing.view, *record);
    work.result = Requests::Proving{std::move(*record), std::move(code)};
    return std::nullopt;
}

}  // namespace

void Requests::verify(const Caller& caller, const keys::RequestId& id, const Proof& proof,
                      Done<Proving> done) {
    const auto work = std::make_shared<ProvingWork>();
    core_.submit(
        [=](Writing& writing) {
            *work = {};
            const auto refusal = verify_in(writing, caller, id, proof, *work);
            if (refusal) work->result = *refusal;
            note_request(writing, caller, audit::Action::request_verify, id, refusal);
        },
        [work, done = std::move(done)](const Fault* fault) { done(work->result, fault); });
}

}  // namespace oubliette
