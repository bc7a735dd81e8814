#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "crypto/hash.hpp"
#include "crypto/sign.hpp"

// The signed head of the audit log: a C2SP tlog-checkpoint without extension lines, which is a
// C2SP signed-note with Ed25519 signatures (type 0x01). Thread-safe.
//
//   checkpoint := origin "\n" size "\n" base64(root) "\n" "\n" signature line ...
//   signature line := "\u2014 " name " " base64(key id 4 | signature 64) "\n"
//                     over everything before the blank line
//   key id := SHA-256(name "\n" 0x01 public key)[0..3]
//   vkey := name "+" hex(key id) "+" base64(0x01 | public key), as verifiers of notes take it
//   origin := name "/g" generation
//   name := "oubliette." hex(vault id)
//
// The name has no generation, so that a pinned key stays good when a rollback begins a new origin.

namespace oubliette::audit {

inline constexpr std::size_t kCheckpointSizeMax = 8'192;  // bytes; over it nothing is parsed
inline constexpr std::size_t kSignaturesMax = 32;         // lines; a note must allow 16

[[nodiscard]] std::string log_name(const ByteArray<16>& vault);
[[nodiscard]] std::string log_origin(std::string_view name, std::uint32_t generation);
// The generation of an origin of this log; nullopt if it is none.
[[nodiscard]] std::optional<std::uint32_t> generation_of(std::string_view origin,
                                                         std::string_view name) noexcept;

struct Checkpoint {
    std::string origin;
    std::uint64_t size = 0;  // entries
    crypto::Hash root{};
    friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// Who may sign, as outsiders pin it.
struct VerifierKey {
    std::string name;
    crypto::PublicKey key{};
    friend bool operator==(const VerifierKey&, const VerifierKey&) = default;
};
[[nodiscard]] ByteArray<4> key_id(const VerifierKey& key) noexcept;
[[nodiscard]] std::string encode_vkey(const VerifierKey& key);
// nullopt unless `text` is exactly one vkey of type 0x01 whose key id fits.
[[nodiscard]] std::optional<VerifierKey> parse_vkey(std::string_view text);

// The whole note, one line per key in this order. REQUIRES: at least one key.
[[nodiscard]] std::string sign_checkpoint(const Checkpoint& checkpoint, std::string_view name,
                                          std::span<const crypto::SigningKey* const> keys);

// The head alone, whoever signed it: of a note that was verified before.
[[nodiscard]] std::optional<Checkpoint> parse_checkpoint(std::string_view text);

enum class CheckpointFlaw : std::uint8_t {
    malformed,      // not one checkpoint in its one spelling
    unknown_key,    // none of the known keys signed it
    bad_signature,  // a line that names a known key is not its signature
};
// The checkpoint if at least one known key signed it and no line of a known key is wrong. Lines of
// unknown keys are ignored, as the specification asks.
[[nodiscard]] std::variant<Checkpoint, CheckpointFlaw> open_checkpoint(
    std::string_view text, std::span<const VerifierKey> known);

}  // namespace oubliette::audit
