#include <CLI/CLI.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "crypto/encoding.hpp"
#include "tools/commands.hpp"
#include "tools/durable_file.hpp"
#include "vault/receipt_check.hpp"
#include "vault/receipt_json.hpp"
#include "vault/time_text.hpp"

namespace oubliette::tools {

namespace {

namespace json = boost::json;

struct Options {
    std::string file;
    std::string external_id;
    std::string external_id_file;
    std::string key_file;
    std::vector<std::string> vkeys;
    bool is_json = false;
};

constexpr const char* kOnlyInside =
    "the receipt is consistent, but its keys are only those inside the file: pin keys that came "
    "another way with --vault-key or --vkey";

ReceiptQuestion question_of(const Options& options) {
    ReceiptQuestion question;
    if (!options.key_file.empty()) {
        question.keys = parse_receipt_keys(read_file(options.key_file));
        if (!question.keys) {
            throw CommandError(Exit::input, options.key_file +
                                                " is no key file; get one with GET "
                                                "/v1/receipts/keys or `init --keys-out`");
        }
    }
    for (const std::string& text : options.vkeys) {
        const auto vkey = audit::parse_vkey(text);
        if (!vkey) {
            throw CommandError(Exit::usage, "--vkey is not a vkey: NAME+8 hex digits+base64");
        }
        question.vkeys.push_back(*vkey);
    }
    if (!options.external_id.empty()) question.external_id = options.external_id;
    if (!options.external_id_file.empty()) {
        std::string id = read_file(options.external_id_file);
        if (id.ends_with('\n')) id.pop_back();
        question.external_id = std::move(id);
    }
    return question;
}

void show_json(const Receipt& receipt, const ReceiptReport& report) {
    json::array checks;
    for (const ReceiptFinding& finding : report.findings) {
        checks.push_back(json::object{{"check", std::string{name_of(finding.check)}},
                                      {"passed", finding.is_good},
                                      {"finding", finding.text}});
    }
    json::array notes;
    for (const std::string& note : notes_of(receipt.erasure)) notes.emplace_back(note);
    print(json::serialize(
        json::object{{"verified", report.passed()},
                     {"pinned", report.is_pinned},
                     {"id", erasure_id_text(receipt.erasure.id)},
                     {"scope", std::string{name_of(receipt.erasure.scope)}},
                     {"irrecoverable_after", time_text(irrecoverable_after(*receipt.erasure.log))},
                     {"checks", std::move(checks)},
                     {"notes", std::move(notes)}}));
}

void show(const Receipt& receipt, const ReceiptReport& report) {
    for (const ReceiptFinding& finding : report.findings) {
        std::string name{name_of(finding.check)};
        name.resize(std::max<std::size_t>(name.size(), 14), ' ');
        print((finding.is_good ? "ok    " : "FAIL  ") + name + "  " + finding.text);
    }
    if (!report.passed()) return print("NOT VERIFIED");
    for (const keys::Acknowledgement& ack : receipt.erasure.finality->acknowledgements) {
        print("keeper " + crypto::hex_encode(ack.keeper) + ": " +
              std::string{words_of(ack.cell_class)});
    }
    for (const std::string& note : notes_of(receipt.erasure)) print("note: " + note);
    print("VERIFIED: one " + std::string{name_of(receipt.erasure.scope)} +
          ", irrecoverable after " + time_text(irrecoverable_after(*receipt.erasure.log)));
}

Exit run_verify(const Options& options) {
    ReceiptQuestion question = question_of(options);
    const auto read = read_receipt_file(read_file(options.file));
    if (const auto* const why = std::get_if<std::string>(&read)) {
        throw CommandError(Exit::input, options.file + ": " + *why);
    }
    const auto& [receipt, opening] = std::get<ReceiptFile>(read);
    question.opening = opening;
    const ReceiptReport report = check_receipt(receipt, question);
    options.is_json ? show_json(receipt, report) : show(receipt, report);
    if (report.passed() && !report.is_pinned) say(kOnlyInside);
    return report.passed() ? Exit::done : Exit::not_proven;
}

}  // namespace

void add_receipt(CLI::App& program, Run& chosen) {
    CLI::App& receipt = *program.add_subcommand("receipt", "Receipts of erasures");
    receipt.require_subcommand(1);
    auto options = std::make_shared<Options>();
    CLI::App& verb = *receipt.add_subcommand(
        "verify", "Check a receipt offline, with public keys only; no vault is needed");
    verb.add_option("FILE", options->file, "The answer of an erasure, or the receipt in it")
        ->required();
    CLI::Option* const id = verb.add_option("--external-id", options->external_id,
                                            "Whom it is about; needs `r` in FILE");
    verb.add_option("--external-id-file", options->external_id_file,
                    "The same from a file, for ids that are not for a command line")
        ->excludes(id);
    verb.add_option("--vault-key", options->key_file,
                    "The vault's public keys: receipt-keys.json of `init`, or what GET "
                    "/v1/receipts/keys said when you trusted it");
    verb.add_option("--vkey", options->vkeys, "A public key of the audit log; may be repeated")
        ->take_all();
    verb.add_flag("--json", options->is_json, "The checks as JSON on stdout");
    add_example(verb,
                "oubliette receipt verify c-1.receipt.json --external-id c-1 \\\n"
                "    --vault-key keys/receipt-keys.json\n"
                "  (0: every check passed; 8: one failed, and is named; 6: no receipt)");
    verb.final_callback(
        [options, &chosen] { chosen = [options] { return run_verify(*options); }; });
}

}  // namespace oubliette::tools
