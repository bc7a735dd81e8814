#include "tools/demo_receipt.hpp"

#include <algorithm>

#include "vault/receipt_check.hpp"
#include "vault/receipt_json.hpp"

namespace oubliette::tools {

ReceiptJudgement judge_receipt(std::string_view erasure, std::string_view keys,
                               std::string_view external_id) {
    const auto file = read_receipt_file(erasure);
    if (const auto* const why = std::get_if<std::string>(&file)) return {false, *why};
    const auto& [receipt, opening] = std::get<ReceiptFile>(file);
    ReceiptQuestion question;
    question.keys = parse_receipt_keys(keys);
    if (!question.keys) return {false, "the vault's public keys cannot be read"};
    question.opening = opening;
    question.external_id = external_id;
    const ReceiptReport report = check_receipt(receipt, question);
    const auto flaw = std::ranges::find(report.findings, false, &ReceiptFinding::is_good);
    if (flaw != report.findings.end()) return {false, flaw->text};
    const auto& acks = receipt.erasure.finality->acknowledgements;
    const char cell_class = static_cast<char>(acks.front().cell_class);
    return {true, std::to_string(acks.size()) +
                      " keepers signed that the key is destroyed (class " + cell_class + "); all " +
                      std::to_string(report.findings.size()) + " checks of the receipt passed"};
}

}  // namespace oubliette::tools
