#include "vault/keys/cell.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "crypto/assert.hpp"
#include "crypto/box.hpp"
#include "crypto/byte_io.hpp"
#include "crypto/kdf.hpp"
#include "vault/keys/durable_file.hpp"
#include "vault/keys/medium.hpp"
#include "vault/keys/registry.hpp"

namespace oubliette::keys {
namespace {

constexpr std::string_view kMagic = "OBLCELL1";
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kSuite = 1;
constexpr std::size_t kHeaderSize = 64;
constexpr std::size_t kContentSize = 32 + 8 + 8;
constexpr std::size_t kBoxSize =
    kContentSize + crypto::box_overhead(crypto::Commitment::structural);
constexpr std::uint64_t kSlotStride = 65'536;

// O_DIRECT wants memory aligned to the device's logical block, at most 4,096 B.
struct alignas(kCellBlockSize) Block {
    ByteArray<kCellBlockSize> bytes{};
};

std::uint64_t offset_of(unsigned slot) {
    OBL_ASSERT(slot < kCellSlotCount);
    return slot * kSlotStride;
}

[[noreturn]] void fail(const std::string& what, int error) {
    throw Fault{FaultKind::storage,
                "keeper cell: " + what + ": " + std::generic_category().message(error)};
}

// The class is bound as well, so that nobody turns a best-effort cell into a better one.
Bytes associated_data(const Cell::Header& header, unsigned slot) {
    Bytes out;
    ByteWriter{out}
        .bytes(bytes_of("obl1"))
        .u8(static_cast<std::uint8_t>(RecordType::cell))
        .bytes(header.vault)
        .bytes(header.keeper)
        .u8(static_cast<std::uint8_t>(slot))
        .u8(static_cast<std::uint8_t>(header.cell_class));
    return out;
}

void encode_header(const Cell::Header& header, unsigned slot, ByteSpan out) {
    Bytes bytes;
    ByteWriter{bytes}
        .bytes(bytes_of(kMagic))
        .u8(kVersion)
        .u8(kSuite)
        .u8(static_cast<std::uint8_t>(slot))
        .u8(static_cast<std::uint8_t>(header.cell_class))
        .zeros(4)
        .bytes(header.vault)
        .bytes(header.keeper)
        .zeros(16);
    OBL_ASSERT(bytes.size() == kHeaderSize && out.size() == kHeaderSize);
    std::copy(bytes.begin(), bytes.end(), out.begin());
}

std::optional<Cell::Header> decode_header(ByteView block, unsigned slot) {
    ByteReader reader{block.first(kHeaderSize)};
    const bool magic = std::ranges::equal(reader.bytes(kMagic.size()), bytes_of(kMagic));
    const bool version = reader.u8() == kVersion;
    const bool suite = reader.u8() == kSuite;
    const bool here = reader.u8() == slot;
    const auto cell_class = static_cast<CellClass>(reader.u8());
    const bool known = cell_class == CellClass::software || cell_class == CellClass::besteffort;
    const bool zero_before = reader.le32() == 0;
    Cell::Header header{reader.array<16>(), reader.array<16>(), cell_class};
    const bool zero_after =
        std::ranges::all_of(reader.bytes(16), [](Byte byte) { return byte == 0; });
    OBL_ASSERT(reader.finished());
    if (!(magic && version && suite && here && known && zero_before && zero_after)) return {};
    return header;
}

void write_random(int fd) {
    auto block = std::make_unique<Block>();
    for (std::uint64_t offset = 0; offset < kCellSize; offset += kCellBlockSize) {
        crypto::random_bytes(block->bytes);
        write_all(fd, block->bytes, offset, "keeper cell: cannot write");
    }
    if (::fsync(fd) != 0) fail("cannot sync", errno);
}

// `chattr +d`: tools that honour it leave the cell out of dumps. A cell in a backup is a key that
// was not destroyed (KEYS 3, finding 7). Most file systems refuse the flag, which changes nothing.
void exclude_from_dumps(int fd) noexcept {
    int flags = 0;
    if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return;
    flags |= FS_NODUMP_FL;
    static_cast<void>(::ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

}  // namespace

struct Cell::State {
    FileDescriptor file;
    bool writable = false;
    bool direct = false;
    CellClass cell_class = CellClass::besteffort;
    std::optional<std::uint64_t> physical[kCellSlotCount];

    void open(const std::filesystem::path& path, int flags) {
        file = FileDescriptor{::open(path.c_str(), flags | O_DIRECT)};
        direct = file.is_open();
        // tmpfs and some others refuse O_DIRECT; such a cell is besteffort, see classify().
        if (!direct && errno == EINVAL) file = FileDescriptor{::open(path.c_str(), flags)};
        if (file.is_open()) return;
        if (errno == ENOENT || errno == ENOTDIR) {
            throw Fault{FaultKind::configuration, "keeper cell is missing: " + path.string() +
                                                      ": is the keeper's directory mounted?"};
        }
        fail("cannot open " + path.string(), errno);
    }

    void check_shape() const {
        struct stat status {};
        if (::fstat(file.get(), &status) != 0) fail("cannot stat", errno);
        if (!S_ISREG(status.st_mode)) {
            throw Fault{FaultKind::corrupt, "keeper cell is not a regular file"};
        }
        if (status.st_size != static_cast<off_t>(kCellSize)) {
            throw Fault{FaultKind::corrupt, "keeper cell has the wrong size"};
        }
    }

    void classify() {
        bool mapped = true;
        for (unsigned slot = 0; slot < kCellSlotCount; ++slot) {
            physical[slot] = physical_block(file.get(), offset_of(slot), kCellBlockSize);
            mapped = mapped && physical[slot].has_value();
        }
        const bool in_place = direct && mapped;
        cell_class = in_place ? class_of_file_system(file.get()) : CellClass::besteffort;
    }

    [[nodiscard]] std::unique_ptr<Block> read_block(unsigned slot) const {
        auto block = std::make_unique<Block>();
        // Where O_DIRECT is not had, this at least drops the cached copy of what was synced.
        if (!direct) {
            static_cast<void>(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED));
        }
        ssize_t count = -1;
        do {
            count = ::pread(file.get(), block->bytes.data(), kCellBlockSize,
                            static_cast<off_t>(offset_of(slot)));
        } while (count < 0 && errno == EINTR);
        if (count < 0) fail("cannot read", errno);
        if (count != static_cast<ssize_t>(kCellBlockSize)) fail("cannot read", EIO);
        return block;
    }

    // One pwrite of the whole block: a second one for a rest would not be aligned.
    void write_block(unsigned slot, const Block& block) const {
        OBL_ASSERT(writable);
        ssize_t count = -1;
        do {
            count = ::pwrite(file.get(), block.bytes.data(), kCellBlockSize,
                             static_cast<off_t>(offset_of(slot)));
        } while (count < 0 && errno == EINTR);
        if (count < 0) fail("cannot write", errno);
        if (count != static_cast<ssize_t>(kCellBlockSize)) fail("cannot write", EIO);
    }
};

void Cell::create(const std::filesystem::path& file, bool accept_besteffort) {
    const FileDescriptor fd{
        ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (!fd.is_open() && errno == EEXIST) {
        throw Fault{FaultKind::configuration, "keeper cell exists already: " + file.string()};
    }
    if (!fd.is_open()) fail("cannot create " + file.string(), errno);
    try {
        exclude_from_dumps(fd.get());
        write_random(fd.get());
        sync_directory(file.parent_path().empty() ? "." : file.parent_path());
        if (Cell{file}.cell_class() == CellClass::besteffort && !accept_besteffort) {
            throw Fault{FaultKind::configuration,
                        "keeper cell " + file.string() + " is on " + file_system_name(fd.get()) +
                            ", which does not promise to overwrite a block in place: erased keys "
                            "may stay on the medium. Choose a directory on ext4 or xfs (no "
                            "data=journal, no reflink), or accept it with --cell-class besteffort"};
        }
    } catch (...) {
        ::unlink(file.c_str());
        throw;
    }
}

Cell::Cell(const std::filesystem::path& file, bool read_only) : state_(std::make_unique<State>()) {
    const int access = read_only ? O_RDONLY : O_RDWR | O_DSYNC;
    state_->open(file, access | O_NOFOLLOW | O_CLOEXEC);
    state_->writable = !read_only;
    state_->check_shape();
    state_->classify();
}

Cell::~Cell() = default;

std::optional<Cell::Header> Cell::header(unsigned slot) const {
    return decode_header(state_->read_block(slot)->bytes, slot);
}

std::optional<CellContent> Cell::read(unsigned slot, const crypto::Kek& kek) const {
    const auto block = state_->read_block(slot);
    const auto header = decode_header(block->bytes, slot);
    if (!header) return std::nullopt;
    const crypto::SubKey key =
        crypto::derive_subkey(kek.expose(), crypto::KdfContext::cell, subkey::kCell);
    const auto plaintext = crypto::open_box(key.expose(), crypto::Commitment::structural,
                                            ByteView{block->bytes}.subspan(kHeaderSize, kBoxSize),
                                            associated_data(*header, slot));
    if (!plaintext) return std::nullopt;
    ByteReader reader{plaintext->expose()};
    CellContent content{crypto::Anchor{reader.bytes(32).first<32>()}, reader.le64(), reader.le64()};
    OBL_ASSERT(reader.finished());
    return content;
}

void Cell::write(unsigned slot, const Header& header, const crypto::Kek& kek,
                 const CellContent& content) {
    crypto::SecretBytes plaintext{kContentSize};
    const ByteSpan room = plaintext.expose_mut();
    std::ranges::copy(content.anchor.expose(), room.begin());
    Bytes numbers;
    ByteWriter{numbers}.le64(content.sequence).le64(content.epoch);
    std::ranges::copy(numbers, room.begin() + 32);

    const crypto::SubKey key =
        crypto::derive_subkey(kek.expose(), crypto::KdfContext::cell, subkey::kCell);
    const Bytes box = crypto::seal_box(key.expose(), crypto::Commitment::structural,
                                       plaintext.expose(), associated_data(header, slot));
    OBL_ASSERT(box.size() == kBoxSize);

    // The rest is random, so that a written block and an erased one differ in the header only.
    auto block = std::make_unique<Block>();
    crypto::random_bytes(block->bytes);
    const ByteSpan bytes{block->bytes};
    encode_header(header, slot, bytes.first(kHeaderSize));
    std::ranges::copy(box, bytes.begin() + kHeaderSize);
    state_->write_block(slot, *block);
}

void Cell::erase(unsigned slot) {
    auto random = std::make_unique<Block>();
    crypto::random_bytes(random->bytes);
    state_->write_block(slot, *random);
    if (state_->read_block(slot)->bytes != random->bytes) {
        throw Fault{FaultKind::storage,
                    "keeper cell: an erased block reads back as something else: the device does "
                    "not keep what it acknowledges; replace it"};
    }
}

bool Cell::in_place() const {
    if (state_->cell_class == CellClass::besteffort) return true;
    for (unsigned slot = 0; slot < kCellSlotCount; ++slot) {
        if (physical_block(state_->file.get(), offset_of(slot), kCellBlockSize) !=
            state_->physical[slot]) {
            return false;
        }
    }
    return true;
}

CellClass Cell::cell_class() const noexcept {
    return state_->cell_class;
}

}  // namespace oubliette::keys
