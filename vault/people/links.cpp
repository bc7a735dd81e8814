#include "vault/people/links.hpp"

#include "crypto/kdf.hpp"
#include "vault/people/boxes.hpp"
#include "vault/result.hpp"
#include "vault/tables.hpp"

namespace oubliette::people {
namespace {

using crypto::KdfContext;
using keys::RecordType;

constexpr std::uint8_t kWaitingErasure = 0x00;
constexpr std::uint8_t kHeldDay = 0x01;
constexpr std::uint8_t kPublicSource = 0x02;

[[noreturn]] void corrupt(const char* what) {
    throw Fault{FaultKind::corrupt, what};
}

crypto::SubKey subkey(const crypto::ItemKey& key, std::uint64_t number) {
    return crypto::derive_subkey(key.expose(), KdfContext::item, number);
}

RowKey note_key(TenantId tenant, SubjectNumber number, std::uint8_t note) {
    return row_key(tenant, number, RowKind::exception_note).add(note, 1);
}

RowKey note_key(TenantId tenant, SubjectNumber number, std::uint8_t note, ByteView value_key) {
    const FieldItem place = field_item_of(value_key);
    return note_key(tenant, number, note).add(place.field, 2).add(place.item, 4);
}

}  // namespace

bool Links::item_key(SubjectNumber number, std::uint32_t item, crypto::ItemKey& out) const {
    switch (plane_.item_key(tenant_, number, item, out)) {
    case keys::NodeState::whole: return true;
    case keys::NodeState::dead: return false;
    case keys::NodeState::punctured:
    case keys::NodeState::corrupt: break;
    }
    corrupt("a person's key cannot be derived");
}

RowKey Links::link_key(const crypto::ItemKey& owner, SubjectNumber number, RowKind kind,
                       const LinkId& id) const {
    const ByteArray<1> kind_byte{static_cast<Byte>(kind)};
    ByteArray<16> find{};
    crypto::blake2b_keyed(subkey(owner, keys::subkey::kExceptionFind).expose(), {kind_byte, id},
                          find);
    ByteReader in{find};
    const std::uint64_t high = in.be64();
    return row_key(tenant_, number, kind).add(high, 8).add(in.be64(), 8);
}

void Links::add(store::WriteView& view, SubjectNumber number, RowKind kind,
                const LinkId& id) const {
    crypto::ItemKey owner;
    if (!item_key(number, 0, owner)) corrupt("a living person's key is dead");
    view.put(Tables::kPeople, link_key(owner, number, kind, id),
             seal_record(subkey(owner, keys::subkey::kExceptionLink), {},
                         {RecordType::exception_link, tenant_, number, 0, 0}, id));
}

void Links::remove(store::WriteView& view, SubjectNumber number, RowKind kind,
                   const LinkId& id) const {
    crypto::ItemKey owner;
    if (item_key(number, 0, owner)) {
        view.remove(Tables::kPeople, link_key(owner, number, kind, id));
    }
}

bool Links::has(const store::ReadView& view, SubjectNumber number, RowKind kind,
                const LinkId& id) const {
    crypto::ItemKey owner;
    if (!item_key(number, 0, owner)) return false;
    const auto row = view.get(Tables::kPeople, link_key(owner, number, kind, id));
    if (!row) return false;
    const auto plaintext = open_record(subkey(owner, keys::subkey::kExceptionLink),
                                       {RecordType::exception_link, tenant_, number, 0, 0}, *row);
    if (!plaintext) corrupt("a link to an order or a hold does not authenticate");
    return crypto::equal_constant_time(plaintext->expose(), id);
}

std::vector<LinkId> Links::list(const store::ReadView& view, SubjectNumber number,
                                RowKind kind) const {
    std::vector<LinkId> ids;
    crypto::ItemKey owner;
    if (!item_key(number, 0, owner)) return ids;
    const auto key = subkey(owner, keys::subkey::kExceptionLink);
    view.scan(Tables::kPeople, row_key(tenant_, number, kind), {}, [&](ByteView, ByteView row) {
        const auto plaintext =
            open_record(key, {RecordType::exception_link, tenant_, number, 0, 0}, row);
        if (!plaintext || plaintext->size() != 16) {
            corrupt("a link to an order or a hold does not authenticate");
        }
        ids.push_back(ByteReader{plaintext->expose()}.array<16>());
        return true;
    });
    return ids;
}

void Links::remember_erasure(store::WriteView& view, SubjectNumber number,
                             const keys::RequestId& id) const {
    crypto::ItemKey owner;
    if (!item_key(number, 0, owner)) corrupt("a living person's key is dead");
    view.put(Tables::kPeople, note_key(tenant_, number, kWaitingErasure),
             seal_record(subkey(owner, keys::subkey::kWaitingErasure), {},
                         {RecordType::waiting_erasure, tenant_, number, 0, 0}, id));
}

std::optional<keys::RequestId> Links::waiting_erasure(const store::ReadView& view,
                                                      SubjectNumber number) const {
    const auto row = view.get(Tables::kPeople, note_key(tenant_, number, kWaitingErasure));
    crypto::ItemKey owner;
    if (!row || !item_key(number, 0, owner)) return std::nullopt;
    const auto plaintext = open_record(subkey(owner, keys::subkey::kWaitingErasure),
                                       {RecordType::waiting_erasure, tenant_, number, 0, 0}, *row);
    if (!plaintext || plaintext->size() != 16) corrupt("a waiting erasure does not authenticate");
    return ByteReader{plaintext->expose()}.array<16>();
}

void Links::mark_public(store::WriteView& view, SubjectNumber number, ByteView key,
                        const PublicSource& source) const {
    const FieldItem place = field_item_of(key);
    crypto::ItemKey item;
    if (!item_key(number, place.item, item)) corrupt("a fresh value's key is dead");
    Bytes plaintext;
    ByteWriter{plaintext}.bytes(source.source).le32(source.found.seconds);
    view.put(Tables::kPeople, note_key(tenant_, number, kPublicSource, key),
             seal_record(subkey(item, keys::subkey::kPublicSource), {},
                         {RecordType::public_source, tenant_, number, place.field, place.item},
                         plaintext));
}

std::optional<PublicSource> Links::public_source(const store::ReadView& view, SubjectNumber number,
                                                 ByteView key) const {
    const FieldItem place = field_item_of(key);
    const auto row = view.get(Tables::kPeople, note_key(tenant_, number, kPublicSource, key));
    crypto::ItemKey item;
    if (!row || !item_key(number, place.item, item)) return std::nullopt;
    const auto plaintext =
        open_record(subkey(item, keys::subkey::kPublicSource),
                    {RecordType::public_source, tenant_, number, place.field, place.item}, *row);
    if (!plaintext || plaintext->size() != 36) corrupt("the mark of a value does not authenticate");
    ByteReader in{plaintext->expose()};
    PublicSource source;
    source.source = in.array<32>();
    source.found.seconds = in.le32();
    return source;
}

void remember_day(store::WriteView& view, TenantId tenant, SubjectNumber number, ByteView value_key,
                  const Header& header) {
    view.put(Tables::kPeople, note_key(tenant, number, kHeldDay, value_key), header.encode());
}

std::optional<Header> day_before_hold(const store::ReadView& view, TenantId tenant,
                                      SubjectNumber number, ByteView value_key) {
    const auto row = view.get(Tables::kPeople, note_key(tenant, number, kHeldDay, value_key));
    if (!row) return std::nullopt;
    const auto header = Header::decode(*row);
    if (!header || row->size() != kHeaderSize) corrupt("the note of a held value is damaged");
    return header;
}

}  // namespace oubliette::people
