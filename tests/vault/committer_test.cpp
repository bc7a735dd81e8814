#include "vault/committer.hpp"

#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/store/store_fixture.hpp"
#include "tests/store/syscall_fault.hpp"

namespace oubliette {
namespace {

using store::get;
using store::kOther;
using store::kRows;
using store::number_key;
using store::open_small;
using store::Store;
using store::TemporaryDirectory;
using store::WriteView;

// What a Done was told.
struct Answer {
    std::optional<FaultKind> kind;
    std::string what;
};

// Collects answers in the order in which they come.
class Answers {
public:
    Committer::Done next(std::string name) {
        return [this, name = std::move(name)](const Fault* fault) {
            const std::lock_guard lock(mutex_);
            order_.push_back(name);
            if (fault != nullptr) faults_.push_back({fault->kind(), name + ": " + fault->what()});
        };
    }
    [[nodiscard]] std::vector<std::string> order() const {
        const std::lock_guard lock(mutex_);
        return order_;
    }
    [[nodiscard]] std::vector<Answer> faults() const {
        const std::lock_guard lock(mutex_);
        return faults_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> order_;
    std::vector<Answer> faults_;
};

Committer::Work put_work(std::string key, std::string value, store::TableId table = kRows) {
    return [key = std::move(key), value = std::move(value), table](WriteView& view) {
        view.put(table, bytes_of(key), bytes_of(value));
    };
}

// Keeps the committer's thread busy, so that what is submitted meanwhile becomes one group.
class Blockade {
public:
    explicit Blockade(Committer& committer) {
        committer.submit(
            [latches = latches_](WriteView&) {
                latches->entered.count_down();
                latches->open.wait();
            },
            [](const Fault*) {});
        latches_->entered.wait();
    }
    void lift() { latches_->open.count_down(); }

private:
    struct Latches {
        std::latch entered{1};
        std::latch open{1};
    };
    std::shared_ptr<Latches> latches_ = std::make_shared<Latches>();
};

// A hook as the audit log is one: gathers in the works, writes one row per transaction.
struct Log {
    std::vector<std::string> gathered;
    int segments = 0;  // committed
    int committed = 0;
    int forgotten = 0;
    std::string last_segment;

    Committer::Hook hook() {
        return {[this](WriteView& view) {
                    std::string row;
                    for (const std::string& entry : gathered) row += entry;
                    view.put(kOther, number_key(static_cast<std::uint64_t>(segments)),
                             bytes_of(row));
                    last_segment = row;
                },
                [this](bool is_committed) {
                    segments += is_committed ? 1 : 0;
                    ++(is_committed ? committed : forgotten);
                    gathered.clear();
                }};
    }
    Committer::Work entry(std::string text) {
        return [this, text = std::move(text)](WriteView& view) {
            view.put(kRows, bytes_of(text), bytes_of(text));
            gathered.push_back(text);
        };
    }
};

std::string segment(const Store& store, std::uint64_t number) {
    const auto view = store.read();
    const auto row = view->get(kOther, number_key(number));
    return row ? std::string(text_of(*row)) : "(none)";
}

}  // namespace

TEST_CASE("a work is durable when run returns", "[committer]") {
    const TemporaryDirectory directory;
    auto opened = open_small(directory.path());
    {
        Committer committer(*opened);
        committer.run(put_work("key", "value"));
        CHECK(get(*opened, "key") == "value");
    }
    opened.reset();
    CHECK(get(*open_small(directory.path()), "key") == "value");
}

TEST_CASE("waiting works share a transaction and are answered in order", "[committer]") {
    const TemporaryDirectory directory;
    const auto opened = open_small(directory.path());
    Answers answers;
    Log log;
    {
        Committer committer(*opened, {log.hook()}, {});
        Blockade blockade(committer);
        for (const char* name : {"a", "b", "c"}) {
            committer.submit(log.entry(name), answers.next(name));
        }
        committer.submit(
            [&](WriteView& view) {
                CHECK(get(view, "c") == "c");  // sees the works before it
                CHECK(get(*opened, "c") == "(none)");
            },
            answers.next("d"));
        CHECK(committer.waiting() == 4);
        blockade.lift();
    }
    CHECK(answers.order() == std::vector<std::string>{"a", "b", "c", "d"});
    CHECK(answers.faults().empty());
    CHECK(log.committed == 2);
    CHECK(log.forgotten == 0);
    CHECK(segment(*opened, 1) == "abc");
}

TEST_CASE("a failing work fails alone", "[committer]") {
    const TemporaryDirectory directory;
    const auto opened = open_small(directory.path());
    Answers answers;
    Log log;
    {
        Committer committer(*opened, {log.hook()}, {});
        Blockade blockade(committer);
        committer.submit(log.entry("a"), answers.next("a"));
        committer.submit(
            [&](WriteView& view) {
                log.entry("fault")(view);
                throw Fault(FaultKind::corrupt, "mine");
            },
            answers.next("b"));
        committer.submit(
            [&](WriteView& view) {
                log.entry("other")(view);
                throw std::runtime_error("may hold a value");
            },
            answers.next("c"));
        committer.submit(log.entry("d"), answers.next("d"));
        blockade.lift();
    }
    CHECK(answers.order() == std::vector<std::string>{"a", "b", "c", "d"});
    const auto faults = answers.faults();
    REQUIRE(faults.size() == 2);
    CHECK(faults[0].kind == FaultKind::corrupt);
    CHECK(faults[0].what == "b: mine");
    CHECK(faults[1].kind == FaultKind::storage);
    CHECK(faults[1].what.find("value") == std::string::npos);
    CHECK(get(*opened, "a") == "a");
    CHECK(get(*opened, "d") == "d");
    CHECK(get(*opened, "fault") == "(none)");
    CHECK(get(*opened, "other") == "(none)");
    // The log holds what was committed and nothing else: blockade, a, d.
    CHECK(log.committed == 3);
    CHECK(log.forgotten == 3);  // the group, b, c
    CHECK(segment(*opened, 0).empty());
    CHECK(segment(*opened, 1) == "a");
    CHECK(segment(*opened, 2) == "d");
    CHECK(segment(*opened, 3) == "(none)");
}

TEST_CASE("works that cannot be audited have no effect", "[committer]") {
    const TemporaryDirectory directory;
    const auto opened = open_small(directory.path());
    Answers answers;
    std::atomic<bool> is_broken{true};
    Committer::Hook audit{[&](WriteView&) {
                              if (is_broken) {
                                  throw Fault(FaultKind::audit_unavailable, "no audit");
                              }
                          },
                          nullptr};
    Committer committer(*opened, {audit}, {});
    Blockade blockade(committer);
    committer.submit(put_work("a", "1"), answers.next("a"));
    committer.submit(put_work("b", "1"), answers.next("b"));
    blockade.lift();
    CHECK_THROWS_AS(committer.run(put_work("c", "1")), Fault);
    CHECK(answers.faults().size() == 2);
    for (const Answer& answer : answers.faults()) {
        CHECK(answer.kind == FaultKind::audit_unavailable);
    }
    CHECK(get(*opened, "a") == "(none)");
    CHECK(get(*opened, "c") == "(none)");
    is_broken = false;
    committer.run(put_work("c", "2"));
    CHECK(get(*opened, "c") == "2");
}

TEST_CASE("growth of the map leaves no trace of the first run in the log", "[committer]") {
    const TemporaryDirectory directory;
    const auto opened = open_small(directory.path());
    Log log;
    int runs = 0;
    {
        Committer committer(*opened, {log.hook()}, {});
        committer.run([&](WriteView& view) {
            ++runs;
            log.entry("big")(view);
            for (std::uint64_t i = 0; i < 40; ++i) {
                view.put(kRows, number_key(i), Bytes(60'000, 'v'));
            }
        });
    }
    CHECK(runs > 1);
    CHECK(log.forgotten == runs - 1);
    CHECK(log.committed == 1);
    CHECK(segment(*opened, 0) == "big");
}

TEST_CASE("groups and the queue are bounded", "[committer]") {
    const TemporaryDirectory directory;
    const auto opened = open_small(directory.path());
    Answers answers;
    Log log;
    {
        Committer committer(*opened, {log.hook()}, {.group_max = 4, .waiting_max = 10});
        Blockade blockade(committer);
        for (int i = 0; i < 10; ++i) {
            committer.submit(log.entry(std::to_string(i)), answers.next(std::to_string(i)));
        }
        CHECK(answers.order().empty());
        committer.submit(log.entry("late"), answers.next("late"));
        REQUIRE(answers.faults().size() == 1);  // at once, on this thread
        CHECK(answers.faults()[0].kind == FaultKind::storage);
        CHECK(answers.faults()[0].what == "late: overloaded");
        CHECK(committer.waiting() == 10);
        blockade.lift();
    }
    CHECK(answers.order().size() == 11);
    CHECK(answers.faults().size() == 1);
    CHECK(log.committed == 1 + 3);  // 4 + 4 + 2
    CHECK(segment(*opened, 1) == "0123");
    CHECK(segment(*opened, 3) == "89");
    CHECK(get(*opened, "late") == "(none)");
}

TEST_CASE("a full store takes an erasure out of a group of writes it refuses", "[committer]") {
    const TemporaryDirectory directory;
    const auto opened = open_small(directory.path(), 2ULL << 20);
    Answers answers;
    {
        Committer committer(*opened);
        CHECK_THROWS_AS(committer.run([](WriteView& view) {
            for (std::uint64_t i = 0; i < 60; ++i) {
                view.put(kRows, number_key(i), Bytes(60'000, 'v'));
            }
        }),
                        Fault);
        for (std::uint64_t i = 0;; ++i) {
            try {
                committer.run(
                    [i](WriteView& view) { view.put(kRows, number_key(i), Bytes(3'000, 'v')); });
            } catch (const Fault&) {
                break;
            }
        }
        Blockade blockade(committer);
        const auto big = [](std::uint64_t number, bool is_erasure) {
            return [number, is_erasure](WriteView& view) {
                if (is_erasure) view.use_reserve();
                view.put(kRows, number_key(number), Bytes(20'000, 'v'));
            };
        };
        committer.submit(big(10'000, false), answers.next("write"));
        committer.submit(big(10'001, true), answers.next("erasure"));
        committer.submit(big(10'002, false), answers.next("write"));
        blockade.lift();
    }
    REQUIRE(answers.faults().size() == 2);
    for (const Answer& answer : answers.faults()) {
        CHECK(answer.kind == FaultKind::storage_full);
        CHECK(answer.what.starts_with("write"));
    }
    CHECK(opened->read()->get(kRows, number_key(10'001)).has_value());
    CHECK_FALSE(opened->read()->get(kRows, number_key(10'002)).has_value());
}

TEST_CASE("many threads: every acknowledged work is there, once", "[committer][threads]") {
    const TemporaryDirectory directory;
    const auto opened = open_small(directory.path());
    constexpr int kThreads = 8;
    constexpr int kWorks = 300;
    std::atomic<int> acknowledged{0};
    std::atomic<int> refused{0};
    std::atomic<bool> is_done{false};
    Log log;
    {
        Committer committer(*opened, {log.hook()}, {.group_max = 64, .waiting_max = 500});
        std::thread reader([&] {
            while (!is_done) {
                // Works count up in one row, so rows and counter agree in every snapshot.
                const auto view = opened->read();
                const auto count = view->get(kOther, bytes_of("count"));
                std::size_t rows = 0;
                view->scan(kRows, {}, {}, [&](ByteView, ByteView) { return ++rows, true; });
                if (count && std::to_string(rows) != text_of(*count)) ++refused;
            }
        });
        std::vector<std::thread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < kWorks; ++i) {
                    const auto number = static_cast<std::uint64_t>(t * kWorks + i);
                    const auto work = [number](WriteView& view) {
                        view.put(kRows, number_key(number), bytes_of("v"));
                        const auto count = view.get(kOther, bytes_of("count"));
                        const int next = count ? std::stoi(std::string(text_of(*count))) + 1 : 1;
                        view.put(kOther, bytes_of("count"), bytes_of(std::to_string(next)));
                    };
                    if (i % 3 == 0) {
                        committer.run(work);
                        ++acknowledged;
                    } else {
                        committer.submit(work, [&](const Fault* fault) {
                            ++(fault == nullptr ? acknowledged : refused);
                        });
                    }
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
        while (committer.waiting() > 0) std::this_thread::yield();
        is_done = true;
        reader.join();
    }
    CHECK(refused == 0);
    CHECK(acknowledged == kThreads * kWorks);
    CHECK(get(*opened, "count", kOther) == std::to_string(kThreads * kWorks));
    CHECK(log.committed < kThreads * kWorks);
}

TEST_CASE("after a failed flush every work is refused at once", "[committer][disk]") {
    const TemporaryDirectory directory;
    const int status = store::run_in_child([&] {
        const auto opened = open_small(directory.path());
        if (!store::fail_system_call(SYS_fdatasync, EIO)) return 1;
        Answers answers;
        Committer committer(*opened);
        Blockade blockade(committer);
        for (const char* name : {"a", "b"}) {
            committer.submit(put_work(name, "1"), answers.next(name));
        }
        blockade.lift();
        while (answers.order().size() < 2) std::this_thread::yield();
        if (opened->healthy() || answers.faults().size() != 2) return 2;
        committer.submit(put_work("c", "1"), answers.next("c"));
        if (answers.faults().size() != 3) return 3;  // here, before submit() returned
        for (const Answer& answer : answers.faults()) {
            if (answer.kind != FaultKind::storage) return 4;
        }
        return 0;
    });
    CHECK(status == 0);
    CHECK(get(*open_small(directory.path()), "a") == "(none)");
}

TEST_CASE("stopping commits what was submitted", "[committer]") {
    const TemporaryDirectory directory;
    const auto opened = open_small(directory.path());
    Answers answers;
    {
        Committer committer(*opened, {}, {.group_max = 7, .waiting_max = 1'000});
        for (int i = 0; i < 200; ++i) {
            committer.submit(put_work(std::to_string(i), "v"), answers.next(std::to_string(i)));
        }
    }
    CHECK(answers.order().size() == 200);
    CHECK(answers.faults().empty());
    CHECK(get(*opened, "199") == "v");
}

TEST_CASE("a Done may submit again", "[committer]") {
    const TemporaryDirectory directory;
    const auto opened = open_small(directory.path());
    Committer committer(*opened);
    std::latch second{1};
    committer.submit(put_work("a", "1"), [&](const Fault*) {
        committer.submit(put_work("b", "2"), [&](const Fault*) { second.count_down(); });
    });
    second.wait();
    CHECK(get(*opened, "b") == "2");
}

TEST_CASE("a Done that submits while the committer stops is answered", "[committer]") {
    const TemporaryDirectory directory;
    const auto opened = open_small(directory.path());
    for (int round = 0; round < 20; ++round) {
        Committer committer(*opened);
        std::atomic<int> answers{0};
        std::function<void(const Fault*)> again = [&](const Fault* fault) {
            ++answers;
            if (fault == nullptr) committer.submit(put_work("a", "1"), again);
        };
        committer.submit(put_work("a", "1"), again);
        committer.stop();  // the last of the chain is refused
        const int before = answers;
        CHECK(before >= 2);
        committer.submit(put_work("b", "2"), again);
        CHECK(answers == before + 1);
        committer.stop();  // changes nothing
    }
    CHECK(get(*opened, "b") == "(none)");
}

}  // namespace oubliette
