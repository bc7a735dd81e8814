#include <atomic>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/store/port_cases.hpp"
#include "tests/store/store_checks.hpp"

// What the LMDB engine promises beyond the port, on a disk that works.

namespace oubliette::store {
namespace {

std::unique_ptr<Store> open_engine(const std::filesystem::path& directory) {
    return open_small(directory);
}

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
