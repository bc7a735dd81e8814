#pragma once

#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "tools/csv_job.hpp"

// The two table verbs in the vault's words: requests out of batches, cells out of answers.

namespace oubliette::tools {

struct TokenizeOptions {
    CsvOptions csv;
    std::string subject_column;
    std::vector<ColumnMap> maps;
    std::vector<std::string> consent_slots;
    bool permits_replacing = false;
};

struct DetokenizeOptions {
    CsvOptions csv;
    std::vector<ColumnMap> columns;
    std::string want;  // transform, or empty
};

// What tokenize needs to know of the policy in force (the document that GET /v1/policy answers).
struct PolicyFacts {
    std::uint64_t version = 0;
    std::unordered_set<std::string> many;  // fields of which a person has many values
    // The member "consents" of a tokenize request for `slots`: kind as each slot asks, evidence =
    // SHA-256 of the table; "[]" without slots. Throws CommandError usage if a slot is unknown.
    [[nodiscard]] std::string consents_json(const std::vector<std::string>& slots,
                                            const std::string& evidence_sha256) const;

    std::vector<std::pair<std::string, std::string>> asks;  // slot, kind
};
[[nodiscard]] PolicyFacts read_policy_facts(const boost::json::value& document);

// Cells of `batch` from the answer to its request. A code is taken over only if it looks like one;
// a token must be one that no CSV cell needs to quote. Throws CommandError failed if the answer
// does not match the request.
[[nodiscard]] std::vector<CellResult> read_tokens(const boost::json::value& answer,
                                                  const Batch& batch);
// As above. A column with a part takes it out of an object; a value that is no object and was not
// transformed into that very part gives PART_UNAVAILABLE; a value of another field than the
// column's FIELD_DIFFERS.
[[nodiscard]] std::vector<CellResult> read_values(const boost::json::value& answer,
                                                  const Batch& batch, const BoundColumns& columns);

[[nodiscard]] CsvSummary tokenize_table(const TokenizeOptions& options);
[[nodiscard]] CsvSummary detokenize_table(const DetokenizeOptions& options);

}  // namespace oubliette::tools
