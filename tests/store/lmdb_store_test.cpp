#include <atomic>
#include <csignal>
#include <fstream>
#include <map>
#include <random>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/store/port_cases.hpp"
#include "tests/store/store_fixture.hpp"
#include "tests/store/syscall_fault.hpp"

namespace oubliette::store {
namespace {

std::unique_ptr<Store> open_engine(const std::filesystem::path& directory) {
    return open_small(directory);
}

// The kind of the Fault that `work` throws, or nothing.
template <class Work>
std::optional<FaultKind> fault_of(Work work) {
    try {
        work();
    } catch (const Fault& fault) {
        UNSCOPED_INFO(fault.what());
        return fault.kind();
    }
    return std::nullopt;
}

std::optional<FaultKind> fault_of_opening(const std::filesystem::path& directory,
                                          const std::vector<std::string>& names,
                                          const StoreOptions& options) {
    return fault_of([&] { const auto store = open_lmdb_store(directory, names, options); });
}

void put_number(Store& store, std::uint64_t number, std::size_t size, bool uses_reserve) {
    store.write([&](WriteView& view) {
        if (uses_reserve) view.use_reserve();
        view.put(kRows, number_key(number), Bytes(size, 'v'));
    });
}

// Rows that fit, one per write, from `number` on.
std::uint64_t fill(Store& store, std::uint64_t number, bool uses_reserve,
                   std::size_t size = 1'000) {
    for (;; ++number) {
        try {
            put_number(store, number, size, uses_reserve);
        } catch (const Fault& fault) {
            CHECK(fault.kind() == FaultKind::storage_full);
            return number;
        }
    }
}

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

mode_t mode_of(const std::filesystem::path& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 0777U;
}

}  // namespace

TEST_CASE("LMDB keeps the port's promises about rows", "[store]") {
    check_rows(open_engine);
}
TEST_CASE("LMDB keeps the port's promises about scans", "[store]") {
    check_scans(open_engine);
}
TEST_CASE("LMDB keeps the port's limits", "[store]") {
    check_limits(open_engine);
}
TEST_CASE("LMDB isolates snapshots", "[store]") {
    check_isolation(open_engine);
}
TEST_CASE("LMDB agrees with a model", "[store]") {
    check_random_history(open_engine);
}

TEST_CASE("a store's directory and files are its owner's alone", "[store]") {
    const TemporaryDirectory parent;
    const auto directory = parent.path() / "new";
    const auto store = open_small(directory);
    CHECK(mode_of(directory) == 0700);
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
        CHECK(mode_of(file.path()) == 0600);
    }
}

TEST_CASE("a directory is served once", "[store]") {
    const TemporaryDirectory directory;
    auto store = open_small(directory.path());
    SECTION("not twice by one process") {
        CHECK(fault_of([&] { open_small(directory.path()); }) == FaultKind::conflict);
    }
    SECTION("not by a second process") {
        const int status = run_in_child([&] {
            return fault_of([&] { open_small(directory.path()); }) == FaultKind::conflict ? 0 : 1;
        });
        CHECK(status == 0);
    }
    SECTION("again after closing") {
        put(*store, "key", "value");
        store.reset();
        CHECK(get(*open_small(directory.path()), "key") == "value");
    }
}

TEST_CASE("opening refuses what it cannot serve", "[store]") {
    const TemporaryDirectory directory;
    SECTION("a directory without a parent") {
        CHECK(fault_of([&] { open_small(directory.path() / "a" / "b"); }) ==
              FaultKind::configuration);
    }
    SECTION("a reserve as large as the store") {
        auto options = small_options();
        options.bytes_reserve = options.bytes_max;
        CHECK(fault_of_opening(directory.path(), kTableNames, options) == FaultKind::configuration);
    }
    SECTION("a data file of something else") {
        std::ofstream(directory.path() / "data.mdb") << std::string(9'000, 'x');
        CHECK(fault_of([&] { open_small(directory.path()); }) == FaultKind::corrupt);
    }
    SECTION("a missing store or table, when only reading") {
        auto options = small_options();
        options.read_only = true;
        CHECK(fault_of_opening(directory.path(), kTableNames, options) == FaultKind::configuration);
        open_small(directory.path());
        CHECK(fault_of_opening(directory.path(), {"rows", "new"}, options) ==
              FaultKind::configuration);
    }
}

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

TEST_CASE("the map grows under readers, who see whole commits only", "[store][threads]") {
    const TemporaryDirectory directory;
    const auto store = open_small(directory.path());
    std::atomic<bool> is_done{false};
    std::atomic<std::uint64_t> mismatches{0};
    std::atomic<std::uint64_t> snapshots{0};
    put(*store, "a", "0");
    put(*store, "b", "0", kOther);

    std::vector<std::thread> readers;
    for (int i = 0; i < 4; ++i) {
        readers.emplace_back([&] {
            while (!is_done) {
                const auto outer = store->read();
                const std::string a = get(*outer, "a");
                const auto inner = store->read();  // a second snapshot of a thread that holds one
                if (get(*outer, "b", kOther) != a) ++mismatches;
                if (get(*inner, "a") != get(*inner, "b", kOther)) ++mismatches;
                ++snapshots;
            }
        });
    }
    const auto map_before = store->usage().bytes_map;
    std::uint64_t number = 0;
    while (store->usage().bytes_map < 64 * map_before) {
        store->write([&](WriteView& view) {
            const std::string text = std::to_string(++number);
            view.put(kRows, bytes_of("a"), bytes_of(text));
            for (std::uint64_t i = 0; i < 8; ++i) {
                view.put(kRows, number_key(8 * number + i), Bytes(8'000, 'v'));
            }
            view.put(kOther, bytes_of("b"), bytes_of(text));
        });
    }
    is_done = true;
    for (std::thread& reader : readers) reader.join();
    CHECK(mismatches == 0);
    CHECK(snapshots > 0);
    CHECK(get(*store, "a") == std::to_string(number));
}

TEST_CASE("the snapshots of ended threads are used again", "[store][threads]") {
    const TemporaryDirectory directory;
    const TemporaryDirectory other_directory;
    auto options = small_options();
    options.readers_max = 4;
    auto store = open_lmdb_store(directory.path(), kTableNames, options);
    const auto other = open_small(other_directory.path());
    put(*store, "key", "one");
    put(*other, "key", "two");
    std::atomic<int> wrong{0};
    for (int i = 0; i < 50; ++i) {
        std::thread([&] {
            if (get(*store, "key") != "one" || get(*other, "key") != "two") ++wrong;
        }).join();
    }
    CHECK(wrong == 0);

    SECTION("more at once than readers_max is a fault, not a wait") {
        std::vector<std::unique_ptr<ReadView>> views;
        CHECK(fault_of([&] {
                  for (int i = 0; i < 10; ++i) views.push_back(store->read());
              }) == FaultKind::storage);
        CHECK(views.size() == 4);
        views.pop_back();
        views.push_back(store->read());
        CHECK(get(*views.back(), "key") == "one");
    }
    SECTION("a store may close before the threads that read it end") {
        get(*store, "key");
        std::atomic<bool> is_closed{false};
        std::atomic<bool> has_read{false};
        std::thread late([&] {
            get(*store, "key");
            has_read = true;
            has_read.notify_one();
            is_closed.wait(false);
            if (get(*other, "key") != "two") ++wrong;
        });
        has_read.wait(false);
        store.reset();
        is_closed = true;
        is_closed.notify_one();
        late.join();
        CHECK(wrong == 0);
        store = open_small(directory.path());
        CHECK(get(*store, "key") == "one");
    }
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

TEST_CASE("a copy is whole, compact and readable beside the store", "[store]") {
    const TemporaryDirectory directory;
    const TemporaryDirectory copy;
    const auto store = open_small(directory.path());
    for (std::uint64_t n = 0; n < 200; ++n) put_number(*store, n, 5'000, false);
    for (std::uint64_t n = 0; n < 190; ++n) {
        store->write([&](WriteView& view) { view.remove(kRows, number_key(n)); });
    }
    std::atomic<bool> is_done{false};
    std::thread writer([&] {
        for (std::uint64_t n = 1'000; !is_done; ++n) put_number(*store, n, 20, false);
    });
    store->copy_to(copy.path());
    is_done = true;
    writer.join();

    CHECK(std::filesystem::file_size(copy.path() / "data.mdb") <
          std::filesystem::file_size(directory.path() / "data.mdb") / 2);
    CHECK(mode_of(copy.path() / "data.mdb") == 0600);
    CHECK(fault_of([&] { store->copy_to(copy.path()); }) == FaultKind::configuration);
    CHECK(fault_of([&] { store->copy_to(copy.path() / "none"); }) == FaultKind::configuration);

    auto options = small_options();
    options.read_only = true;
    const auto first = open_lmdb_store(copy.path(), kTableNames, options);
    const auto second = open_lmdb_store(copy.path(), kTableNames, options);
    for (const Store* const opened : {first.get(), second.get()}) {
        for (std::uint64_t n = 190; n < 200; ++n) {
            CHECK(opened->read()->get(kRows, number_key(n))->size() == 5'000);
        }
        CHECK_FALSE(opened->read()->get(kRows, number_key(189)).has_value());
    }
    CHECK(fault_of([&] { put(*first, "key", "value"); }) == FaultKind::configuration);
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(copy.path())) {
        ++files;
    }
    CHECK(files == 1);
}

TEST_CASE("a copy never holds what was removed before it", "[store]") {
    const TemporaryDirectory directory;
    const auto store = open_small(directory.path());
    const auto holds_marks = [](const std::filesystem::path& file) {
        std::ifstream stream(file, std::ios::binary);
        const std::string content(std::istreambuf_iterator<char>(stream), {});
        return content.find("MARKEDVALUE") != std::string::npos;
    };
    for (std::uint64_t n = 0; n < 400; ++n) {
        put(*store, "k" + std::to_string(n), "MARKEDVALUE" + std::to_string(n));
    }
    for (std::uint64_t n = 0; n < 400; ++n) {
        store->write(
            [&](WriteView& view) { view.remove(kRows, bytes_of("k" + std::to_string(n))); });
    }
    CHECK(holds_marks(directory.path() / "data.mdb"));  // positive control: LMDB does not erase
    const TemporaryDirectory copy;
    store->copy_to(copy.path());
    CHECK_FALSE(holds_marks(copy.path() / "data.mdb"));
}

}  // namespace oubliette::store
