#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>
#include <sys/utsname.h>
#include <thread>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "bench/workload.hpp"

// The benchmark program: runs named workloads and prints one JSON line per case. bench/README.md
// has the rules for comparing figures.

namespace {

using namespace oubliette::bench;

// A directory of this process below `parent`, removed with its content.
class WorkDirectory {
public:
    explicit WorkDirectory(const std::filesystem::path& parent)
        : path_(parent / ("oubliette_bench." + std::to_string(::getpid()))) {
        std::filesystem::create_directories(path_);
    }
    ~WorkDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    WorkDirectory(const WorkDirectory&) = delete;
    WorkDirectory& operator=(const WorkDirectory&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

struct EndOfRun {
    EndOfRun() = default;
    ~EndOfRun() { run_at_end(); }
    EndOfRun(const EndOfRun&) = delete;
    EndOfRun& operator=(const EndOfRun&) = delete;
};

double rounded(double value) {
    return std::round(value * 100) / 100;
}

void print_result(const Workload& workload, const Settings& settings, const Result& result) {
    nlohmann::ordered_json line{{"workload", workload.name},
                                {"case", result.name},
                                {"seed", settings.seed},
                                {"cores", std::thread::hardware_concurrency()},
                                {"seconds", rounded(result.elapsed.count())},
                                {"operations", result.samples.count()},
                                {"unit", result.unit},
                                {"per_second", rounded(result.per_second())},
                                {"p50_us", rounded(result.samples.quantile_us(0.5))},
                                {"p99_us", rounded(result.samples.quantile_us(0.99))},
                                {"p99.9_us", rounded(result.samples.quantile_us(0.999))},
                                {"max_us", rounded(result.samples.quantile_us(1))}};
    if (result.ratio > 0) {
        line["ratio"] = rounded(result.ratio);
        line["reference"] = result.reference;
    }
    for (const auto& [name, figure] : result.figures) line[name] = rounded(figure);
    std::cout << line.dump() << std::endl;
}

void run_workload(const Workload& workload, Settings settings) {
    settings.directory = settings.shared / workload.name;
    std::filesystem::create_directories(settings.directory);
    workload.run(settings, [&](const Result& result) { print_result(workload, settings, result); });
    std::filesystem::remove_all(settings.directory);
}

// The server that was built with this program.
std::filesystem::path server_beside_us() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() /
           "oubliette";
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures Oubliette; prints one JSON line per case."};
    bool is_list = false;
    std::vector<std::string> names;
    double seconds = 5;
    Settings settings;
    settings.directory = ".";
    app.add_flag("--list", is_list, "Print the names of the workloads");
    app.add_option("--workload", names, "Run this one (repeatable); default: all");
    app.add_option("--seconds", seconds, "Time for each workload")
        ->check(CLI::Range(0.01, 86'400.));
    app.add_option("--seed", settings.seed, "Of everything random");
    app.add_option("--directory", settings.directory,
                   "On the disk to be measured; a folder in it is made and removed");
    app.add_option("--server", settings.server, "The oubliette binary (default: built beside)");
    app.add_option("--baseline", settings.baseline,
                   "Another oubliette binary, run in turns with it");
    app.add_option("--people", settings.people, "In the vault (default: by workload)");
    app.add_option("--connections", settings.connections, "Of the HTTPS workloads")
        ->check(CLI::Range(1U, 2'000U));
    app.add_flag("--alone", settings.is_alone, "No reference beside it: for a profiler");
    app.add_option("--server-cores", settings.server_cores,
                   "Run the server on the first so many cores only");
    CLI11_PARSE(app, argc, argv);
    if (settings.server.empty()) settings.server = server_beside_us();
    settings.duration = std::chrono::duration<double>(seconds);

    try {
        const WorkDirectory directory(settings.directory);
        settings.shared = directory.path();
        const EndOfRun end;
        std::size_t found = 0;
        for (const Workload& workload : workloads()) {
            if (is_list) {
                std::cout << workload.name << "  " << workload.description << '\n';
                continue;
            }
            const auto is_wanted = [&](const std::string& name) { return name == workload.name; };
            if (!names.empty() && std::none_of(names.begin(), names.end(), is_wanted)) continue;
            run_workload(workload, settings);
            ++found;
        }
        if (found >= names.size()) return 0;
        if (is_list) return 0;
        std::cerr << "no such workload; --list prints the names\n";
        return 2;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
