#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

// Checks the receipt of an erasure as its holder would: from the answer alone, with the keepers'
// public keys.

namespace oubliette::tools {

struct ReceiptCheck {
    bool is_good = false;
    std::string fact;  // what was checked, or what is wrong
};

// `erasure` is the answer of POST .../erase, `status` that of GET /v1/status (vault id and public
// keys). Good: state final, one acknowledgement of each keeper with a signature that verifies over
// the hash after the erasure, and the commitment opens to `external_id`.
[[nodiscard]] ReceiptCheck check_receipt(const boost::json::value& erasure,
                                         const boost::json::value& status,
                                         std::string_view external_id);

}  // namespace oubliette::tools
