#include "vault/exception_table.hpp"

#include "crypto/box.hpp"
#include "crypto/byte_io.hpp"
#include "crypto/encoding.hpp"
#include "crypto/kdf.hpp"
#include "vault/keys/registry.hpp"
#include "vault/result.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kHeadSize = 12;  // bytes before the box
constexpr std::uint32_t kNumbersPerRecipient = 0xFFFF;
constexpr std::uint32_t kNumberEnd = 0x3FFD * kNumbersPerRecipient;
constexpr auto kSystemKind = static_cast<std::uint8_t>(keys::SystemKind::exception);

[[noreturn]] void corrupt(const char* what) {
    throw Fault{FaultKind::corrupt, what};
}

Bytes table_key(ExceptionKind kind, const ExceptionId& id) {
    Bytes key;
    ByteWriter{key}.u8(static_cast<std::uint8_t>(kind)).bytes(id);
    return key;
}

Bytes associated_data(keys::TenantId tenant, const StoredException& exception) {
    Bytes data;
    ByteWriter{data}
        .bytes(bytes_of("obl1"))
        .u8(static_cast<std::uint8_t>(keys::RecordType::exception))
        .u8(0)
        .le16(static_cast<std::uint16_t>(tenant))
        .u8(static_cast<std::uint8_t>(exception.kind))
        .bytes(exception.id)
        .u8(exception.is_pending ? 1 : 0)
        .le32(exception.number)
        .le32(exception.due.seconds);
    return data;
}

std::string_view prefix_of(ExceptionKind kind) noexcept {
    return kind == ExceptionKind::order ? "or_" : "ho_";
}

// The clear part of a row.
StoredException read_head(ExceptionKind kind, const ExceptionId& id, ByteView row) {
    ByteReader in{row};
    StoredException exception;
    exception.kind = kind;
    exception.id = id;
    const std::uint8_t format = in.u8();
    const std::uint8_t pending = in.u8();
    const std::uint16_t reserved = in.le16();
    exception.is_pending = pending == 1;
    exception.number = in.le32();
    exception.due.seconds = in.le32();
    if (!in.ok() || format != kFormat || pending > 1 || reserved != 0) {
        corrupt("the row of an order or a hold has another format");
    }
    return exception;
}

}  // namespace

ExceptionTable::ExceptionTable(keys::KeyPlane& plane, keys::LeafCache& leaves,
                               keys::TenantId tenant)
    : plane_(plane), leaves_(leaves), tenant_(tenant) {}

std::optional<crypto::SubKey> ExceptionTable::row_key() const {
    const auto leaf = leaves_.get(keys::system_path(tenant_, kSystemKind, 0, 0));
    if (leaf.state == keys::NodeState::dead) return std::nullopt;
    if (leaf.state != keys::NodeState::whole) corrupt("the key of orders and holds is missing");
    return crypto::derive_subkey(leaf.seed.expose(), crypto::KdfContext::system,
                                 keys::subkey::kExceptionRow);
}

StoredException ExceptionTable::begin(ExceptionKind kind) const {
    const std::uint64_t number =
        plane_.lease({keys::RegisterKind::exception_number, tenant_, 0, 0}, 1);
    if (number >= kNumberEnd) {
        throw Fault{FaultKind::storage_full, "all numbers of orders and holds are used"};
    }
    StoredException exception;
    exception.kind = kind;
    crypto::random_bytes(exception.id);
    exception.number = static_cast<std::uint32_t>(number);
    return exception;
}

void ExceptionTable::put(store::WriteView& view, const StoredException& exception) const {
    const auto key = row_key();
    if (!key) corrupt("the key of orders and holds is dead");
    Bytes row;
    ByteWriter{row}
        .u8(kFormat)
        .u8(exception.is_pending ? 1 : 0)
        .le16(0)
        .le32(exception.number)
        .le32(exception.due.seconds)
        .bytes(crypto::seal_box(key->expose(), crypto::Commitment::value, exception.plaintext,
                                associated_data(tenant_, exception)));
    view.put(Tables::kExceptions, table_key(exception.kind, exception.id), row);
}

StoredException ExceptionTable::open(const crypto::SubKey& key, ExceptionKind kind,
                                     const ExceptionId& id, ByteView row) const {
    StoredException exception = read_head(kind, id, row);
    const auto plaintext =
        crypto::open_box(key.expose(), crypto::Commitment::value, row.subspan(kHeadSize),
                         associated_data(tenant_, exception));
    if (!plaintext) corrupt("the row of an order or a hold does not authenticate");
    const ByteView opened = plaintext->expose();
    exception.plaintext.assign(opened.begin(), opened.end());
    return exception;
}

std::optional<StoredException> ExceptionTable::find(const store::ReadView& view, ExceptionKind kind,
                                                    const ExceptionId& id) const {
    const auto row = view.get(Tables::kExceptions, table_key(kind, id));
    const auto key = row_key();
    if (!row || !key) return std::nullopt;
    return open(*key, kind, id, *row);
}

void ExceptionTable::visit(const store::ReadView& view, ExceptionKind kind,
                           std::optional<Timestamp> due_by,
                           FunctionRef<void(StoredException&& exception)> visit) const {
    const ByteArray<1> prefix{static_cast<Byte>(kind)};
    const auto key_of_rows = row_key();
    if (!key_of_rows) return;
    view.scan(Tables::kExceptions, prefix, {}, [&](ByteView key, ByteView row) {
        ByteReader in{key};
        (void)in.u8();
        const auto id = in.array<16>();
        if (!in.finished()) corrupt("the key of an order or a hold has another size");
        if (due_by) {
            const StoredException head = read_head(kind, id, row);
            if (!head.is_pending || head.due > *due_by) return true;
        }
        visit(open(*key_of_rows, kind, id, row));
        return true;
    });
}

keys::Path ExceptionTable::path_of(std::uint32_t number) const {
    OBL_ASSERT(number < kNumberEnd);
    return keys::system_path(tenant_, kSystemKind,
                             static_cast<std::uint16_t>(1 + number / kNumbersPerRecipient),
                             static_cast<std::uint16_t>(number % kNumbersPerRecipient));
}

bool ExceptionTable::is_alive(std::uint32_t number) const {
    const auto leaf = leaves_.get(path_of(number));
    if (leaf.state == keys::NodeState::corrupt) corrupt("the key of an order cannot be derived");
    return leaf.state == keys::NodeState::whole;
}

std::string exception_id_text(ExceptionKind kind, const ExceptionId& id) {
    return std::string{prefix_of(kind)} + crypto::hex_encode(id);
}

std::optional<ExceptionId> parse_exception_id(ExceptionKind kind, std::string_view text) {
    const std::string_view prefix = prefix_of(kind);
    if (!text.starts_with(prefix)) return std::nullopt;
    const auto bytes = crypto::hex_decode(text.substr(prefix.size()));
    if (!bytes || bytes->size() != 16) return std::nullopt;
    return ByteReader{*bytes}.array<16>();
}

}  // namespace oubliette
