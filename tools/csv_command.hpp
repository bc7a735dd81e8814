#pragma once

#include <CLI/App.hpp>
#include <string>

#include "tools/csv_job.hpp"

// The options that both table verbs have.

namespace oubliette::tools {

struct CsvFlags {
    bool is_json = false;
    bool is_quiet = false;
    bool is_forced = false;
    std::string on_error = "stop";
    std::string delimiter = ",";
};

void add_csv_options(CLI::App& verb, CsvOptions& options, CsvFlags& flags);
// Throws CommandError usage.
void apply_csv_flags(const CsvFlags& flags, CsvOptions& options);

}  // namespace oubliette::tools
