#pragma once

#include <atomic>
#include <vector>

#include "crypto/merkle.hpp"
#include "vault/audit/entry.hpp"
#include "vault/store/store.hpp"

// The audit log: entries numbered from 0, hashed as an RFC 6962 Merkle tree, stored in segments.
// One segment holds the entries of one commit, and is written in that very commit, so an entry
// exists exactly when the change it records does.
//
//   table audit: first entry:u64be -> segment := root after it:32 | count x entry 52 B
//   meta row "log" := size:u64 | peaks: Merkle hashes of the complete subtrees, largest first
//
// append() and finish() belong to the committer's thread; size() and root() may be read by all.

namespace oubliette::audit {

inline constexpr std::size_t kSegmentEntriesMax = (store::kValueSizeMax - 32) / kEntrySize;

class AuditLog {
public:
    // Reads where the log stands. Throws Fault{corrupt} if meta row and segments disagree.
    explicit AuditLog(const store::ReadView& view);

    // Within one transaction: begin() forgets what an attempt before left, append() collects,
    // finish() writes the segments. committed() or begin() follows.
    void begin() noexcept;
    void append(const Entry& entry);
    void finish(store::WriteView& view);
    void committed() noexcept;

    // Index that the next append() will get in this transaction.
    [[nodiscard]] std::uint64_t next_index() const noexcept;

    // Of the last commit. Only the committer's thread may call root().
    [[nodiscard]] std::uint64_t size() const noexcept { return size_.load(); }
    [[nodiscard]] const crypto::Hash& root() const noexcept { return root_; }

    // Root of the log when it had `size` entries, if a segment ended there; nullopt otherwise.
    [[nodiscard]] static std::optional<crypto::Hash> root_at(const store::ReadView& view,
                                                             std::uint64_t size);

    // Hashes every entry again: true if each segment goes on where the one before ended and holds
    // the root of all entries up to its end, and the last one fits the standing record.
    [[nodiscard]] static bool verify(const store::ReadView& view);

    // Calls `visit(index, entry)` from entry `from` on, until it returns false. Throws
    // Fault{corrupt} for a segment that is damaged or missing; root_at() too for a damaged one.
    static void read(const store::ReadView& view, std::uint64_t from,
                     FunctionRef<bool(std::uint64_t index, const Entry& entry)> visit);

    // The same with the encoded bytes, which are valid during the call only.
    static void read_encoded(const store::ReadView& view, std::uint64_t from,
                             FunctionRef<bool(std::uint64_t index, ByteView entry)> visit);

private:
    crypto::MerkleFrontier standing_;  // as of the last commit
    crypto::MerkleFrontier attempt_;   // as of finish(), not committed yet
    Bytes pending_;                    // encoded entries of this transaction
    crypto::Hash root_{};              // of standing_
    crypto::Hash attempt_root_{};
    std::atomic<std::uint64_t> size_{0};
};

}  // namespace oubliette::audit
