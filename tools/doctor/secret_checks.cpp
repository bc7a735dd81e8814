#include "tools/doctor/block_device.hpp"
#include "tools/doctor/certificate.hpp"
#include "tools/doctor/checks.hpp"
#include "tools/doctor/file_facts.hpp"

namespace oubliette::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kKeyfile = "keyfile:";
constexpr std::int64_t kDay = 86'400;  // seconds
constexpr std::int64_t kRenewDays = 30;

// True for the directory itself, too.
bool is_within(const fs::path& inner, const fs::path& outer) {
    std::error_code error;
    const fs::path rest =
        fs::weakly_canonical(inner, error).lexically_relative(fs::weakly_canonical(outer, error));
    return !rest.empty() && *rest.begin() != "..";
}

// Why the place of a key file defeats the seal; empty if it does not.
std::string trouble_of_place(const Place& place, const fs::path& file) {
    if (is_within(file, place.data)) return "lies in the data directory: each backup copies it";
    for (const fs::path& keeper : place.config.keepers) {
        if (is_within(file, keeper)) return "lies in the keeper that it opens";
        if (is_within(file, keeper.parent_path()) &&
            fs::weakly_canonical(file).parent_path() ==
                fs::weakly_canonical(keeper).parent_path()) {
            return "lies beside the keeper that it opens";
        }
    }
    return {};
}

bool shares_device(const struct stat& file, const Place& place) {
    for (const fs::path& keeper : place.config.keepers) {
        const auto status = stat_of(keeper);
        if (status && status->st_dev == file.st_dev) return true;
    }
    return false;
}

void check_key_file(const Place& place, const fs::path& file, Findings& findings) {
    constexpr std::string_view kCheck = "seal";
    constexpr const char* kMove =
        "move the key file to another device (a stick, another machine's disk), or seal with a "
        "passphrase or a credential";
    const auto status = stat_of(file);
    if (!status) {
        const bool hidden = is_hidden(file);
        findings.push_back({hidden ? Level::unknown : Level::problem, kCheck,
                            file.string() + (hidden ? " cannot be looked at" : " is missing"),
                            hidden ? "run doctor as the user that runs the server"
                                   : "put the key file back: without it the keepers do not open"});
        return;
    }
    if (is_open_to_others(*status)) {
        findings.push_back({Level::problem, kCheck,
                            file.string() + " is open to others (" + mode_text(*status) + ")",
                            "chmod 600 " + file.string()});
    }
    const std::string trouble = trouble_of_place(place, file);
    if (!trouble.empty()) {
        findings.push_back({Level::problem, kCheck, file.string() + " " + trouble, kMove});
    } else if (shares_device(*status, place)) {
        findings.push_back({Level::warning, kCheck,
                            file.string() + " is on the device of a keeper: whoever takes that "
                                            "has both",
                            kMove});
    } else {
        findings.push_back({Level::ok, kCheck, "key file " + file.string(), {}});
    }
}

std::string days_text(std::int64_t seconds) {
    return std::to_string(seconds / kDay) + " days";
}

}  // namespace

void check_seal(const Place& place, Findings& findings) {
    const std::string& seal = place.config.seal;
    if (seal.starts_with(kKeyfile)) {
        check_key_file(place, seal.substr(kKeyfile.size()), findings);
    } else {
        findings.push_back({Level::ok, "seal", seal, {}});
    }
}

void check_certificate(const Place& place, Findings& findings) {
    constexpr std::string_view kCheck = "certificate";
    const std::string file = place.config.certificate.string();
    const CertificateState state = read_certificate(place.config.certificate, place.config.key);
    const std::int64_t now = place.machine.now.unix_seconds();
    const auto key = stat_of(place.config.key);
    if (key && is_open_to_others(*key)) {
        findings.push_back(
            {Level::problem, kCheck,
             place.config.key.string() + " is open to others (" + mode_text(*key) + ")",
             "chmod 600 " + place.config.key.string()});
    }
    if (!state.trouble.empty()) {
        findings.push_back(
            {Level::problem, kCheck, state.trouble, "correct \"tls\" in vault.json, or the file"});
    } else if (!state.fits_key) {
        findings.push_back({Level::problem, kCheck,
                            file + " does not belong to " + place.config.key.string(),
                            "install the key that the certificate was made for"});
    } else if (now < state.not_before || now >= state.not_after) {
        findings.push_back({Level::problem, kCheck,
                            file + (now < state.not_before ? " is not valid yet" : " has expired"),
                            "install a new certificate and restart; check the clock, too"});
    } else if (state.not_after - now < kRenewDays * kDay) {
        findings.push_back({Level::warning, kCheck,
                            file + " expires in " + days_text(state.not_after - now),
                            "install a new certificate and restart"});
    } else {
        findings.push_back(
            {Level::ok, kCheck, file + " is valid for " + days_text(state.not_after - now), {}});
    }
}

}  // namespace oubliette::tools
