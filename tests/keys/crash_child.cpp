#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>

#include "crypto/encoding.hpp"
#include "vault/keys/durable_file.hpp"
#include "vault/keys/key_plane.hpp"

// Opens the vault whose keepers are named in HOME/keepers, one directory a line (without that file:
// HOME/keeper1 and HOME/keeper2), and does one thing. Tests kill it on the way. Ids and addresses
// are in hex.
//
//   crash_child HOME revoke REQUEST-ID ADDRESS     until that is final
//   crash_child HOME enrol DIRECTORY [REPLACES]    until it is active
//   crash_child HOME expel KEEPER-ID reachable|lost

namespace {

using namespace oubliette;
using namespace oubliette::keys;
namespace fs = std::filesystem;

using Arguments = std::vector<std::string>;

std::unique_ptr<KeyPlane> open_plane(const fs::path& home, const Clock& clock) {
    PlaneOptions options;
    std::ifstream list{home / "keepers"};
    for (std::string line; std::getline(list, line);) options.keepers.emplace_back(line);
    if (options.keepers.empty()) options.keepers = {home / "keeper1", home / "keeper2"};
    options.accept_besteffort = true;
    options.seed_cache_count = 64;
    options.page_cache_bytes = 1U << 18;
    options.keepers_changed = [home](const std::vector<fs::path>& keepers) {
        std::string text;
        for (const fs::path& keeper : keepers) text += keeper.string() + "\n";
        replace_file(home / "keepers", bytes_of(text));
    };
    const SealSecret seal{SealType::keyfile, crypto::SecretBytes{Bytes(32, 0x5A)}};
    return KeyPlane::open(options, seal, clock);
}

KeeperId keeper_id(const std::string& hex) {
    KeeperId id{};
    const auto bytes = crypto::hex_decode(hex);
    if (!bytes || bytes->size() != id.size()) throw std::invalid_argument{"no keeper id"};
    std::copy(bytes->begin(), bytes->end(), id.begin());
    return id;
}

int revoke(KeyPlane& plane, const Arguments& arguments) {
    const auto id = crypto::hex_decode(arguments.at(2));
    const auto address = crypto::hex_decode(arguments.at(3));
    Revocation revocation;
    Path path;
    const bool is_good =
        id && address && id->size() == revocation.id.size() && Path::decode(*address, &path);
    if (!is_good) return 2;
    std::copy(id->begin(), id->end(), revocation.id.begin());
    revocation.addresses = {path};
    std::promise<void> final;
    plane.submit(
        revocation, [](const Fault*) {}, [&](const Finality&) { final.set_value(); });
    final.get_future().wait();
    return 0;
}

int enrol(KeyPlane& plane, const Arguments& arguments) {
    std::optional<KeeperId> replaces;
    if (arguments.size() > 3) replaces = keeper_id(arguments[3]);
    const EnrolAnswer answer = plane.enrol(arguments.at(2), replaces, std::chrono::seconds{20});
    return answer.is_active ? 0 : 4;
}

int expel(KeyPlane& plane, const Arguments& arguments) {
    const Expulsion how = arguments.at(3) == "lost" ? Expulsion::lost : Expulsion::reachable;
    return plane.expel(keeper_id(arguments.at(2)), how).refusal ? 4 : 0;
}

int run(const Arguments& arguments) {
    const SystemClock clock;
    const auto plane = open_plane(arguments.at(0), clock);
    if (arguments.at(1) == "revoke") return revoke(*plane, arguments);
    if (arguments.at(1) == "enrol") return enrol(*plane, arguments);
    if (arguments.at(1) == "expel") return expel(*plane, arguments);
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "crash_child: %s\n", error.what());
        return 3;
    }
}
