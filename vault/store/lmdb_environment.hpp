#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "vault/store/lmdb_rows.hpp"

// Opening an LMDB environment, and its file.

namespace oubliette::store::lmdb {

struct CloseEnv {
    void operator()(MDB_env* env) const noexcept { ::mdb_env_close(env); }
};
using Env = std::unique_ptr<MDB_env, CloseEnv>;

// The descriptor of the data file.
[[nodiscard]] int data_file(MDB_env* env);
[[nodiscard]] std::uint64_t file_size(MDB_env* env);
[[nodiscard]] std::uint64_t page_size(MDB_env* env);
// The size that the last commit says the data file has.
[[nodiscard]] std::uint64_t committed_size(MDB_env* env);
void resize_file(MDB_env* env, std::uint64_t size);

// Opens the environment; refuses a data file that is empty or cannot be read.
[[nodiscard]] Env open_env(const std::filesystem::path& directory, std::size_t table_count,
                           const StoreOptions& options);
// Refuses a data file that lacks pages of its last commit; reading them would be SIGBUS.
void check_size(MDB_env* env, bool is_read_only);
// Opens or creates (unless read only) the tables, in order.
[[nodiscard]] std::vector<MDB_dbi> open_tables(MDB_env* env, const std::vector<std::string>& names,
                                               bool is_read_only);

}  // namespace oubliette::store::lmdb
