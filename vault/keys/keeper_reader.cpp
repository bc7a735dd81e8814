#include <chrono>
#include <thread>
#include <utility>

#include "vault/keys/keeper.hpp"

// The restore drill's way to the keys, beside a running server. It never writes: not to the cell,
// not to the store, and it repairs nothing.

namespace oubliette::keys {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto kHoldLongest = 200ms;  // of io.lock: the server's groups wait meanwhile
constexpr auto kPause = 200ms;        // between two holds
constexpr std::size_t kSigningFileSizeMax = 1'024;

// What is open during one hold of the lock.
struct Pair {
    std::unique_ptr<store::Store> store;
    PlaneHead head;
    RootSlot root;
};

class DrillReader final : public KeeperReader {
public:
    DrillReader(fs::path directory, const KeeperName& name, crypto::Kek kek)
        : directory_(std::move(directory)),
          name_(name),
          kek_(std::move(kek)),
          io_(directory_ / kIoLock) {}

    const VaultId& vault_id() const noexcept override { return name_.vault; }

    std::vector<Derived> derive_batch(const std::vector<Path>& paths) override {
        std::vector<Derived> out;
        out.reserve(paths.size());
        while (out.size() < paths.size() || paths.empty()) {
            if (!out.empty()) std::this_thread::sleep_for(kPause);
            const SharedHold hold{io_};
            derive_some(paths, &out);
            if (paths.empty()) break;
        }
        return out;
    }

private:
    class SharedHold {
    public:
        explicit SharedHold(FileLock& lock) : lock_(lock) { lock_.shared(); }
        ~SharedHold() { lock_.unlock(); }
        SharedHold(const SharedHold&) = delete;
        SharedHold& operator=(const SharedHold&) = delete;

    private:
        FileLock& lock_;
    };

    // As many as the hold of the lock has time for, at least one.
    void derive_some(const std::vector<Path>& paths, std::vector<Derived>* out) const {
        const auto end = std::chrono::steady_clock::now() + kHoldLongest;
        const Pair pair = open_pair();
        const auto view = pair.store->read();
        const KeeperRows rows{kek_, name_};
        std::vector<Path> dead;
        for (const Revocation& request : rows.pending(*view)) {
            dead.insert(dead.end(), request.addresses.begin(), request.addresses.end());
        }
        dead = normalise(std::move(dead));
        const auto pages = [&](const PageId& id) { return KeeperRows::page(*view, id); };
        while (out->size() < paths.size()) {
            const Path& path = paths[out->size()];
            Derived derived = derive(pair.root, path, pages);
            for (const Path& covered : dead) {
                if (covered.is_prefix_of(path)) derived = {NodeState::dead, {}};
                if (path.is_prefix_of(covered) && derived.state == NodeState::whole) {
                    derived = {NodeState::punctured, {}};
                }
            }
            out->push_back(std::move(derived));
            if (std::chrono::steady_clock::now() > end) return;
        }
    }

    // The live pair, as recovery would choose it.
    [[nodiscard]] Pair open_pair() const {
        const Cell cell{directory_ / kCellFile, true};
        store::StoreOptions options;
        options.read_only = true;
        std::optional<Pair> live;
        for (const unsigned number : plane_numbers(directory_)) {
            std::unique_ptr<store::Store> opened;
            try {
                opened = store::open_lmdb_store(plane_path(directory_, number), keeper_tables(),
                                                options);
            } catch (const Fault& fault) {
                if (fault.kind() == FaultKind::storage) throw;
                continue;
            }
            if (auto pair = pair_of(cell, std::move(opened))) {
                if (!live || pair->head.epoch >= live->head.epoch) live = std::move(pair);
            }
        }
        if (!live) {
            throw Fault{FaultKind::corrupt,
                        "keeper " + directory_.string() + ": no pair of cell and plane opens"};
        }
        return std::move(*live);
    }

    [[nodiscard]] std::optional<Pair> pair_of(const Cell& cell,
                                              std::unique_ptr<store::Store> opened) const {
        Pair pair;
        bool is_open = false;
        {
            const auto view = opened->read();
            const std::optional<ByteView> record = KeeperRows::root_record(*view);
            const std::optional<PlaneHead> head = record ? decode_head(*record) : std::nullopt;
            for (unsigned slot = 0; head && slot < kCellSlotCount; ++slot) {
                const std::optional<CellContent> content = cell.read(slot, kek_);
                std::optional<RootSlot> root;
                if (content) root = open_root(content->anchor, name_, *record);
                if (!root) continue;
                pair.head = *head;
                pair.root = std::move(*root);
                is_open = true;
            }
        }
        if (!is_open) return std::nullopt;
        pair.store = std::move(opened);
        return pair;
    }

    const fs::path directory_;
    const KeeperName name_;
    const crypto::Kek kek_;
    FileLock io_;
};

}  // namespace

std::unique_ptr<KeeperReader> KeeperReader::open(const fs::path& keeper, const SealSecret& seal) {
    const std::optional<Bytes> file = read_small_file(keeper / kSigningFile, kSigningFileSizeMax);
    if (!file) {
        throw Fault{FaultKind::configuration,
                    "no keeper in " + keeper.string() + ": mount it or name another"};
    }
    const std::optional<SigningFile> signing = decode_signing_file(*file);
    if (!signing) throw Fault{FaultKind::corrupt, "signing.key is damaged"};
    std::vector<crypto::Kek> keks =
        open_seal_slots(keeper, signing->name.vault, signing->name.keeper, seal);
    if (keks.empty()) {
        throw Fault{FaultKind::sealed, "the seal secret does not open keeper " + keeper.string()};
    }
    return std::make_unique<DrillReader>(keeper, signing->name, std::move(keks.front()));
}

}  // namespace oubliette::keys
