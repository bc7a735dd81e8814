#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/faults/promises.hpp"
#include "tests/vault/vault_fixture.hpp"
#include "vault/vault.hpp"

// A vault with two keepers below one directory (data, keeper1, keeper2), and its verbs as calls
// that always come back: what does not answer in time is `silent`, not a test that hangs.

namespace oubliette::faults {

inline constexpr const char* kDataDirectory = "data";
inline constexpr const char* kKeeperDirectories[] = {"keeper1", "keeper2"};

[[nodiscard]] keys::SealSecret small_vault_seal();

// Who may call, as numbers: an image of the files is opened with them in another process.
struct Credentials {
    Caller web;
    Caller officer;
    Caller admin;
    std::string revocable_name;
    std::uint16_t revocable_client = 0;
    std::uint16_t revocable_key = 0;
    Bytes revocable_secret;
};

struct Answer {
    enum class Kind : std::uint8_t { done, refused, fault, silent };
    Kind kind = Kind::silent;
    std::string text;  // a value, a token, the code of a refusal, the text of a fault
    std::optional<FaultKind> fault;

    [[nodiscard]] bool is_done() const noexcept { return kind == Kind::done; }
    // What a token or a read showed.
    [[nodiscard]] const std::string& shown() const noexcept { return text; }
};

class SmallVault {
public:
    static constexpr auto kPatience = std::chrono::seconds{20};

    // A new vault below `home`, which exists and is empty. It is not opened.
    static Credentials init(const std::filesystem::path& home, const Clock& clock);
    [[nodiscard]] static VaultOptions options_of(const std::filesystem::path& home);

    // Throws what Vault::open throws.
    SmallVault(const std::filesystem::path& home, const Credentials& credentials,
               const Clock& clock);

    [[nodiscard]] Vault& vault() const noexcept { return *vault_; }

    // A person with the consent `policy` and one value. Text: the token.
    Answer store(const std::string& person, const std::string& value);
    Answer replace(const std::string& person, const std::string& value);
    Answer consent(const std::string& person, bool is_granted);
    // In order of the tokens.
    std::vector<Answer> detokenize(const std::vector<std::string>& tokens);
    Answer read(const std::string& person);
    struct ErasureHandle {
        Answer answer;
        keys::RequestId request{};
    };
    ErasureHandle erase(const std::string& person, std::function<void(const ErasureRow&)> on_final);
    ErasureHandle delete_field(const std::string& person,
                               std::function<void(const ErasureRow&)> on_final);
    Answer revoke_client();
    Answer backup(const std::filesystem::path& directory);
    [[nodiscard]] bool revocable_client_may_call() const;
    // Waits for it. False when it did not come in time.
    [[nodiscard]] bool becomes_final(const keys::RequestId& request);

    // One deed and the telling of it: before, after, and when it is final.
    Answer tell_store(Story& story, std::uint32_t item);
    Answer tell_replace(Story& story, std::uint32_t item);
    Answer tell_erase(Story& story, std::uint32_t item);
    Answer tell_delete(Story& story, std::uint32_t item);
    Answer tell_withdraw(Story& story, std::uint32_t item);
    Answer tell_revoke(Story& story, std::uint32_t item);

private:
    [[nodiscard]] static std::unique_ptr<Vault> open(const std::filesystem::path& home,
                                                     const Clock& clock);
    void tell_log(Story& story) const;

    Credentials credentials_;
    std::unique_ptr<Vault> vault_;
};

// What the vault does not keep of what it promised; empty if it keeps all. `fates` belong to the
// items, in order.
[[nodiscard]] std::vector<std::string> broken_promises(SmallVault& vault,
                                                       const std::vector<Item>& items,
                                                       const std::vector<Deed>& fates);

}  // namespace oubliette::faults
