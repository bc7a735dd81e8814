#include "vault/backup.hpp"

#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

#include "crypto/encoding.hpp"
#include "crypto/patient_memory.hpp"
#include "vault/audit/audit_log.hpp"
#include "vault/keys/durable_file.hpp"
#include "vault/meta_rows.hpp"
#include "vault/tables.hpp"
#include "vault/time_text.hpp"

namespace oubliette {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::uint32_t kBackupFormat = 1;
constexpr const char* kStoreFile = "data.mdb";
constexpr std::size_t kManifestSizeMax = std::size_t{1} << 20;  // bytes
constexpr std::size_t kReadSize = std::size_t{1} << 20;         // bytes

[[noreturn]] void refuse(const std::string& what) {
    throw Fault{FaultKind::configuration, what};
}
[[noreturn]] void damaged(const fs::path& directory, const std::string& what) {
    throw Fault{FaultKind::corrupt, "backup " + directory.string() + ": " + what};
}

BackupFile describe_file(const fs::path& file) {
    BackupFile described;
    described.name = file.filename().string();
    std::ifstream in{file, std::ios::binary};
    crypto::Sha256 hash;
    std::string piece(kReadSize, '\0');
    while (in) {
        in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
        const auto size = static_cast<std::size_t>(in.gcount());
        hash.update(bytes_of(std::string_view{piece}.substr(0, size)));
        described.size += size;
    }
    if (!in.eof()) throw Fault{FaultKind::storage, file.string() + " cannot be read"};
    described.sha256 = hash.digest();
    return described;
}

std::unique_ptr<store::Store> open_read_only(const fs::path& directory) {
    store::StoreOptions options;
    options.read_only = true;
    return store::open_lmdb_store(directory, Tables::names(), options);
}

keys::StateRecord state_of(const store::ReadView& view) {
    keys::StateRecord state;
    if (const auto row = view.get(Tables::kMeta, bytes_of(MetaRow::kSequence))) {
        ByteReader in{*row};
        state.generation = in.le32();
        state.sequence = in.le64();
    }
    const audit::AuditLog log{view};
    state.log_size = log.size();
    state.log_root = log.root();
    return state;
}

template <std::size_t N>
ByteArray<N> read_hex(const Json& object, const char* name) {
    const auto bytes = crypto::hex_decode(object.at(name).get<std::string>());
    if (!bytes || bytes->size() != N) throw std::invalid_argument{name};
    return ByteReader{*bytes}.array<N>();
}

BackupManifest decode(const Json& json) {
    BackupManifest manifest;
    manifest.vault = read_hex<16>(json, "vault");
    manifest.tenant = json.at("tenant").get<std::string>();
    manifest.state.generation = json.at("generation").get<std::uint32_t>();
    manifest.state.sequence = json.at("sequence").get<std::uint64_t>();
    manifest.state.log_size = json.at("log_size").get<std::uint64_t>();
    manifest.state.log_root = read_hex<32>(json, "log_root");
    manifest.created = parse_time_text(json.at("created").get<std::string>()).value_or(Timestamp{});
    const Json& settings = json.at("settings");
    manifest.settings.listen = settings.at("listen").get<std::string>();
    manifest.settings.accept_besteffort =
        settings.at("cell_class").get<std::string>() == "besteffort";
    for (const Json& file : json.at("files")) {
        manifest.files.push_back({file.at("name").get<std::string>(),
                                  file.at("size").get<std::uint64_t>(),
                                  read_hex<32>(file, "sha256")});
    }
    return manifest;
}

}  // namespace

BackupManifest describe_backup(const fs::path& directory, Timestamp now,
                               const BackupSettings& settings) {
    BackupManifest manifest;
    manifest.created = now;
    manifest.settings = settings;
    {
        const auto store = open_read_only(directory);
        const auto view = store->read();
        const auto vault = view->get(Tables::kMeta, bytes_of(MetaRow::kVault));
        if (!vault || vault->size() != manifest.vault.size()) {
            refuse(directory.string() + " holds no complete vault");
        }
        std::ranges::copy(*vault, manifest.vault.begin());
        if (const auto tenant = view->get(Tables::kMeta, bytes_of(MetaRow::kTenant))) {
            manifest.tenant = text_of(*tenant);
        }
        manifest.state = state_of(*view);
    }
    manifest.files.push_back(describe_file(directory / kStoreFile));
    return manifest;
}

void write_manifest(const fs::path& directory, const BackupManifest& manifest) {
    const crypto::PatientMemory patient;  // nlohmann::json allocates in its destructor
    Json json{{"format", kBackupFormat},
              {"storage_format", kDataFormat},
              {"vault", crypto::hex_encode(manifest.vault)},
              {"tenant", manifest.tenant},
              {"generation", manifest.state.generation},
              {"sequence", manifest.state.sequence},
              {"log_size", manifest.state.log_size},
              {"log_root", crypto::hex_encode(manifest.state.log_root)},
              {"created", time_text(manifest.created)}};
    json["settings"] = {
        {"listen", manifest.settings.listen},
        {"cell_class", manifest.settings.accept_besteffort ? "besteffort" : "software"}};
    json["files"] = Json::array();
    for (const BackupFile& file : manifest.files) {
        json["files"].push_back({{"name", file.name},
                                 {"size", file.size},
                                 {"sha256", crypto::hex_encode(file.sha256)}});
    }
    keys::replace_file(directory / kBackupManifest, bytes_of(json.dump(2) + "\n"));
}

BackupManifest read_manifest(const fs::path& directory) {
    const crypto::PatientMemory patient;  // nlohmann::json allocates in its destructor
    if (!fs::is_directory(directory)) {
        refuse(directory.string() + " is no directory; name the one `oubliette backup` wrote");
    }
    if (fs::exists(directory / kBackupIncomplete)) {
        refuse(
            directory.string() +
            " holds a backup that was cut off (file INCOMPLETE); use another, or make a new one");
    }
    std::ifstream in{directory / kBackupManifest, std::ios::binary};
    if (!in) {
        refuse(directory.string() +
               " has no manifest.json; name a directory that `oubliette backup` wrote");
    }
    std::string text(kManifestSizeMax, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) damaged(directory, "manifest.json cannot be read; use another backup");
    try {
        if (json.at("format").get<std::uint32_t>() > kBackupFormat ||
            json.at("storage_format").get<std::uint32_t>() > kDataFormat) {
            refuse(directory.string() +
                   " was written by a newer version of oubliette; use that version");
        }
        return decode(json);
    } catch (const std::logic_error&) {  // of ours, for hex
    } catch (const Json::exception&) {   // a member is missing or of another type
    }
    damaged(directory, "manifest.json lacks something; use another backup");
}

void check_backup_files(const fs::path& directory, const BackupManifest& manifest) {
    const auto is_store = [](const BackupFile& file) { return file.name == kStoreFile; };
    if (std::ranges::none_of(manifest.files, is_store)) {
        damaged(directory, "manifest.json does not list data.mdb; use another backup");
    }
    for (const BackupFile& file : manifest.files) {
        // Only names of our own making; a path would lead elsewhere.
        if (file.name.empty() || fs::path{file.name}.filename() != file.name) {
            damaged(directory, "manifest.json lists a name that is a path");
        }
        const fs::path path = directory / file.name;
        if (!fs::is_regular_file(path)) damaged(directory, file.name + " is missing");
        const BackupFile found = describe_file(path);
        if (found.size != file.size || found.sha256 != file.sha256) {
            damaged(directory, file.name +
                                   " is not what manifest.json says (it was changed or "
                                   "damaged after the backup); copy it again or use "
                                   "another backup");
        }
    }
}

std::unique_ptr<store::Store> open_backup_store(const fs::path& directory,
                                                const BackupManifest& manifest) {
    auto store = open_read_only(directory);
    const auto view = store->read();
    const auto format = view->get(Tables::kMeta, bytes_of(MetaRow::kFormat));
    if (!format || !view->get(Tables::kMeta, bytes_of(MetaRow::kReady))) {
        refuse(directory.string() + " holds a vault that was never completed");
    }
    if (ByteReader{*format}.le32() != kDataFormat) {
        refuse(directory.string() +
               " was written by a newer version of oubliette; use that version");
    }
    const auto vault = view->get(Tables::kMeta, bytes_of(MetaRow::kVault));
    if (!vault || !std::ranges::equal(*vault, manifest.vault)) {
        damaged(directory, "manifest.json and data.mdb are of two different vaults");
    }
    if (state_of(*view) != manifest.state) {
        damaged(directory, "manifest.json and data.mdb are of two different backups");
    }
    return store;
}

}  // namespace oubliette
