#include <thread>

#include "tests/vault/vault_fixture.hpp"
#include "vault/audit/checkpoint.hpp"
#include "vault/tables.hpp"

// The audit log as an outsider sees it: heads that are signed, trees that only grow, and a new
// origin that says what was lost.

namespace oubliette::testing {
namespace {

using audit::Checkpoint;

std::vector<audit::VerifierKey> keys_of(const TestVault& vault) {
    std::vector<audit::VerifierKey> keys;
    for (const std::string& text : vault->log_keys()) {
        keys.push_back(audit::parse_vkey(text).value());
    }
    return keys;
}

Checkpoint open_head(const TestVault& vault, const std::vector<audit::VerifierKey>& keys) {
    const auto opened = audit::open_checkpoint(vault->log_checkpoint(), keys);
    REQUIRE(std::holds_alternative<Checkpoint>(opened));
    return std::get<Checkpoint>(opened);
}

// The head that covers everything done so far: each start signs one.
Checkpoint fresh_head(TestVault& vault) {
    vault.reopen();
    return open_head(vault, keys_of(vault));
}

crypto::Hash leaf_of(const audit::Entry& entry) {
    Bytes bytes;
    audit::encode(entry, bytes);
    return crypto::merkle_leaf(bytes);
}

std::vector<crypto::Hash> leaves_of(const TestVault& vault) {
    std::vector<crypto::Hash> leaves;
    for (const audit::Entry& entry : vault->log_entries(0, 1'000'000)) {
        leaves.push_back(leaf_of(entry));
    }
    return leaves;
}

crypto::Hash root_of(const std::vector<crypto::Hash>& leaves, std::uint64_t size) {
    return crypto::merkle_root(std::span{leaves}.first(size));
}

std::string rotate(TestVault& vault) {
    const auto vkey = wait_for<std::string>([&](Done<std::string> done) {
        vault->rotate_log_key(vault.caller("policy_admin"), std::move(done));
    });
    return vkey ? *vkey : std::string{wire_name(vkey.error())};
}

std::string retire(TestVault& vault) {
    const auto retired = wait_for<bool>([&](Done<bool> done) {
        vault->retire_log_key(vault.caller("policy_admin"), std::move(done));
    });
    return retired ? "" : std::string{wire_name(retired.error())};
}

}  // namespace

TEST_CASE("the signed head is the tree of the entries, and each next head extends it", "[tlog]") {
    TestVault vault;
    const Checkpoint first = open_head(vault, keys_of(vault));
    REQUIRE(first.size > 0);
    CHECK(first.root == root_of(leaves_of(vault), first.size));
    vault.person("c-1", "ann");
    const Checkpoint second = fresh_head(vault);
    CHECK(second.origin == first.origin);
    CHECK(second.origin.ends_with("/g0"));
    REQUIRE(second.size > first.size);
    const auto leaves = leaves_of(vault);
    CHECK(second.root == root_of(leaves, second.size));
    const auto growth = vault->prove_growth(first.size, second.size);
    REQUIRE(growth.has_value());
    CHECK(growth->root == second.root);
    CHECK(crypto::verify_consistency(first.size, second.size, growth->hashes, first.root,
                                     second.root));
    for (std::uint64_t index = 0; index < second.size; ++index) {
        const auto proof = vault->prove_entry(index, std::nullopt);
        REQUIRE(proof.has_value());
        CHECK(crypto::verify_inclusion(leaves[index], index, second.size, proof->hashes,
                                       second.root));
    }
}

TEST_CASE("proofs and tiles that are not there yet are not found", "[tlog]") {
    TestVault vault;
    const std::uint64_t size = open_head(vault, keys_of(vault)).size;
    CHECK(vault->prove_entry(size, size).error() == Refusal::not_found);
    CHECK(vault->prove_entry(0, size + 1'000).error() == Refusal::not_found);
    CHECK(vault->prove_growth(0, size).error() == Refusal::not_found);
    CHECK(vault->prove_growth(size + 1, size).error() == Refusal::not_found);
    const auto width = static_cast<unsigned>(size);
    REQUIRE(width < 256);
    CHECK(vault->log_tile({0, 0, width})->size() == width * 32);
    CHECK(vault->log_tile({0, 0, 1})->size() == 32);
    CHECK(vault->log_tile({0, 0, width + 1}).error() == Refusal::not_found);
    CHECK(vault->log_tile({0, 0, 256}).error() == Refusal::not_found);
    CHECK(vault->log_tile({0, 1, 1}).error() == Refusal::not_found);
    CHECK(vault->log_tile({1, 0, 1}).error() == Refusal::not_found);
    CHECK(vault->log_tile({9, 0, 1}).error() == Refusal::not_found);
    CHECK(vault->log_entry_bundle({0, 0, width})->size() == width * (2 + audit::kEntrySize));
    CHECK(vault->log_entry_bundle({0, 0, width + 1}).error() == Refusal::not_found);
    CHECK(vault->log_entries(size + 1'000, 5).empty());
    CHECK(vault->log_entries(0, 2).size() == 2);
}

TEST_CASE("no head is signed that the keepers do not know", "[tlog]") {
    TestVault vault;
    const std::string before = vault->log_checkpoint();
    const std::uint64_t size = open_head(vault, keys_of(vault)).size;
    vault.person("c-1", "ann");
    // The house writes the state record every few seconds, and only then is there a new head.
    const std::string after = vault->log_checkpoint();
    if (after == before) CHECK(vault->status().log_size > size);
    vault.close();
    vault.save_data("copy");
    vault.open();
    const Checkpoint seen = open_head(vault, keys_of(vault));
    vault.close();
    vault.restore_data("copy");
    vault.open();
    // The copy lacks what was seen, so that it must not go on under the same origin.
    CHECK(vault->status().rolled_back);
    CHECK(open_head(vault, keys_of(vault)).origin != seen.origin);
}

TEST_CASE("after a rollback the log has a new origin, whose first entry cites the lost tail",
          "[tlog]") {
    TestVault vault;
    vault.person("c-1", "ann");
    vault.close();
    vault.save_data("old");
    vault.open();
    vault.person("c-2", "bob");
    vault.reopen();
    const Checkpoint lost = open_head(vault, keys_of(vault));
    const auto lost_leaves = leaves_of(vault);
    vault.close();
    vault.restore_data("old");
    vault.open();
    const Checkpoint now = open_head(vault, keys_of(vault));
    CHECK(now.origin.ends_with("/g1"));
    const auto entries = vault->log_entries(0, 1'000);
    std::optional<std::size_t> at;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (entries[i].action == audit::Action::log_origin) at = i;
    }
    REQUIRE(at);
    const auto cited = audit::cited_origin(entries[*at]);
    REQUIRE(cited);
    CHECK(cited->generation == 1);
    // The last state that the keepers were told of is the end of the closed log.
    CHECK(cited->lost_size >= lost.size);
    REQUIRE(cited->lost_size == lost_leaves.size());
    const crypto::Hash lost_root = root_of(lost_leaves, cited->lost_size);
    CHECK(std::ranges::equal(cited->lost_root, std::span{lost_root}.first(16)));
    // Before it both logs are the same; from it on they are not.
    const auto leaves = leaves_of(vault);
    CHECK(root_of(leaves, *at) == root_of(lost_leaves, *at));
    CHECK(leaves[*at] != lost_leaves[*at]);
    CHECK(entries[*at + 1].action == audit::Action::rollback_accepted);
    vault.reopen();
    CHECK(open_head(vault, keys_of(vault)).origin == now.origin);
}

TEST_CASE("full tiles are stored beside requests", "[tlog]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    while (vault->status().log_size < 600) REQUIRE(vault.detokenize(token) == "ann");
    vault.reopen();
    const auto leaves = leaves_of(vault);
    const auto tile = [&](unsigned n) {
        Bytes bytes;
        for (unsigned i = 0; i < 256; ++i) ByteWriter{bytes}.bytes(leaves[n * 256 + i]);
        return bytes;
    };
    CHECK(*vault->log_tile({0, 0, 256}) == tile(0));
    CHECK(*vault->log_tile({0, 1, 256}) == tile(1));
    Bytes upper;
    for (unsigned n = 0; n < 2; ++n) {
        ByteWriter{upper}.bytes(crypto::merkle_root(std::span{leaves}.subspan(n * 256, 256)));
    }
    CHECK(*vault->log_tile({1, 0, 2}) == upper);
    // The builder stores them soon after the start; a second start finds them there.
    const auto stored = [&] {
        std::size_t count = 0;
        vault.close();
        store::StoreOptions read_only;
        read_only.read_only = true;
        const auto store = vault.open_store(read_only);
        store->read()->scan(Tables::kTiles, {}, {}, [&](ByteView, ByteView) { return ++count; });
        vault.open();
        return count;
    };
    std::size_t count = 0;
    for (int tries = 0; tries < 50 && count < 2; ++tries) {
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
        count = stored();
    }
    CHECK(count >= 2);
}

TEST_CASE("a new signing key signs beside the old one until that is retired", "[tlog]") {
    TestVault vault;
    const auto old_keys = keys_of(vault);
    REQUIRE(old_keys.size() == 1);
    CHECK(retire(vault) == "WRONG_STATE");
    const std::string vkey = rotate(vault);
    const std::vector new_keys{audit::parse_vkey(vkey).value()};
    CHECK(new_keys.front().name == old_keys.front().name);
    CHECK(rotate(vault) == "WRONG_STATE");
    const Checkpoint both = fresh_head(vault);
    CHECK(open_head(vault, old_keys) == both);
    CHECK(open_head(vault, new_keys) == both);
    const auto entry = vault->log_entries(0, 1'000).at(both.size - 2);  // before the start's
    const auto cited = audit::cited_rotation(entry);
    REQUIRE(cited);
    CHECK(cited->kid == 1);
    CHECK_FALSE(cited->is_retired);
    CHECK(cited->public_key == new_keys.front().key);

    CHECK(retire(vault).empty());
    CHECK(vault->log_keys() == std::vector{vkey});
    const Checkpoint after = fresh_head(vault);
    CHECK(open_head(vault, new_keys) == after);
    const auto refused = audit::open_checkpoint(vault->log_checkpoint(), old_keys);
    REQUIRE(std::holds_alternative<audit::CheckpointFlaw>(refused));
    CHECK(std::get<audit::CheckpointFlaw>(refused) == audit::CheckpointFlaw::unknown_key);
    CHECK(after.origin == both.origin);
    CHECK(audit::parse_vkey(rotate(vault)).has_value());
}

TEST_CASE("an old copy does not bring a retired signing key back", "[tlog]") {
    TestVault vault;
    vault.close();
    vault.save_data("old");
    vault.open();
    const auto old_keys = keys_of(vault);
    const std::string vkey = rotate(vault);
    REQUIRE(retire(vault).empty());
    vault.close();
    vault.restore_data("old");
    vault.open();
    REQUIRE(vault->status().rolled_back);
    CHECK(vault->log_keys() == std::vector{vkey});
    const auto entries = vault->log_entries(0, 1'000);
    // The copy's log does not know the key, so that it is announced again.
    CHECK(audit::cited_rotation(entries.back()).has_value());
}

}  // namespace oubliette::testing
