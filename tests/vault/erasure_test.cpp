#include <algorithm>

#include "tests/vault/vault_fixture.hpp"
#include "vault/keys/records.hpp"

// Forgetting one person or one field, and the receipt that proves it.

namespace oubliette::testing {

namespace {

// All that a receipt claims, with nothing but the receipt and the vault's id.
void check_receipt(const Vault& vault, const ErasureRow& row, keys::SubjectNumber number) {
    REQUIRE(row.finality);
    const keys::Finality& finality = *row.finality;
    const keys::VaultId id = vault.status().plane.vault;
    REQUIRE(finality.acknowledgements.size() == 2);
    for (const keys::Acknowledgement& ack : finality.acknowledgements) {
        Bytes message = keys::acknowledgement_bytes(id, ack);
        CHECK(crypto::verify(ack.public_key, message, ack.signature));
        message[20] ^= 1;
        CHECK_FALSE(crypto::verify(ack.public_key, message, ack.signature));
    }
    REQUIRE_FALSE(finality.chain.empty());
    const keys::ChainRow& first = finality.chain.front();
    CHECK(first.epoch == finality.epoch);
    CHECK(first.previous_hash == finality.hash_before);
    CHECK(first.hash == finality.hash_after);
    for (std::size_t i = 0; i < finality.chain.size(); ++i) {
        CHECK(keys::is_consistent(id, finality.chain[i]));
        if (i > 0) CHECK(finality.chain[i].previous_hash == finality.chain[i - 1].hash);
    }
    for (const keys::Acknowledgement& ack : finality.acknowledgements) {
        CHECK(std::ranges::any_of(finality.chain, [&](const keys::ChainRow& link) {
            return link.hash == ack.hash && link.previous_hash == ack.previous_hash;
        }));
    }
    // The request, recomputed from what the vault stored, is under the root.
    keys::Revocation request;
    request.id = row.id;
    request.blind = row.blind;
    request.addresses = {keys::person_path(keys::kFirstTenant, number)};
    const auto digest = keys::request_digest(request);
    const auto leaf = crypto::merkle_leaf(digest);
    CHECK(crypto::verify_inclusion(leaf, finality.request_index, finality.request_count,
                                   finality.request_proof, first.request_root));
}

}  // namespace

TEST_CASE("a revocation that somebody else wrote into the data is not carried out", "[erase]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    const std::string other = vault.person("c-2", "bob");
    vault.close();
    {
        const auto store = vault.open_store({});
        QueueRow row;
        crypto::random_bytes(row.revocation.id);
        row.revocation.scope = keys::RevocationScope::superseded;
        row.revocation.addresses = {keys::person_path(keys::kFirstTenant, {0})};
        QueueRow tenant = row;
        crypto::random_bytes(tenant.revocation.id);
        tenant.revocation.scope = keys::RevocationScope::tenant;
        tenant.revocation.addresses = {keys::tenant_path(keys::kFirstTenant)};
        store->write([&](store::WriteView& view) {
            write_queued(view, row);
            write_queued(view, tenant);
        });
    }
    vault.open();
    CHECK(vault->status().damaged_rows == 2);
    CHECK(vault.detokenize(token) == "ann");
    CHECK(vault.detokenize(other) == "bob");
}

TEST_CASE("an erased person is gone by token, by id, and from search", "[erase]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    REQUIRE(vault.put("c-1", {{"email", "ann@example.org"}}).empty());
    const std::string other = vault.person("c-2", "bob");
    CHECK(vault.erase("c-1").empty());
    CHECK(vault.detokenize(token) == "ERASED");
    CHECK(vault.read("c-1", "username") == "NOT_FOUND");
    CHECK(vault.put("c-1", {{"username", "ann"}}) == "CONSENT_MISSING");  // a new person
    CHECK(vault.consent("c-1", "policy", false) == "NOT_FOUND");
    CHECK(vault.search("email", "ann@example.org").empty());
    CHECK(vault.erase("c-1") == "NOT_FOUND");
    CHECK(vault.detokenize(other) == "bob");
    vault.reopen();
    CHECK(vault.detokenize(token) == "ERASED");
    CHECK(vault.read("c-1", "username") == "NOT_FOUND");
    CHECK(vault.detokenize(other) == "bob");
}

TEST_CASE("the same id later is another person", "[erase]") {
    TestVault vault;
    const std::string old_token = vault.person("c-1", "ann");
    REQUIRE(vault.erase("c-1").empty());
    const std::string token = vault.person("c-1", "ann");
    CHECK(token != old_token);
    CHECK(vault.detokenize(token) == "ann");
    CHECK(vault.detokenize(old_token) == "ERASED");
    REQUIRE(vault.erase("c-1").empty());
    CHECK(vault.detokenize(token) == "ERASED");
    CHECK(vault.detokenize(old_token) == "ERASED");
}

TEST_CASE("who may erase is in the policy", "[erase]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    CHECK(vault.erase("c-1", "marketing") == "ROLE_DENIED");
    CHECK(vault.erase("c-1", "partner_idcheck") == "ROLE_DENIED");
    CHECK(vault.erase("c-1", "policy_admin") == "ROLE_DENIED");
    CHECK(vault.delete_field("c-1", "username", "support_desk", "support") == "ROLE_DENIED");
    CHECK(vault.detokenize(token) == "ann");
    CHECK(vault.erase("c-1", "web").empty());
}

TEST_CASE("a deleted field leaves the others", "[erase]") {
    TestVault vault;
    std::vector<std::string> tokens;
    (void)vault.person("c-1", "ann");
    REQUIRE(vault.put("c-1", {{"username", "ann"}, {"mobile", "+8613900001234"}}, &tokens).empty());
    CHECK(vault.delete_field("c-1", "account_no") == "FIELD_NOT_NECESSARY");
    CHECK(vault.delete_field("c-1", "email") == "NOT_FOUND");
    CHECK(vault.delete_field("c-1", "nothing") == "FIELD_UNKNOWN");
    CHECK(vault.delete_field("c-1", "mobile", "web", "support") == "PURPOSE_NOT_ALLOWED");
    CHECK(vault.delete_field("c-9", "mobile") == "NOT_FOUND");
    ErasureRow row;
    CHECK(vault.delete_field("c-1", "mobile", "web", "own_account", &row).empty());
    CHECK(row.scope == keys::RevocationScope::field);
    CHECK(vault.detokenize(tokens[0]) == "ann");
    CHECK(vault.detokenize(tokens[1]) != "+8613900001234");
    CHECK(vault.delete_field("c-1", "mobile") == "NOT_FOUND");
    REQUIRE(vault.put("c-1", {{"mobile", "+8613900009999"}}).empty());
    CHECK(vault.detokenize(tokens[1]) == "+8613900009999");
}

TEST_CASE("a receipt verifies by its signatures, proof and chain", "[erase]") {
    TestVault vault;
    for (int i = 0; i < 3; ++i) (void)vault.person("c-" + std::to_string(i), "name");
    REQUIRE(vault.erase("c-0").empty());
    ErasureRow row;
    ByteArray<32> opening{};
    REQUIRE(vault.erase("c-1", "privacy_officer", &row, &opening).empty());

    CHECK(row.state == ErasureState::final);
    CHECK(row.commitment == crypto::sha256({bytes_of("obl/rcpt/1"), opening, bytes_of("c-1")}));
    check_receipt(*vault, row, keys::SubjectNumber{1});
    const auto found = vault->find_erasure(vault.caller("privacy_officer"), row.id);
    REQUIRE(found.has_value());
    CHECK(encode(*found) == encode(row));
    CHECK(vault->find_erasure(vault.caller("marketing"), row.id).error() == Refusal::role_denied);
    keys::RequestId unknown = row.id;
    unknown[0] ^= 1;
    CHECK(vault->find_erasure(vault.caller("privacy_officer"), unknown).error() ==
          Refusal::not_found);
    vault.reopen();
    const auto later = vault->find_erasure(vault.caller("privacy_officer"), row.id);
    REQUIRE(later.has_value());
    CHECK(encode(*later) == encode(row));
}

TEST_CASE("an offline keeper delays finality, not the effect", "[erase]") {
    TestVault vault;
    const std::string token = vault.person("c-1", "ann");
    vault.close();
    const auto away = vault.home() / "away";
    std::filesystem::rename(vault.options().plane.keepers[1], away);
    std::filesystem::create_directory(vault.options().plane.keepers[1]);
    vault.open();
    bool is_final = false;
    const auto answer = wait_for<ErasureAnswer>([&](Done<ErasureAnswer> done) {
        vault->erase(vault.caller("privacy_officer"), "c-1", "other", std::move(done),
                     [&](const ErasureRow&) { is_final = true; });
    });
    REQUIRE(answer.has_value());
    CHECK(vault.detokenize(token) == "ERASED");
    CHECK(vault.read("c-1", "username") == "ERASED");
    CHECK(vault.erase("c-1") == "ERASED");
    CHECK_FALSE(is_final);
    CHECK(vault->status().erasures_waiting == 1);
    // No receipt for what was not reached, and the keeper that is waited for has a name.
    const auto waiting = vault->find_erasure(vault.caller("privacy_officer"), answer->erasure.id);
    REQUIRE(waiting.has_value());
    CHECK_FALSE(has_receipt(*waiting));
    const auto missing = vault->missing_keepers();
    REQUIRE(missing.size() == 1);
    CHECK(vault->receipt_keys().keepers.contains(missing.front()));
    vault.close();
    std::filesystem::remove_all(vault.options().plane.keepers[1]);
    std::filesystem::rename(away, vault.options().plane.keepers[1]);
    vault.open();
    for (int i = 0; i < 300 && vault->status().erasures_waiting != 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    CHECK(vault->status().erasures_waiting == 0);
    const auto row = vault->find_erasure(vault.caller("privacy_officer"), answer->erasure.id);
    REQUIRE(row.has_value());
    CHECK(row->state == ErasureState::final);
    check_receipt(*vault, *row, keys::SubjectNumber{0});
    const auto acknowledged_late = [&](const keys::Acknowledgement& ack) {
        return ack.keeper == missing.front();
    };
    CHECK(std::ranges::any_of(row->finality->acknowledgements, acknowledged_late));
    ReceiptQuestion question;
    question.keys = vault->receipt_keys();
    CHECK(oubliette::check_receipt(vault->receipt_of(*row), question).passed());
    CHECK(vault->missing_keepers().empty());
    CHECK(vault.detokenize(token) == "ERASED");
    CHECK(vault.read("c-1", "username") == "NOT_FOUND");
}

}  // namespace oubliette::testing
