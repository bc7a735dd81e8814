#include "vault/people/records.hpp"

#include <algorithm>
#include <bit>

namespace oubliette::people {
namespace {

constexpr std::uint8_t kSuite = 1;

std::size_t padme(std::size_t size) noexcept {
    // Padme (Nikitin et al. 2019): keep the top log2(log2(size)) + 1 bits, round up the rest.
    const unsigned exponent = static_cast<unsigned>(std::bit_width(size)) - 1;
    const unsigned kept = static_cast<unsigned>(std::bit_width(exponent));
    const std::size_t mask = (std::size_t{1} << (exponent - kept)) - 1;
    return (size + mask) & ~mask;
}

bool is_zero(ByteView bytes) noexcept {
    return std::ranges::all_of(bytes, [](Byte byte) { return byte == 0; });
}

// Writes a plaintext of N bytes, little-endian, without touching the heap.
template <std::size_t N>
class Fixed {
public:
    Fixed& le(std::uint64_t value, std::size_t width) noexcept {
        OBL_ASSERT(size_ + width <= N);
        for (std::size_t i = 0; i < width; ++i) {
            bytes_[size_++] = static_cast<Byte>(value >> (8 * i));
        }
        return *this;
    }
    Fixed& bytes(ByteView value) noexcept {
        OBL_ASSERT(size_ + value.size() <= N);
        std::copy(value.begin(), value.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
        size_ += value.size();
        return *this;
    }
    Fixed& zeros(std::size_t count) noexcept {  // the array is zero already
        size_ += count;
        return *this;
    }
    [[nodiscard]] ByteArray<N> whole() const noexcept {
        OBL_ASSERT(size_ == N);
        return bytes_;
    }

private:
    ByteArray<N> bytes_{};
    std::size_t size_ = 0;
};

}  // namespace

ByteArray<kHeaderSize> Header::encode() const noexcept {
    ByteArray<kHeaderSize> out{};
    const std::uint16_t numbers[] = {schema, retention_class, day, region, generation};
    out[0] = format;
    out[1] = kSuite;
    for (std::size_t i = 0; i < 5; ++i) {
        out[2 + 2 * i] = static_cast<Byte>(numbers[i]);
        out[3 + 2 * i] = static_cast<Byte>(numbers[i] >> 8);
    }
    return out;
}

std::optional<Header> Header::decode(ByteView row) noexcept {
    ByteReader in{row};
    Header header;
    header.format = in.u8();
    const std::uint8_t suite = in.u8();
    header.schema = in.le16();
    header.retention_class = in.le16();
    header.day = in.le16();
    header.region = in.le16();
    header.generation = in.le16();
    if (!in.ok() || suite != kSuite || header.format == 0 || header.format > 2) return std::nullopt;
    return header;
}

PersonPrefix person_prefix(TenantId tenant, SubjectNumber number) noexcept {
    OBL_ASSERT(number.local >> 36 == 0);
    PersonPrefix out;
    const auto shard = static_cast<std::uint16_t>(number.local >> 20);
    const auto tenant_number = static_cast<std::uint16_t>(tenant);
    out.bytes = {static_cast<Byte>(shard >> 8),         static_cast<Byte>(shard),
                 static_cast<Byte>(tenant_number >> 8), static_cast<Byte>(tenant_number),
                 static_cast<Byte>(number.local >> 32), static_cast<Byte>(number.local >> 24),
                 static_cast<Byte>(number.local >> 16), static_cast<Byte>(number.local >> 8),
                 static_cast<Byte>(number.local)};
    return out;
}

std::optional<SubjectNumber> subject_of(ByteView row_key) noexcept {
    ByteReader in{row_key};
    const std::uint16_t shard = in.be16();
    in.be16();
    const std::uint64_t local = in.be40();
    if (!in.ok() || local >> 36 != 0 || local >> 20 != shard) return std::nullopt;
    return SubjectNumber{local};
}

std::optional<RowKind> kind_of(ByteView row_key) noexcept {
    if (row_key.size() <= kPersonPrefixSize) return std::nullopt;
    const std::size_t rest = row_key.size() - kPersonPrefixSize - 1;
    switch (row_key[kPersonPrefixSize]) {
    case 0x01: return rest == 0 ? std::optional{RowKind::person} : std::nullopt;
    case 0x02: return rest == 0 ? std::optional{RowKind::hot} : std::nullopt;
    case 0x03: return rest == 0 ? std::optional{RowKind::audit_counter} : std::nullopt;
    case 0x10: return rest == 6 ? std::optional{RowKind::value} : std::nullopt;
    case 0x11: return rest == 6 ? std::optional{RowKind::marker} : std::nullopt;
    case 0x12: return rest == 4 ? std::optional{RowKind::external_id} : std::nullopt;
    case 0x20: return rest == 16 ? std::optional{RowKind::order_link} : std::nullopt;
    case 0x21: return rest == 16 ? std::optional{RowKind::hold_link} : std::nullopt;
    case 0x22:
        return rest == 1 || rest == 7 ? std::optional{RowKind::exception_note} : std::nullopt;
    case 0x23: return rest == 0 ? std::optional{RowKind::told} : std::nullopt;
    case 0x24: return rest == 16 ? std::optional{RowKind::request_link} : std::nullopt;
    case 0x2C: return rest == 9 ? std::optional{RowKind::given_token} : std::nullopt;
    case 0x2D: return rest == 4 ? std::optional{RowKind::given_handle} : std::nullopt;
    default: return std::nullopt;
    }
}

RowKey::RowKey(const PersonPrefix& prefix) noexcept {
    std::copy(prefix.bytes.begin(), prefix.bytes.end(), bytes_.begin());
}

RowKey& RowKey::add(std::uint64_t value, std::size_t width) noexcept {
    OBL_ASSERT(size_ + width <= bytes_.size());
    for (std::size_t i = width; i-- > 0;) bytes_[size_++] = static_cast<Byte>(value >> (8 * i));
    return *this;
}

RowKey row_key(TenantId tenant, SubjectNumber number, RowKind kind) noexcept {
    RowKey key{person_prefix(tenant, number)};
    key.add(static_cast<std::uint8_t>(kind), 1);
    if (kind == RowKind::external_id) key.add(0, 4);
    return key;
}

RowKey field_prefix(TenantId tenant, SubjectNumber number, RowKind kind,
                    std::uint16_t field) noexcept {
    OBL_ASSERT(kind == RowKind::value || kind == RowKind::marker || kind == RowKind::given_token);
    return row_key(tenant, number, kind).add(field, 2);
}

RowKey row_key(TenantId tenant, SubjectNumber number, RowKind kind, std::uint16_t field,
               std::uint32_t item) noexcept {
    return field_prefix(tenant, number, kind, field).add(item, 4);
}

FieldItem field_item_of(ByteView row_key) noexcept {
    ByteReader in{row_key.subspan(kPersonPrefixSize + 1)};
    FieldItem out;
    out.field = in.be16();
    out.item = in.be32();
    constexpr std::size_t kRecipientAndKind = 3;  // behind them in a given token's key
    OBL_ASSERT(in.ok() && (in.rest().empty() || in.rest().size() == kRecipientAndKind));
    return out;
}

ByteArray<34> associated_data(const RecordPlace& place,
                              const ByteArray<kHeaderSize>& header) noexcept {
    ByteArray<34> out{'o', 'b', 'l', '1', static_cast<Byte>(place.type), 0};
    const auto le = [&out](std::size_t at, std::uint64_t value, std::size_t width) {
        for (std::size_t i = 0; i < width; ++i) out[at + i] = static_cast<Byte>(value >> (8 * i));
    };
    le(6, static_cast<std::uint16_t>(place.tenant), 2);
    le(8, place.number.local, 8);
    le(16, place.field, 2);
    le(18, place.item, 4);
    std::copy(header.begin(), header.end(), out.begin() + 22);
    return out;
}

std::size_t padded_size(std::size_t size) noexcept {
    if (size <= 256) return (size + 15) / 16 * 16;
    return padme(size);
}

crypto::SecretBytes encode_value(policy::ValueKind kind, Timestamp collected,
                                 std::string_view text) {
    crypto::SecretBytes out{padded_size(9 + text.size())};
    const ByteSpan bytes = out.expose_mut();
    bytes[0] = static_cast<Byte>(kind);
    for (std::size_t i = 0; i < 4; ++i) {
        bytes[1 + i] = static_cast<Byte>(collected.seconds >> (8 * i));
        bytes[5 + i] = static_cast<Byte>(text.size() >> (8 * i));
    }
    std::copy(text.begin(), text.end(), bytes.begin() + 9);
    return out;
}

std::optional<StoredValue> decode_value(ByteView plaintext) noexcept {
    ByteReader in{plaintext};
    const std::uint8_t kind = in.u8();
    const std::uint32_t collected = in.le32();
    const std::uint32_t size = in.le32();
    const ByteView text = in.bytes(size);
    const bool is_canonical =
        in.ok() && plaintext.size() == padded_size(9 + text.size()) && is_zero(in.rest());
    if (!is_canonical || (kind != 1 && kind != 2)) return std::nullopt;
    return StoredValue{static_cast<policy::ValueKind>(kind), Timestamp{collected}, text_of(text)};
}

ByteArray<16> encode(const PersonRow& row) noexcept {
    return Fixed<16>{}
        .le(row.next_item, 4)
        .le(row.skipped_from, 4)
        .le(row.skipped_to, 4)
        .zeros(4)
        .whole();
}

std::optional<PersonRow> decode_person_row(ByteView plaintext) noexcept {
    ByteReader in{plaintext};
    PersonRow row;
    row.next_item = in.le32();
    row.skipped_from = in.le32();
    row.skipped_to = in.le32();
    const std::uint32_t reserved = in.le32();
    const bool has_order = row.skipped_from <= row.skipped_to && row.skipped_to <= row.next_item;
    if (!in.finished() || reserved != 0 || !has_order) return std::nullopt;
    return row;
}

ByteArray<64> encode(const policy::SubjectState& state) noexcept {
    return Fixed<64>{}
        .le(state.granted.low, 8)
        .le(state.granted.high, 8)
        .le(state.seen_version, 2)
        .le(state.home_region, 2)
        .le(state.flags, 1)
        .zeros(3)
        .le(state.earliest_expiry, 4)
        .le(state.account_closed, 4)
        .le(state.last_activity, 4)
        .le(state.campaign_ended, 4)
        .zeros(24)
        .whole();
}

std::optional<policy::SubjectState> decode_subject_state(ByteView plaintext) noexcept {
    ByteReader in{plaintext};
    policy::SubjectState state;
    state.granted.low = in.le64();
    state.granted.high = in.le64();
    state.seen_version = in.le16();
    state.home_region = in.le16();
    state.flags = in.u8();
    const ByteView reserved = in.bytes(3);
    state.earliest_expiry = in.le32();
    state.account_closed = in.le32();
    state.last_activity = in.le32();
    state.campaign_ended = in.le32();
    const ByteView more_reserved = in.bytes(24);
    if (!in.finished() || !is_zero(reserved) || !is_zero(more_reserved)) return std::nullopt;
    return state;
}

ByteArray<48> encode(const Marker& marker) noexcept {
    return Fixed<48>{}
        .le(marker.slot, 2)
        .le(marker.version, 2)
        .le(static_cast<std::uint8_t>(marker.kind), 1)
        .le(marker.told, 1)
        .zeros(2)
        .le(marker.granted.seconds, 4)
        .le(marker.expires.seconds, 4)
        .bytes(marker.evidence)
        .whole();
}

std::optional<Marker> decode_marker(ByteView plaintext) noexcept {
    ByteReader in{plaintext};
    Marker marker;
    marker.slot = in.le16();
    marker.version = in.le16();
    const std::uint8_t kind = in.u8();
    marker.kind = static_cast<policy::ConsentKind>(kind);
    marker.told = in.u8();
    const std::uint16_t reserved = in.le16();
    marker.granted.seconds = in.le32();
    marker.expires.seconds = in.le32();
    marker.evidence = in.array<32>();
    const bool is_known_kind = kind >= 1 && kind <= 3;
    if (!in.finished() || reserved != 0 || !is_known_kind) return std::nullopt;
    return marker;
}

crypto::SecretBytes encode_external_id(std::string_view id) {
    OBL_ASSERT(!id.empty() && id.size() <= kExternalIdSizeMax);
    crypto::SecretBytes out{padded_size(1 + id.size())};
    out.expose_mut()[0] = static_cast<Byte>(id.size());
    std::copy(id.begin(), id.end(), out.expose_mut().begin() + 1);
    return out;
}

std::optional<std::string_view> decode_external_id(ByteView plaintext) noexcept {
    ByteReader in{plaintext};
    const ByteView id = in.bytes(in.u8());
    const bool is_canonical =
        in.ok() && plaintext.size() == padded_size(1 + id.size()) && is_zero(in.rest());
    if (!is_canonical || id.empty() || id.size() > kExternalIdSizeMax) return std::nullopt;
    return text_of(id);
}

Bytes encode(const std::vector<ToldField>& told) {
    Bytes out;
    ByteWriter writer{out};
    for (const ToldField& shown : told) writer.le16(shown.recipient).le16(shown.field);
    return out;
}

std::optional<std::vector<ToldField>> decode_told(ByteView plaintext) {
    ByteReader in{plaintext};
    std::vector<ToldField> told;
    while (in.ok() && !in.finished()) {
        ToldField shown;
        shown.recipient = in.le16();
        shown.field = in.le16();
        if (!told.empty() && told.back() >= shown) return std::nullopt;
        told.push_back(shown);
    }
    if (!in.ok()) return std::nullopt;
    return told;
}

ByteArray<20> encode(const IndexTruth& truth) noexcept {
    return Fixed<20>{}.bytes(truth.fingerprint).le(truth.normaliser, 2).le(truth.kid, 2).whole();
}

std::optional<IndexTruth> decode_index_truth(ByteView plaintext) noexcept {
    ByteReader in{plaintext};
    IndexTruth truth;
    truth.fingerprint = in.array<16>();
    truth.normaliser = in.le16();
    truth.kid = in.le16();
    if (!in.finished()) return std::nullopt;
    return truth;
}

}  // namespace oubliette::people
