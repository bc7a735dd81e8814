#pragma once

#include <cstddef>
#include <string_view>

// Every exception to a house rule, in one place. An entry that ends in '/' names a folder. Adding
// one is a decision: say why beside it if the file's name does not.

namespace oubliette::tidy {

inline constexpr std::size_t kColumnsMax = 100;
inline constexpr std::size_t kFunctionLinesMax = 70;
inline constexpr std::size_t kFileLinesMax = 450;
inline constexpr std::size_t kTestFileLinesMax = 600;  // cases stand alone: length costs less there

inline constexpr std::string_view kTopFolders[] = {"crypto", "vault", "api",
                                                   "tools",  "tests", "bench"};

// What each layer may include besides itself. The first prefix that fits a path is its layer.
// "vault/base" stands for the files of kVaultBase, which every folder of vault/ may use.
struct Layer {
    std::string_view prefix;
    std::string_view name;
    std::string_view may_include;  // names, separated by spaces
};
inline constexpr Layer kLayers[] = {
    {"crypto/", "crypto", ""},
    {"vault/store/", "store", "crypto vault/base"},
    {"vault/keys/", "keys", "crypto vault/base store"},
    {"vault/committer", "committer", "crypto vault/base store"},
    {"vault/tables", "tables", "crypto vault/base store"},
    {"vault/policy/", "policy", "crypto vault/base"},
    {"vault/tokens/", "tokens", "crypto vault/base keys policy"},
    {"vault/audit/", "audit", "crypto vault/base store tables keys"},
    {"vault/people/", "people", "crypto vault/base store tables keys policy"},
    {"vault/requests/", "vault",
     "crypto vault/base store tables keys committer people tokens policy audit"},
    {"vault/", "vault", "crypto vault/base store tables keys committer people tokens policy audit"},
    {"api/", "api",
     "crypto vault/base store tables keys committer people tokens policy audit vault"},
    {"tools/", "tools",
     "crypto vault/base store tables keys committer people tokens policy audit vault api"},
    {"tests/", "tests",
     "crypto vault/base store tables keys committer people tokens policy audit vault api tools "
     "bench"},
    {"bench/", "bench",
     "crypto vault/base store tables keys committer people tokens policy audit vault api tools "
     "tests"},
};
inline constexpr std::string_view kVaultBase[] = {"vault/result", "vault/clock",
                                                  "vault/function_ref", "vault/roles"};

// May write `expose(` or `expose_mut(`: where secret bytes meet a primitive, a format or a wire.
inline constexpr std::string_view kExpose[] = {
    "crypto/",
    "tests/",
    "bench/",
    // The key plane: derivations, boxes and what stands on disk.
    "vault/keys/cell.cpp",
    "vault/keys/durable_file.cpp",
    "vault/keys/keeper.cpp",
    "vault/keys/keeper_commit.cpp",
    "vault/keys/keeper_files.cpp",
    "vault/keys/leader.cpp",
    "vault/keys/live_tree.cpp",
    "vault/keys/page.cpp",
    "vault/keys/page_cache.cpp",
    "vault/keys/records.cpp",
    "vault/keys/seal_secret.cpp",
    "vault/keys/seal_slots.cpp",
    "vault/keys/seal_slots.hpp",
    "vault/keys/seed_cache.cpp",
    "vault/keys/tree.cpp",
    "vault/keys/tree_change.cpp",
    "vault/keys/tree_check.cpp",
    "vault/keys/leaf_cache.cpp",
    // Rows, tokens and the keys of both.
    "vault/audit/entry.cpp",
    "vault/clients.cpp",
    "vault/core.cpp",
    "vault/exception_table.cpp",
    "vault/export_counter.cpp",
    "vault/log_publisher.cpp",
    "vault/people/",
    "vault/requests/proving.cpp",
    "vault/requests/request_table.cpp",
    "vault/suppressions.cpp",
    "vault/minting.cpp",
    "vault/search.cpp",
    "vault/revoking.cpp",
    "vault/storing.cpp",
    "vault/token_table.cpp",
    "vault/tokens/pointer_token.cpp",
    "vault/tokens/token_row.cpp",
    // The restore drill: rows opened with a keeper's keys.
    "vault/drill.cpp",
    "vault/backup_signature.cpp",
    "vault/drill_keys.cpp",
    // Values between JSON and their canonical form.
    "vault/policy/normalise.cpp",
    "vault/policy/transform.cpp",
    "vault/policy/value_json.cpp",
    // Bodies on the wire, and API keys given out once.
    "api/admin_handlers.cpp",
    "api/connection.cpp",
    "api/credentials.cpp",
    "api/data_handlers.cpp",
    "api/problem.cpp",
    "api/rights_handlers.cpp",
    "api/server_exchange.cpp",
    "api/service.cpp",
    "tools/new_vault.cpp",
    // The attacker tries keys on boxes.
    "tools/forensic/",
    "tools/https_client.cpp",
};

// Coroutines: the vault is synchronous.
inline constexpr std::string_view kCoAwait[] = {"api/", "tests/api/"};

inline constexpr std::string_view kCout[] = {"tools/", "bench/", "tests/"};

// Text as bytes, and files that talk to C interfaces.
inline constexpr std::string_view kReinterpretCast[] = {
    "crypto/",
    "api/connection.cpp",
    "tests/api/",
};

// HTTP parsing and TLS stay behind api/exchange.hpp and the tools' client; certificates are made in
// a file of their own.
inline constexpr std::string_view kBeastOrOpenSsl[] = {
    "api/request_head.cpp",
    "api/self_signed.cpp",
    "api/tls.cpp",
    "tools/doctor/certificate.cpp",
    "tools/https_client.cpp",
    "tests/api/",
    "tests/tools/https_client_test.cpp",
    "bench/load_client.cpp",
};

inline constexpr std::string_view kLmdb[] = {"vault/store/lmdb_rows.hpp",
                                             // what LMDB alone costs
                                             "bench/lmdb_group_commit.cpp"};

// Longer than kFileLinesMax, with the length that each may have.
struct LongFile {
    std::string_view path;
    std::size_t lines_max;
};
inline constexpr LongFile kLongFiles[] = {
    {"tools/https_client.cpp", 550},  // Beast and OpenSSL appear in one file of tools/ only
    {"vault/keys/records.cpp", 520},  // every persisted record of a keeper, side by side
};

}  // namespace oubliette::tidy
