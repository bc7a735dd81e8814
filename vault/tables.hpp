#pragma once

#include <string>
#include <vector>

#include "vault/store/store.hpp"

// The tables of the data plane. The order is the TableId: append only.

namespace oubliette {

struct Tables {
    static constexpr store::TableId kMeta{0};      // name -> small records about the vault itself
    static constexpr store::TableId kPeople{1};    // everything of one person, people/records.hpp
    static constexpr store::TableId kNames{2};     // kind:u8 | name -> id:u16le
    static constexpr store::TableId kPolicies{3};  // version:u16be | part:u16be -> document part
    static constexpr store::TableId kClients{4};   // client number:u16be -> boxed client row
    static constexpr store::TableId kAudit{5};     // first entry:u64be -> segment, audit/entry.hpp
    static constexpr store::TableId kErasures{6};  // request id:16 | piece, erasure_rows.hpp
    static constexpr store::TableId kQueue{7};     // the same: revocations not yet final
    static constexpr store::TableId kExpiry{8};  // tenant:u16be | class:u16be | day:u16be | row key
    static constexpr store::TableId kRequests{9};     // idempotency key hash:32 -> boxed answer
    static constexpr store::TableId kTiles{10};       // level:u8 | n:u64be -> tile, audit/tiles.hpp
    static constexpr store::TableId kExceptions{11};  // kind:u8 | id:16, exception_table.hpp
    static constexpr store::TableId kCounters{12};    // kind:u8 | rest, export_counter.hpp
    static constexpr store::TableId kSubjectRequests{13};  // requests/request_table.hpp
    static constexpr store::TableId kSuppressions{14};     // suppressions.hpp
    static constexpr store::TableId kTableTokens{15};      // tokens/token_row.hpp

    [[nodiscard]] static std::vector<std::string> names() {
        return {"meta",        "people",     "names",    "policies",         "clients",
                "audit",       "erasures",   "queue",    "expiry",           "requests",
                "tiles",       "exceptions", "counters", "subject_requests", "suppressions",
                "table_tokens"};
    }
};

}  // namespace oubliette
