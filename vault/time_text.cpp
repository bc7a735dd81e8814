#include "vault/time_text.hpp"

#include <array>
#include <ctime>
#include <limits>

namespace oubliette {
namespace {

constexpr const char* kFormat = "%Y-%m-%dT%H:%M:%SZ";

}  // namespace

std::string time_text(Timestamp time) {
    const std::time_t seconds = time.unix_seconds();
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 24> text{};
    return {text.data(), std::strftime(text.data(), text.size(), kFormat, &parts)};
}

std::optional<Timestamp> parse_time_text(std::string_view text) {
    std::tm parts{};
    if (::strptime(std::string{text}.c_str(), kFormat, &parts) == nullptr) return std::nullopt;
    const std::int64_t seconds = ::timegm(&parts) - kOurEpoch;
    if (seconds < 0 || seconds > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    const Timestamp time{static_cast<std::uint32_t>(seconds)};
    // strptime() takes other spellings of the same moment.
    if (time_text(time) != text) return std::nullopt;
    return time;
}

}  // namespace oubliette
