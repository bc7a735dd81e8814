#pragma once

namespace oubliette::faults {

// Sanitizers make everything several times slower, so that fewer cases must do.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif

}  // namespace oubliette::faults
