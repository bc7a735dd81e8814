#pragma once

#include <cstddef>
#include <string>

// The disk of one folder, made to hang or to fail: this program's fdatasync(), which the store
// calls through the dynamic linker, obeys it. Other files are not touched. Thread-safe.

namespace oubliette::testing {

enum class DiskState { good, hangs, fails };

// From now on fdatasync() of files whose path contains `part`. A call that hangs goes on, and
// succeeds, when the disk is good again.
void set_disk(const std::string& part, DiskState state);

// Calls that hang now.
[[nodiscard]] std::size_t hanging_calls();

}  // namespace oubliette::testing
