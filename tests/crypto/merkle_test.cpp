#include "crypto/merkle.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

#include "crypto/encoding.hpp"
#include "tests/crypto/vector_file.hpp"

namespace oubliette::crypto::testing {
namespace {

bool is_hash(const nlohmann::json& text) {
    return base64_of(text).size() == sizeof(Hash);
}

// Some vectors contain hashes that are none ("", "don't care 1"). The type has room for 32 bytes
// only, so these are cut or filled up with zeros, which leaves them as wrong as they were.
Hash hash_of(const nlohmann::json& text) {
    Hash out{};
    const Bytes bytes = base64_of(text);
    std::copy_n(bytes.begin(), std::min(bytes.size(), out.size()), out.begin());
    return out;
}

std::vector<Hash> proof_of(const nlohmann::json& list) {
    std::vector<Hash> proof;
    for (const auto& text : list) proof.push_back(hash_of(text));
    return proof;
}

// Calls `check` for every file below `folder` whose members `hashes` are hashes; the number of
// files.
template <class Check>
std::size_t for_each_vector(const char* folder, std::initializer_list<const char*> hashes,
                            Check check) {
    std::size_t count = 0;
    std::size_t refused_by_type = 0;
    const auto root = vectors_folder() / "merkle" / "testdata" / folder;
    for (const auto& file : std::filesystem::recursive_directory_iterator{root}) {
        if (!file.is_regular_file()) continue;
        CAPTURE(file.path().filename().string());
        const nlohmann::json test = read_json(file.path());
        const bool expressible =
            std::ranges::all_of(hashes, [&](const char* name) { return is_hash(test.at(name)); });
        if (expressible) {
            check(test);
        } else {
            // A root or leaf that is no hash cannot be handed to us: refused where it is decoded.
            CHECK(test.at("wantErr").get<bool>());
            ++refused_by_type;
        }
        ++count;
    }
    WARN("merkle/" << folder << ": " << count << " files, of which " << refused_by_type
                   << " have a root or leaf that is not 32 bytes");
    return count;
}

std::vector<Hash> leaves_of(std::size_t count) {
    std::vector<Hash> leaves;
    for (std::size_t i = 0; i < count; ++i) leaves.push_back(merkle_leaf(pattern(i, i)));
    return leaves;
}

// RFC 6962 2.1.2 word for word: SUBPROOF(m, D[n], b). The product only verifies such proofs.
std::vector<Hash> subproof(std::size_t m, std::span<const Hash> leaves, bool complete) {
    if (m == leaves.size()) {
        return complete ? std::vector<Hash>{} : std::vector<Hash>{merkle_root(leaves)};
    }
    std::size_t k = 1;
    while (k * 2 < leaves.size()) k *= 2;
    const bool left = m <= k;
    auto proof =
        left ? subproof(m, leaves.first(k), complete) : subproof(m - k, leaves.subspan(k), false);
    proof.push_back(merkle_root(left ? leaves.subspan(k) : leaves.first(k)));
    return proof;
}

}  // namespace

TEST_CASE("verify_inclusion decides every published inclusion vector") {
    const std::size_t count =
        for_each_vector("inclusion", {"leafHash", "root"}, [](const nlohmann::json& test) {
            CHECK(verify_inclusion(hash_of(test.at("leafHash")), test.at("leafIdx"),
                                   test.at("treeSize"), proof_of(test.at("proof")),
                                   hash_of(test.at("root"))) == !test.at("wantErr").get<bool>());
        });
    CHECK(count == 98);
}

TEST_CASE("verify_consistency decides every published consistency vector") {
    const std::size_t count = for_each_vector("consistency", {}, [](const nlohmann::json& test) {
        CHECK(verify_consistency(test.at("size1"), test.at("size2"), proof_of(test.at("proof")),
                                 hash_of(test.at("root1")),
                                 hash_of(test.at("root2"))) == !test.at("wantErr").get<bool>());
    });
    CHECK(count == 98);
}

TEST_CASE("roots are those of the Certificate Transparency reference leaves") {
    // The leaves and roots that RFC 6962 implementations share since the first one.
    const std::vector<std::string_view> entries{"",
                                                "00",
                                                "10",
                                                "2021",
                                                "3031",
                                                "40414243",
                                                "5051525354555657",
                                                "606162636465666768696a6b6c6d6e6f"};
    const std::vector<std::string_view> roots{
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    std::vector<Hash> leaves;
    CHECK(hex_encode(merkle_root(leaves)) == roots[0]);
    for (std::size_t i = 0; i < entries.size(); ++i) {
        leaves.push_back(merkle_leaf(hex_decode(entries[i]).value()));
        CHECK(hex_encode(merkle_root(leaves)) == roots[i + 1]);
    }
}

TEST_CASE("an inclusion proof proves its leaf, at its place, in its tree, and nothing else") {
    for (std::size_t size = 1; size <= 33; ++size) {
        const std::vector<Hash> leaves = leaves_of(size);
        const Hash root = merkle_root(leaves);
        for (std::size_t index = 0; index < size; ++index) {
            CAPTURE(size, index);
            auto proof = merkle_inclusion_proof(leaves, index);
            CHECK(verify_inclusion(leaves[index], index, size, proof, root));
            CHECK_FALSE(verify_inclusion(leaves[index], index, size, proof, leaves_of(50).back()));
            CHECK_FALSE(verify_inclusion(leaves[index], size, size, proof, root));
            if (size > 1) {
                const std::size_t other = (index + 1) % size;
                CHECK_FALSE(verify_inclusion(leaves[index], other, size, proof, root));
                CHECK_FALSE(verify_inclusion(leaves[other], index, size, proof, root));
            }
            proof.push_back(root);
            CHECK_FALSE(verify_inclusion(leaves[index], index, size, proof, root));
            proof.pop_back();
            if (!proof.empty()) {
                proof.pop_back();
                CHECK_FALSE(verify_inclusion(leaves[index], index, size, proof, root));
            }
        }
    }
}

TEST_CASE("a consistency proof proves its two trees and nothing else") {
    const std::vector<Hash> leaves = leaves_of(33);
    const std::span<const Hash> all{leaves};
    for (std::size_t size2 = 1; size2 <= all.size(); ++size2) {
        const Hash root2 = merkle_root(all.first(size2));
        for (std::size_t size1 = 1; size1 <= size2; ++size1) {
            CAPTURE(size1, size2);
            const Hash root1 = merkle_root(all.first(size1));
            auto proof = subproof(size1, all.first(size2), true);
            CHECK(verify_consistency(size1, size2, proof, root1, root2));
            CHECK_FALSE(verify_consistency(size1, size2, proof, leaves[32], root2));
            CHECK_FALSE(verify_consistency(size1, size2, proof, root1, leaves[32]));
            for (std::size_t i = 0; i < proof.size(); ++i) {
                proof[i][i % 32] ^= 1;
                CHECK_FALSE(verify_consistency(size1, size2, proof, root1, root2));
                proof[i][i % 32] ^= 1;
            }
            proof.push_back(root2);
            CHECK_FALSE(verify_consistency(size1, size2, proof, root1, root2));
        }
    }
}

TEST_CASE("proofs for sizes near 2^64 end") {
    const Hash hash{};
    const std::vector<Hash> proof(64, hash);
    const std::uint64_t max = ~std::uint64_t{0};
    CHECK_FALSE(verify_inclusion(hash, max - 1, max, proof, hash));
    CHECK_FALSE(verify_inclusion(hash, max, max, proof, hash));
    CHECK_FALSE(verify_consistency(max - 1, max, proof, hash, hash));
    CHECK_FALSE(verify_consistency(std::uint64_t{1} << 63, max, proof, hash, hash));
}

}  // namespace oubliette::crypto::testing
