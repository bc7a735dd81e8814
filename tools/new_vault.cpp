#include "tools/new_vault.hpp"

#include <algorithm>

#include "api/credentials.hpp"
#include "api/self_signed.hpp"
#include "tools/cli.hpp"
#include "tools/durable_file.hpp"

namespace oubliette::tools {
namespace {

namespace fs = std::filesystem;

std::string first_internal(const policy::Document& document) {
    const auto found = std::ranges::find(document.recipients, policy::RecipientKind::internal,
                                         &policy::RecipientRule::kind);
    return found == document.recipients.end() ? std::string{} : found->name;
}

// Officers belong to the recipient that holds a purpose of subject requests.
std::string office(const policy::Document& document) {
    for (const policy::RecipientRule& recipient : document.recipients) {
        for (const std::string& name : recipient.purposes) {
            const policy::PurposeRule* const purpose = document.find_purpose(name);
            if (purpose != nullptr && purpose->request) return recipient.name;
        }
    }
    return {};
}

struct Enrolment {
    NewClient client;
    std::string file;
};

std::vector<Enrolment> enrolments(const NewVault& wanted, const policy::Document& document) {
    std::vector<Enrolment> list;
    if (wanted.apps.empty()) {
        const std::string recipient = first_internal(document);
        list.push_back({{"app-" + recipient, recipient, {Role::app}}, "app.key"});
    }
    for (const std::string& recipient : wanted.apps) {
        list.push_back({{"app-" + recipient, recipient, {Role::app}}, "app-" + recipient + ".key"});
    }
    const std::string officers = office(document);
    if (officers.empty()) {
        throw CommandError(Exit::input,
                           "the policy has no recipient with a \"request\": true purpose; privacy "
                           "officers need one");
    }
    list.push_back({{"privacy_officer", officers, {Role::privacy_officer}}, "privacy_officer.key"});
    for (const Role role : {Role::key_operator, Role::policy_admin, Role::auditor}) {
        const std::string name{name_of(role)};
        list.push_back({{name, {}, {role}}, name + ".key"});
    }
    return list;
}

}  // namespace

MadeVault make_vault(const NewVault& wanted) {
    if (fs::exists(wanted.data / "vault.json")) {
        throw CommandError(Exit::input,
                           wanted.data.string() + " holds a vault already; choose another --data");
    }
    VaultConfig config;
    config.tenant = wanted.tenant;
    config.seal = absolute_seal(wanted.seal);
    config.accept_besteffort = wanted.accept_besteffort;
    for (const fs::path& keeper : wanted.keepers) config.keepers.push_back(fs::absolute(keeper));
    const fs::path data = fs::absolute(wanted.data);
    check_keepers_apart(data, config.keepers);
    const auto outcome = policy::parse_document(wanted.policy_json);
    std::vector<Enrolment> list;
    if (outcome.document) list = enrolments(wanted, *outcome.document);
    std::vector<NewClient> clients;
    for (const Enrolment& enrolment : list) clients.push_back(enrolment.client);

    const keys::SealSecret seal = keys::read_seal_secret(config.seal, true);
    const auto made =
        Vault::init(vault_options(data, config), seal, wanted.policy_json, clients, SystemClock{});
    fs::create_directories(data / "tls");
    fs::permissions(data / "tls", fs::perms::owner_all);
    api::make_self_signed(data / "tls");
    config.certificate = data / "tls/server.pem";
    config.key = data / "tls/server.key";
    write_vault_config(data, config);

    MadeVault named{{}, receipt_keys_json(made.receipt_keys)};
    for (std::size_t i = 0; i < list.size(); ++i) {
        const ApiKey& key = made.api_keys[i];
        const api::ApiKeyText text{key.client, key.key, crypto::SecretBytes{key.secret.expose()}};
        named.keys.push_back(
            {list[i].file, std::string{text_of(api::format_api_key(text).expose())}});
    }
    return named;
}

void write_keys(const fs::path& directory, const fs::path& data, const MadeVault& made) {
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) {
        throw CommandError(Exit::input, directory.string() + " cannot be made: " + error.message());
    }
    for (const NamedKey& key : made.keys) {
        replace_file((directory / key.file).string(), key.text + "\n", 0600);
    }
    replace_file((directory / "receipt-keys.json").string(), made.receipt_keys + "\n", 0644);
    replace_file((directory / "ca.pem").string(), read_file((data / "tls/ca.pem").string()), 0644);
}

}  // namespace oubliette::tools
