#pragma once

#include <cstddef>
#include <string_view>

// Every exception to a house rule, in one place. An entry that ends in '/' names a folder. Adding
// one is a decision: say why beside it if the file's name does not.

namespace oubliette::tidy {

inline constexpr std::size_t kColumnsMax = 100;
inline constexpr std::size_t kFunctionLinesMax = 70;
inline constexpr std::size_t kFileLinesMax = 450;

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
    {"vault/people/", "people", "crypto vault/base store keys tokens policy audit"},
    {"vault/tokens/", "tokens", "crypto vault/base store keys people policy audit"},
    {"vault/policy/", "policy", "crypto vault/base store keys people tokens audit"},
    {"vault/audit/", "audit", "crypto vault/base store keys people tokens policy"},
    {"vault/", "vault", "crypto vault/base store keys people tokens policy audit"},
    {"api/", "api", "crypto vault/base store keys people tokens policy audit vault"},
    {"tools/", "tools", "crypto vault/base store keys people tokens policy audit vault api"},
    {"tests/", "tests",
     "crypto vault/base store keys people tokens policy audit vault api tools bench"},
    {"bench/", "bench",
     "crypto vault/base store keys people tokens policy audit vault api tools tests"},
};
inline constexpr std::string_view kVaultBase[] = {"vault/result", "vault/clock",
                                                  "vault/function_ref"};

// May write `expose(` or `expose_mut(`: where secret bytes meet a primitive, a format or a wire.
inline constexpr std::string_view kExpose[] = {
    "crypto/",
    "tests/",
    "bench/",
    "vault/keys/cell.cpp",
    "vault/keys/durable_file.cpp",
    "vault/keys/seal_secret.cpp",
    "vault/keys/seal_slots.cpp",
    "vault/keys/seal_slots.hpp",
};

// Coroutines: the vault is synchronous.
inline constexpr std::string_view kCoAwait[] = {"api/", "tests/api/"};

inline constexpr std::string_view kCout[] = {"tools/", "bench/", "tests/"};

// Text as bytes, and files that talk to C interfaces.
inline constexpr std::string_view kReinterpretCast[] = {
    "crypto/",
    "vault/store/lmdb_store.cpp",
};

// HTTP and TLS stay behind api/exchange.hpp and the tools' client.
inline constexpr std::string_view kBeastOrOpenSsl[] = {
    "api/connection.cpp",
    "api/tls.cpp",
    "tools/https_client.cpp",
    "tests/api/",
};

inline constexpr std::string_view kLmdb[] = {"vault/store/lmdb_store.cpp"};

// Longer than kFileLinesMax, with the length that each may have.
struct LongFile {
    std::string_view path;
    std::size_t lines_max;
};
inline constexpr LongFile kLongFiles[] = {
    {"vault/store/lmdb_store.cpp", 900},  // LMDB appears in one file only
};

}  // namespace oubliette::tidy
