#include <array>
#include <memory>
#include <random>
#include <stdexcept>

#include <lmdb.h>

#include "bench/workload.hpp"
#include "vault/store/store.hpp"

// Durable transactions of 100 B rows with ascending keys: LMDB itself, which is the ceiling of
// everything durable here, and our store on it, in turns on the same disk.

namespace oubliette::bench {
namespace {

constexpr std::size_t kValueSize = 100;  // bytes
constexpr std::size_t kRounds = 4;       // turns of each, so that a noisy minute hits both
constexpr std::uint64_t kBytesMax = 8ULL << 30;

using RowKey = std::array<Byte, 8>;

RowKey key_of(std::uint64_t number) {
    RowKey key{};
    for (std::size_t i = 0; i < key.size(); ++i) {
        key[i] = static_cast<Byte>(number >> (8 * (key.size() - 1 - i)));
    }
    return key;
}

void check(int code) {
    if (code != MDB_SUCCESS) throw std::runtime_error(::mdb_strerror(code));
}

class RawLmdb {
public:
    explicit RawLmdb(const std::filesystem::path& directory) {
        std::filesystem::create_directory(directory);
        MDB_env* env = nullptr;
        check(::mdb_env_create(&env));
        env_.reset(env);
        check(::mdb_env_set_mapsize(env, kBytesMax));
        check(::mdb_env_set_maxdbs(env, 1));
        check(::mdb_env_open(env, directory.c_str(), 0, 0600));
        MDB_txn* txn = nullptr;
        check(::mdb_txn_begin(env, nullptr, 0, &txn));
        check(::mdb_dbi_open(txn, "rows", MDB_CREATE, &table_));
        check(::mdb_txn_commit(txn));
    }

    void append(std::uint64_t first, std::size_t count, ByteView value) {
        MDB_txn* txn = nullptr;
        check(::mdb_txn_begin(env_.get(), nullptr, 0, &txn));
        for (std::uint64_t number = first; number < first + count; ++number) {
            RowKey key = key_of(number);
            MDB_val name{key.size(), key.data()};
            MDB_val content{value.size(), const_cast<Byte*>(value.data())};
            check(::mdb_put(txn, table_, &name, &content, 0));
        }
        check(::mdb_txn_commit(txn));
    }

private:
    struct Close {
        void operator()(MDB_env* env) const noexcept { ::mdb_env_close(env); }
    };
    std::unique_ptr<MDB_env, Close> env_;
    MDB_dbi table_ = 0;
};

void append(store::Store& to, std::uint64_t first, std::size_t count, ByteView value) {
    to.write([&](store::WriteView& view) {
        for (std::uint64_t number = first; number < first + count; ++number) {
            view.put({0}, key_of(number), value);
        }
    });
}

void run_case(const Settings& settings, std::size_t rows, const Output& output) {
    const auto name = std::to_string(rows) + " rows per transaction";
    RawLmdb raw(settings.directory / ("raw" + std::to_string(rows)));
    store::StoreOptions options;
    options.bytes_max = kBytesMax;
    const auto ours = store::open_lmdb_store(settings.directory / ("store" + std::to_string(rows)),
                                             {"rows"}, options);

    std::mt19937_64 random(settings.seed);
    Bytes value(kValueSize);
    for (Byte& byte : value) byte = static_cast<Byte>(random());
    Result raw_result{.name = name + ", raw LMDB", .samples = {}, .reference = {}, .figures = {}};
    Result our_result{
        .name = name + ", store", .samples = {}, .reference = raw_result.name, .figures = {}};
    for (Result* const result : {&raw_result, &our_result}) {
        result->unit = "rows";
        result->units_per_operation = static_cast<double>(rows);
    }
    std::uint64_t raw_next = 0;
    std::uint64_t our_next = 0;
    for (std::size_t round = 0; round < kRounds; ++round) {
        const auto turn = settings.duration / (3 * 2 * kRounds);
        measure(raw_result, turn, [&] {
            raw.append(raw_next, rows, value);
            raw_next += rows;
        });
        measure(our_result, turn, [&] {
            append(*ours, our_next, rows, value);
            our_next += rows;
        });
    }
    our_result.ratio = our_result.per_second() / raw_result.per_second();
    output(raw_result);
    output(our_result);
}

void run(const Settings& settings, const Output& output) {
    for (const std::size_t rows : {std::size_t{1}, std::size_t{64}, std::size_t{512}}) {
        run_case(settings, rows, output);
    }
}

const Registration kRegistration{"lmdb_group_commit",
                                 "durable transactions of 1, 64 and 512 appended 100 B rows", run};

}  // namespace
}  // namespace oubliette::bench
