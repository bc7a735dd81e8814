#include "tools/vault_config.hpp"

#include <fstream>

#include <nlohmann/json.hpp>

#include "tools/cli.hpp"
#include "tools/durable_file.hpp"

namespace oubliette::tools {
namespace {

using Json = nlohmann::json;

constexpr const char* kFileName = "vault.json";

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) {
    throw CommandError(Exit::input, file.string() + " " + why);
}

// True for the directory itself too; symbolic links are followed.
bool is_within(const std::filesystem::path& inner, const std::filesystem::path& outer) {
    const auto rest = std::filesystem::weakly_canonical(inner).lexically_relative(
        std::filesystem::weakly_canonical(outer));
    return !rest.empty() && *rest.begin() != "..";
}

std::string text_member(const Json& object, const char* name, const std::filesystem::path& file) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_string()) {
        refuse(file, std::string{"lacks the text \""} + name + "\"");
    }
    return found->get<std::string>();
}

}  // namespace

VaultConfig read_vault_config(const std::filesystem::path& data) {
    const std::filesystem::path file = data / kFileName;
    std::ifstream in{file};
    if (!in)
        refuse(file,
               "is missing: make a vault with `oubliette init --data " + data.string() + " ...`");
    const Json json = Json::parse(in, nullptr, false);
    if (!json.is_object()) refuse(file, "is no JSON object; restore it from a backup");
    if (json.value("format", 0) != 1) refuse(file, "was written by another version of oubliette");
    VaultConfig config;
    config.tenant = text_member(json, "tenant", file);
    config.seal = text_member(json, "seal", file);
    config.listen = text_member(json, "listen", file);
    config.accept_besteffort = text_member(json, "cell_class", file) == "besteffort";
    const auto keepers = json.find("keepers");
    if (keepers == json.end() || !keepers->is_array()) refuse(file, "lacks the list \"keepers\"");
    for (const Json& keeper : *keepers) {
        if (!keeper.is_string()) refuse(file, "has a keeper that is no text");
        config.keepers.emplace_back(keeper.get<std::string>());
    }
    const auto tls = json.find("tls");
    if (tls == json.end() || !tls->is_object()) refuse(file, "lacks the object \"tls\"");
    config.certificate = text_member(*tls, "certificate", file);
    config.key = text_member(*tls, "key", file);
    config.client_ca = text_member(*tls, "client_ca", file);
    return config;
}

void write_vault_config(const std::filesystem::path& data, const VaultConfig& config) {
    Json keepers = Json::array();
    for (const auto& keeper : config.keepers) keepers.push_back(keeper.string());
    Json json{{"format", 1},
              {"tenant", config.tenant},
              {"seal", config.seal},
              {"listen", config.listen},
              {"cell_class", config.accept_besteffort ? "besteffort" : "software"}};
    json["keepers"] = std::move(keepers);
    json["tls"] = {{"certificate", config.certificate.string()},
                   {"key", config.key.string()},
                   {"client_ca", config.client_ca.string()}};
    replace_file((data / kFileName).string(), json.dump(2) + "\n", 0600);
}

std::string absolute_seal(const std::string& seal) {
    constexpr std::string_view kKeyfile = "keyfile:";
    if (!seal.starts_with(kKeyfile)) return seal;
    return std::string{kKeyfile} + std::filesystem::absolute(seal.substr(kKeyfile.size())).string();
}

void check_keepers_apart(const std::filesystem::path& data,
                         const std::vector<std::filesystem::path>& keepers) {
    for (const auto& keeper : keepers) {
        if (is_within(keeper, data)) {
            throw CommandError(Exit::input,
                               "a keeper may not lie in --data: backups of the data would copy its "
                               "cell, and nothing could be erased any more");
        }
        if (is_within(data, keeper)) {
            throw CommandError(Exit::input,
                               "--data may not lie in a keeper: a keeper's directory holds nothing "
                               "else and is never backed up; choose another --data");
        }
    }
}

VaultOptions vault_options(const std::filesystem::path& data, const VaultConfig& config) {
    VaultOptions options;
    options.data = data;
    options.tenant = config.tenant;
    options.listen = config.listen;
    options.plane.keepers = config.keepers;
    options.plane.accept_besteffort = config.accept_besteffort;
    return options;
}

}  // namespace oubliette::tools
