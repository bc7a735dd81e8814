#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vault/audit/checkpoint.hpp"
#include "vault/keys/key_plane.hpp"
#include "vault/store/store.hpp"

// Signs the heads of the audit log and holds the newest one for whoever asks.
//
// A head is signed only when the keepers know it: its size and root are in their state record. So
// a copy of the data plane that is older than any signed head is always noticed as rolled back and
// begins a new origin, and no origin ever has two histories.
//
// The signing key is the seed subkey(kSigningSeed) of leaf (tenant 0, class 0, kind audit_sign,
// recipient 0, kid). The newest kid is `meta` row "log_key", whose rotation is an entry of the log;
// older ones sign too as long as their leaves live. Thread-safe.
//
//   meta row "log_key" := kid:u16; absent = 0

namespace oubliette {

// The newest kid that the log has announced. Throws Fault{corrupt}.
[[nodiscard]] std::uint16_t read_log_key(const store::ReadView& view);
void write_log_key(store::WriteView& view, std::uint16_t kid);

class LogPublisher {
public:
    // REQUIRES: `plane` outlives this.
    LogPublisher(keys::KeyPlane& plane, std::uint32_t generation);

    // Derives the keys that sign from now on. Throws Fault{corrupt} when the newest one's leaf does
    // not open or is dead.
    void load_keys(std::uint16_t newest_kid);
    // Kids that sign, newest first.
    [[nodiscard]] std::vector<std::uint16_t> kids() const;
    // What outsiders pin, newest first.
    [[nodiscard]] std::vector<audit::VerifierKey> verifier_keys() const;
    // The public key of any kid whose leaf lives.
    [[nodiscard]] crypto::PublicKey public_key(std::uint16_t kid) const;

    // Signs the head in `state` and hands it out from now on.
    // REQUIRES: the keepers have recorded `state`.
    void publish(const keys::StateRecord& state);

    struct Head {
        std::uint64_t size = 0;
        std::string note;  // the signed checkpoint
    };
    // nullptr until publish() ran.
    [[nodiscard]] std::shared_ptr<const Head> head() const;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

private:
    struct Key {
        std::uint16_t kid;
        crypto::SigningKey signing;
    };
    using Keys = std::vector<Key>;

    [[nodiscard]] std::optional<crypto::SigningKey> derive(std::uint16_t kid) const;
    [[nodiscard]] std::shared_ptr<const Keys> keys() const;

    keys::KeyPlane& plane_;
    const std::string name_;
    const std::string origin_;
    mutable std::mutex mutex_;
    std::shared_ptr<const Keys> keys_;
    std::shared_ptr<const Head> head_;
};

}  // namespace oubliette
