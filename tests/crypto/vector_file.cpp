#include "tests/crypto/vector_file.hpp"

#include <fstream>
#include <stdexcept>

#include <sodium.h>

#include "crypto/encoding.hpp"

namespace oubliette::crypto::testing {
namespace {

const bool kSodiumReady = [] {
    if (sodium_init() < 0) throw std::runtime_error("sodium_init failed");
    return true;
}();

}  // namespace

std::filesystem::path vectors_folder() {
    return std::filesystem::path{OUBLIETTE_SOURCE_DIR} / "tests" / "vectors";
}

nlohmann::json read_json(const std::filesystem::path& file) {
    std::ifstream in{file};
    if (!in || !kSodiumReady) throw std::runtime_error("cannot read " + file.string());
    return nlohmann::json::parse(in);
}

Bytes hex_of(const nlohmann::json& text) {
    return hex_decode(text.get_ref<const std::string&>()).value();
}

Bytes base64_of(const nlohmann::json& text) {
    return base64_decode(text.get_ref<const std::string&>()).value();
}

Seed key_of(const nlohmann::json& text) {
    const Bytes bytes = hex_of(text);
    if (bytes.size() != Seed::kSize) throw std::runtime_error("not a key");
    return Seed{ByteView{bytes}.first<Seed::kSize>()};
}

Bytes pattern(std::size_t size, std::size_t seed) {
    Bytes out(size);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<Byte>(i * 7 + i / 256 * 13 + seed);
    return out;
}

Seed some_key(std::size_t seed) {
    return Seed{ByteView{pattern(Seed::kSize, seed)}.first<Seed::kSize>()};
}

}  // namespace oubliette::crypto::testing
