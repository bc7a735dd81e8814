#include "tools/log_check.hpp"

#include <algorithm>

#include "crypto/merkle.hpp"
#include "vault/audit/tiles.hpp"

namespace oubliette::tools {
namespace {

using audit::kTileWidth;
using crypto::Hash;

[[noreturn]] void flawed(const std::string& what,
                         std::optional<std::uint64_t> index = std::nullopt) {
    throw LogFlaw{what, index};
}

std::string words_of(audit::CheckpointFlaw flaw) {
    switch (flaw) {
    case audit::CheckpointFlaw::malformed: return "the checkpoint is malformed";
    case audit::CheckpointFlaw::unknown_key: return "the checkpoint is not signed by a pinned key";
    case audit::CheckpointFlaw::bad_signature:
        return "the checkpoint's signature is wrong: it is not what the vault signed";
    }
    return {};
}

class LogCheck {
public:
    LogCheck(LogSource& source, const std::optional<audit::Checkpoint>& earlier, LogReport& report)
        : source_(source), earlier_(earlier), report_(report) {}

    void run(const std::vector<audit::VerifierKey>& keys) {
        open_head(keys);
        const std::uint64_t size = report_.checkpoint.size;
        for (std::uint64_t n = 0; n * kTileWidth < size; ++n) check_bundle(n);
        for (unsigned level = 1; level < upper_.size(); ++level) check_rest(level);
        if (tree_.root() != report_.checkpoint.root) {
            flawed("the entries do not have the root that the checkpoint signs");
        }
        check_origin();
        if (earlier_) check_earlier();
    }

private:
    void open_head(const std::vector<audit::VerifierKey>& keys) {
        auto note = source_.fetch("checkpoint");
        if (!note) flawed("there is no checkpoint");
        report_.note = std::move(*note);
        auto opened = audit::open_checkpoint(report_.note, keys);
        if (const auto* const flaw = std::get_if<audit::CheckpointFlaw>(&opened)) {
            flawed(words_of(*flaw));
        }
        report_.checkpoint = std::move(std::get<audit::Checkpoint>(opened));
        for (const audit::VerifierKey& key : keys) {
            if (const auto found = audit::generation_of(report_.checkpoint.origin, key.name)) {
                generation_ = *found;
                name_ = key.name;
            }
        }
        if (name_.empty()) flawed("the checkpoint is of another log than the pinned key");
    }

    [[nodiscard]] std::vector<Hash> fetch_tile(unsigned level, std::uint64_t n, unsigned width) {
        const auto tile = source_.fetch(tile_path(std::to_string(level), n, width));
        const std::uint64_t first = n * kTileWidth << (audit::kTileBits * level);
        if (!tile) flawed("a tile of level " + std::to_string(level) + " is missing", first);
        if (tile->size() != width * sizeof(Hash)) flawed("a tile has a wrong size", first);
        std::vector<Hash> hashes;
        for (ByteReader in{bytes_of(*tile)}; !in.finished();) hashes.push_back(in.array<32>());
        return hashes;
    }

    void check_bundle(std::uint64_t n) {
        const unsigned width = audit::tile_width(0, n, report_.checkpoint.size);
        const auto bundle = source_.fetch(tile_path("entries", n, width));
        if (!bundle) flawed("entries are missing", n * kTileWidth);
        const std::vector<Hash> hashes = fetch_tile(0, n, width);
        ByteReader in{bytes_of(*bundle)};
        for (const Hash& hash : hashes) {
            const ByteView entry = in.bytes(in.be16());
            if (!in.ok()) flawed("an entry is missing or cut off", tree_.size);
            if (crypto::merkle_leaf(entry) != hash) {
                flawed("an entry is not the one that its tile names", tree_.size);
            }
            take_entry(entry, hash);
        }
        if (!in.finished()) flawed("there are more entries than the checkpoint says", tree_.size);
        if (width == kTileWidth) add_upper(1, crypto::merkle_root(hashes));
    }

    void take_entry(ByteView bytes, const Hash& hash) {
        const auto entry = audit::decode_entry(bytes);
        if (!entry) flawed("an entry has a format that is not known", tree_.size);
        if (const auto origin = audit::cited_origin(*entry)) {
            report_.origins.push_back({tree_.size, *origin});
        }
        if (const auto rotation = audit::cited_rotation(*entry)) {
            report_.rotations.push_back({tree_.size, *rotation});
        }
        tree_.add(hash);
        if (earlier_ && tree_.size == earlier_->size) earlier_root_ = tree_.root();
    }

    // The root of a full tile below must be what the tile of `level` has there.
    void add_upper(unsigned level, const Hash& hash) {
        if (upper_.size() <= level) upper_.resize(level + 1);
        upper_[level].hashes.push_back(hash);
        if (upper_[level].hashes.size() < kTileWidth) return;
        check_upper(level);
        const Hash root = crypto::merkle_root(upper_[level].hashes);
        upper_[level].hashes.clear();
        ++upper_[level].n;
        add_upper(level + 1, root);
    }
    void check_rest(unsigned level) {
        if (!upper_[level].hashes.empty()) check_upper(level);
    }
    void check_upper(unsigned level) {
        const Upper& upper = upper_[level];
        const auto width = static_cast<unsigned>(upper.hashes.size());
        const auto found = fetch_tile(level, upper.n, width);
        const auto differ = std::ranges::mismatch(found, upper.hashes);
        if (differ.in1 == found.end()) return;
        const auto at = static_cast<std::uint64_t>(differ.in1 - found.begin());
        flawed("a tile of level " + std::to_string(level) + " does not fit the entries below it",
               (upper.n * kTileWidth + at) << (audit::kTileBits * level));
    }

    // An origin begins with its own entry, so that no history is silently cut off.
    void check_origin() {
        std::uint32_t last = 0;
        for (const DeclaredOrigin& declared : report_.origins) {
            if (declared.origin.generation <= last) {
                flawed("the origins of the log are out of order", declared.index);
            }
            last = declared.origin.generation;
        }
        if (last != generation_) {
            flawed("the checkpoint's origin has no log_origin entry in the log");
        }
    }

    void check_earlier() {
        if (earlier_->origin == report_.checkpoint.origin) {
            if (earlier_->size > report_.checkpoint.size) {
                flawed("the log SHRANK: " + std::to_string(earlier_->size) +
                           " entries were seen before",
                       report_.checkpoint.size);
            }
            return check_prefix();
        }
        const auto generation = audit::generation_of(earlier_->origin, name_);
        if (!generation) flawed("the checkpoint seen before is of another log");
        if (*generation > generation_) flawed("the log is of an OLDER origin than seen before");
        const auto next = std::ranges::find_if(report_.origins, [&](const auto& declared) {
            return declared.origin.generation > *generation;
        });
        // check_origin() found that the newest origin has its entry.
        if (next->index >= earlier_->size) return check_prefix();
        const audit::LogOrigin& origin = next->origin;
        const bool covers =
            origin.lost_size > earlier_->size ||
            (origin.lost_size == earlier_->size &&
             std::ranges::equal(origin.lost_root, std::span{earlier_->root}.first(16)));
        if (!covers) {
            flawed("a FORK: the new origin does not cite the log that was seen before",
                   next->index);
        }
        report_.lost_entries = earlier_->size - next->index;
    }

    void check_prefix() const {
        const bool is_same = earlier_->size == 0 || earlier_root_ == earlier_->root;
        if (!is_same) {
            flawed("a FORK: the first " + std::to_string(earlier_->size) +
                   " entries are not those seen before");
        }
    }

    struct Upper {
        std::uint64_t n = 0;
        std::vector<Hash> hashes;  // of the tile that is being filled
    };

    LogSource& source_;
    const std::optional<audit::Checkpoint>& earlier_;
    LogReport& report_;
    std::string name_;
    std::uint32_t generation_ = 0;
    crypto::MerkleFrontier tree_;
    std::optional<Hash> earlier_root_;
    std::vector<Upper> upper_;  // by level; level 0 is not used
};

}  // namespace

LogReport check_log(LogSource& source, const std::vector<audit::VerifierKey>& keys,
                    const std::optional<audit::Checkpoint>& earlier) {
    LogReport report;
    try {
        LogCheck{source, earlier, report}.run(keys);
    } catch (const LogFlaw& flaw) {
        report.flaw = flaw;
    }
    return report;
}

std::string tile_path(const std::string& level, std::uint64_t n, unsigned width) {
    return "tile/" + level + "/" + audit::tile_index_path({0, n, width});
}

}  // namespace oubliette::tools
