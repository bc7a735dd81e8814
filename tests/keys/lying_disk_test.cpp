#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/faults/file_calls.hpp"
#include "tests/keys/plane_fixture.hpp"
#include "vault/keys/cell.hpp"
#include "vault/keys/durable_file.hpp"
#include "vault/keys/keeper_files.hpp"
#include "vault/keys/records.hpp"

// A disk that says "written" and is not, or that moves a cell: what k1 and k3 read back is for.
// The other keeper is away, so nothing but the check itself can save this one.

namespace oubliette::keys::test {
namespace {

namespace fs = std::filesystem;

// Writes to files of this name are reported as done and are not, from the `first`-th on.
class LyingDisk final : public faults::FileCallHook {
public:
    LyingDisk(std::string name, unsigned first) : name_(std::move(name)), first_(first) {}

    long on_call(faults::FileCall& call) noexcept override {
        if (call.kind != faults::CallKind::write || !is_lied_about(call.fd)) {
            return faults::execute(call);
        }
        if (++writes_ < first_) return faults::execute(call);
        ++lies_;
        long size = 0;
        for (int i = 0; i < call.part_count; ++i) size += static_cast<long>(call.parts[i].iov_len);
        return size;
    }
    [[nodiscard]] unsigned lies() const { return lies_; }

private:
    [[nodiscard]] bool is_lied_about(int fd) const {
        std::error_code error;
        const fs::path path = fs::read_symlink("/proc/self/fd/" + std::to_string(fd), error);
        return !error && path.filename() == name_;
    }

    const std::string name_;
    const unsigned first_;
    std::atomic<unsigned> writes_{0};
    std::atomic<unsigned> lies_{0};
};

// A vault of which only the first keeper is there.
struct OneKeeper {
    OneKeeper() {
        vault.init();
        living = key_text(*vault.open(), person(7));
        fs::rename(vault.keeper(1), vault.home.path() / "away");
    }
    // Erases on a lying disk, and leaves the plane as it is then.
    void erase_on(LyingDisk& disk) {
        const auto plane = vault.open();
        const faults::HookedCalls hooked{disk};
        plane->submit(request, outcome.on_recorded(), outcome.on_final());
        REQUIRE(outcome.wait_recorded());
        CHECK_FALSE(outcome.is_final_within(std::chrono::milliseconds{200}));
        REQUIRE(disk.lies() > 0);
        plane->stop();
    }
    void check_nothing_is_lost() {
        {
            const auto plane = vault.open();
            CHECK(key_text(*plane, person(7)) == living);
        }
        fs::rename(vault.home.path() / "away", vault.keeper(1));
        const auto plane = vault.open();
        CHECK(verify_finality(vault.id, request, revoke(*plane, request)));
        CHECK(key_text(*plane, person(1)) == "dead");
        CHECK(key_text(*plane, person(7)) == living);
    }

    const Vault vault;
    const Revocation request = revocation_of({person(1)});
    Outcome outcome;
    std::string living;
};

// What a defragmenter does: the file's blocks change places with those of a new file. False if the
// file system cannot.
bool defragment(const fs::path& file, const fs::path& donor) {
    struct MoveExtents {  // of ext4's EXT4_IOC_MOVE_EXT, which no header declares
        std::uint32_t reserved;
        std::uint32_t donor;
        std::uint64_t from;  // this and the next two in blocks
        std::uint64_t to;
        std::uint64_t count;
        std::uint64_t moved;
    };
    create_file(donor, Bytes(kCellSize));
    const FileDescriptor moved{::open(file.c_str(), O_RDWR | O_CLOEXEC)};
    const FileDescriptor other{::open(donor.c_str(), O_RDWR | O_CLOEXEC)};
    MoveExtents move{0, static_cast<std::uint32_t>(other.get()), 0, 0, kCellSize / 4'096, 0};
    return ::ioctl(moved.get(), _IOWR('f', 15, MoveExtents), &move) == 0 && move.moved > 0;
}

}  // namespace

TEST_CASE("an anchor that did not get into the cell is not relied on") {
    OneKeeper keeper;
    LyingDisk disk{kCellFile, 1};
    keeper.erase_on(disk);
    keeper.check_nothing_is_lost();
}

TEST_CASE("an overwrite that did not happen is not acknowledged") {
    OneKeeper keeper;
    LyingDisk disk{kCellFile, 2};  // k1 is written, k3 is not
    keeper.erase_on(disk);
    keeper.check_nothing_is_lost();
}

TEST_CASE("the old anchor stays as long as the new root does not open from the store") {
    OneKeeper keeper;
    LyingDisk disk{"data.mdb", 1};
    keeper.erase_on(disk);
    keeper.check_nothing_is_lost();
}

TEST_CASE("a cell that its file system moved acknowledges nothing") {
    const Vault vault;
    vault.init();
    const fs::path file = vault.keeper(0) / kCellFile;
    if (Cell{file}.cell_class() != CellClass::software) {
        WARN("the file system here cannot say where a cell lies");
        return;
    }
    Outcome outcome;
    const auto plane = vault.open();
    if (!defragment(file, vault.home.path() / "donor")) {
        WARN("the file system here does not move files: not tested");
        return;
    }
    plane->submit(revocation_of({person(1)}), outcome.on_recorded(), outcome.on_final());
    REQUIRE(outcome.wait_recorded());
    CHECK_FALSE(outcome.is_final_within(std::chrono::milliseconds{200}));
    CHECK(key_text(*plane, person(1)) == "dead");
}

}  // namespace oubliette::keys::test
