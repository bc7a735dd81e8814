#include "tests/store/port_cases.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/store/store_fixture.hpp"

namespace oubliette::store {
namespace {

std::vector<std::string> keys_of(const ReadView& view, std::string_view prefix,
                                 std::string_view from = {}) {
    std::vector<std::string> keys;
    view.scan(kRows, bytes_of(prefix), bytes_of(from), [&](ByteView key, ByteView) {
        keys.emplace_back(text_of(key));
        return true;
    });
    return keys;
}

std::string last_of(const ReadView& view, std::string_view prefix) {
    const auto row = view.last(kRows, bytes_of(prefix));
    return row ? std::string(text_of(row->key)) : "(none)";
}

using Strings = std::vector<std::string>;

bool aborts(const OpenStore& open, const std::filesystem::path& directory, std::size_t key_size,
            std::size_t value_size) {
    const int status = run_in_child([&] {
        if (std::freopen("/dev/null", "w", stderr) == nullptr) return 97;
        const auto store = open(directory);
        store->write([&](WriteView& view) {
            view.put(kRows, Bytes(key_size, 'k'), Bytes(value_size, 'v'));
        });
        return 0;
    });
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace

void check_rows(const OpenStore& open) {
    const TemporaryDirectory directory;
    auto store = open(directory.path());

    SECTION("a row is found by its key, in its table only, also after reopening") {
        put(*store, "key", "value");
        store.reset();
        store = open(directory.path());
        CHECK(get(*store, "key") == "value");
        CHECK(get(*store, "key", kOther) == "(none)");
        CHECK(get(*store, "ke") == "(none)");
        CHECK(get(*store, std::string_view("key\0", 4)) == "(none)");
        CHECK(get(*store, "") == "(none)");
    }
    SECTION("put replaces") {
        put(*store, "key", "long first value");
        put(*store, "key", "");
        CHECK(get(*store, "key").empty());
    }
    SECTION("remove says whether the row existed") {
        put(*store, "key", "value");
        store->write([](WriteView& view) {
            CHECK(view.remove(kRows, bytes_of("key")));
            CHECK_FALSE(view.remove(kRows, bytes_of("key")));
            CHECK_FALSE(view.remove(kRows, {}));
            CHECK_FALSE(view.remove(kOther, bytes_of("key")));
        });
        CHECK(get(*store, "key") == "(none)");
    }
    SECTION("a write that throws has no effect and passes the exception on") {
        put(*store, "key", "old");
        const auto write = [&] {
            store->write([](WriteView& view) {
                view.put(kRows, bytes_of("key"), bytes_of("new"));
                view.put(kOther, bytes_of("more"), bytes_of("new"));
                throw std::out_of_range("mine");
            });
        };
        CHECK_THROWS_AS(write(), std::out_of_range);
        CHECK(get(*store, "key") == "old");
        CHECK(get(*store, "more", kOther) == "(none)");
        CHECK(store->healthy());
        put(*store, "key", "newer");
        CHECK(get(*store, "key") == "newer");
    }
}

void check_scans(const OpenStore& open) {
    const TemporaryDirectory directory;
    const auto store = open(directory.path());
    const auto view_empty = store->read();
    CHECK(keys_of(*view_empty, "").empty());
    CHECK(last_of(*view_empty, "") == "(none)");
    CHECK(last_of(*view_empty, "a") == "(none)");

    // Loaded by another thread, because this one holds a snapshot.
    std::thread([&] {
        store->write([](WriteView& view) {
            for (const char* key : {"b", "a", "ab", "abc", "ab\xff", "ab\xff\xff", "ac", "\xff",
                                    "\xff\xff", "\xff\xff z"}) {
                view.put(kRows, bytes_of(key), bytes_of("v"));
            }
        });
    }).join();
    const auto view = store->read();

    SECTION("scan visits rows with the prefix, in byte order") {
        CHECK(keys_of(*view, "").size() == 10);
        CHECK(keys_of(*view, "ab") == Strings{"ab", "abc", "ab\xff", "ab\xff\xff"});
        CHECK(keys_of(*view, "\xff\xff") == Strings{"\xff\xff", "\xff\xff z"});
        CHECK(keys_of(*view, "abd").empty());
        CHECK(keys_of(*view, "c").empty());
        CHECK(keys_of(*view, std::string(600, 'a')).empty());
    }
    SECTION("scan starts at `from`, whether it exists or not") {
        CHECK(keys_of(*view, "ab", "abc") == Strings{"abc", "ab\xff", "ab\xff\xff"});
        CHECK(keys_of(*view, "ab", "abd") == Strings{"ab\xff", "ab\xff\xff"});
        CHECK(keys_of(*view, "ab", "ab\xff\xff\xff").empty());
        CHECK(keys_of(*view, "", "b") == Strings{"b", "\xff", "\xff\xff", "\xff\xff z"});
    }
    SECTION("scan stops when told, and passes exceptions on") {
        std::size_t visited = 0;
        view->scan(kRows, {}, {}, [&](ByteView, ByteView) { return ++visited < 3; });
        CHECK(visited == 3);
        const auto scan = [&] {
            view->scan(kRows, {}, {},
                       [](ByteView, ByteView) -> bool { throw std::out_of_range("mine"); });
        };
        CHECK_THROWS_AS(scan(), std::out_of_range);
        CHECK(keys_of(*view, "b") == Strings{"b"});
    }
    SECTION("scans nest, and read within") {
        std::size_t pairs = 0;
        view->scan(kRows, {}, {}, [&](ByteView key, ByteView) {
            pairs += keys_of(*view, "").size();
            CHECK(view->get(kRows, key).has_value());
            return true;
        });
        CHECK(pairs == 100);
    }
    SECTION("last is the highest row with the prefix") {
        CHECK(last_of(*view, "") == "\xff\xff z");
        CHECK(last_of(*view, "a") == "ac");
        CHECK(last_of(*view, "ab") == "ab\xff\xff");
        CHECK(last_of(*view, "ab\xff") == "ab\xff\xff");
        CHECK(last_of(*view, "b") == "b");
        CHECK(last_of(*view, "\xff") == "\xff\xff z");
        CHECK(last_of(*view, "\xff\xff") == "\xff\xff z");
        CHECK(last_of(*view, "\xff\xff\xff") == "(none)");
        CHECK(last_of(*view, "aa") == "(none)");
        CHECK(last_of(*view, "0") == "(none)");
    }
}

void check_limits(const OpenStore& open) {
    const TemporaryDirectory directory;
    SECTION("the longest key and value are stored whole") {
        const auto store = open(directory.path());
        const Bytes key(kKeySizeMax, 0xff);
        const Bytes value(kValueSizeMax, 0xee);
        store->write([&](WriteView& view) { view.put(kRows, key, value); });
        const auto view = store->read();
        const auto found = view->get(kRows, key);
        REQUIRE(found.has_value());
        CHECK(std::equal(found->begin(), found->end(), value.begin(), value.end()));
        CHECK(view->last(kRows, key).has_value());
        CHECK_FALSE(view->get(kRows, Bytes(kKeySizeMax + 1, 0xff)).has_value());
        CHECK_FALSE(view->last(kRows, Bytes(kKeySizeMax + 1, 0xff)).has_value());
    }
    SECTION("longer ones and an empty key are bugs of the caller") {
        CHECK_FALSE(aborts(open, directory.path(), kKeySizeMax, kValueSizeMax));
        CHECK(aborts(open, directory.path(), kKeySizeMax + 1, 1));
        CHECK(aborts(open, directory.path(), 1, kValueSizeMax + 1));
        CHECK(aborts(open, directory.path(), 0, 1));
    }
}

void check_isolation(const OpenStore& open) {
    const TemporaryDirectory directory;
    const auto store = open(directory.path());
    put(*store, "key", "old");

    SECTION("a snapshot does not see later commits, a new one does") {
        const auto before = store->read();
        std::thread([&] { put(*store, "key", "new"); }).join();
        CHECK(get(*before, "key") == "old");
        const auto after = store->read();
        CHECK(get(*after, "key") == "new");
        CHECK(get(*before, "key") == "old");
    }
    SECTION("a write sees its own rows, nobody else does before the commit") {
        store->write([&](WriteView& view) {
            view.put(kRows, bytes_of("key"), bytes_of("new"));
            view.put(kRows, bytes_of("kez"), bytes_of("new"));
            CHECK(get(view, "key") == "new");
            CHECK(keys_of(view, "ke") == Strings{"key", "kez"});
            CHECK(last_of(view, "ke") == "kez");
            std::thread([&] { CHECK(get(*store, "key") == "old"); }).join();
            CHECK(get(*store, "kez") == "(none)");
        });
        CHECK(get(*store, "kez") == "new");
    }
}

// A history of random writes, against std::map: the oracle is another ordered map, not our code.
void check_random_history(const OpenStore& open) {
    const TemporaryDirectory directory;
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    auto store = open(directory.path());
    std::map<std::string, std::string> model;
    const auto random_key = [&] {
        std::string key(1 + random() % 3, '\0');
        for (char& c : key) c = "ab\xfe\xff"[random() % 4];
        return key;
    };
    for (int round = 0; round < 60; ++round) {
        auto next = model;
        const bool is_aborted = random() % 4 == 0;
        std::vector<std::pair<std::string, std::optional<std::string>>> changes;
        for (auto n = random() % 20; n > 0; --n) {
            const std::string value(random() % 5 == 0 ? random() % 9'000 : random() % 50, 'v');
            changes.emplace_back(random_key(),
                                 random() % 3 == 0 ? std::nullopt : std::optional(value));
        }
        try {
            store->write([&](WriteView& view) {
                next = model;
                for (const auto& [key, value] : changes) {
                    if (value) {
                        view.put(kRows, bytes_of(key), bytes_of(*value));
                        next[key] = *value;
                    } else {
                        CHECK(view.remove(kRows, bytes_of(key)) == (next.erase(key) == 1));
                    }
                }
                if (is_aborted) throw std::out_of_range("aborted");
            });
            model = next;
        } catch (const std::out_of_range&) {
        }
        if (round % 10 == 9) {
            store.reset();
            store = open(directory.path());
        }
        std::map<std::string, std::string> found;
        store->read()->scan(kRows, {}, {}, [&](ByteView key, ByteView value) {
            found.emplace(text_of(key), text_of(value));
            return true;
        });
        REQUIRE(found == model);
        const std::string prefix = random_key();
        std::string expected = "(none)";
        for (const auto& [key, value] : model) {
            if (key.starts_with(prefix)) expected = key;
        }
        CHECK(last_of(*store->read(), prefix) == expected);
    }
}

}  // namespace oubliette::store
