#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "vault/receipt.hpp"

// Receipts as JSON, as API 3 names their members, both ways. Byte strings are lower-case hex, keys
// of the log are vkeys, the checkpoint is its text. Reading refuses every text that is not exactly
// what writing makes of the same receipt (white space and order aside). Thread-safe.

namespace oubliette {

inline constexpr std::size_t kReceiptFileSizeMax = std::size_t{64} << 20;  // bytes

// One object without white space. Throws Fault{corrupt} if the stored row is damaged.
[[nodiscard]] std::string receipt_json(const Receipt& receipt);

// What the holder keeps: the answer of an erasing request or of GET /v1/erasures/{id}, or the
// receipt in it alone.
struct ReceiptFile {
    Receipt receipt;
    std::optional<ByteArray<32>> opening;  // r: only in the first answer
};
// The receipt, or one line that says why there is none.
[[nodiscard]] std::variant<ReceiptFile, std::string> read_receipt_file(std::string_view text);

}  // namespace oubliette
