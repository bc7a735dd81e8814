#include <atomic>
#include <charconv>

#include "api/call.hpp"
#include "api/deadline.hpp"
#include "crypto/encoding.hpp"
#include "vault/receipt_json.hpp"

// Erasure objects and receipts: API 3, KEYS 5.5.

namespace oubliette::api {
namespace {

constexpr unsigned kWaitDefault = 5;  // seconds
constexpr unsigned kWaitMax = 60;     // seconds

void hex_member(JsonWriter& json, std::string_view name, ByteView bytes) {
    json.member(name, crypto::hex_encode(bytes));
}

// What outsiders see: one that a hold cut short is final only when its rest is.
ErasureState state_of(const ErasureRow& row, const std::optional<ErasureRow>& rest) {
    if (rest && has_receipt(*rest)) return ErasureState::final;
    if (row.is_all_kept) return ErasureState::held;
    if (!has_receipt(row)) return ErasureState::effective;
    return row.kept.empty() ? ErasureState::final : ErasureState::partly_held;
}

// `opening`: r, in the first answer only.
void write_erasure(JsonWriter& json, const Vault& vault, const ErasureRow& row,
                   const ByteArray<32>* opening) {
    // Final for outsiders when the receipt is signed.
    const bool is_final = has_receipt(row);
    const auto rest = row.kept.empty() ? std::nullopt : vault.find_rest(row);
    json.begin_object()
        .member("id", erasure_id_text(row.id))
        .member("state", name_of(state_of(row, rest)))
        .member("scope", oubliette::name_of(row.scope))
        .member("ground", name_of(row.ground))
        .member("accepted_at", time_text(row.accepted));
    if (opening != nullptr) hex_member(json, "r", *opening);
    if (is_final) {
        json.key("receipt").raw(receipt_json(vault.receipt_of(row)));
    } else {
        json.key("waiting_for").begin_array();
        for (const auto& keeper : vault.missing_keepers()) json.string(crypto::hex_encode(keeper));
        json.end_array();
    }
    if (rest) {
        json.key("rest").begin_object().member("id", erasure_id_text(rest->id));
        json.member("state",
                    name_of(has_receipt(*rest) ? ErasureState::final : ErasureState::effective));
        if (has_receipt(*rest)) json.key("receipt").raw(receipt_json(vault.receipt_of(*rest)));
        json.end_object();
    }
    json.end_object();
}

// A hold keeps all there is: nothing was destroyed yet, and it will be.
void answer_held(Call& call, const ErasureAnswer& answer) {
    std::vector<std::pair<std::string_view, std::string>> members{
        {"erasure", erasure_id_text(answer.erasure.id)}};
    if (answer.first) members.emplace_back("r", crypto::hex_encode(answer.opening));
    call.exchange->respond(problem_response(Refusal::held, call.request().request_id, members));
}

void answer_erasure(Call& call, const ErasureRow& row, const ByteArray<32>* opening) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    try {
        write_erasure(json, call.vault, row, opening);
    } catch (const Fault& fault) {
        return call.fail(fault);
    }
    call.answer(has_receipt(row) ? 200 : 202, buffer);
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
        if (result->erasure.is_all_kept) {
            if (!answered_.exchange(true)) answer_held(*call_, *result);
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
        // A receipt takes longer to write than the committer has time for.
        run_after(std::chrono::seconds{0}, [self = shared_from_this()] { self->try_answer(); });
    }

private:
    void try_answer() {
        const std::scoped_lock lock{mutex_};
        if (!is_accepted_ || !final_ || answered_.exchange(true)) return;
        answer_erasure(*call_, *final_, answer_.first ? &answer_.opening : nullptr);
    }
    void give_up() {
        const std::scoped_lock lock{mutex_};
        if (answered_.exchange(true)) return;
        answer_erasure(*call_, answer_.erasure, answer_.first ? &answer_.opening : nullptr);
    }

    CallPtr call_;
    std::mutex mutex_;
    std::atomic<bool> answered_{false};
    bool is_accepted_ = false;
    ErasureAnswer answer_;
    std::optional<ErasureRow> final_;
};

}  // namespace

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
    write_erasure(json, call->vault, *row, nullptr);
    call->answer(200, buffer);
}

void handle_receipt_keys(const CallPtr& call) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.raw(receipt_keys_json(call->vault.receipt_keys()));
    call->answer(200, buffer);
}

}  // namespace oubliette::api
