#include <CLI/CLI.hpp>

#include "tools/commands.hpp"
#include "tools/csv_command.hpp"
#include "tools/csv_verbs.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    TokenizeOptions tokenize;
    CsvFlags flags;
    std::vector<std::string> maps;
};

Exit run_tokenize(Options& options) {
    apply_csv_flags(options.flags, options.tokenize.csv);
    for (const std::string& text : options.maps) {
        const ColumnMap map = parse_column_map(text);
        if (map.field.empty()) {
            throw CommandError(Exit::usage,
                               "--map " + text + " names no field; write COLUMN=FIELD");
        }
        options.tokenize.maps.push_back(map);
    }
    catch_interrupts();
    return report_csv_summary(options.tokenize.csv, tokenize_table(options.tokenize),
                              options.flags.is_json);
}

}  // namespace

void add_tokenize(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand(
        "tokenize", "Put the values of a CSV file into the vault and tokens in their place");
    add_csv_options(verb, options->tokenize.csv, options->flags);
    verb.add_option("--subject", options->tokenize.subject_column, "Column that names the person")
        ->required();
    verb.add_option("--map", options->maps,
                    "COLUMN=FIELD or COLUMN=FIELD.PART to replace; may be repeated")
        ->required()
        ->take_all();
    verb.add_option("--consent", options->tokenize.consent_slots,
                    "Consent slot to record for every person, in the policy's current version")
        ->take_all();
    verb.add_flag("--allow-replace", options->tokenize.permits_replacing,
                  "Rows of one person may differ; the last one is kept");
    add_example(verb,
                "oubliette tokenize --csv people.csv --out people.tok.csv --subject user_name \\\n"
                "    --map mobile=mobile --map email=email --purpose own_account --consent policy");
    verb.final_callback(
        [options, &chosen] { chosen = [options] { return run_tokenize(*options); }; });
}

}  // namespace oubliette::tools
