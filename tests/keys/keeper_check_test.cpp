#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include "tests/keys/plane_fixture.hpp"
#include "vault/keys/reconcile.hpp"

// k0: a keeper believes nothing of what a leader sends. Each case is right in all parts but one, so
// that it needs a check of its own to be refused.

namespace oubliette::keys::test {
namespace {

constexpr std::uint64_t kTerm = 5;

// One keeper with one epoch, and changes as a leader would make them.
struct Alone {
    Alone() {
        std::filesystem::create_directory(directory);
        crypto::random_bytes(name.vault);
        crypto::random_bytes(name.keeper);
        keeper = Keeper::create(directory, name, keyfile_seal(), true);
        keeper->found(kTerm);
    }
    // The change that kills `numbers`, on `head` and at `term`.
    [[nodiscard]] Advance change(const PlaneHead& head, std::uint64_t epoch, std::uint64_t term,
                                 const std::vector<std::uint64_t>& numbers) const {
        std::vector<Path> addresses;
        for (const std::uint64_t number : numbers) addresses.push_back(person(number));
        const Members members = keeper->members();
        const RootSlot root = keeper->read_root();
        const GroupOrder order{name.vault, head, epoch, term, members, root};
        const auto source = keeper->store();
        const auto view = source->read();
        const auto pages = [&](const PageId& id) { return KeeperRows::page(*view, id); };
        std::vector<Revocation> requests{revocation_of(addresses)};
        std::optional<Advance> prepared = prepare_group(order, std::move(requests), {}, pages);
        REQUIRE(prepared.has_value());
        return std::move(*prepared);
    }
    [[nodiscard]] Advance next(const std::vector<std::uint64_t>& numbers) const {
        return change(keeper->head(), keeper->head().epoch + 1, kTerm, numbers);
    }
    // Nothing has changed by a refused change, and a proper one is taken afterwards.
    void check_refused(const Advance& wrong, const std::string& why) const {
        const PlaneHead before = keeper->head();
        std::string said;
        try {
            (void)keeper->advance(wrong);
        } catch (const Fault& fault) {
            CHECK(fault.kind() == FaultKind::conflict);
            said = fault.what();
        }
        INFO("said: " << said);
        CHECK(said.find(why) != std::string::npos);
        CHECK(keeper->head().hash == before.hash);
        const Advance right = next({77});
        CHECK(keeper->advance(right).hash == right.steps.back().row.hash);
    }

    TemporaryDirectory home;
    const std::filesystem::path directory = home.path() / "keeper";
    KeeperName name;
    std::unique_ptr<Keeper> keeper;
};

}  // namespace

TEST_CASE("a keeper refuses a change that does not follow its own hash") {
    const Alone alone;
    PlaneHead other = alone.keeper->head();
    other.hash[0] ^= 1;
    alone.check_refused(alone.change(other, other.epoch + 1, kTerm, {1}), "not the next one");
}

TEST_CASE("a keeper refuses a change of an epoch that it has") {
    const Alone alone;
    const PlaneHead head = alone.keeper->head();
    alone.check_refused(alone.change(head, head.epoch, kTerm, {1}), "not the next one");
}

TEST_CASE("a keeper refuses a change of a term that is over") {
    const Alone alone;
    const PlaneHead head = alone.keeper->head();
    alone.check_refused(alone.change(head, head.epoch + 1, kTerm - 1, {1}), "term is over");
}

TEST_CASE("a keeper refuses a change whose hash is not that of its parts") {
    const Alone alone;
    Advance change = alone.next({1});
    change.steps.back().row.hash[0] ^= 1;
    alone.check_refused(change, "hash is not that of its parts");
}

TEST_CASE("a keeper refuses requests that are not those of the root it would sign") {
    const Alone alone;
    Advance change = alone.next({1});
    SECTION("another root") {
        change.steps.back().row.request_root[0] ^= 1;
    }
    SECTION("a request that changed") {
        change.steps.back().requests.back().blind[0] ^= 1;
    }
    SECTION("a request that nobody hashed") {
        change.steps.back().requests.push_back(revocation_of({person(1)}));
    }
    alone.check_refused(change, "requests are not those of its root");
}

TEST_CASE("a keeper refuses members that are not those of the hash") {
    const Alone alone;
    Advance change = alone.next({1});
    change.members.back().last_epoch = 9;
    alone.check_refused(change, "members are others");
}

TEST_CASE("a keeper refuses a root that is not that of the hash") {
    const Alone alone;
    Advance change = alone.next({1});
    // The same change, prepared again: other fresh keys, and right in itself.
    change.diff = alone.next({1}).diff;
    alone.check_refused(change, "root is another");
}

TEST_CASE("a keeper refuses pages in which more, or less, is dead than was asked") {
    const Alone alone;
    // Pages of one change under the requests of another, with everything hashed anew.
    const auto swapped = [&](const std::vector<std::uint64_t>& asked,
                             const std::vector<std::uint64_t>& done) {
        Advance change = alone.next(asked);
        Advance pages = alone.next(done);
        ChainRow& row = change.steps.back().row;
        row.root_hash = pages.steps.back().row.root_hash;
        row.hash =
            plane_hash(alone.name.vault, row.epoch, row.previous_hash, row.root_hash, row.members);
        change.diff = std::move(pages.diff);
        return change;
    };
    SECTION("more") {
        alone.check_refused(swapped({1}, {1, 2}), "something else than what was asked");
    }
    SECTION("less") {
        alone.check_refused(swapped({1, 2}, {1}), "something else than what was asked");
    }
    SECTION("another") {
        alone.check_refused(swapped({1}, {2}), "something else than what was asked");
    }
}

}  // namespace oubliette::keys::test
