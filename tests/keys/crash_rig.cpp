#include "tests/keys/crash_rig.hpp"

#include <fstream>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "crypto/encoding.hpp"

extern char** environ;

namespace oubliette::keys::test {

namespace fs = std::filesystem;

int Child::run(const Revocation& request, const Crash& crash) const {
    return run({"revoke", crypto::hex_encode(request.id),
                crypto::hex_encode(request.addresses.front().encode())},
               crash);
}

int Child::run(std::vector<std::string> verb, const Crash& crash) const {
    std::vector<std::string> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
    environment.push_back("LD_PRELOAD=" CRASH_AT_LIBRARY);
    environment.push_back("ASAN_OPTIONS=verify_asan_link_order=0");
    environment.push_back("CRASH_AT=" + std::to_string(crash.at));
    if (crash.is_torn) environment.emplace_back("CRASH_TORN=1");
    if (!crash.history.empty()) environment.push_back("CRASH_HISTORY=" + crash.history.string());
    std::vector<std::string> arguments{CRASH_CHILD, vault_.home.path().string()};
    arguments.insert(arguments.end(), verb.begin(), verb.end());
    std::vector<char*> argv;
    std::vector<char*> envp;
    for (std::string& text : arguments) argv.push_back(text.data());
    for (std::string& text : environment) envp.push_back(text.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    pid_t pid = 0;
    REQUIRE(::posix_spawn(&pid, CRASH_CHILD, nullptr, nullptr, argv.data(), envp.data()) == 0);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFEXITED(status));
    const int code = WEXITSTATUS(status);
    REQUIRE((code == 0 || code == kCrashStatus || code == kTornStatus));
    return code;
}

void Child::configure(const std::vector<fs::path>& keepers) const {
    std::ofstream out{vault_.home.path() / "keepers"};
    for (const fs::path& keeper : keepers) out << keeper.string() << "\n";
    REQUIRE(out.flush().good());
}

std::vector<fs::path> Child::configured() const {
    std::ifstream in{vault_.home.path() / "keepers"};
    std::vector<fs::path> keepers;
    for (std::string line; std::getline(in, line);) keepers.emplace_back(line);
    return keepers;
}

Template::Template(const Vault& vault, std::vector<fs::path> others)
    : vault_(vault), others_(std::move(others)) {
    for (std::size_t i = 0; i < 2; ++i) {
        copies_.emplace_back();
        if (!fs::exists(vault.keeper(i))) continue;
        copies_.back() = vault.home.path() / ("before" + std::to_string(i));
        fs::copy(vault.keeper(i), copies_.back(), fs::copy_options::recursive);
    }
}

void Template::restore() const {
    for (const fs::path& other : others_) fs::remove_all(other);
    for (std::size_t i = 0; i < 2; ++i) {
        fs::remove_all(vault_.keeper(i));
        if (copies_[i].empty()) continue;
        fs::copy(copies_[i], vault_.keeper(i), fs::copy_options::recursive);
    }
}

Revocation request_number(std::uint64_t number) {
    Revocation request = revocation_of({person(1'000 + number)});
    request.blind = {};
    return request;
}

}  // namespace oubliette::keys::test
