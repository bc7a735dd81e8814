#pragma once

#include <future>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/tools/temp_folder.hpp"
#include "tools/new_vault.hpp"
#include "vault/policy/example.hpp"
#include "vault/vault.hpp"

// A vault in a directory of its own, as `init` makes it, and its verbs waited for.

namespace oubliette::tools {

template <class T>
class Answer {
public:
    [[nodiscard]] Done<T> done() {
        return [state = state_](Result<T> result, const Fault* fault) {
            if (fault != nullptr) {
                state->set_exception(std::make_exception_ptr(Fault{*fault}));
            } else {
                state->set_value(std::move(result));
            }
        };
    }
    [[nodiscard]] Result<T> get() { return future_.get(); }

private:
    std::shared_ptr<std::promise<Result<T>>> state_ = std::make_shared<std::promise<Result<T>>>();
    std::future<Result<T>> future_ = state_->get_future();
};

class VaultPlace {
public:
    VaultPlace() {
        NewVault wanted;
        wanted.data = home / "data";
        wanted.keepers = keepers();
        wanted.seal = seal_text();
        wanted.tenant = "overseas";
        wanted.policy_json = policy::example_policy();
        wanted.apps = {"web"};
        wanted.accept_besteffort = true;
        (void)make_vault(wanted);
    }

    [[nodiscard]] std::vector<std::filesystem::path> keepers() const {
        return {home / "k1", home / "k2"};
    }
    [[nodiscard]] std::string seal_text() const { return "keyfile:" + (home / "seal.key"); }
    [[nodiscard]] keys::SealSecret seal() const {
        return keys::read_seal_secret(seal_text(), false);
    }
    [[nodiscard]] std::unique_ptr<Vault> open(const std::string& name = "data") const {
        const std::string data = home / name;
        return Vault::open(vault_options(data, read_vault_config(data)), seal(), clock_);
    }

    TempFolder home;

private:
    SystemClock clock_;
};

inline Caller web_of(const Vault& vault) {
    Caller caller;
    for (const ClientRow& row : vault.list_clients()) {
        if (row.name != "app-web") continue;
        caller.client = row.number;
        caller.recipient = row.recipient;
        caller.roles = row.roles;
    }
    return caller;
}

// Gives the consent `policy` and stores an e-mail address; returns its token.
inline std::string add_person(Vault& vault, std::string_view id, std::string_view email) {
    const Caller web = web_of(vault);
    ConsentInput consent;
    consent.slot = "policy";
    consent.granted = true;
    consent.policy_version = 3;
    consent.kind = policy::ConsentKind::policy;
    Answer<ConsentRecord> consented;
    vault.put_consent(web, id, consent, consented.done());
    REQUIRE(consented.get().has_value());
    PutRequest request{id, "own_account", {{"email", {policy::ValueKind::text, email}}}};
    Answer<PutAnswer> stored;
    vault.put(web, request, stored.done());
    const auto answer = stored.get();
    REQUIRE(answer.has_value());
    REQUIRE(answer->tokens.size() == 1);
    const TokenText& token = answer->tokens.front().token;
    return {token.begin(), token.end()};
}

// The value behind a token, or the refusal's name.
inline std::string opened(Vault& vault, std::string_view token) {
    Answer<DetokenizeAnswer> answer;
    vault.detokenize(web_of(vault), {"own_account", "", {token}}, answer.done());
    const auto result = answer.get();
    if (!result) return std::string{wire_name(result.error())};
    const auto& item = result->items.front();
    if (const auto* const refusal = std::get_if<Refusal>(&item)) {
        return std::string{wire_name(*refusal)};
    }
    return std::string{text_of(std::get<Disclosed>(item).value.value.expose())};
}

// The e-mail address, or the refusal's name.
inline std::string email_of(Vault& vault, std::string_view id) {
    Answer<ReadAnswer> read;
    vault.read(web_of(vault), {id, "own_account", {"email"}}, read.done());
    const auto answer = read.get();
    if (!answer) return std::string{wire_name(answer.error())};
    const ReadItem& item = answer->items.front();
    if (item.refusal) return std::string{wire_name(*item.refusal)};
    return std::string{text_of(item.values.front().value.value.expose())};
}

// Returns when it is final.
inline void erase_person(Vault& vault, std::string_view id) {
    Answer<ErasureAnswer> accepted;
    const auto is_final = std::make_shared<std::promise<void>>();
    vault.erase(web_of(vault), id, "withdrawn", accepted.done(),
                [is_final](const ErasureRow&) { is_final->set_value(); });
    REQUIRE(accepted.get().has_value());
    REQUIRE(is_final->get_future().wait_for(std::chrono::seconds{20}) == std::future_status::ready);
}

}  // namespace oubliette::tools
