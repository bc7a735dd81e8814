#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tools/running_vault.hpp"
#include "tools/vault_client.hpp"

// Where a demonstration happens: a fresh directory with a vault that serves over HTTPS.
//
//   HOME/data, HOME/keepers/{first,second}, HOME/seal.key, HOME/keys/*.key, HOME/keys/ca.pem,
//   HOME/backup (by the story)

namespace oubliette::tools {

struct DemoOptions {
    std::string directory;  // --dir; missing or empty. "": a new one below $TMPDIR or /tmp
    std::string listen;     // --listen; "": 127.0.0.1:8443 if that is free, else any free port
    std::uint64_t people = 1'000;
};

class DemoPlace {
public:
    // Makes the vault and serves it. What it made is removed when it throws.
    // Throws CommandError, Fault.
    explicit DemoPlace(const DemoOptions& options);

    // Stops serving.
    void stop() { vault_.reset(); }
    // Stops serving and removes everything that was made.
    void remove();

    [[nodiscard]] const std::filesystem::path& home() const noexcept { return home_; }
    [[nodiscard]] std::filesystem::path data() const { return home_ / "data"; }
    [[nodiscard]] std::filesystem::path backup() const { return home_ / "backup"; }
    [[nodiscard]] std::filesystem::path key_file(const std::string& name) const {
        return home_ / "keys" / name;
    }
    [[nodiscard]] std::vector<std::filesystem::path> keepers() const {
        return {home_ / "keepers" / "first", home_ / "keepers" / "second"};
    }
    [[nodiscard]] std::string seal() const { return "keyfile:" + (home_ / "seal.key").string(); }
    [[nodiscard]] const std::string& url() const noexcept { return url_; }
    // The file system cannot overwrite in place: receipts say class B.
    [[nodiscard]] bool is_besteffort() const noexcept { return is_besteffort_; }

    // A client of the vault with the key in key_file(`name`).
    [[nodiscard]] HttpsClient client(const std::string& name) const;

private:
    void make();
    void serve(const std::string& wanted);

    std::filesystem::path home_;
    bool existed_ = false;
    bool is_besteffort_ = false;
    std::string url_;
    std::unique_ptr<RunningVault> vault_;
};

}  // namespace oubliette::tools
