#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "crypto/secret.hpp"

// Reads files below tests/vectors. A file that is missing or is not what is expected throws, so
// that the test fails.

namespace oubliette::crypto::testing {

[[nodiscard]] std::filesystem::path vectors_folder();
[[nodiscard]] nlohmann::json read_json(const std::filesystem::path& file);

// The bytes of a hex or base64 member.
[[nodiscard]] Bytes hex_of(const nlohmann::json& text);
[[nodiscard]] Bytes base64_of(const nlohmann::json& text);
[[nodiscard]] Seed key_of(const nlohmann::json& text);

// The bytes that tests/vectors/oubliette/generate.py calls pattern(size, seed).
[[nodiscard]] Bytes pattern(std::size_t size, std::size_t seed);

// A key for tests that need any key.
[[nodiscard]] Seed some_key(std::size_t seed = 1);

}  // namespace oubliette::crypto::testing
