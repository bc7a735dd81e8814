#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/store/store_fixture.hpp"

// Steps that the tests of the LMDB engine share.

namespace oubliette::store {

// The kind of the Fault that `work` throws, or nothing.
template <class Work>
std::optional<FaultKind> fault_of(Work work) {
    try {
        work();
    } catch (const Fault& fault) {
        UNSCOPED_INFO(fault.what());
        return fault.kind();
    }
    return std::nullopt;
}

inline std::optional<FaultKind> fault_of_opening(const std::filesystem::path& directory,
                                                 const std::vector<std::string>& names,
                                                 const StoreOptions& options) {
    return fault_of([&] { const auto store = open_lmdb_store(directory, names, options); });
}

inline void put_number(Store& store, std::uint64_t number, std::size_t size, bool uses_reserve) {
    store.write([&](WriteView& view) {
        if (uses_reserve) view.use_reserve();
        view.put(kRows, number_key(number), Bytes(size, 'v'));
    });
}

// Rows that fit, one per write, from `number` on.
inline std::uint64_t fill(Store& store, std::uint64_t number, bool uses_reserve,
                          std::size_t size = 1'000) {
    for (;; ++number) {
        try {
            put_number(store, number, size, uses_reserve);
        } catch (const Fault& fault) {
            CHECK(fault.kind() == FaultKind::storage_full);
            return number;
        }
    }
}

}  // namespace oubliette::store
