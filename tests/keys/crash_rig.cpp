#include "tests/keys/crash_rig.hpp"

#include <fstream>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "crypto/encoding.hpp"

extern char** environ;

namespace oubliette::keys::test {
namespace {

namespace fs = std::filesystem;

std::string text_of_derived(const Derived& derived) {
    if (derived.state == NodeState::whole) return crypto::hex_encode(derived.seed.expose());
    return derived.state == NodeState::dead ? "dead" : "broken";
}

}  // namespace

Keys living_keys(KeyPlane& plane) {
    Keys keys;
    for (std::uint64_t n = 0; n < kLiving; ++n) keys[n] = key_text(plane, person(n));
    return keys;
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

int Child::run(std::vector<std::string> arguments, long crash_at, bool is_torn) const {
    std::vector<std::string> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
    environment.push_back("LD_PRELOAD=" CRASH_AT_LIBRARY);
    environment.push_back("ASAN_OPTIONS=verify_asan_link_order=0");
    environment.push_back("CRASH_AT=" + std::to_string(crash_at));
    if (is_torn) environment.emplace_back("CRASH_TORN=1");
    arguments.insert(arguments.begin(), {CRASH_CHILD, vault_.home.path().string()});
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
    return WEXITSTATUS(status);
}

int Child::revoke(const Revocation& request, long crash_at, bool is_torn) const {
    return run({"revoke", crypto::hex_encode(request.id),
                crypto::hex_encode(request.addresses.front().encode())},
               crash_at, is_torn);
}

Template::Template(const Vault& vault, std::vector<fs::path> others)
    : vault_(vault), others_(std::move(others)) {
    for (std::size_t i = 0; i < vault.options.keepers.size(); ++i) {
        if (!fs::exists(vault.keeper(i))) {
            copies_.emplace_back();
            continue;
        }
        copies_.push_back(vault.home.path() / ("before" + std::to_string(i)));
        fs::copy(vault.keeper(i), copies_.back(), fs::copy_options::recursive);
    }
}

void Template::restore() const {
    for (const fs::path& other : others_) fs::remove_all(other);
    for (std::size_t i = 0; i < copies_.size(); ++i) {
        fs::remove_all(vault_.keeper(i));
        if (copies_[i].empty()) continue;
        fs::copy(copies_[i], vault_.keeper(i), fs::copy_options::recursive);
    }
}

void check_keeper(const fs::path& directory, const Keys& living, const Path& victim) {
    const auto reader = KeeperReader::open(directory, keyfile_seal());
    std::vector<Path> paths;
    for (const auto& [n, text] : living) paths.push_back(person(n));
    paths.push_back(victim);
    const std::vector<Derived> derived = reader->derive_batch(paths);
    std::size_t i = 0;
    for (const auto& [n, text] : living) REQUIRE(text_of_derived(derived[i++]) == text);
    REQUIRE(text_of_derived(derived[i]) != "broken");
}

bool opens_with(const Vault& vault, const fs::path& keeper, const fs::path& cell) {
    const fs::path copy = vault.home.path() / "attacker";
    fs::remove_all(copy);
    fs::copy(keeper, copy, fs::copy_options::recursive);
    if (!fs::equivalent(keeper / "anchor.cell", cell)) {
        fs::copy_file(cell, copy / "anchor.cell", fs::copy_options::overwrite_existing);
    }
    bool opened = true;
    try {
        (void)KeeperReader::open(copy, keyfile_seal())->derive_batch({person(0)});
    } catch (const Fault& fault) {
        REQUIRE(fault.kind() == FaultKind::corrupt);
        opened = false;
    }
    fs::remove_all(copy);
    return opened;
}

}  // namespace oubliette::keys::test
