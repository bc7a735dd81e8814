#include <atomic>
#include <charconv>

#include "api/call.hpp"
#include "api/deadline.hpp"
#include "crypto/encoding.hpp"

// Erasure objects and receipts: API 3, KEYS 5.5.

namespace oubliette::api {
namespace {

constexpr unsigned kWaitDefault = 5;  // seconds
constexpr unsigned kWaitMax = 60;     // seconds

// "wait=N" of RFC 7240; anything else is ignored, as that RFC asks.
unsigned wait_of(std::string_view prefer) noexcept {
    constexpr std::string_view kWait = "wait=";
    const std::size_t at = prefer.find(kWait);
    if (at == std::string_view::npos) return kWaitDefault;
    const std::string_view digits = prefer.substr(at + kWait.size());
    unsigned seconds = kWaitDefault;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
    if (parsed.ec != std::errc{}) return kWaitDefault;
    return std::min(seconds, kWaitMax);
}

void hex_member(JsonWriter& json, std::string_view name, ByteView bytes) {
    json.member(name, crypto::hex_encode(bytes));
}

void write_acknowledgement(JsonWriter& json, const keys::Acknowledgement& ack) {
    const char cell_class = static_cast<char>(ack.cell_class);
    json.begin_object();
    hex_member(json, "keeper", ack.keeper);
    hex_member(json, "public_key", ack.public_key);
    json.member("class", {&cell_class, 1}).key("term").integer(ack.term);
    json.key("epoch").integer(ack.epoch);
    hex_member(json, "prev_h", ack.previous_hash);
    hex_member(json, "h", ack.hash);
    hex_member(json, "req_root", ack.request_root);
    hex_member(json, "members", ack.members);
    hex_member(json, "signature", ack.signature);
    json.end_object();
}

void write_chain_row(JsonWriter& json, const keys::ChainRow& row) {
    json.begin_object().key("epoch").integer(row.epoch).key("term").integer(row.term);
    hex_member(json, "prev_h", row.previous_hash);
    hex_member(json, "root_hash", row.root_hash);
    hex_member(json, "members", row.members);
    hex_member(json, "req_root", row.request_root);
    hex_member(json, "h", row.hash);
    json.end_object();
}

void write_receipt(JsonWriter& json, const ErasureRow& row) {
    const keys::Finality& finality = *row.finality;
    json.begin_object().member("scope", oubliette::name_of(row.scope));
    hex_member(json, "request_id", row.id);
    hex_member(json, "commitment", row.commitment);
    hex_member(json, "r2", row.blind);
    json.key("epoch").integer(finality.epoch);
    hex_member(json, "h_before", finality.hash_before);
    hex_member(json, "h_after", finality.hash_after);
    json.key("request_index").integer(finality.request_index);
    json.key("request_count").integer(finality.request_count);
    json.key("request_proof").begin_array();
    for (const crypto::Hash& hash : finality.request_proof) json.string(crypto::hex_encode(hash));
    json.end_array().key("acknowledgements").begin_array();
    for (const auto& ack : finality.acknowledgements) write_acknowledgement(json, ack);
    json.end_array().key("chain").begin_array();
    for (const auto& chain_row : finality.chain) write_chain_row(json, chain_row);
    json.end_array().key("audit_index").integer(row.audit_index);
    json.member("irrecoverable_after", time_text(row.finished)).end_object();
}

void write_erasure(JsonWriter& json, const ErasureRow& row, const ByteArray<32>* opening) {
    json.begin_object()
        .member("id", erasure_id_text(row.id))
        .member("state", name_of(row.state))
        .member("scope", oubliette::name_of(row.scope))
        .member("ground", name_of(row.ground))
        .member("accepted_at", time_text(row.accepted));
    if (opening != nullptr) hex_member(json, "r", *opening);
    if (row.finality) {
        json.key("receipt");
        write_receipt(json, row);
    }
    json.end_object();
}

void answer_erasure(Call& call, const ErasureRow& row, const ByteArray<32>* opening) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    write_erasure(json, row, opening);
    call.answer(row.state == ErasureState::final ? 200 : 202, buffer);
}

// Answers once: when the erasure is final, or when the client does not want to wait any longer.
class ErasureWait : public std::enable_shared_from_this<ErasureWait> {
public:
    explicit ErasureWait(CallPtr call) : call_{std::move(call)} {}

    void accepted(Result<ErasureAnswer> result, const Fault* fault) {
        if (fault != nullptr || !result) {
            if (!answered_.exchange(true)) (void)call_->is_refused(result, fault);
            return;
        }
        {
            const std::scoped_lock lock{mutex_};
            answer_ = std::move(*result);
            is_accepted_ = true;
        }
        try_answer();
        const unsigned seconds = wait_of(call_->request().prefer);
        if (answered_.load()) return;
        run_after(std::chrono::seconds{seconds}, [self = shared_from_this()] { self->give_up(); });
    }

    void finished(const ErasureRow& row) {
        {
            const std::scoped_lock lock{mutex_};
            final_ = row;
        }
        try_answer();
    }

private:
    void try_answer() {
        const std::scoped_lock lock{mutex_};
        if (!is_accepted_ || !final_ || answered_.exchange(true)) return;
        answer_erasure(*call_, *final_, &answer_.opening);
    }
    void give_up() {
        const std::scoped_lock lock{mutex_};
        if (answered_.exchange(true)) return;
        answer_erasure(*call_, answer_.erasure, &answer_.opening);
    }

    CallPtr call_;
    std::mutex mutex_;
    std::atomic<bool> answered_{false};
    bool is_accepted_ = false;
    ErasureAnswer answer_;
    std::optional<ErasureRow> final_;
};

}  // namespace

void handle_erase_subject(const CallPtr& call) {
    const auto body = call->body({"ground"});
    if (!body) return call->refuse(body.error());
    const auto ground = body->find("ground");
    if (ground && !ground->as_text()) return call->refuse(Refusal::malformed);
    const auto wait = std::make_shared<ErasureWait>(call);
    call->vault.erase(
        call->caller, call->parameter(0), ground ? *ground->as_text() : std::string_view{"other"},
        [wait](Result<ErasureAnswer> result, const Fault* fault) {
            wait->accepted(std::move(result), fault);
        },
        [wait](const ErasureRow& row) { wait->finished(row); });
}

void handle_delete_field(const CallPtr& call) {
    const auto purpose = call->query.find("purpose");
    const bool needs_purpose = !call->caller.has(Role::privacy_officer);
    if (needs_purpose && !purpose) return call->refuse(Refusal::malformed);
    const auto wait = std::make_shared<ErasureWait>(call);
    call->vault.delete_field(
        call->caller, call->parameter(0), call->parameter(1), purpose.value_or(""),
        [wait](Result<ErasureAnswer> result, const Fault* fault) {
            wait->accepted(std::move(result), fault);
        },
        [wait](const ErasureRow& row) { wait->finished(row); });
}

// ---- Groups of keys ------------------------------------------------------------------------

namespace {

void cut_off(const CallPtr& call, const CutOff& what) {
    const auto wait = std::make_shared<ErasureWait>(call);
    call->vault.cut_off(
        call->caller, what,
        [wait](Result<ErasureAnswer> result, const Fault* fault) {
            wait->accepted(std::move(result), fault);
        },
        [wait](const ErasureRow& row) { wait->finished(row); });
}

}  // namespace

void handle_cut_off_recipient(const CallPtr& call) {
    cut_off(call, {keys::RevocationScope::recipient, call->parameter(0), 0});
}

void handle_cut_off_region(const CallPtr& call) {
    cut_off(call, {keys::RevocationScope::region, call->parameter(0), 0});
}

void handle_exit_tenant(const CallPtr& call) {
    const auto body = call->body({"tenant"});
    if (!body) return call->refuse(body.error());
    const auto tenant = body->find_text("tenant");
    if (!tenant) return call->refuse(Refusal::malformed);
    cut_off(call, {keys::RevocationScope::tenant, *tenant, 0});
}

void handle_get_erasure(const CallPtr& call) {
    const auto id = parse_erasure_id(call->parameter(0));
    if (!id) return call->refuse(Refusal::not_found);
    const auto row = call->vault.find_erasure(call->caller, *id);
    if (!row) return call->refuse(row.error());
    WipedBuffer buffer;
    JsonWriter json{buffer};
    write_erasure(json, *row, nullptr);
    call->answer(200, buffer);
}

}  // namespace oubliette::api
