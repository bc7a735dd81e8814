#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include "tools/commands.hpp"
#include "tools/people.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    std::uint64_t count = 1'000;
    std::uint64_t seed = 1;
    std::string output;
};

struct FileClose {
    void operator()(std::FILE* file) const noexcept { (void)std::fclose(file); }
};

Exit run_people(const Options& options) {
    std::unique_ptr<std::FILE, FileClose> file;
    std::FILE* out = stdout;
    if (!options.output.empty()) {
        const int fd =
            ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0) {
            throw CommandError(Exit::input, options.output + " cannot be made" +
                                                system_words(errno) + "; choose another --out");
        }
        file.reset(::fdopen(fd, "w"));
        out = file.get();
    }
    bool is_written = out != nullptr && std::fwrite(kPeopleHeader.data(), 1, kPeopleHeader.size(),
                                                    out) == kPeopleHeader.size();
    for (std::uint64_t number = 0; is_written && number < options.count; ++number) {
        const std::string row = person_csv_row(options.seed, number);
        is_written = std::fwrite(row.data(), 1, row.size(), out) == row.size();
    }
    if (!is_written || std::fflush(out) != 0) {
        const int error = errno;
        if (!options.output.empty()) (void)::unlink(options.output.c_str());
        throw CommandError(Exit::failed, "people cannot be written" + system_words(error));
    }
    return Exit::done;
}

}  // namespace

void add_people(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand(
        "people", "Write a CSV file of synthetic people, to try the vault at scale");
    verb.add_option("--count", options->count, "How many")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
        ->capture_default_str();
    verb.add_option("--seed", options->seed, "The same seed gives the same people")
        ->capture_default_str();
    verb.add_option("--out", options->output, "File to make (default: stdout)");
    add_example(verb, "oubliette people --count 1000000 --seed 7 --out people.csv");
    verb.final_callback(
        [options, &chosen] { chosen = [options] { return run_people(*options); }; });
}

}  // namespace oubliette::tools
