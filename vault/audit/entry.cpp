#include "vault/audit/entry.hpp"

#include <algorithm>

#include "crypto/hash.hpp"

namespace oubliette::audit {
namespace {

constexpr std::uint32_t kMinutesMax = 0xFFFF'FFFF / 60;

}  // namespace

ByteArray<16> pseudonym_of(const crypto::SubKey& audit_key, std::uint64_t n) noexcept {
    ByteArray<8> number{};
    for (std::size_t i = 0; i < number.size(); ++i) number[i] = static_cast<Byte>(n >> (8 * i));
    ByteArray<16> out{};
    crypto::blake2b_keyed(audit_key.expose(), {number}, out);
    return out;
}

void cite(const EndedDay& ended, Entry& entry) noexcept {
    entry.action = Action::retention_end;
    const std::uint16_t numbers[] = {ended.retention_class, ended.day};
    for (std::size_t i = 0; i < 2; ++i) {
        entry.object[2 * i] = static_cast<Byte>(numbers[i]);
        entry.object[2 * i + 1] = static_cast<Byte>(numbers[i] >> 8);
    }
    entry.object[4] = 1;
}

std::optional<EndedDay> cited_day(const Entry& entry) noexcept {
    if (entry.action != Action::retention_end) return std::nullopt;
    ByteReader in{entry.object};
    EndedDay ended;
    ended.retention_class = in.le16();
    ended.day = in.le16();
    if (in.u8() != 1) return std::nullopt;
    return ended;
}

void cite(const LogOrigin& origin, Entry& entry) noexcept {
    entry.action = Action::log_origin;
    entry.pseudonym = {};
    for (std::size_t i = 0; i < 8; ++i) {
        entry.pseudonym[i] = static_cast<Byte>(origin.lost_size >> (8 * i));
    }
    for (std::size_t i = 0; i < 4; ++i) {
        entry.pseudonym[8 + i] = static_cast<Byte>(origin.generation >> (8 * i));
    }
    entry.object = origin.lost_root;
}

std::optional<LogOrigin> cited_origin(const Entry& entry) noexcept {
    if (entry.action != Action::log_origin) return std::nullopt;
    ByteReader in{entry.pseudonym};
    LogOrigin origin;
    origin.lost_size = in.le64();
    origin.generation = in.le32();
    if (in.le32() != 0) return std::nullopt;
    origin.lost_root = entry.object;
    return origin;
}

void cite(const LogKeyRotation& rotation, Entry& entry) noexcept {
    entry.action = Action::log_key_rotation;
    entry.field = rotation.kid;
    entry.transform = rotation.is_retired ? 1 : 0;
    std::copy_n(rotation.public_key.begin(), 16, entry.pseudonym.begin());
    std::copy_n(rotation.public_key.begin() + 16, 16, entry.object.begin());
}

std::optional<LogKeyRotation> cited_rotation(const Entry& entry) noexcept {
    if (entry.action != Action::log_key_rotation || entry.transform > 1) return std::nullopt;
    LogKeyRotation rotation;
    rotation.is_retired = entry.transform == 1;
    rotation.kid = entry.field;
    std::ranges::copy(entry.pseudonym, rotation.public_key.begin());
    std::ranges::copy(entry.object, rotation.public_key.begin() + 16);
    return rotation;
}

std::string_view name_of(Action action) noexcept {
    switch (action) {
    case Action::put: return "put";
    case Action::tokenize: return "tokenize";
    case Action::detokenize: return "detokenize";
    case Action::read: return "read";
    case Action::search: return "search";
    case Action::match: return "match";
    case Action::delete_field: return "delete_field";
    case Action::consent_grant: return "consent_grant";
    case Action::consent_withdraw: return "consent_withdraw";
    case Action::erase_accepted: return "erase_accepted";
    case Action::erase_final: return "erase_final";
    case Action::policy_publish: return "policy_publish";
    case Action::policy_refused: return "policy_refused";
    case Action::client_enrol: return "client_enrol";
    case Action::client_revoke: return "client_revoke";
    case Action::start: return "start";
    case Action::rollback_accepted: return "rollback_accepted";
    case Action::backup: return "backup";
    case Action::decide: return "decide";
    case Action::superseded: return "superseded";
    case Action::vault_created: return "vault_created";
    case Action::consent_list: return "consent_list";
    case Action::keeper_enrol: return "keeper_enrol";
    case Action::keeper_expel: return "keeper_expel";
    case Action::bank_open: return "bank_open";
    case Action::scrub: return "scrub";
    case Action::retention_end: return "retention_end";
    case Action::cut_off: return "cut_off";
    case Action::log_origin: return "log_origin";
    case Action::log_key_rotation: return "log_key_rotation";
    case Action::order_open: return "order_open";
    case Action::order_approve: return "order_approve";
    case Action::order_close: return "order_close";
    case Action::order_notice: return "order_notice";
    case Action::hold_place: return "hold_place";
    case Action::hold_approve: return "hold_approve";
    case Action::hold_release: return "hold_release";
    case Action::hold_lapse: return "hold_lapse";
    case Action::erasure_resumed: return "erasure_resumed";
    case Action::recipient_suspend: return "recipient_suspend";
    case Action::recipient_resume: return "recipient_resume";
    case Action::assessment_record: return "assessment_record";
    case Action::assessment_approve: return "assessment_approve";
    case Action::export_alarm: return "export_alarm";
    case Action::replay: return "replay";
    case Action::request_open: return "request_open";
    case Action::request_verify: return "request_verify";
    case Action::request_accept: return "request_accept";
    case Action::request_refuse: return "request_refuse";
    case Action::request_execute: return "request_execute";
    case Action::disclosure_list: return "disclosure_list";
    case Action::request_close: return "request_close";
    case Action::request_package: return "request_package";
    case Action::account_close: return "account_close";
    case Action::account_reopen: return "account_reopen";
    case Action::campaign_end: return "campaign_end";
    case Action::suppression: return "suppression";
    case Action::recall: return "recall";
    case Action::recall_ack: return "recall_ack";
    case Action::token_inspect: return "token_inspect";
    case Action::poison_plant: return "poison_plant";
    case Action::poison_opened: return "poison_opened";
    }
    return {};
}

void encode(const Entry& entry, Bytes& out) {
    const auto result = entry.refusal ? static_cast<std::uint8_t>(*entry.refusal) : std::uint8_t{0};
    ByteWriter{out}
        .u8(1)
        .u8(static_cast<std::uint8_t>(entry.action))
        .u8(result)
        .u8(entry.transform)
        .le32(entry.time.minutes())
        .le16(entry.actor)
        .le16(entry.purpose)
        .le16(entry.policy_version)
        .le16(entry.field)
        .bytes(entry.pseudonym)
        .le16(entry.failed_steps)
        .le16(entry.recipient)
        .bytes(entry.object);
}

std::optional<Entry> decode_entry(ByteView bytes) noexcept {
    ByteReader in{bytes};
    Entry entry;
    const std::uint8_t format = in.u8();
    entry.action = static_cast<Action>(in.u8());
    if (const std::uint8_t result = in.u8(); result != 0) entry.refusal = Refusal{result};
    entry.transform = in.u8();
    const std::uint32_t minutes = in.le32();
    entry.time.seconds = minutes * 60;
    entry.actor = in.le16();
    entry.purpose = in.le16();
    entry.policy_version = in.le16();
    entry.field = in.le16();
    entry.pseudonym = in.array<16>();
    entry.failed_steps = in.le16();
    entry.recipient = in.le16();
    entry.object = in.array<16>();
    const bool is_time = minutes <= kMinutesMax;  // seconds fit 32 bits
    if (!in.finished() || format != 1 || !is_time) return std::nullopt;
    return entry;
}

}  // namespace oubliette::audit
