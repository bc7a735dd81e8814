#include "vault/requests/request_record.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "crypto/encoding.hpp"

namespace oubliette {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::uint64_t kNobody = std::numeric_limits<std::uint64_t>::max();

template <class Value>
struct Name {
    Value value;
    std::string_view text;
};
constexpr std::array<Name<RequestType>, 11> kTypes{{
    {RequestType::access, "access"},
    {RequestType::portability, "portability"},
    {RequestType::rectification, "rectification"},
    {RequestType::erasure, "erasure"},
    {RequestType::restriction, "restriction"},
    {RequestType::objection, "objection"},
    {RequestType::withdraw, "withdraw"},
    {RequestType::explain, "explain"},
    {RequestType::pause, "pause"},
    {RequestType::resume, "resume"},
    {RequestType::lift_restriction, "lift_restriction"},
}};
constexpr std::array<Name<RequestState>, 11> kStates{{
    {RequestState::proving, "proving"},
    {RequestState::review, "review"},
    {RequestState::fee_or_refuse, "fee_or_refuse"},
    {RequestState::accepted, "accepted"},
    {RequestState::scheduled, "scheduled"},
    {RequestState::executing, "executing"},
    {RequestState::done, "done"},
    {RequestState::refused, "refused"},
    {RequestState::withdrawn, "withdrawn"},
    {RequestState::not_proved, "not_proved"},
    {RequestState::ended, "ended"},
}};
constexpr std::array<Name<RequestChannel>, 5> kChannels{{
    {RequestChannel::other, "other"},
    {RequestChannel::web, "web"},
    {RequestChannel::email, "email"},
    {RequestChannel::phone, "phone"},
    {RequestChannel::letter, "letter"},
}};
constexpr std::array<Name<RefusalCode>, 6> kCodes{{
    {RefusalCode::identity_not_proved, "identity_not_proved"},
    {RefusalCode::deceptive, "deceptive"},
    {RefusalCode::harms_others, "harms_others"},
    {RefusalCode::not_feasible, "not_feasible"},
    {RefusalCode::repeated, "repeated"},
    {RefusalCode::legal_hold, "legal_hold"},
}};
constexpr std::array<Name<ProofLevel>, 4> kLevels{{
    {ProofLevel::none, "none"},
    {ProofLevel::session, "session"},
    {ProofLevel::one_factor, "one_factor"},
    {ProofLevel::two_factors, "two_factors"},
}};
constexpr std::array<Name<ProofMethod>, 4> kMethods{{
    {ProofMethod::session, "session"},
    {ProofMethod::code, "code"},
    {ProofMethod::match, "match"},
    {ProofMethod::document, "document"},
}};

template <class Names, class Value>
std::string_view text_in(const Names& names, Value value) noexcept {
    const auto found = std::ranges::find(names, value, [](const auto& name) { return name.value; });
    return found == names.end() ? std::string_view{} : found->text;
}
template <class Value, std::size_t N>
std::optional<Value> value_in(const std::array<Name<Value>, N>& names,
                              std::string_view text) noexcept {
    const auto found = std::ranges::find(names, text, [](const auto& name) { return name.text; });
    return found == names.end() ? std::nullopt : std::optional{found->value};
}

std::string id_text(std::string_view prefix, const keys::RequestId& id) {
    return std::string{prefix} + crypto::hex_encode(id);
}

std::optional<keys::RequestId> parse_id(std::string_view prefix, std::string_view text) {
    if (!text.starts_with(prefix)) return std::nullopt;
    const auto bytes = crypto::hex_decode(text.substr(prefix.size()));
    keys::RequestId id{};
    if (!bytes || bytes->size() != id.size()) return std::nullopt;
    std::ranges::copy(*bytes, id.begin());
    return id;
}

bool is_known(const RequestRecord& record) noexcept {
    const bool has_code = record.code == RefusalCode::none || !name_of(record.code).empty();
    return !name_of(record.type).empty() && !name_of(record.state).empty() &&
           !name_of(record.channel).empty() && has_code && record.flags < 32;
}

}  // namespace

std::string_view name_of(RequestType type) noexcept {
    return text_in(kTypes, type);
}
std::string_view name_of(RequestState state) noexcept {
    return text_in(kStates, state);
}
std::string_view name_of(RequestChannel channel) noexcept {
    return text_in(kChannels, channel);
}
std::string_view name_of(RefusalCode code) noexcept {
    return text_in(kCodes, code);
}
std::string_view name_of(ProofLevel level) noexcept {
    return text_in(kLevels, level);
}
std::string_view name_of(ProofMethod method) noexcept {
    return text_in(kMethods, method);
}
std::optional<RequestType> find_request_type(std::string_view name) noexcept {
    return value_in(kTypes, name);
}
RequestChannel parse_channel(std::string_view name) noexcept {
    return value_in(kChannels, name).value_or(RequestChannel::other);
}
std::optional<RefusalCode> find_refusal_code(std::string_view name) noexcept {
    return value_in(kCodes, name);
}
std::optional<ProofLevel> find_proof_level(std::string_view name) noexcept {
    return value_in(kLevels, name);
}
std::optional<ProofMethod> find_proof_method(std::string_view name) noexcept {
    return value_in(kMethods, name);
}

bool RequestRecord::is_open() const noexcept {
    return state <= RequestState::executing;
}

Bytes encode(const RequestRecord& record) {
    OBL_ASSERT(record.fields.size() <= kRequestFieldsMax);
    OBL_ASSERT(record.factors.size() <= kProofFactorsMax);
    Bytes out;
    ByteWriter writer{out};
    writer.u8(kFormat)
        .u8(static_cast<std::uint8_t>(record.type))
        .u8(static_cast<std::uint8_t>(record.state))
        .u8(static_cast<std::uint8_t>(record.channel))
        .le16(static_cast<std::uint16_t>(record.ground))
        .u8(static_cast<std::uint8_t>(record.code))
        .u8(record.flags)
        .bytes(record.id)
        .le64(record.subject ? record.subject->local : kNobody)
        .bytes(record.pseudonym);
    for (const Timestamp time : {record.received, record.due, record.proved, record.decided,
                                 record.run_after, record.ended, record.kept_until}) {
        writer.le32(time.seconds);
    }
    writer.le64(record.awake)
        .le16(record.opened_by)
        .le16(record.decided_by)
        .le16(record.seconded_by)
        .le16(record.executed_by)
        .le16(record.slot)
        .le16(record.code_field)
        .le32(record.code_until.seconds)
        .bytes(record.code_hash)
        .bytes(record.evidence)
        .bytes(record.commitment)
        .bytes(record.erasure)
        .u8(record.tries)
        .u8(static_cast<std::uint8_t>(record.fields.size()));
    for (const std::uint16_t field : record.fields) writer.le16(field);
    writer.u8(static_cast<std::uint8_t>(record.factors.size()));
    for (const ProofFactor& factor : record.factors) {
        writer.u8(static_cast<std::uint8_t>(factor.method)).u8(0).le16(factor.field);
    }
    return out;
}

std::optional<RequestRecord> decode_request_record(ByteView plaintext) {
    ByteReader in{plaintext};
    RequestRecord record;
    if (in.u8() != kFormat) return std::nullopt;
    record.type = static_cast<RequestType>(in.u8());
    record.state = static_cast<RequestState>(in.u8());
    record.channel = static_cast<RequestChannel>(in.u8());
    record.ground = static_cast<Ground>(in.le16());
    record.code = static_cast<RefusalCode>(in.u8());
    record.flags = in.u8();
    record.id = in.array<16>();
    const std::uint64_t subject = in.le64();
    if (subject != kNobody) record.subject = keys::SubjectNumber{subject};
    record.pseudonym = in.array<16>();
    for (Timestamp* const time : {&record.received, &record.due, &record.proved, &record.decided,
                                  &record.run_after, &record.ended, &record.kept_until}) {
        time->seconds = in.le32();
    }
    record.awake = in.le64();
    record.opened_by = in.le16();
    record.decided_by = in.le16();
    record.seconded_by = in.le16();
    record.executed_by = in.le16();
    record.slot = in.le16();
    record.code_field = in.le16();
    record.code_until.seconds = in.le32();
    record.code_hash = in.array<16>();
    record.evidence = in.array<32>();
    record.commitment = in.array<32>();
    record.erasure = in.array<16>();
    record.tries = in.u8();
    const std::size_t field_count = in.u8();
    for (std::size_t i = 0; i < field_count; ++i) record.fields.push_back(in.le16());
    const std::size_t factor_count = in.u8();
    for (std::size_t i = 0; i < factor_count; ++i) {
        ProofFactor factor;
        factor.method = static_cast<ProofMethod>(in.u8());
        const std::uint8_t reserved = in.u8();
        factor.field = in.le16();
        if (name_of(factor.method).empty() || reserved != 0) return std::nullopt;
        record.factors.push_back(factor);
    }
    const bool fits = field_count <= kRequestFieldsMax && factor_count <= kProofFactorsMax;
    const bool is_person = !record.subject || record.subject->local >> 36 == 0;
    if (!in.finished() || !fits || !is_person || !is_known(record)) return std::nullopt;
    return record;
}

void strip(RequestRecord& record) noexcept {
    record.subject.reset();
    record.slot = RequestRecord::kNoSlot;
    record.code_field = 0;
    record.code_until = {};
    record.code_hash = {};
    record.commitment = {};
    record.tries = 0;
    record.fields.clear();
    record.factors.clear();
}

// Two factors are two different things: a code sent to a contact and a value that was known, two
// contacts, or either of these and a session.
ProofLevel level_of(const std::vector<ProofFactor>& factors) noexcept {
    const bool has_strong = std::ranges::any_of(
        factors, [](const ProofFactor& factor) { return factor.method != ProofMethod::session; });
    if (factors.empty()) return ProofLevel::none;
    if (!has_strong) return ProofLevel::session;
    return factors.size() == 1 ? ProofLevel::one_factor : ProofLevel::two_factors;
}

std::string request_id_text(const keys::RequestId& id) {
    return id_text("rq_", id);
}
std::optional<keys::RequestId> parse_request_id(std::string_view text) {
    return parse_id("rq_", text);
}
std::string recall_id_text(const keys::RequestId& id) {
    return id_text("rc_", id);
}
std::optional<keys::RequestId> parse_recall_id(std::string_view text) {
    return parse_id("rc_", text);
}

}  // namespace oubliette
