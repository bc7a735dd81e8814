#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vault/function_ref.hpp"
#include "vault/keys/key_plane.hpp"
#include "vault/keys/leaf_cache.hpp"
#include "vault/store/store.hpp"

// Where orders and holds lie: boxed rows, each with a leaf of its own in the key tree. Ending one
// destroys that leaf, so that no older copy of the data revives an order or a hold; the row stays
// readable, because what was ordered must be accounted for.
//
//   table exceptions: kind:u8 (1 order, 2 hold) | id:16 -> format:u8 = 1 | pending:u8 | 0^2 |
//     number:u32 | due:u32 | box under subkey kExceptionRow of leaf(kind exception, 0, 0)
//   associated data := "obl1" | 0x20 | plane:u8 = 0 | tenant:u16 | kind:u8 | id:16 | pending:u8 |
//     number:u32 | due:u32
//   leaf of the one with `number` := (kind exception, recipient 1 + number / 65535,
//     kid number % 65535)
//   pending := 1 while housekeeping has something to do with it, at `due` or later (0: at any time)
//
// DO NOT CHANGE: it is on disk and in backups. Reading functions are thread-safe, writing ones
// belong to the committer's thread. Throws Fault{corrupt} for rows that do not authenticate.

namespace oubliette {

enum class ExceptionKind : std::uint8_t { order = 1, hold = 2 };
using ExceptionId = ByteArray<16>;

struct StoredException {
    ExceptionKind kind{};
    ExceptionId id{};
    std::uint32_t number = 0;
    bool is_pending = true;
    Timestamp due;
    Bytes plaintext;
};

class ExceptionTable {
public:
    ExceptionTable(keys::KeyPlane& plane, keys::LeafCache& leaves, keys::TenantId tenant);

    // A fresh id and number. Throws Fault{storage} when no keeper can be written,
    // Fault{storage_full} when all numbers are used.
    [[nodiscard]] StoredException begin(ExceptionKind kind) const;
    void put(store::WriteView& view, const StoredException& exception) const;
    [[nodiscard]] std::optional<StoredException> find(const store::ReadView& view,
                                                      ExceptionKind kind,
                                                      const ExceptionId& id) const;
    // All of a kind, in order of their ids; with `due_by` only the pending ones that are due then.
    void visit(const store::ReadView& view, ExceptionKind kind, std::optional<Timestamp> due_by,
               FunctionRef<void(StoredException&& exception)> visit) const;

    // False when it was ended, whatever its row says.
    [[nodiscard]] bool is_alive(std::uint32_t number) const;
    [[nodiscard]] keys::Path path_of(std::uint32_t number) const;

private:
    // nullopt when the tenant's keys are dead: then there are no orders and no holds.
    [[nodiscard]] std::optional<crypto::SubKey> row_key() const;
    [[nodiscard]] StoredException open(const crypto::SubKey& key, ExceptionKind kind,
                                       const ExceptionId& id, ByteView row) const;

    keys::KeyPlane& plane_;
    keys::LeafCache& leaves_;
    keys::TenantId tenant_;
};

// "or_" or "ho_", and 32 hex digits.
[[nodiscard]] std::string exception_id_text(ExceptionKind kind, const ExceptionId& id);
[[nodiscard]] std::optional<ExceptionId> parse_exception_id(ExceptionKind kind,
                                                            std::string_view text);

}  // namespace oubliette
