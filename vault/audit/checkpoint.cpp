#include "vault/audit/checkpoint.hpp"

#include <algorithm>
#include <charconv>

#include "crypto/assert.hpp"
#include "crypto/byte_io.hpp"
#include "crypto/encoding.hpp"

namespace oubliette::audit {
namespace {

constexpr Byte kEd25519 = 0x01;                         // signature type of signed-note
constexpr std::string_view kDash = "\xE2\x80\x94 ";     // em dash and space
constexpr std::string_view kNamePrefix = "oubliette.";  // of every log of ours
constexpr std::string_view kGeneration = "/g";

// Printable ASCII without space and plus: all names of ours, and one spelling of each.
bool is_name(std::string_view text) noexcept {
    return !text.empty() && std::ranges::all_of(text, [](char letter) {
        return letter > 0x20 && letter < 0x7F && letter != '+';
    });
}

// What the specification asks of an origin; those of others may hold spaces.
bool is_origin(std::string_view text) noexcept {
    return !text.empty() && std::ranges::all_of(text, [](char letter) {
        return static_cast<unsigned char>(letter) >= 0x20 && letter != 0x7F;
    });
}

// Decimal without leading zeros.
template <class Number>
std::optional<Number> parse_number(std::string_view text) noexcept {
    if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// Takes the next line off the front, without its end; nullopt if there is no whole line.
std::optional<std::string_view> take_line(std::string_view& text) noexcept {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
}

std::optional<Checkpoint> parse_head(std::string_view& text) {
    const auto origin = take_line(text);
    const auto size = take_line(text);
    const auto root = take_line(text);
    const auto blank = take_line(text);
    if (!origin || !size || !root || !blank || !blank->empty()) return std::nullopt;
    const auto number = parse_number<std::uint64_t>(*size);
    const auto hash = crypto::base64_decode(*root);
    if (!is_origin(*origin) || !number || !hash || hash->size() != sizeof(crypto::Hash)) {
        return std::nullopt;
    }
    return Checkpoint{std::string{*origin}, *number, ByteReader{*hash}.array<32>()};
}

struct SignatureLine {
    std::string_view name;
    ByteArray<4> id{};
    Bytes signature;  // of any size: other algorithms have others
};

std::optional<SignatureLine> parse_signature(std::string_view line) {
    if (!line.starts_with(kDash)) return std::nullopt;
    line.remove_prefix(kDash.size());
    const std::size_t space = line.find(' ');
    if (space == 0 || space == std::string_view::npos) return std::nullopt;
    const auto bytes = crypto::base64_decode(line.substr(space + 1));
    if (!bytes || bytes->size() <= 4) return std::nullopt;
    ByteReader in{*bytes};
    SignatureLine signature{line.substr(0, space), in.array<4>(), {}};
    signature.signature.assign(in.rest().begin(), in.rest().end());
    return signature;
}

bool is_signed(const VerifierKey& key, std::string_view head, const Bytes& signature) noexcept {
    if (signature.size() != sizeof(crypto::Signature)) return false;
    return crypto::verify(key.key, bytes_of(head), ByteReader{signature}.array<64>());
}

}  // namespace

std::string log_name(const ByteArray<16>& vault) {
    return std::string{kNamePrefix} + crypto::hex_encode(vault);
}

std::string log_origin(std::string_view name, std::uint32_t generation) {
    return std::string{name} + std::string{kGeneration} + std::to_string(generation);
}

std::optional<std::uint32_t> generation_of(std::string_view origin,
                                           std::string_view name) noexcept {
    if (!origin.starts_with(name)) return std::nullopt;
    origin.remove_prefix(name.size());
    if (!origin.starts_with(kGeneration)) return std::nullopt;
    return parse_number<std::uint32_t>(origin.substr(kGeneration.size()));
}

ByteArray<4> key_id(const VerifierKey& key) noexcept {
    const ByteArray<2> separator{'\n', kEd25519};
    const crypto::Hash hash = crypto::sha256({bytes_of(key.name), separator, key.key});
    return ByteReader{hash}.array<4>();
}

std::string encode_vkey(const VerifierKey& key) {
    Bytes typed{kEd25519};
    ByteWriter{typed}.bytes(key.key);
    return key.name + "+" + crypto::hex_encode(key_id(key)) + "+" + crypto::base64_encode(typed);
}

std::optional<VerifierKey> parse_vkey(std::string_view text) {
    const std::size_t first = text.find('+');
    if (first == std::string_view::npos) return std::nullopt;
    const std::size_t second = text.find('+', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    const auto typed = crypto::base64_decode(text.substr(second + 1));
    if (!typed || typed->size() != 1 + sizeof(crypto::PublicKey) || typed->front() != kEd25519) {
        return std::nullopt;
    }
    VerifierKey key{std::string{text.substr(0, first)},
                    ByteReader{ByteView{*typed}.subspan(1)}.array<32>()};
    const bool is_whole = is_name(key.name) && crypto::hex_encode(key_id(key)) ==
                                                   text.substr(first + 1, second - first - 1);
    if (!is_whole) return std::nullopt;
    return key;
}

std::string sign_checkpoint(const Checkpoint& checkpoint, std::string_view name,
                            std::span<const crypto::SigningKey* const> keys) {
    OBL_ASSERT(!keys.empty());
    const std::string head = checkpoint.origin + "\n" + std::to_string(checkpoint.size) + "\n" +
                             crypto::base64_encode(checkpoint.root) + "\n";
    std::string note = head + "\n";
    for (const crypto::SigningKey* const key : keys) {
        Bytes signature;
        ByteWriter{signature}
            .bytes(key_id({std::string{name}, key->public_key()}))
            .bytes(key->sign(bytes_of(head)));
        note += kDash;
        note += name;
        note += " " + crypto::base64_encode(signature) + "\n";
    }
    return note;
}

std::optional<Checkpoint> parse_checkpoint(std::string_view text) {
    if (text.size() > kCheckpointSizeMax) return std::nullopt;
    return parse_head(text);
}

std::variant<Checkpoint, CheckpointFlaw> open_checkpoint(std::string_view text,
                                                         std::span<const VerifierKey> known) {
    if (text.size() > kCheckpointSizeMax) return CheckpointFlaw::malformed;
    std::string_view rest = text;
    auto checkpoint = parse_head(rest);
    if (!checkpoint || rest.empty()) return CheckpointFlaw::malformed;
    // The signed text ends with the newline before the blank line.
    const std::string_view head = text.substr(0, text.size() - rest.size() - 1);
    bool is_known = false;
    for (std::size_t count = 0; !rest.empty(); ++count) {
        const auto line = take_line(rest);
        const auto signature = line ? parse_signature(*line) : std::nullopt;
        if (!signature || count == kSignaturesMax) return CheckpointFlaw::malformed;
        for (const VerifierKey& key : known) {
            if (key.name != signature->name || key_id(key) != signature->id) continue;
            if (!is_signed(key, head, signature->signature)) return CheckpointFlaw::bad_signature;
            is_known = true;
        }
    }
    if (!is_known) return CheckpointFlaw::unknown_key;
    return std::move(*checkpoint);
}

}  // namespace oubliette::audit
