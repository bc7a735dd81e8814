#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "vault/keys/cell.hpp"
#include "vault/keys/keeper_files.hpp"
#include "vault/keys/keeper_rows.hpp"

// One keeper (KEYS 4.3, 6.1, 6.2): its own erasable cell and its own full copy of the key plane. A
// keeper is the pair (slot of the cell, plane directory) that opens. Every change of the root goes
// the same way, whether it is a group, a catch-up or a rebuild:
//
//   k0 check everything against its own copy          nothing has changed yet
//   k1 a new anchor into the OTHER slot, durable      crash: the old pair opens
//   k2 one transaction: pages, rows, root record      crash: the new pair opens, the old anchor
//      boxed under the new anchor, durable                   opens nothing any more
//   k3 open the root from a fresh read of store and   crash: as after k2; recovery overwrites the
//      cell, then overwrite the old slot                     old slot
//   k4 sign the acknowledgement
//
// Thread-safe. After a Fault of a writing call the keeper refuses to write: what is durable is not
// known, and opening it again finds out.

namespace oubliette::keys {

// A way from one keeper's head to the last of `steps`.
struct Advance {
    std::vector<EpochStep> steps;  // ascending, each on the one before
    Members members;               // as of the last step
    TreeDiff diff;                 // from the keeper's tree to that of the last step
    std::uint64_t chain_floor =
        0;  // every registered keeper acknowledged this epoch or a later one
};

class Keeper {
public:
    // Makes the files of a keeper in an existing directory: cell, seal, signing key. It holds no
    // plane yet: rebuild() or found() comes next. Throws Fault{configuration}, Fault{storage}.
    [[nodiscard]] static std::unique_ptr<Keeper> create(const std::filesystem::path& directory,
                                                        const KeeperName& name,
                                                        const SealSecret& seal,
                                                        bool accept_besteffort);

    // Takes owner.lock and recovers (KEYS 6.2): finds the live pair, overwrites the other slot,
    // unlinks other plane directories. A keeper of which no pair opens is not is_whole(); it can
    // be rebuilt. Throws Fault{configuration} (missing), Fault{conflict}, Fault{sealed},
    // Fault{corrupt} (signing.key or seal.slots: cannot be rebuilt), Fault{storage}.
    [[nodiscard]] static std::unique_ptr<Keeper> open(const std::filesystem::path& directory,
                                                      const SealSecret& seal);
    ~Keeper();
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
    [[nodiscard]] const KeeperName& name() const noexcept { return name_; }
    [[nodiscard]] const crypto::PublicKey& public_key() const noexcept {
        return signing_->public_key();
    }
    [[nodiscard]] CellClass cell_class() const;
    [[nodiscard]] std::string_view seal_name() const noexcept { return seal_name_; }

    [[nodiscard]] bool is_whole() const;
    // REQUIRES (all below): is_whole().
    [[nodiscard]] PlaneHead head() const;
    [[nodiscard]] Members members() const;
    // Opens the root with the anchor from the cell. Throws Fault{corrupt}, Fault{storage}.
    [[nodiscard]] RootSlot read_root() const;
    // For reading; the keeper replaces it only in rebuild().
    [[nodiscard]] std::shared_ptr<const store::Store> store() const;
    [[nodiscard]] KeeperRows rows() const { return {kek_, name_}; }
    // The steps that are stored with epoch > `epoch`, ascending.
    [[nodiscard]] std::vector<EpochStep> steps_after(std::uint64_t epoch) const;
    [[nodiscard]] Memory memory() const;
    // Signs the first epoch >= `epoch` that this keeper itself went to; nullopt if there is none.
    [[nodiscard]] std::optional<Acknowledgement> acknowledge(std::uint64_t epoch) const;

    // k0-k4. Throws Fault{conflict} when k0 refuses (nothing has changed; the keeper stays usable),
    // else Fault{storage}, Fault{corrupt}.
    Acknowledgement advance(const Advance& change);

    // Takes over another keeper's plane: copies the pages of `root` from `source` to a new plane
    // directory beside the old one, then k1-k4 there, then unlinks the old one. `steps`: all that
    // the source stores. `own_epoch`: the acknowledgement spans the requests of later epochs.
    // REQUIRES: steps is not empty and ends at the epoch of `root`.
    // Throws Fault{conflict} if `members` do not list this keeper as registered: a keeper counts
    // for finality before it receives a page. Fault{corrupt} when the source is damaged,
    // Fault{storage}.
    Acknowledgement rebuild(const RootSlot& root, const store::Store& source,
                            const std::vector<EpochStep>& steps, const Members& members,
                            const Memory& memory, std::uint64_t own_epoch);

    // The first epoch of a vault: root slot = fresh seed, no page. REQUIRES: !is_whole().
    void found(std::uint64_t term);

    // Overwrites both anchors: nothing in this directory opens any more. Throws Fault{storage}.
    void retire();

    // Other writes; durable when they return. Throw Fault{storage}.
    void write_memory(const Memory& memory);
    void forget(const std::vector<RequestId>& ids);
    void put_page(const PageId& id, ByteView record);

private:
    struct Plane {
        unsigned number = 0;
        std::shared_ptr<store::Store> store;
    };
    struct Commit;

    Keeper(std::filesystem::path directory, FileLock owner);
    void recover();
    void adopt(Plane plane, unsigned slot, std::uint64_t sequence);
    [[nodiscard]] Plane open_plane(unsigned number) const;
    [[nodiscard]] std::optional<CellContent> open_slot(unsigned slot) const;
    [[nodiscard]] RootSlot open_root_of(const Plane& plane, unsigned slot) const;
    void check_advance(const Advance& change) const;
    void check_opens(const store::ReadView& view, const std::vector<Path>& opens) const;
    void write_anchor(unsigned slot, const crypto::Anchor& anchor, std::uint64_t epoch);
    Acknowledgement commit(Plane& target, const RootSlot& root, const Commit& next);
    [[nodiscard]] Acknowledgement sign(const StoredRow& row) const;
    void write_rows(FunctionRef<void(store::WriteView&)> work);
    void require_usable() const;

    const std::filesystem::path directory_;
    FileLock owner_;
    mutable FileLock io_;
    KeeperName name_;
    crypto::Kek kek_;
    std::string seal_name_;
    std::optional<crypto::SigningKey> signing_;
    std::unique_ptr<Cell> cell_;

    mutable std::mutex mutex_;  // guards everything below, the cell, and every write
    std::optional<unsigned> live_slot_;
    std::uint64_t sequence_ = 0;
    Plane plane_;
    PlaneHead head_;
    bool is_broken_ = false;  // a write failed: what is durable is not known
};

}  // namespace oubliette::keys
