#include "vault/keys/keeper.hpp"

#include <algorithm>
#include <utility>

namespace oubliette::keys {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSigningFileSizeMax = 1'024;

SigningFile read_signing_file(const fs::path& directory) {
    const fs::path path = directory / kSigningFile;
    const std::optional<Bytes> file = read_small_file(path, kSigningFileSizeMax);
    if (!file) {
        throw Fault{FaultKind::configuration,
                    "keeper " + directory.string() +
                        " is missing or not mounted (no signing.key): mount it or name another"};
    }
    std::optional<SigningFile> decoded = decode_signing_file(*file);
    if (!decoded) throw Fault{FaultKind::corrupt, path.string() + " is damaged"};
    return std::move(*decoded);
}

}  // namespace

Keeper::Keeper(fs::path directory, FileLock owner)
    : directory_(std::move(directory)), owner_(std::move(owner)), io_(directory_ / kIoLock) {
    if (!owner_.try_exclusive()) {
        throw Fault{FaultKind::conflict,
                    "keeper " + directory_.string() +
                        " is in use by another process; stop the oubliette that serves it first"};
    }
}

Keeper::~Keeper() = default;

std::unique_ptr<Keeper> Keeper::create(const fs::path& directory, const KeeperName& name,
                                       const SealSecret& seal, bool accept_besteffort) {
    std::unique_ptr<Keeper> keeper{new Keeper{directory, FileLock{directory / kOwnerLock}}};
    keeper->name_ = name;
    keeper->kek_ = crypto::Kek::generate();
    keeper->seal_name_ = name_of(seal.type);
    Cell::create(directory / kCellFile, accept_besteffort);
    write_seal_slot(directory, name.vault, name.keeper, 1, keeper->kek_, seal);
    const crypto::Seed seed = crypto::Seed::generate();
    create_file(directory / kSigningFile, encode_signing_file(keeper->kek_, name, seed));
    keeper->signing_.emplace(seed.expose());
    keeper->cell_ = std::make_unique<Cell>(directory / kCellFile);
    return keeper;
}

std::unique_ptr<Keeper> Keeper::open(const fs::path& directory, const SealSecret& seal) {
    const SigningFile file = read_signing_file(directory);
    std::unique_ptr<Keeper> keeper{new Keeper{directory, FileLock{directory / kOwnerLock}}};
    keeper->name_ = file.name;
    keeper->seal_name_ = name_of(seal.type);
    std::vector<crypto::Kek> keks =
        open_seal_slots(directory, file.name.vault, file.name.keeper, seal);
    if (keks.empty()) {
        throw Fault{FaultKind::sealed, "the seal secret does not open keeper " +
                                           directory.string() + ": give the one of its init"};
    }
    keeper->kek_ = std::move(keks.front());
    keeper->signing_ = open_signing_key(keeper->kek_, file);
    if (!keeper->signing_) {
        throw Fault{FaultKind::corrupt, "signing.key of " + directory.string() + " is damaged"};
    }
    keeper->recover();
    return keeper;
}

Keeper::Plane Keeper::open_plane(unsigned number) const {
    return {number, store::open_lmdb_store(plane_path(directory_, number), keeper_tables(), {})};
}

std::optional<CellContent> Keeper::open_slot(unsigned slot) const {
    const std::optional<Cell::Header> header = cell_->header(slot);
    if (!header || header->vault != name_.vault || header->keeper != name_.keeper) {
        return std::nullopt;
    }
    return cell_->read(slot, kek_);
}

// ---- Recovery (KEYS 6.2) ----

void Keeper::recover() {
    try {
        cell_ = std::make_unique<Cell>(directory_ / kCellFile);
    } catch (const Fault& fault) {
        // A cell that is gone or cut holds no anchor: the keeper can only be rebuilt.
        if (fault.kind() == FaultKind::storage) throw;
        remove_durably(directory_ / kCellFile);
        Cell::create(directory_ / kCellFile, true);
        cell_ = std::make_unique<Cell>(directory_ / kCellFile);
    }
    const ExclusiveHold hold{io_};
    struct Pair {
        Plane plane;
        PlaneHead head;
        unsigned slot;
        std::uint64_t sequence;
    };
    std::optional<Pair> live;
    for (const unsigned number : plane_numbers(directory_)) {
        Plane plane;
        try {
            plane = open_plane(number);
        } catch (const Fault& fault) {
            // Only damage may count as "does not open": after a passing trouble (no descriptors,
            // no memory) the keeper must not be taken for a damaged one and overwritten.
            if (fault.kind() != FaultKind::corrupt) throw;
            continue;
        }
        const auto view = plane.store->read();
        const std::optional<ByteView> record = KeeperRows::root_record(*view);
        const std::optional<PlaneHead> head = record ? decode_head(*record) : std::nullopt;
        if (!head) continue;
        for (unsigned slot = 0; slot < kCellSlotCount; ++slot) {
            const std::optional<CellContent> content = open_slot(slot);
            if (!content || !open_root(content->anchor, name_, *record)) continue;
            // Two pairs: a rebuild was cut off after its k2. Directories come in ascending order.
            if (live && live->head.epoch > head->epoch) continue;
            live = Pair{plane, *head, slot, content->sequence};
        }
    }
    if (!live) return;
    cell_->erase(1 - live->slot);
    adopt(std::move(live->plane), live->slot, live->sequence);
}

// Makes the pair the live one and unlinks all other plane directories.
void Keeper::adopt(Plane plane, unsigned slot, std::uint64_t sequence) {
    plane_ = std::move(plane);
    live_slot_ = slot;
    sequence_ = sequence;
    {
        const auto view = plane_.store->read();
        const std::optional<ByteView> record = KeeperRows::root_record(*view);
        const std::optional<PlaneHead> head = record ? decode_head(*record) : std::nullopt;
        if (!head) throw Fault{FaultKind::corrupt, "the root record is gone"};
        head_ = *head;
    }
    for (const unsigned number : plane_numbers(directory_)) {
        if (number != plane_.number) remove_durably(plane_path(directory_, number));
    }
}

void Keeper::retire() {
    const std::lock_guard lock{mutex_};
    const ExclusiveHold hold{io_};
    live_slot_.reset();
    for (unsigned slot = 0; slot < kCellSlotCount; ++slot) cell_->erase(slot);
}

// ---- Reading ----

CellClass Keeper::cell_class() const {
    const std::lock_guard lock{mutex_};
    return cell_->cell_class();
}

bool Keeper::is_whole() const {
    const std::lock_guard lock{mutex_};
    return live_slot_.has_value();
}

PlaneHead Keeper::head() const {
    const std::lock_guard lock{mutex_};
    return head_;
}

std::shared_ptr<const store::Store> Keeper::store() const {
    const std::lock_guard lock{mutex_};
    return plane_.store;
}

Members Keeper::members() const {
    return KeeperRows::members(*store()->read());
}

Memory Keeper::memory() const {
    const auto source = store();
    return rows().memory(*source->read());
}

RootSlot Keeper::open_root_of(const Plane& plane, unsigned slot) const {
    const auto view = plane.store->read();
    const std::optional<ByteView> record = KeeperRows::root_record(*view);
    const std::optional<CellContent> content = open_slot(slot);
    std::optional<RootSlot> root;
    if (record && content) root = open_root(content->anchor, name_, *record);
    if (!root) throw Fault{FaultKind::corrupt, "the root does not open with the cell's anchor"};
    return std::move(*root);
}

RootSlot Keeper::read_root() const {
    const std::lock_guard lock{mutex_};
    if (!live_slot_) throw Fault{FaultKind::storage, "this keeper holds no anchor any more"};
    return open_root_of(plane_, *live_slot_);
}

std::vector<EpochStep> Keeper::steps_after(std::uint64_t epoch) const {
    const auto source = store();
    const auto view = source->read();
    std::vector<EpochStep> steps;
    for (const StoredRow& stored : KeeperRows::rows_from(*view, epoch + 1)) {
        steps.push_back(rows().step(*view, stored.row));
    }
    return steps;
}

std::optional<Acknowledgement> Keeper::acknowledge(std::uint64_t epoch) const {
    const auto source = store();
    const auto view = source->read();
    for (const StoredRow& stored : KeeperRows::rows_from(*view, epoch)) {
        if (stored.is_signed) return sign(stored);
    }
    return std::nullopt;
}

Acknowledgement Keeper::sign(const StoredRow& stored) const {
    Acknowledgement ack;
    ack.keeper = name_.keeper;
    ack.public_key = signing_->public_key();
    ack.cell_class = cell_->cell_class();
    ack.term = stored.row.term;
    ack.epoch = stored.row.epoch;
    ack.previous_hash = stored.row.previous_hash;
    ack.hash = stored.row.hash;
    ack.request_root = stored.signed_request_root;
    ack.members = stored.row.members;
    ack.signature = signing_->sign(acknowledgement_bytes(name_.vault, ack));
    return ack;
}

// ---- Rows beside the tree ----

void Keeper::require_usable() const {
    if (is_broken_) throw Fault{FaultKind::storage, "this keeper must be opened again first"};
}

void Keeper::write_rows(FunctionRef<void(store::WriteView&)> work) {
    const std::lock_guard lock{mutex_};
    require_usable();
    OBL_ASSERT(live_slot_.has_value());
    const ExclusiveHold hold{io_};
    is_broken_ = true;
    plane_.store->write([&](store::WriteView& view) {
        view.use_reserve();
        work(view);
    });
    is_broken_ = false;
}

void Keeper::write_memory(const Memory& memory) {
    write_rows([&](store::WriteView& view) { rows().put_memory(view, memory); });
}

void Keeper::forget(const std::vector<RequestId>& ids) {
    write_rows([&](store::WriteView& view) {
        for (const RequestId& id : ids) KeeperRows::forget(view, id);
    });
}

void Keeper::put_page(const PageId& id, ByteView record) {
    write_rows([&](store::WriteView& view) { view.put(table::kPages, id, record); });
}

}  // namespace oubliette::keys
