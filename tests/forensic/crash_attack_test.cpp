#include <catch2/catch.hpp>

#include "tests/forensic/watched_place.hpp"

// The real program, killed in front of every call that changes a file. After the crash: what was
// final before is gone, all that lives opens. After the recovery: the request is gone too.

namespace oubliette::keys::test {

TEST_CASE("an erasure killed at any point gives an attacker with all files nothing") {
    WatchedPlace place;
    const bool is_torn = GENERATE(false, true);
    const Child child{place.vault};
    place.keep_planes("planes before");
    const Template before{place.vault};
    long points = 0;
    for (long k = 1;; ++k) {
        INFO("killed in front of call " << k << (is_torn ? ", torn" : ""));
        before.restore();
        place.start_history();
        const Revocation request = request_number(static_cast<std::uint64_t>(k));
        const int status = child.run(request, {k, is_torn, place.history()});
        if (status == 0) break;
        if (is_torn && status != kTornStatus) continue;  // that point was had whole
        ++points;
        place.check_after_crash();
        REQUIRE(child.run(request, {0, false, place.history()}) == 0);
        place.check_final(1, before.copies()[0] / "anchor.cell");
    }
    WARN("attacked after " << points << " crashes");
    CHECK(points >= (is_torn ? 4 : 16));
}

}  // namespace oubliette::keys::test
