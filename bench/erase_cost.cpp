#include <algorithm>
#include <fstream>
#include <numeric>
#include <random>

#include "bench/erasing_plane.hpp"
#include "bench/workload.hpp"
#include "vault/keys/keeper_files.hpp"
#include "vault/keys/keeper_rows.hpp"
#include "vault/store/store.hpp"

// What erasures cost on the disk: how large the key plane grows with the people erased, and how
// many bytes are written for one of them. People of a vault that nobody else uses: erasing needs
// their numbers only.

namespace oubliette::bench {
namespace {

using namespace oubliette::keys;

constexpr std::size_t kPeople = 1'000'000;
constexpr std::size_t kSizes[] = {0, 10'000, 100'000};  // erased, when the size is taken
constexpr std::size_t kMeasuredAt = 10'000;             // erased, when groups are measured
constexpr std::size_t kTogether[] = {1, 16, 256, 4'096};
constexpr double kKeepers = 2;

// What this process has written so far, by its own account (proc_pid_io(5)).
struct Written {
    double calls = 0;   // bytes handed to write calls
    double device = 0;  // bytes of pages made dirty, and of direct writes
};

Written written() {
    std::ifstream in{"/proc/self/io"};
    Written now;
    std::string name;
    double bytes = 0;
    while (in >> name >> bytes) {
        if (name == "wchar:") now.calls = bytes;
        if (name == "write_bytes:") now.device = bytes;
    }
    return now;
}

struct Size {
    double pages = 0;    // of the tree
    double payload = 0;  // bytes: keys and records of these pages
    double rows = 0;     // bytes of all other rows
    double file = 0;
};

// Of one keeper, read from a copy: its own store belongs to the plane.
Size size_of(const std::filesystem::path& keeper, const std::filesystem::path& scratch) {
    const auto plane = plane_path(keeper, plane_numbers(keeper).back());
    std::filesystem::create_directories(scratch);
    std::filesystem::copy_file(plane / "data.mdb", scratch / "data.mdb",
                               std::filesystem::copy_options::overwrite_existing);
    store::StoreOptions options;
    options.read_only = true;
    const auto names = keeper_tables();
    const auto copy = store::open_lmdb_store(scratch, names, options);
    Size size;
    size.file = static_cast<double>(std::filesystem::file_size(scratch / "data.mdb"));
    const auto view = copy->read();
    for (std::size_t i = 0; i < names.size(); ++i) {
        const store::TableId table{static_cast<std::uint8_t>(i)};
        view->scan(table, {}, {}, [&](ByteView key, ByteView value) {
            const auto bytes = static_cast<double>(key.size() + value.size());
            if (table == table::kPages) {
                ++size.pages;
                size.payload += bytes;
            } else {
                size.rows += bytes;
            }
            return true;
        });
    }
    return size;
}

class Bench {
public:
    Bench(const Settings& settings, const Output& output)
        : output_(output),
          directory_(settings.directory),
          share_(settings.duration / (2 * std::size(kTogether))),
          plane_(settings.directory),
          people_(kPeople) {
        std::iota(people_.begin(), people_.end(), 0);
        std::shuffle(people_.begin(), people_.end(), std::mt19937_64{settings.seed});
    }

    // Erases at random until `count` are erased, and takes the size of a keeper.
    void size_after(std::size_t count) {
        Result result;
        result.name = std::to_string(count) + " of " + std::to_string(kPeople) + " people erased";
        result.units_per_operation = 4'096;
        result.unit = "erasures";
        const auto start = Clock::now();
        while (erased_ < count) {
            const auto begun = Clock::now();
            erase(std::min<std::size_t>(4'096, count - erased_));
            result.samples.record(Clock::now() - begun);
        }
        result.elapsed = std::max<std::chrono::duration<double>>(Clock::now() - start,
                                                                 std::chrono::nanoseconds{1});
        const Size size = size_of(plane_.keepers().front(), directory_ / "copy");
        result.figures = {{"tree_pages", size.pages},
                          {"tree_bytes", size.payload},
                          {"tree_bytes_per_erased",
                           erased_ == 0 ? 0 : size.payload / static_cast<double>(erased_)},
                          {"other_rows_bytes", size.rows},
                          {"file_bytes", size.file}};
        output_(result);
    }

    // `together` erasures at a time, and what each of them costs a keeper.
    void write_cost(std::size_t together) {
        Result result;
        result.name = std::to_string(together) + " erasures at a time";
        result.units_per_operation = static_cast<double>(together);
        result.unit = "erasures";
        const std::size_t erased_before = erased_;
        const std::uint64_t epoch_before = plane_.plane().status().epoch;
        const Written before = written();
        measure(result, share_, [&] { erase(together); });
        const Written after = written();
        const auto erased = static_cast<double>(erased_ - erased_before);
        const auto groups = static_cast<double>(plane_.plane().status().epoch - epoch_before);
        result.figures = {{"erased_per_group", erased / groups},
                          {"written_bytes_per_erased_and_keeper",
                           (after.device - before.device) / erased / kKeepers},
                          {"write_call_bytes_per_erased_and_keeper",
                           (after.calls - before.calls) / erased / kKeepers},
                          {"written_bytes_per_group_and_keeper",
                           (after.device - before.device) / groups / kKeepers}};
        output_(result);
    }

private:
    void erase(std::size_t count) {
        for (std::size_t i = 0; i < count && erased_ < people_.size(); ++i) {
            plane_.submit({person_path(kFirstTenant, SubjectNumber{people_[erased_++]})});
        }
        plane_.wait();
        plane_.forget();
    }

    const Output& output_;
    std::filesystem::path directory_;
    std::chrono::duration<double> share_;
    ErasingPlane plane_;
    std::vector<std::uint64_t> people_;  // in the order they are erased
    std::size_t erased_ = 0;
};

void run(const Settings& settings, const Output& output) {
    Bench bench{settings, output};
    for (const std::size_t size : kSizes) {
        bench.size_after(size);
        if (size != kMeasuredAt) continue;
        for (const std::size_t together : kTogether) bench.write_cost(together);
    }
}

const Registration kRegistration{
    "erase_cost", "size of the key plane, and bytes written for one erasure of a million people",
    run};

}  // namespace
}  // namespace oubliette::bench
