#include "vault/keys/seal_slots.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <optional>

#include "crypto/assert.hpp"
#include "crypto/box.hpp"
#include "crypto/byte_io.hpp"
#include "crypto/hash.hpp"
#include "vault/keys/durable_file.hpp"
#include "vault/keys/registry.hpp"

namespace oubliette::keys {
namespace {

constexpr std::string_view kFileName = "seal.slots";
constexpr std::string_view kMagic = "OBLSEAL1";
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kSuite = 1;
constexpr std::size_t kSaltSize = crypto::kPassphraseSaltSize;
constexpr std::size_t kHeaderSize = 8 + 4 + 16 + 16 + 2;
constexpr std::size_t kBoxSize = 32 + crypto::box_overhead(crypto::Commitment::structural);
constexpr std::size_t kSlotSize = 4 + kSaltSize + 4 + 4 + kBoxSize;
constexpr std::size_t kHashSize = 32;
constexpr std::size_t kFileSizeMax = kHeaderSize + kSealSlotCountMax * kSlotSize + kHashSize;
constexpr std::uint32_t kMemoryKibMin = 8;

struct Slot {
    SealType type{};
    std::uint8_t generation = 0;
    ByteArray<kSaltSize> salt{};
    std::uint32_t memory_kib = 0;
    std::uint32_t passes = 0;
    ByteArray<kBoxSize> box{};
};

struct Owner {
    VaultId vault;
    KeeperId keeper;
};

[[noreturn]] void corrupt(const char* what) {
    throw Fault{FaultKind::corrupt, std::string{"seal.slots: "} + what};
}

bool known_type(std::uint8_t type) noexcept {
    return type >= 1 && type <= 3;
}

// The costs come from a file that anybody may have touched: unbounded, they would be a way to
// exhaust memory.
bool sound_cost(SealType type, std::uint32_t memory_kib, std::uint32_t passes) noexcept {
    if (type != SealType::passphrase) return memory_kib == 0 && passes == 0;
    return memory_kib >= kMemoryKibMin && memory_kib <= kPassphraseMemoryMax / 1024 &&
           passes >= 1 && passes <= kPassphrasePassesMax;
}

Bytes encode(const Owner& owner, const std::vector<Slot>& slots) {
    Bytes out;
    ByteWriter writer{out};
    writer.bytes(bytes_of(kMagic)).u8(kVersion).u8(kSuite).zeros(2);
    writer.bytes(owner.vault).bytes(owner.keeper);
    writer.le16(static_cast<std::uint16_t>(slots.size()));
    for (const Slot& slot : slots) {
        writer.u8(static_cast<std::uint8_t>(slot.type)).u8(slot.generation).zeros(2);
        writer.bytes(slot.salt).le32(slot.memory_kib).le32(slot.passes).bytes(slot.box);
    }
    writer.bytes(crypto::sha256({out}));
    return out;
}

Slot decode_slot(ByteReader& reader) {
    const std::uint8_t type = reader.u8();
    Slot slot;
    slot.type = static_cast<SealType>(type);
    slot.generation = reader.u8();
    const bool zero = reader.le16() == 0;
    slot.salt = reader.array<kSaltSize>();
    slot.memory_kib = reader.le32();
    slot.passes = reader.le32();
    slot.box = reader.array<kBoxSize>();
    if (!reader.ok() || !zero || !known_type(type)) corrupt("a slot is not one of ours");
    if (!sound_cost(slot.type, slot.memory_kib, slot.passes)) corrupt("a slot has no sound cost");
    return slot;
}

std::vector<Slot> decode(ByteView file, const Owner& owner) {
    if (file.size() > kFileSizeMax) corrupt("too long");
    if (file.size() < kHeaderSize + kHashSize) corrupt("too short");
    const ByteView body = file.first(file.size() - kHashSize);
    if (!std::ranges::equal(crypto::sha256({body}), file.last(kHashSize))) {
        corrupt("the check sum does not match: copy it back from where it was saved");
    }
    ByteReader reader{body};
    const bool magic = std::ranges::equal(reader.bytes(kMagic.size()), bytes_of(kMagic));
    const bool version = reader.u8() == kVersion && reader.u8() == kSuite && reader.le16() == 0;
    if (!magic || !version) corrupt("unknown format");
    const bool ours = reader.array<16>() == owner.vault && reader.array<16>() == owner.keeper;
    if (!ours) corrupt("belongs to another vault or keeper");
    const std::size_t count = reader.le16();
    if (count > kSealSlotCountMax) corrupt("too many slots");
    std::vector<Slot> slots;
    for (std::size_t i = 0; i < count; ++i) slots.push_back(decode_slot(reader));
    if (!reader.finished()) corrupt("bytes after the last slot");
    return slots;
}

// nullopt if there is no file.
std::optional<std::vector<Slot>> find_slots(const std::filesystem::path& directory,
                                            const Owner& owner) {
    const FileDescriptor fd{
        ::open((directory / kFileName).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
    if (!fd.is_open()) {
        if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
        throw Fault{FaultKind::storage, "seal.slots: cannot be opened"};
    }
    return decode(read_up_to(fd.get(), kFileSizeMax, "seal.slots: cannot be read").expose(), owner);
}

std::vector<Slot> get_slots(const std::filesystem::path& directory, const Owner& owner) {
    auto slots = find_slots(directory, owner);
    if (slots) return std::move(*slots);
    throw Fault{FaultKind::configuration, "seal.slots is missing in " + directory.string() +
                                              ": is the keeper's directory mounted?"};
}

Bytes associated_data(const Owner& owner, const Slot& slot) {
    Bytes out;
    ByteWriter{out}
        .bytes(bytes_of("obl1"))
        .u8(static_cast<std::uint8_t>(RecordType::seal_wrap))
        .u8(static_cast<std::uint8_t>(slot.type))
        .u8(slot.generation)
        .bytes(owner.vault)
        .bytes(owner.keeper)
        .bytes(slot.salt);
    return out;
}

// REQUIRES: the types agree.
crypto::Kek wrapping_key(const Slot& slot, const SealSecret& secret) {
    OBL_ASSERT(slot.type == secret.type);
    if (slot.type == SealType::passphrase) {
        const crypto::PassphraseCost cost{std::uint64_t{slot.memory_kib} * 1024, slot.passes};
        auto key = crypto::derive_from_passphrase(secret.secret.expose(), slot.salt, cost);
        if (key) return std::move(*key);
        throw Fault{FaultKind::configuration, "the passphrase needs " +
                                                  std::to_string(slot.memory_kib / 1024) +
                                                  " MiB of free memory for a moment"};
    }
    OBL_ASSERT(secret.secret.size() == 32);
    const ByteArray<1> type{static_cast<Byte>(slot.type)};
    crypto::Kek key;
    crypto::blake2b_keyed(secret.secret.expose().first<32>(),
                          {bytes_of("obl/seal/1"), type, slot.salt}, key.expose_mut());
    return key;
}

// How much older than `newest` a generation is; they wrap around.
std::uint8_t age(std::uint8_t generation, std::uint8_t newest) noexcept {
    return static_cast<std::uint8_t>(newest - generation);
}

}  // namespace

std::string_view name_of(SealType type) noexcept {
    switch (type) {
    case SealType::passphrase: return "passphrase";
    case SealType::keyfile: return "keyfile";
    case SealType::credential: return "credential";
    }
    return "unknown";
}

void write_seal_slot(const std::filesystem::path& directory, const VaultId& vault,
                     const KeeperId& keeper, std::uint8_t kek_generation, const crypto::Kek& kek,
                     const SealSecret& secret, crypto::PassphraseCost cost) {
    const Owner owner{vault, keeper};
    std::vector<Slot> slots = find_slots(directory, owner).value_or(std::vector<Slot>{});
    if (slots.size() == kSealSlotCountMax) {
        throw Fault{FaultKind::configuration, "seal.slots has no room for one more secret"};
    }
    Slot slot;
    slot.type = secret.type;
    slot.generation = kek_generation;
    crypto::random_bytes(slot.salt);
    if (secret.type == SealType::passphrase) {
        OBL_ASSERT(cost.memory_bytes <= kPassphraseMemoryMax && cost.memory_bytes % 1024 == 0);
        slot.memory_kib = static_cast<std::uint32_t>(cost.memory_bytes / 1024);
        slot.passes = cost.passes;
    }
    OBL_ASSERT(sound_cost(slot.type, slot.memory_kib, slot.passes));

    const crypto::Kek wrapping = wrapping_key(slot, secret);
    const Bytes box = crypto::seal_box(wrapping.expose(), crypto::Commitment::structural,
                                       kek.expose(), associated_data(owner, slot));
    OBL_ASSERT(box.size() == kBoxSize);
    std::ranges::copy(box, slot.box.begin());
    slots.push_back(slot);
    replace_file(directory / kFileName, encode(owner, slots));
}

void keep_seal_generation(const std::filesystem::path& directory, const VaultId& vault,
                          const KeeperId& keeper, std::uint8_t kek_generation) {
    const Owner owner{vault, keeper};
    std::vector<Slot> slots = get_slots(directory, owner);
    std::erase_if(slots, [&](const Slot& slot) { return slot.generation != kek_generation; });
    OBL_ASSERT(!slots.empty());  // else nobody could open this keeper again
    replace_file(directory / kFileName, encode(owner, slots));
}

std::vector<OpenedKek> open_seal_generations(const std::filesystem::path& directory,
                                             const VaultId& vault, const KeeperId& keeper,
                                             const SealSecret& secret) {
    const Owner owner{vault, keeper};
    std::vector<OpenedKek> opened;
    for (const Slot& slot : get_slots(directory, owner)) {
        if (slot.type != secret.type) continue;
        const bool have = std::ranges::any_of(
            opened, [&](const OpenedKek& other) { return other.generation == slot.generation; });
        if (have) continue;
        const crypto::Kek wrapping = wrapping_key(slot, secret);
        crypto::Kek kek;
        if (crypto::open_box_into(wrapping.expose(), crypto::Commitment::structural, slot.box,
                                  associated_data(owner, slot), kek.expose_mut())) {
            opened.push_back({std::move(kek), slot.generation});
        }
    }
    std::ranges::sort(opened, [](const OpenedKek& a, const OpenedKek& b) {
        return age(b.generation, a.generation) < 128 && a.generation != b.generation;
    });
    return opened;
}

std::vector<crypto::Kek> open_seal_slots(const std::filesystem::path& directory,
                                         const VaultId& vault, const KeeperId& keeper,
                                         const SealSecret& secret) {
    std::vector<crypto::Kek> keks;
    for (OpenedKek& opened : open_seal_generations(directory, vault, keeper, secret)) {
        keks.push_back(std::move(opened.kek));
    }
    return keks;
}

}  // namespace oubliette::keys
