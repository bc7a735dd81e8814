#include "vault/tile_builder.hpp"

#include "crypto/patient_memory.hpp"
#include "vault/audit/tiles.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

constexpr auto kInterval = std::chrono::seconds{1};
constexpr std::size_t kTilesAtOnce = 16;  // 128 KiB in one transaction

}  // namespace

TileBuilder::TileBuilder(store::Store& store, Committer& committer,
                         std::function<std::uint64_t()> log_size)
    : store_(store), committer_(committer), log_size_(std::move(log_size)) {
    thread_ = std::thread([this] { serve(); });
}

TileBuilder::~TileBuilder() {
    stop();
}

void TileBuilder::stop() {
    {
        const std::scoped_lock lock{mutex_};
        stopping_ = true;
    }
    wakes_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void TileBuilder::serve() {
    const crypto::PatientMemory patient;
    while (!stopping_) {
        try {
            while (!stopping_ && store_some()) {
            }
        } catch (const Fault&) {
            // No room or no store: tiles are computed from entries meanwhile, and the next round
            // tries again.
        }
        std::unique_lock lock{mutex_};
        wakes_.wait_for(lock, kInterval, [this] { return stopping_.load(); });
    }
}

// False when nothing is missing.
bool TileBuilder::store_some() {
    std::vector<audit::TileRow> rows;
    {
        const std::uint64_t size = log_size_();  // before the snapshot: it has all of them
        const auto view = store_.read();
        rows = audit::missing_tiles(*view, size, kTilesAtOnce);
    }
    if (rows.empty()) return false;
    committer_.run([&](store::WriteView& view) {
        for (const audit::TileRow& row : rows) view.put(Tables::kTiles, row.key, row.value);
    });
    return true;
}

}  // namespace oubliette
