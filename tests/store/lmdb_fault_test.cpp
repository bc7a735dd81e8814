#include <csignal>
#include <fstream>
#include <map>
#include <random>
#include <sys/mount.h>
#include <sys/resource.h>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/store/store_checks.hpp"
#include "tests/store/syscall_fault.hpp"

// The LMDB engine when it is full, when the disk fails, when its file is cut and when it is killed.

namespace oubliette::store {
namespace {

// A file system of `size` on `path`; not mounted if this user may not.
class SmallFileSystem {
public:
    SmallFileSystem(const std::filesystem::path& path, const std::string& size)
        : path_(path),
          is_mounted_(::mount("tmpfs", path.c_str(), "tmpfs", 0,
                              ("mode=0700,size=" + size).c_str()) == 0) {}
    ~SmallFileSystem() {
        if (is_mounted_) ::umount(path_.c_str());
    }
    SmallFileSystem(const SmallFileSystem&) = delete;
    SmallFileSystem& operator=(const SmallFileSystem&) = delete;
    [[nodiscard]] bool is_mounted() const noexcept { return is_mounted_; }

private:
    std::filesystem::path path_;
    bool is_mounted_;
};

}  // namespace

// LMDB allocates and frees pages at the end of the file in one commit without writing them, so a
// short file may be whole. Either way no row may be lost in silence, and none may be SIGBUS.
TEST_CASE("a truncated file is refused or holds every row", "[store]") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const TemporaryDirectory directory;
    std::map<Bytes, Bytes> model;
    {
        const auto store = open_small(directory.path());
        for (int round = 0; round < 30; ++round) {
            auto next = model;
            store->write([&](WriteView& view) {
                next = model;
                for (int i = 0; i < 30; ++i) {
                    const Bytes key = number_key(random() % 100);
                    const Bytes value(random() % (i % 10 == 0 ? 40'000 : 300), 'v');
                    view.put(kRows, key, value);
                    next[key] = value;
                }
                for (int i = 0; i < 20; ++i) {
                    const Bytes key = number_key(random() % 100);
                    view.remove(kRows, key);
                    next.erase(key);
                }
            });
            model = next;
        }
    }
    const auto whole = std::filesystem::file_size(directory.path() / "data.mdb");
    CHECK(whole % 4096 == 0);
    std::size_t refused = 0;
    for (std::uintmax_t cut = 0; cut < whole; cut += cut < 20 * 4096 ? 2'048 : 65'536 + 512) {
        const TemporaryDirectory copy;
        std::filesystem::copy_file(directory.path() / "data.mdb", copy.path() / "data.mdb");
        std::filesystem::resize_file(copy.path() / "data.mdb", whole - cut);
        std::map<Bytes, Bytes> found;
        const auto fault = fault_of([&] {
            open_small(copy.path())->read()->scan(kRows, {}, {}, [&](ByteView key, ByteView value) {
                found.emplace(Bytes(key.begin(), key.end()), Bytes(value.begin(), value.end()));
                return true;
            });
        });
        if (fault) {
            CHECK(*fault == FaultKind::corrupt);
            ++refused;
            continue;
        }
        CHECK(found == model);
    }
    CHECK(refused > 0);

    const TemporaryDirectory empty;
    std::ofstream(empty.path() / "data.mdb").close();
    CHECK(fault_of([&] { open_small(empty.path()); }) == FaultKind::corrupt);
}

TEST_CASE("a file that lacks free pages only, as a killed process may leave it, is made whole",
          "[store]") {
    const TemporaryDirectory directory;
    const auto file = directory.path() / "data.mdb";
    {
        const auto store = open_small(directory.path());
        const auto replace_all = [&](std::size_t size) {
            store->write([&](WriteView& view) {
                for (std::uint64_t n = 0; n < 20; ++n) {
                    view.put(kRows, number_key(n), Bytes(size, 'v'));
                }
            });
        };
        for (int i = 0; i < 20; ++i) replace_all(3'000);
        store->write([](WriteView& view) { view.remove(kRows, number_key(0)); });
        // Pages at the end of the file, allocated and freed in one transaction.
        store->write([](WriteView& view) {
            for (std::uint64_t n = 100; n < 110; ++n) {
                view.put(kRows, number_key(n), Bytes(60'000, 'v'));
            }
            for (std::uint64_t n = 100; n < 110; ++n) view.remove(kRows, number_key(n));
        });
    }
    const auto whole = std::filesystem::file_size(file);
    std::filesystem::resize_file(file, whole - 10 * 4096);
    {
        auto options = small_options();
        options.read_only = true;
        CHECK(fault_of_opening(directory.path(), kTableNames, options) == FaultKind::corrupt);
    }
    const auto store = open_small(directory.path());
    CHECK(std::filesystem::file_size(file) == whole);
    for (std::uint64_t n = 1; n < 20; ++n) {
        CHECK(store->read()->get(kRows, number_key(n))->size() == 3'000);
    }
    CHECK_FALSE(store->read()->get(kRows, number_key(0)).has_value());
}

TEST_CASE("a full store still serves reads, erasure and what frees room", "[store]") {
    const TemporaryDirectory directory;
    const auto store = open_small(directory.path(), 2ULL << 20);
    const std::uint64_t end = fill(*store, 0, false);
    CHECK(end > 500);
    CHECK(store->healthy());
    CHECK(store->usage().bytes_map == 2ULL << 20);
    CHECK(store->usage().bytes_used <= (2ULL << 20) - (256ULL << 10));
    CHECK(store->usage().bytes_used > (2ULL << 20) - (256ULL << 10) - (64ULL << 10));
    CHECK(store->read()->last(kRows, {})->key.back() == number_key(end - 1).back());

    // Nothing of the refused write is there, and the next one is refused too.
    CHECK_FALSE(store->read()->get(kRows, number_key(end)).has_value());
    CHECK(fault_of([&] { put_number(*store, end, 1'000, false); }) == FaultKind::storage_full);

    SECTION("a write for an erasure may use the reserve, until that is full too") {
        const std::uint64_t last = fill(*store, end, true);
        CHECK(last - end > 100);
        CHECK(store->healthy());
        CHECK(fault_of([&] { put_number(*store, last, 1'000, false); }) == FaultKind::storage_full);
        CHECK(store->read()->get(kRows, number_key(last - 1)).has_value());
    }
    SECTION("removing needs no reserve, and makes room for others") {
        for (std::uint64_t number = 0; number < end / 2; ++number) {
            store->write([&](WriteView& view) { view.remove(kRows, number_key(number)); });
        }
        put_number(*store, end, 1'000, false);
        CHECK(store->read()->get(kRows, number_key(end)).has_value());
    }
    SECTION("the same after reopening") {
        CHECK(fault_of([&] { put_number(*store, end, 50'000, false); }) == FaultKind::storage_full);
        put_number(*store, end, 50'000, true);
        CHECK(store->read()->get(kRows, number_key(end))->size() == 50'000);
    }
}

TEST_CASE("work that swallows the end of the map is run again all the same", "[store]") {
    const TemporaryDirectory directory;
    const auto store = open_small(directory.path());
    int runs = 0;
    store->write([&](WriteView& view) {
        ++runs;
        for (std::uint64_t i = 0; i < 100; ++i) {
            try {
                view.put(kRows, number_key(i), Bytes(10'000, 'v'));
            } catch (...) {
            }
        }
    });
    CHECK(runs > 1);
    std::size_t rows = 0;
    store->read()->scan(kRows, {}, {}, [&](ByteView, ByteView) { return ++rows, true; });
    CHECK(rows == 100);
}

TEST_CASE("a full disk refuses writes, keeps every row, and is left without a restart",
          "[store][disk]") {
    SECTION("a small file system") {
        const TemporaryDirectory directory;
        const SmallFileSystem disk(directory.path(), "2m");
        if (!disk.is_mounted()) {
            WARN("cannot mount a tmpfs here: skipped");
            return;
        }
        const auto store = open_small(directory.path() / "store");
        const auto ballast = directory.path() / "ballast";
        std::ofstream(ballast) << std::string(500'000, 'x');
        const std::uint64_t end = fill(*store, 0, false);
        CHECK(end > 100);
        CHECK(store->healthy());
        for (std::uint64_t number = 0; number < end; ++number) {
            REQUIRE(store->read()->get(kRows, number_key(number)).has_value());
        }
        // The reserve is on the disk, not only in the map.
        const std::uint64_t last = fill(*store, end, true);
        CHECK(last - end > 100);
        CHECK(store->healthy());
        CHECK(fault_of([&] { put_number(*store, last, 1'000, false); }) == FaultKind::storage_full);
        std::filesystem::remove(ballast);
        put_number(*store, last, 1'000, false);
        CHECK(store->read()->get(kRows, number_key(last)).has_value());
    }
    SECTION("a limit on the size of files") {
        const TemporaryDirectory directory;
        const int status = run_in_child([&] {
            std::signal(SIGXFSZ, SIG_IGN);
            const rlimit limit{1'000'000, RLIM_INFINITY};
            ::setrlimit(RLIMIT_FSIZE, &limit);
            const auto store = open_small(directory.path());
            const std::uint64_t end = fill(*store, 0, false);
            const std::uint64_t last = fill(*store, end, true);
            if (end < 100 || last < end + 100 || !store->healthy()) return 1;
            for (std::uint64_t number = 0; number < last; ++number) {
                if (!store->read()->get(kRows, number_key(number))) return 2;
            }
            const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
            ::setrlimit(RLIMIT_FSIZE, &none);
            put_number(*store, last, 1'000, false);
            return store->read()->get(kRows, number_key(last)) ? 0 : 3;
        });
        CHECK(status == 0);
    }
}

TEST_CASE("after a failed flush nothing is served until a restart, which finds the last commit",
          "[store][disk]") {
    const TemporaryDirectory directory;
    const int status = run_in_child([&] {
        const auto store = open_small(directory.path());
        put(*store, "key", "acknowledged");
        if (!fail_system_call(SYS_fdatasync, EIO)) return 1;
        const auto write = [&] { put(*store, "key", "lost"); };
        const auto read = [&] { get(*store, "key"); };
        if (fault_of(write) != FaultKind::storage || store->healthy()) return 2;
        if (fault_of(write) != FaultKind::storage) return 3;
        return fault_of(read) == FaultKind::storage ? 0 : 4;
    });
    CHECK(status == 0);
    CHECK(get(*open_small(directory.path()), "key") == "acknowledged");
}

TEST_CASE("a disk that takes no more pages refuses writes and stays healthy", "[store][disk]") {
    const TemporaryDirectory directory;
    const int status = run_in_child([&] {
        const auto store = open_small(directory.path());
        put(*store, "key", "acknowledged");
        if (!fail_system_call(SYS_fallocate, ENOSPC)) return 1;
        store->write([](WriteView& view) {
            view.use_reserve();
            for (std::uint64_t n = 0; n < 100; ++n) view.put(kRows, number_key(n), Bytes(99, 'v'));
        });
        // Without fallocate the reserve cannot be kept, so it is only there for erasures.
        const auto write = [&] {
            for (std::uint64_t n = 0; n < 1'000; ++n) put_number(*store, n, 60'000, false);
        };
        if (fault_of(write) != FaultKind::storage_full || !store->healthy()) return 2;
        return get(*store, "key") == "acknowledged" ? 0 : 3;
    });
    CHECK(status == 0);
}

TEST_CASE("a killed process loses no acknowledged write", "[store][crash]") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const TemporaryDirectory directory;
    std::uint64_t acknowledged = 0;
    for (int cycle = 0; cycle < 50; ++cycle) {
        int acks[2];
        REQUIRE(::pipe(acks) == 0);
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            const auto store = open_small(directory.path());
            for (std::uint64_t number = acknowledged + 1;; ++number) {
                put_number(*store, number, 200, false);
                if (::write(acks[1], &number, sizeof number) != sizeof number) ::_exit(1);
            }
        }
        ::close(acks[1]);
        std::uint64_t number = 0;
        if (::read(acks[0], &number, sizeof number) == sizeof number) acknowledged = number;
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 15'000));
        ::kill(child, SIGKILL);
        while (::read(acks[0], &number, sizeof number) == sizeof number) acknowledged = number;
        ::close(acks[0]);
        ::waitpid(child, nullptr, 0);

        const auto store = open_small(directory.path());
        const auto view = store->read();
        for (std::uint64_t n = 1; n <= acknowledged; ++n) {
            REQUIRE(view->get(kRows, number_key(n)).has_value());
        }
        // At most the one write whose acknowledgement was cut off is there besides.
        CHECK_FALSE(view->get(kRows, number_key(acknowledged + 2)).has_value());
        if (view->get(kRows, number_key(acknowledged + 1))) ++acknowledged;
    }
    CHECK(acknowledged >= 50);
}

}  // namespace oubliette::store
