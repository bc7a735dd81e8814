#pragma once

#include <vector>

#include "vault/keys/key_plane.hpp"
#include "vault/people/records.hpp"
#include "vault/store/store.hpp"

// What a person's rows know of disclosure orders and legal holds: which ones name the person, which
// erasure waits for a hold to end, and where a held value was before. All boxes are under the key
// of item 0, which lives as long as anything of the person does: a hold lets S_fix die. So the list
// of people in an order is nowhere but with these people, and goes with them.
//
//   kind 0x20 order link, 0x21 hold link: find:16 -> header | box(id 16), with
//     find := BLAKE2b-128(key = subkey kExceptionFind of item 0, kind:u8 | id:16), so that after
//     the erasure no row says in which order the number was
//   kind 0x22 exception note, one byte more:
//     0x00 waiting erasure -> header | box(request id 16)
//     0x01 day of a held value: field:u16be | item:u32be -> the header that its row had before
//     0x02 public source of a value: field:u16be | item:u32be -> header | box under a subkey of the
//          value's own item key: SHA-256 of the source 32 | found:u32
//
// DO NOT CHANGE: it is on disk and in backups. Reading functions are thread-safe, writing ones
// belong to the committer's thread. All throw Fault{corrupt} for a row that does not authenticate.

namespace oubliette::people {

using LinkId = ByteArray<16>;

// Where a value was published by the person or by law before it came here (MISSION 3.4(5)(6)).
struct PublicSource {
    crypto::Hash source{};  // of the page or document
    Timestamp found;        // 0 = not told
};

class Links {
public:
    Links(keys::KeyPlane& plane, TenantId tenant) : plane_(plane), tenant_(tenant) {}

    // REQUIRES: `kind` is order_link or hold_link; add(): the person's keys live.
    void add(store::WriteView& view, SubjectNumber number, RowKind kind, const LinkId& id) const;
    void remove(store::WriteView& view, SubjectNumber number, RowKind kind, const LinkId& id) const;
    // False also when the person is erased.
    [[nodiscard]] bool has(const store::ReadView& view, SubjectNumber number, RowKind kind,
                           const LinkId& id) const;
    [[nodiscard]] std::vector<LinkId> list(const store::ReadView& view, SubjectNumber number,
                                           RowKind kind) const;

    // The erasure that goes on when the last hold on the person has ended.
    void remember_erasure(store::WriteView& view, SubjectNumber number,
                          const keys::RequestId& id) const;
    [[nodiscard]] std::optional<keys::RequestId> waiting_erasure(const store::ReadView& view,
                                                                 SubjectNumber number) const;

    // The mark of one value; `key` is the key of its row.
    void mark_public(store::WriteView& view, SubjectNumber number, ByteView key,
                     const PublicSource& source) const;
    [[nodiscard]] std::optional<PublicSource> public_source(const store::ReadView& view,
                                                            SubjectNumber number,
                                                            ByteView key) const;

private:
    // False when the key is dead.
    [[nodiscard]] bool item_key(SubjectNumber number, std::uint32_t item,
                                crypto::ItemKey& out) const;
    [[nodiscard]] RowKey link_key(const crypto::ItemKey& owner, SubjectNumber number, RowKind kind,
                                  const LinkId& id) const;

    keys::KeyPlane& plane_;
    TenantId tenant_;
};

// The header that the value's row had before a hold, or would have without one: numbers only.
void remember_day(store::WriteView& view, TenantId tenant, SubjectNumber number, ByteView value_key,
                  const Header& header);
[[nodiscard]] std::optional<Header> day_before_hold(const store::ReadView& view, TenantId tenant,
                                                    SubjectNumber number, ByteView value_key);

}  // namespace oubliette::people
