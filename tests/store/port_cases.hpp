#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "vault/store/store.hpp"

// What every engine behind the store port must do, as one list for all of them.

namespace oubliette::store {

// Opens or creates a store of the engine under test with the tables of store_fixture.hpp.
using OpenStore = std::function<std::unique_ptr<Store>(const std::filesystem::path& directory)>;

// Sections of the calling TEST_CASE.
void check_rows(const OpenStore& open);
void check_scans(const OpenStore& open);
void check_limits(const OpenStore& open);
void check_isolation(const OpenStore& open);
void check_random_history(const OpenStore& open);

}  // namespace oubliette::store
