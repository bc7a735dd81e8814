#include "vault/log_publisher.hpp"

#include "crypto/assert.hpp"
#include "crypto/byte_io.hpp"
#include "crypto/kdf.hpp"
#include "vault/keys/path.hpp"
#include "vault/keys/registry.hpp"
#include "vault/meta_rows.hpp"
#include "vault/tables.hpp"

namespace oubliette {

std::uint16_t read_log_key(const store::ReadView& view) {
    const auto row = view.get(Tables::kMeta, bytes_of(MetaRow::kLogKey));
    if (!row) return 0;
    ByteReader in{*row};
    const std::uint16_t kid = in.le16();
    if (!in.finished()) throw Fault{FaultKind::corrupt, "the row of the log's key is damaged"};
    return kid;
}

void write_log_key(store::WriteView& view, std::uint16_t kid) {
    Bytes row;
    ByteWriter{row}.le16(kid);
    view.put(Tables::kMeta, bytes_of(MetaRow::kLogKey), row);
}

LogPublisher::LogPublisher(keys::KeyPlane& plane, std::uint32_t generation)
    : plane_(plane),
      name_(audit::log_name(plane.vault_id())),
      origin_(audit::log_origin(name_, generation)),
      keys_(std::make_shared<const Keys>()) {}

// nullopt for a dead leaf: the key was retired.
std::optional<crypto::SigningKey> LogPublisher::derive(std::uint16_t kid) const {
    const auto leaf = plane_.derive(keys::system_path(
        keys::kVaultTenant, static_cast<std::uint8_t>(keys::SystemKind::audit_sign), 0, kid));
    if (leaf.state == keys::NodeState::dead) return std::nullopt;
    if (leaf.state != keys::NodeState::whole) {
        throw Fault{FaultKind::corrupt, "the signing key of the log cannot be derived"};
    }
    const auto seed = crypto::derive_subkey(leaf.seed.expose(), crypto::KdfContext::system,
                                            keys::subkey::kSigningSeed);
    return crypto::SigningKey{seed.expose()};
}

void LogPublisher::load_keys(std::uint16_t newest_kid) {
    auto loaded = std::make_shared<Keys>();
    for (std::uint16_t kid = newest_kid;; --kid) {
        auto key = derive(kid);
        if (!key) break;
        loaded->push_back({kid, std::move(*key)});
        if (kid == 0) break;
    }
    if (loaded->empty()) throw Fault{FaultKind::corrupt, "the log has no living signing key"};
    const std::scoped_lock lock{mutex_};
    keys_ = std::move(loaded);
}

std::shared_ptr<const LogPublisher::Keys> LogPublisher::keys() const {
    const std::scoped_lock lock{mutex_};
    return keys_;
}

std::vector<std::uint16_t> LogPublisher::kids() const {
    std::vector<std::uint16_t> kids;
    for (const Key& key : *keys()) kids.push_back(key.kid);
    return kids;
}

std::vector<audit::VerifierKey> LogPublisher::verifier_keys() const {
    std::vector<audit::VerifierKey> verifiers;
    for (const Key& key : *keys()) verifiers.push_back({name_, key.signing.public_key()});
    return verifiers;
}

crypto::PublicKey LogPublisher::public_key(std::uint16_t kid) const {
    const auto key = derive(kid);
    if (!key) throw Fault{FaultKind::corrupt, "a signing key of the log is dead"};
    return key->public_key();
}

void LogPublisher::publish(const keys::StateRecord& state) {
    const auto signing = keys();
    OBL_ASSERT(!signing->empty());
    std::vector<const crypto::SigningKey*> signers;
    for (const Key& key : *signing) signers.push_back(&key.signing);
    auto head = std::make_shared<const Head>(
        Head{state.log_size,
             audit::sign_checkpoint({origin_, state.log_size, state.log_root}, name_, signers)});
    const std::scoped_lock lock{mutex_};
    head_ = std::move(head);
}

std::shared_ptr<const LogPublisher::Head> LogPublisher::head() const {
    const std::scoped_lock lock{mutex_};
    return head_;
}

}  // namespace oubliette
