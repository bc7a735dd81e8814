#include <functional>
#include <thread>

#include "api/call.hpp"
#include "crypto/encoding.hpp"

// Keepers and keys, for key operators: API 4. What waits for keepers runs on a thread of its own.

namespace oubliette::api {
namespace {

constexpr std::string_view kRotatable =
    "These keys can be rotated: anchor (every keeper's, with an unchanged tree), bank (new people "
    "get their keys from a fresh seed), audit (the log's signing key).";

void refuse_membership(Call& call, keys::MembershipRefusal refusal) {
    call.exchange->respond(
        problem_response(refusal_of(refusal), call.request().request_id, keys::remedy_of(refusal)));
}

std::optional<keys::KeeperId> parse_keeper_id(std::string_view text) {
    const auto bytes = crypto::hex_decode(text);
    keys::KeeperId id{};
    if (!bytes || bytes->size() != id.size()) return std::nullopt;
    std::ranges::copy(*bytes, id.begin());
    return id;
}

void write_keeper(JsonWriter& json, const keys::KeeperStatus& keeper) {
    const char cell_class = static_cast<char>(keeper.cell_class);
    const bool is_known = keeper.id != keys::KeeperId{};
    json.begin_object();
    if (is_known) {
        json.member("id", crypto::hex_encode(keeper.id))
            .member("public_key", crypto::hex_encode(keeper.public_key))
            .member("class", {&cell_class, 1});
    }
    json.member("state", keys::name_of(keeper.state)).key("online").boolean(keeper.online);
    json.key("epoch").integer(keeper.epoch);
    if (keeper.state == keys::KeeperState::expelled) {
        json.key("last_epoch").integer(keeper.last_epoch);
    }
    if (!keeper.directory.empty()) {
        json.member("directory", keeper.directory.string()).key("device").integer(keeper.device);
    }
    json.member("seal", keeper.seal).member("trouble", keeper.trouble).end_object();
}

void answer_scrub(Call& call, const keys::ScrubStatus& scrub) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    write_scrub(json, scrub);
    call.answer(200, buffer);
}

void answer_rotated(Call& call, std::string_view key, std::uint64_t epoch,
                    std::optional<std::uint16_t> bank = std::nullopt) {
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().member("key", key).key("epoch").integer(epoch);
    if (bank) json.key("bank").integer(std::uint32_t{*bank});
    json.end_object();
    call.answer(200, buffer);
}

void rotate_audit_key(const CallPtr& call) {
    call->vault.rotate_log_key(call->caller, [call](Result<std::string> vkey, const Fault* fault) {
        if (call->is_refused(vkey, fault)) return;
        WipedBuffer buffer;
        JsonWriter json{buffer};
        json.begin_object().member("key", "audit");
        json.member("vkey", *vkey).end_object();
        call->answer(200, buffer);
    });
}

}  // namespace

void run_apart(const CallPtr& call, std::function<void(Call&)> work) {
    std::thread{[call, work = std::move(work)] {
        try {
            work(*call);
        } catch (const Fault& fault) {
            call->fail(fault);
        } catch (const std::exception&) {
            call->fail(Fault{FaultKind::storage, "out of memory"});
        }
    }}.detach();
}

void write_scrub(JsonWriter& json, const keys::ScrubStatus& scrub) {
    json.begin_object();
    if (scrub.finished != Timestamp{}) json.member("finished", time_text(scrub.finished));
    json.key("running").boolean(scrub.is_running);
    json.key("pages").integer(scrub.pages).key("repaired").integer(scrub.repaired);
    json.key("unrepairable").integer(scrub.unrepairable).end_object();
}

// ---- Keepers

void handle_list_keepers(const CallPtr& call) {
    const keys::PlaneStatus status = call->vault.key_status().plane;
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("epoch").integer(status.epoch).key("keepers").begin_array();
    for (const keys::KeeperStatus& keeper : status.keepers) write_keeper(json, keeper);
    json.end_array().key("revocations_waiting").integer(std::uint64_t{status.waiting});
    json.key("scrub");
    write_scrub(json, status.scrub);
    json.end_object();
    call->answer(200, buffer);
}

void handle_enrol_keeper(const CallPtr& call) {
    const auto body = call->body({"directory", "replaces"});
    if (!body) return call->refuse(body.error());
    const auto directory = body->find_text("directory");
    const auto replaced = body->find("replaces");
    std::optional<keys::KeeperId> replaces;
    if (replaced) {
        replaces = parse_keeper_id(replaced->as_text().value_or(""));
        if (!replaces) return refuse_membership(*call, keys::MembershipRefusal::keeper_unknown);
    }
    const bool has_nul = directory && directory->find('\0') != std::string_view::npos;
    if (!directory || has_nul) return call->refuse(Refusal::malformed);
    run_apart(call, [path = std::filesystem::path{*directory}, replaces](Call& own) {
        const keys::EnrolAnswer answer = own.vault.enrol_keeper(
            own.caller, path, replaces, std::chrono::seconds{wait_of(own.request().prefer)});
        if (answer.refusal) return refuse_membership(own, *answer.refusal);
        WipedBuffer buffer;
        JsonWriter json{buffer};
        json.begin_object().member("id", crypto::hex_encode(answer.id));
        json.member("state", answer.is_active ? "active" : "joining").end_object();
        own.answer(answer.is_active ? 200 : 202, buffer);
    });
}

void handle_expel_keeper(const CallPtr& call) {
    const auto id = parse_keeper_id(call->parameter(0));
    if (!id) return refuse_membership(*call, keys::MembershipRefusal::keeper_unknown);
    const std::string_view lost = call->query.find("lost").value_or("false");
    if (lost != "true" && lost != "false") return call->refuse(Refusal::malformed);
    const auto how = lost == "true" ? keys::Expulsion::lost : keys::Expulsion::reachable;
    run_apart(call, [id = *id, how](Call& own) {
        const keys::ExpelAnswer answer = own.vault.expel_keeper(own.caller, id, how);
        if (answer.refusal) return refuse_membership(own, *answer.refusal);
        WipedBuffer buffer;
        JsonWriter json{buffer};
        json.begin_object().member("id", crypto::hex_encode(id)).member("state", "expelled");
        json.key("destroyed").boolean(answer.is_destroyed);
        if (how == keys::Expulsion::lost) json.key("new_bank").boolean(answer.has_new_banks);
        json.end_object();
        own.answer(200, buffer);
    });
}

void handle_scrub_keepers(const CallPtr& call) {
    if (const auto body = call->body({}); !body) return call->refuse(body.error());
    run_apart(call, [](Call& own) { answer_scrub(own, own.vault.scrub(own.caller)); });
}

// ---- Keys

void handle_list_keys(const CallPtr& call) {
    const KeyStatus status = call->vault.key_status();
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object().key("epoch").integer(status.plane.epoch);
    json.key("term").integer(status.plane.term);
    json.member("key_plane_hash", crypto::hex_encode(status.plane.hash));
    json.key("people")
        .begin_object()
        .key("banks")
        .integer(status.people_banks)
        .key("bank")
        .integer(std::uint32_t{status.people_bank})
        .end_object();
    json.key("handles").begin_object().key("banks").integer(status.handle_banks).end_object();
    json.key("audit").begin_array();
    for (const std::string& vkey : call->vault.log_keys()) json.string(vkey);
    json.end_array().end_object();
    call->answer(200, buffer);
}

void handle_rotate_key(const CallPtr& call) {
    const auto body = call->body({"key"});
    if (!body) return call->refuse(body.error());
    const auto key = body->find_text("key");
    if (!key) return call->refuse(Refusal::malformed);
    if (*key == "audit") return rotate_audit_key(call);
    if (*key == "anchor") {
        return run_apart(call, [](Call& own) {
            own.vault.rotate_anchor();
            answer_rotated(own, "anchor", own.vault.key_status().plane.epoch);
        });
    }
    if (*key == "bank") {
        return run_apart(call, [](Call& own) {
            const std::uint16_t bank = own.vault.rotate_bank(own.caller);
            answer_rotated(own, "bank", own.vault.key_status().plane.epoch, bank);
        });
    }
    call->exchange->respond(
        problem_response(Refusal::malformed, call->request().request_id, kRotatable));
}

}  // namespace oubliette::api
