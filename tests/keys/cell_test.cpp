#include "vault/keys/cell.hpp"

#include <algorithm>
#include <fcntl.h>
#include <fstream>
#include <linux/falloc.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "crypto/encoding.hpp"
#include "crypto/hash.hpp"
#include "tests/keys/keeper_directory.hpp"
#include "vault/keys/medium.hpp"

using namespace oubliette;
using namespace oubliette::keys;
using oubliette::test::KeeperDirectory;

namespace {

constexpr std::size_t kSlotOffset[] = {0, 65'536};
constexpr std::size_t kHeaderSize = 64;
constexpr std::size_t kUsedSize = kHeaderSize + 114;

ByteArray<16> id_of(Byte first) {
    ByteArray<16> id{};
    id[0] = first;
    return id;
}

CellContent content_of(std::uint64_t sequence, std::uint64_t epoch) {
    return {crypto::Anchor::generate(), sequence, epoch};
}

bool same(const CellContent& a, const CellContent& b) {
    return crypto::equal_constant_time(a.anchor.expose(), b.anchor.expose()) &&
           a.sequence == b.sequence && a.epoch == b.epoch;
}

FaultKind kind_of_open(const std::filesystem::path& file) {
    try {
        const Cell cell{file};
    } catch (const Fault& fault) {
        return fault.kind();
    }
    FAIL("opened");
    return FaultKind::storage;
}

// A cell with slot 0 written, wherever the tests run.
struct WrittenCell {
    KeeperDirectory directory;
    std::filesystem::path file = directory / "anchor.cell";
    crypto::Kek kek = crypto::Kek::generate();
    Cell::Header header{id_of(1), id_of(2), CellClass::besteffort};
    CellContent content = content_of(5, 6);

    WrittenCell() {
        Cell::create(file, true);
        Cell{file}.write(0, header, kek, content);
    }
};

}  // namespace

TEST_CASE("a new cell is 131,072 random bytes for its owner only", "[cell]") {
    const KeeperDirectory directory;
    const auto file = directory / "anchor.cell";
    Cell::create(file, true);
    CHECK(std::filesystem::file_size(file) == kCellSize);
    CHECK(std::filesystem::status(file).permissions() ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    const Bytes bytes = test::read_file(file);
    // 4,096 B that compress to nothing would be zeros or a repeated block.
    for (std::size_t offset = 0; offset < kCellSize; offset += kCellBlockSize) {
        const ByteView block = ByteView{bytes}.subspan(offset, kCellBlockSize);
        CHECK(std::ranges::count(block, Byte{0}) < 64);
        if (offset > 0) CHECK(!std::ranges::equal(block, ByteView{bytes}.first(kCellBlockSize)));
    }
    const Cell cell{file};
    CHECK(!cell.header(0));
    CHECK(!cell.header(1));
    CHECK(!cell.read(0, crypto::Kek::generate()));
}

TEST_CASE("a cell is never created over an existing file", "[cell]") {
    const WrittenCell made;
    CHECK_THROWS_AS(Cell::create(made.file, true), Fault);
    const auto content = Cell{made.file}.read(0, made.kek);
    REQUIRE(content);
    CHECK(same(*content, made.content));
}

TEST_CASE("what is written into a slot is read back, after reopening and read-only", "[cell]") {
    const WrittenCell made;
    const Cell cell{made.file, true};
    const auto content = cell.read(0, made.kek);
    REQUIRE(content);
    CHECK(same(*content, made.content));
    const auto header = cell.header(0);
    REQUIRE(header);
    CHECK(header->vault == made.header.vault);
    CHECK(header->keeper == made.header.keeper);
    CHECK(header->cell_class == made.header.cell_class);
    CHECK(!cell.header(1));
}

TEST_CASE("a write changes one block and no other byte of the file", "[cell]") {
    const WrittenCell made;
    const Bytes before = test::read_file(made.file);
    Cell{made.file}.write(1, made.header, made.kek, content_of(6, 7));
    const Bytes after = test::read_file(made.file);
    REQUIRE(after.size() == before.size());
    for (std::size_t i = 0; i < after.size(); ++i) {
        const bool inside = i >= kSlotOffset[1] && i < kSlotOffset[1] + kCellBlockSize;
        if (!inside && after[i] != before[i]) FAIL("byte " << i << " changed");
    }
}

TEST_CASE("an anchor does not open with another KEK", "[cell]") {
    const WrittenCell made;
    CHECK(!Cell{made.file}.read(0, crypto::Kek::generate()));
}

TEST_CASE("a block does not open with any used byte changed", "[cell]") {
    const WrittenCell made;
    const Bytes good = test::read_file(made.file);
    for (std::size_t i = 0; i < kUsedSize; ++i) {
        for (const Byte flip : {Byte{0x01}, Byte{0x11}, Byte{0x80}}) {
            Bytes bad = good;
            bad[i] ^= flip;
            test::write_file(made.file, bad);
            INFO("byte " << i);
            CHECK(!Cell{made.file}.read(0, made.kek));
        }
    }
    Bytes tail = good;  // the random rest is not part of anything
    tail[kUsedSize] ^= 1;
    test::write_file(made.file, tail);
    CHECK(Cell{made.file}.read(0, made.kek));
}

TEST_CASE("the class in a block cannot be made a better one", "[cell]") {
    const WrittenCell made;
    Bytes bytes = test::read_file(made.file);
    REQUIRE(bytes[11] == 'B');
    bytes[11] = 'S';
    test::write_file(made.file, bytes);
    const Cell cell{made.file};
    CHECK(cell.header(0));  // a class that exists, so the clear header alone does not tell
    CHECK(!cell.read(0, made.kek));
}

TEST_CASE("a block copied into the other slot does not open", "[cell]") {
    const WrittenCell made;
    Bytes bytes = test::read_file(made.file);
    std::copy_n(bytes.begin(), kCellBlockSize, bytes.begin() + kSlotOffset[1]);
    test::write_file(made.file, bytes);
    CHECK(!Cell{made.file}.read(1, made.kek));
    bytes[kSlotOffset[1] + 10] = 1;  // the clear slot number made to fit
    test::write_file(made.file, bytes);
    const Cell cell{made.file};
    CHECK(cell.header(1));
    CHECK(!cell.read(1, made.kek));
    CHECK(cell.read(0, made.kek));
}

TEST_CASE("another keeper's block does not open, even under the same KEK", "[cell]") {
    const WrittenCell made;
    KeeperDirectory other;
    const auto other_file = other / "anchor.cell";
    Cell::create(other_file, true);
    const Cell::Header theirs{made.header.vault, id_of(3), CellClass::besteffort};
    Cell{other_file}.write(0, theirs, made.kek, content_of(1, 1));

    Bytes bytes = test::read_file(other_file);
    test::write_file(made.file, bytes);
    CHECK(Cell{made.file}.header(0)->keeper == theirs.keeper);  // the caller compares this
    std::ranges::copy(made.header.keeper, bytes.begin() + 32);
    test::write_file(made.file, bytes);
    CHECK(Cell{made.file}.header(0)->keeper == made.header.keeper);
    CHECK(!Cell{made.file}.read(0, made.kek));
}

TEST_CASE("an erased slot holds no byte run of the old block and the other slot stays", "[cell]") {
    const WrittenCell made;
    const CellContent second = content_of(6, 7);
    {
        Cell cell{made.file};
        cell.write(1, made.header, made.kek, second);
        cell.erase(0);
    }
    const Cell cell{made.file};
    CHECK(!cell.header(0));
    CHECK(!cell.read(0, made.kek));
    const auto kept = cell.read(1, made.kek);
    REQUIRE(kept);
    CHECK(same(*kept, second));
}

TEST_CASE("no run of 8 bytes of an erased block is left in the file", "[cell]") {
    const WrittenCell made;
    const Bytes before = test::read_file(made.file);
    Cell{made.file}.erase(0);
    const Bytes after = test::read_file(made.file);
    const ByteView old_block = ByteView{before}.first(kCellBlockSize);
    for (std::size_t i = 0; i + 8 <= kCellBlockSize; ++i) {
        const ByteView window = old_block.subspan(i, 8);
        if (std::equal(window.begin(), window.end(), after.begin() + static_cast<long>(i))) {
            FAIL("8 bytes at " << i << " survived");
        }
    }
}

TEST_CASE("alternating torn writes never lose both slots", "[cell]") {
    // The caller's protocol: the other slot is written first. Cut that write after every multiple
    // of the 512 B sector: the live slot must still open.
    const WrittenCell made;
    const Bytes before = test::read_file(made.file);
    Cell{made.file}.write(1, made.header, made.kek, content_of(6, 7));
    const Bytes after = test::read_file(made.file);
    for (std::size_t cut = 0; cut <= kCellBlockSize; cut += 512) {
        Bytes torn = before;
        std::copy_n(after.begin() + kSlotOffset[1], cut, torn.begin() + kSlotOffset[1]);
        test::write_file(made.file, torn);
        const Cell cell{made.file};
        INFO("cut at " << cut);
        CHECK(cell.read(0, made.kek));
        CHECK(cell.read(1, made.kek).has_value() == (cut >= 512));
    }
}

TEST_CASE("a missing cell is a configuration fault, a resized or strange one corrupt", "[cell]") {
    const WrittenCell made;
    const Bytes good = test::read_file(made.file);
    CHECK(kind_of_open(made.directory / "absent") == FaultKind::configuration);
    for (const std::size_t size : {std::size_t{0}, kCellBlockSize, kCellSize - 1, kCellSize + 1}) {
        Bytes bytes = good;
        bytes.resize(size);
        test::write_file(made.file, bytes);
        INFO("size " << size);
        CHECK(kind_of_open(made.file) == FaultKind::corrupt);
    }
    std::filesystem::create_symlink(made.file, made.directory / "link");
    CHECK(kind_of_open(made.directory / "link") == FaultKind::storage);
}

TEST_CASE("memory file systems are refused unless accepted, and the refusal names both", "[cell]") {
    if (!std::filesystem::is_directory("/dev/shm")) {
        WARN("no /dev/shm here: not tested");
        return;
    }
    const KeeperDirectory directory{"/dev/shm"};
    const auto file = directory / "anchor.cell";
    try {
        Cell::create(file, false);
        FAIL("accepted");
    } catch (const Fault& fault) {
        CHECK(fault.kind() == FaultKind::configuration);
        CHECK_THAT(fault.what(), Catch::Contains("tmpfs"));
        CHECK_THAT(fault.what(), Catch::Contains("--cell-class besteffort"));
    }
    CHECK(!std::filesystem::exists(file));

    Cell::create(file, true);
    Cell cell{file};
    CHECK(cell.cell_class() == CellClass::besteffort);
    CHECK(cell.in_place());
    const crypto::Kek kek = crypto::Kek::generate();
    cell.write(0, {id_of(1), id_of(2), CellClass::besteffort}, kek, content_of(1, 1));
    CHECK(cell.read(0, kek));
    cell.erase(0);
    CHECK(!cell.read(0, kek));
}

TEST_CASE("a cell of class software stays at its physical blocks, and a hole is noticed",
          "[cell]") {
    const WrittenCell made;
    Cell cell{made.file};
    if (cell.cell_class() != CellClass::software) {
        WARN("the working directory cannot overwrite in place: not tested");
        return;
    }
    for (unsigned i = 0; i < 64; ++i) {
        cell.write(i % 2, made.header, made.kek, content_of(i, i));
        cell.erase((i + 1) % 2);
        CHECK(cell.in_place());
    }
    // The control: a block whose place is given up, then written again.
    const int fd = ::open(made.file.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(fd >= 0);
    REQUIRE(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kSlotOffset[1],
                        kCellBlockSize) == 0);
    CHECK(!cell.in_place());
    CHECK(!physical_block(fd, kSlotOffset[1], kCellBlockSize));
    CHECK(physical_block(fd, kSlotOffset[0], kCellBlockSize));
    // Reserved but not written: an overwrite would go through a conversion of the extent.
    REQUIRE(::fallocate(fd, 0, kSlotOffset[1], kCellBlockSize) == 0);
    CHECK(!physical_block(fd, kSlotOffset[1], kCellBlockSize));
    ::close(fd);
    CHECK(Cell{made.file}.cell_class() == CellClass::besteffort);
}

TEST_CASE("the frozen cell block opens", "[cell][vector]") {
    std::ifstream in(std::string{OUBLIETTE_SOURCE_DIR} + "/tests/vectors/oubliette/keeper.json");
    const auto vector = nlohmann::json::parse(in);
    const auto bytes = [&](const char* name) {
        return *crypto::hex_decode(vector.at(name).get<std::string>());
    };
    const unsigned slot = vector.at("slot").get<unsigned>();
    const WrittenCell made;
    Bytes file = test::read_file(made.file);
    const Bytes start = bytes("cell_block_start");
    REQUIRE(start.size() == kUsedSize);
    std::ranges::copy(start, file.begin() + static_cast<long>(kSlotOffset[slot]));
    test::write_file(made.file, file);

    const Bytes kek_bytes = bytes("kek");
    const crypto::Kek kek{crypto::KeyView{ByteView{kek_bytes}.first<32>()}};
    const Cell cell{made.file};
    const auto header = cell.header(slot);
    REQUIRE(header);
    CHECK(std::ranges::equal(header->vault, bytes("vault")));
    CHECK(std::ranges::equal(header->keeper, bytes("keeper")));
    CHECK(header->cell_class == CellClass::software);
    const auto content = cell.read(slot, kek);
    REQUIRE(content);
    CHECK(std::ranges::equal(content->anchor.expose(), bytes("anchor")));
    CHECK(content->sequence == vector.at("sequence").get<std::uint64_t>());
    CHECK(content->epoch == vector.at("epoch").get<std::uint64_t>());
}
