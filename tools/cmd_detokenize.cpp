#include <CLI/CLI.hpp>

#include "tools/commands.hpp"
#include "tools/csv_command.hpp"
#include "tools/csv_verbs.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    DetokenizeOptions detokenize;
    CsvFlags flags;
    std::vector<std::string> columns;
};

Exit run_detokenize(Options& options) {
    apply_csv_flags(options.flags, options.detokenize.csv);
    for (const std::string& text : options.columns) {
        options.detokenize.columns.push_back(parse_column_map(text));
    }
    catch_interrupts();
    return report_csv_summary(options.detokenize.csv, detokenize_table(options.detokenize),
                              options.flags.is_json);
}

}  // namespace

void add_detokenize(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand(
        "detokenize", "Put the values back in the place of the tokens of a CSV file");
    add_csv_options(verb, options->detokenize.csv, options->flags);
    verb.add_option("--column", options->columns,
                    "Column with tokens: COLUMN, or COLUMN=FIELD.PART for a part; may be repeated")
        ->required()
        ->take_all();
    verb.add_option("--want", options->detokenize.want,
                    "Transform to ask for, such as last4; the policy's is applied if stricter");
    add_example(verb,
                "oubliette detokenize --csv people.tok.csv --out people.csv \\\n"
                "    --column mobile --column email --purpose own_account");
    verb.final_callback(
        [options, &chosen] { chosen = [options] { return run_detokenize(*options); }; });
}

}  // namespace oubliette::tools
