#include "vault/policy/phone_region.hpp"

#include <algorithm>
#include <array>

namespace oubliette::policy {

namespace {

constexpr std::array kRegions{
    PhoneRegion{"AE", "971", "0"}, PhoneRegion{"AR", "54", "0"},  PhoneRegion{"AT", "43", "0"},
    PhoneRegion{"AU", "61", "0"},  PhoneRegion{"BD", "880", "0"}, PhoneRegion{"BE", "32", "0"},
    PhoneRegion{"BG", "359", "0"}, PhoneRegion{"BH", "973", ""},  PhoneRegion{"BR", "55", "0"},
    PhoneRegion{"BY", "375", "8"}, PhoneRegion{"CA", "1", "1"},   PhoneRegion{"CH", "41", "0"},
    PhoneRegion{"CL", "56", ""},   PhoneRegion{"CN", "86", "0"},  PhoneRegion{"CO", "57", ""},
    PhoneRegion{"CZ", "420", ""},  PhoneRegion{"DE", "49", "0"},  PhoneRegion{"DK", "45", ""},
    PhoneRegion{"DZ", "213", "0"}, PhoneRegion{"EE", "372", ""},  PhoneRegion{"EG", "20", "0"},
    PhoneRegion{"ES", "34", ""},   PhoneRegion{"ET", "251", "0"}, PhoneRegion{"FI", "358", "0"},
    PhoneRegion{"FR", "33", "0"},  PhoneRegion{"GB", "44", "0"},  PhoneRegion{"GH", "233", "0"},
    PhoneRegion{"GR", "30", ""},   PhoneRegion{"HK", "852", ""},  PhoneRegion{"HR", "385", "0"},
    PhoneRegion{"HU", "36", "06"}, PhoneRegion{"ID", "62", "0"},  PhoneRegion{"IE", "353", "0"},
    PhoneRegion{"IL", "972", "0"}, PhoneRegion{"IN", "91", "0"},  PhoneRegion{"IS", "354", ""},
    PhoneRegion{"IT", "39", ""},   PhoneRegion{"JO", "962", "0"}, PhoneRegion{"JP", "81", "0"},
    PhoneRegion{"KE", "254", "0"}, PhoneRegion{"KR", "82", "0"},  PhoneRegion{"KW", "965", ""},
    PhoneRegion{"KZ", "7", "8"},   PhoneRegion{"LK", "94", "0"},  PhoneRegion{"LT", "370", "0"},
    PhoneRegion{"LU", "352", ""},  PhoneRegion{"LV", "371", ""},  PhoneRegion{"MA", "212", "0"},
    PhoneRegion{"MO", "853", ""},  PhoneRegion{"MX", "52", ""},   PhoneRegion{"MY", "60", "0"},
    PhoneRegion{"NG", "234", "0"}, PhoneRegion{"NL", "31", "0"},  PhoneRegion{"NO", "47", ""},
    PhoneRegion{"NP", "977", "0"}, PhoneRegion{"NZ", "64", "0"},  PhoneRegion{"OM", "968", ""},
    PhoneRegion{"PE", "51", "0"},  PhoneRegion{"PH", "63", "0"},  PhoneRegion{"PK", "92", "0"},
    PhoneRegion{"PL", "48", ""},   PhoneRegion{"PT", "351", ""},  PhoneRegion{"QA", "974", ""},
    PhoneRegion{"RO", "40", "0"},  PhoneRegion{"RS", "381", "0"}, PhoneRegion{"RU", "7", "8"},
    PhoneRegion{"SA", "966", "0"}, PhoneRegion{"SE", "46", "0"},  PhoneRegion{"SG", "65", ""},
    PhoneRegion{"SI", "386", "0"}, PhoneRegion{"SK", "421", "0"}, PhoneRegion{"TH", "66", "0"},
    PhoneRegion{"TN", "216", ""},  PhoneRegion{"TR", "90", "0"},  PhoneRegion{"TW", "886", "0"},
    PhoneRegion{"TZ", "255", "0"}, PhoneRegion{"UA", "380", "0"}, PhoneRegion{"UG", "256", "0"},
    PhoneRegion{"US", "1", "1"},   PhoneRegion{"VE", "58", "0"},  PhoneRegion{"VN", "84", "0"},
    PhoneRegion{"ZA", "27", "0"},
};
static_assert(std::ranges::is_sorted(kRegions, {}, &PhoneRegion::country));

}  // namespace

std::optional<PhoneRegion> phone_region_of(std::string_view country) noexcept {
    const auto found = std::ranges::lower_bound(kRegions, country, {}, &PhoneRegion::country);
    if (found == kRegions.end() || found->country != country) return std::nullopt;
    return *found;
}

}  // namespace oubliette::policy
