#pragma once

#include <cstdint>
#include <string_view>

namespace oubliette {

// Rows of table meta.
struct MetaRow {
    static constexpr std::string_view kFormat = "format";      // u32 = 1
    static constexpr std::string_view kVault = "vault";        // vault id 16
    static constexpr std::string_view kTenant = "tenant";      // name
    static constexpr std::string_view kSequence = "sequence";  // generation:u32 | sequence:u64
    static constexpr std::string_view kNumbers = "numbers";    // end of the newest lease:u64
    static constexpr std::string_view kHandles = "handles";    // the same of handle numbers
    static constexpr std::string_view kLogKey = "log_key";     // newest kid:u16, log_publisher.hpp
    static constexpr std::string_view kSweep = "sweep";        // vault/retention.hpp
    static constexpr std::string_view kTerm = "term";          // u64: of the newest start
    static constexpr std::string_view kReady = "ready";        // u8 = 1, written last by init
};
inline constexpr std::uint32_t kDataFormat = 1;

}  // namespace oubliette
