#include "crypto/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace oubliette {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
    (void)std::fprintf(stderr, "assertion failed: %s at %s:%d\n", expression, file, line);
    std::abort();
}

}  // namespace oubliette
