#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "vault/keys/records.hpp"
#include "vault/store/store.hpp"

// The tables of a keeper's store and what lies in them (bytes of the rows: keys/records.hpp).
//
//   root         "root" -> root record; "members" -> member list; "state" -> state record
//   pages        page id 10 -> page record
//   chain        epoch:u64be -> chain row
//   requests     epoch:u64be | 0x00 | part:u16be -> leaf record (1,024 leaves a part)
//                epoch:u64be | 0x01 | request id 16 | piece:u16be -> piece of a request record
//                epoch:u64be | 0x02 -> address list of the banks opened by that epoch
//   request_ids  request id 16 -> epoch:u64be
//   pending      request id 16 | piece:u16be -> piece of a request record, sealed for epoch 0
//   registers    kind:u8 | tenant:u16be | a:u16be | b:u16be -> register
//
// Thread-safe as far as the view given is. Decoding something that we did not write throws
// Fault{corrupt}.

namespace oubliette::keys {

namespace table {
inline constexpr store::TableId kRoot{0};
inline constexpr store::TableId kPages{1};
inline constexpr store::TableId kChain{2};
inline constexpr store::TableId kRequests{3};
inline constexpr store::TableId kRequestIds{4};
inline constexpr store::TableId kPending{5};
inline constexpr store::TableId kRegisters{6};
}  // namespace table
[[nodiscard]] std::vector<std::string> keeper_tables();

// One epoch as keepers hand it to each other.
struct EpochStep {
    ChainRow row;
    std::vector<RequestLeaf> leaves;   // of all its requests, ordered by id
    std::vector<Revocation> requests;  // those that were not forgotten, ordered by id
    std::vector<Path> opens;           // banks opened
};

// What keepers remember beside tree and chain.
struct Memory {
    RegisterMap registers;
    StateRecord state;
    std::vector<Revocation> pending;
};
// Adds what `from` knows and `to` does not: registers by max, the newer state, pending by union.
void merge_memory(Memory& to, const Memory& from);

class KeeperRows {
public:
    KeeperRows(const crypto::Kek& kek, const KeeperName& name) : kek_(kek), name_(name) {}

    // nullopt if there is none.
    [[nodiscard]] static std::optional<ByteView> root_record(const store::ReadView& view);
    static void put_root_record(store::WriteView& view, ByteView record);
    [[nodiscard]] static std::optional<Bytes> page(const store::ReadView& view, const PageId& id);

    [[nodiscard]] static Members members(const store::ReadView& view);
    static void put_members(store::WriteView& view, const Members& members);

    static void put_row(store::WriteView& view, const StoredRow& row);
    [[nodiscard]] static std::optional<StoredRow> row(const store::ReadView& view,
                                                      std::uint64_t epoch);
    // Rows of epochs >= `first`, ascending.
    [[nodiscard]] static std::vector<StoredRow> rows_from(const store::ReadView& view,
                                                          std::uint64_t first);
    // Removes rows of epochs < `floor` that no remembered request needs; at most 4,096.
    static void prune_rows(store::WriteView& view, std::uint64_t floor);

    // Writes leaves, requests and opens of a step, and removes its pending rows.
    void put_step(store::WriteView& view, const EpochStep& step) const;
    [[nodiscard]] EpochStep step(const store::ReadView& view, const ChainRow& row) const;
    [[nodiscard]] static std::vector<RequestLeaf> leaves(const store::ReadView& view,
                                                         std::uint64_t epoch);

    // Every remembered request and its epoch.
    [[nodiscard]] static std::vector<std::pair<RequestId, std::uint64_t>> request_ids(
        const store::ReadView& view);
    [[nodiscard]] std::optional<Revocation> request(const store::ReadView& view,
                                                    const RequestId& id) const;
    // Forgets a request, applied or pending.
    static void forget(store::WriteView& view, const RequestId& id);

    void put_pending(store::WriteView& view, const Revocation& revocation) const;
    static void remove_pending(store::WriteView& view, const RequestId& id);
    [[nodiscard]] std::vector<Revocation> pending(const store::ReadView& view) const;

    void put_register(store::WriteView& view, const RegisterKey& key, std::uint64_t value) const;
    [[nodiscard]] RegisterMap registers(const store::ReadView& view) const;

    void put_state(store::WriteView& view, const StateRecord& state) const;
    [[nodiscard]] StateRecord state(const store::ReadView& view) const;

    [[nodiscard]] Memory memory(const store::ReadView& view) const;
    // Writes all of `memory` over what is there.
    void put_memory(store::WriteView& view, const Memory& memory) const;

private:
    const crypto::Kek& kek_;
    const KeeperName& name_;
};

}  // namespace oubliette::keys
