#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <string>

#include "crypto/encoding.hpp"
#include "vault/keys/key_plane.hpp"

// crash_child DIRECTORY REQUEST-ID ADDRESS: opens the vault whose keepers are DIRECTORY/keeper1
// and keeper2, revokes ADDRESS under REQUEST-ID (both in hex) and waits until that is final.
// Tests kill it on the way.

namespace {

using namespace oubliette;
using namespace oubliette::keys;

int run(const std::filesystem::path& home, const Bytes& id, const Bytes& address) {
    PlaneOptions options;
    options.keepers = {home / "keeper1", home / "keeper2"};
    options.accept_besteffort = true;
    options.seed_cache_count = 64;
    options.page_cache_bytes = 1U << 18;
    Revocation revocation;
    Path path;
    if (id.size() != revocation.id.size() || !Path::decode(address, &path)) return 2;
    std::copy(id.begin(), id.end(), revocation.id.begin());
    revocation.addresses = {path};

    const SealSecret seal{SealType::keyfile, crypto::SecretBytes{Bytes(32, 0x5A)}};
    const SystemClock clock;
    const auto plane = KeyPlane::open(options, seal, clock);
    std::promise<void> final;
    plane->submit(
        revocation, [](const Fault*) {}, [&](const Finality&) { final.set_value(); });
    final.get_future().wait();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    const auto id = crypto::hex_decode(argv[2]);
    const auto address = crypto::hex_decode(argv[3]);
    if (!id || !address) return 2;
    try {
        return run(argv[1], *id, *address);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "crash_child: %s\n", error.what());
        return 3;
    }
}
