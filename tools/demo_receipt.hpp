#pragma once

#include <string>
#include <string_view>

// Checks the receipt of an erasure as its holder would: from the answer alone, with the vault's
// public keys.

namespace oubliette::tools {

struct ReceiptJudgement {
    bool is_good = false;
    std::string fact;  // what was checked, or what is wrong
};

// `erasure` is the answer of POST .../erase, `keys` that of GET /v1/receipts/keys.
[[nodiscard]] ReceiptJudgement judge_receipt(std::string_view erasure, std::string_view keys,
                                             std::string_view external_id);

}  // namespace oubliette::tools
