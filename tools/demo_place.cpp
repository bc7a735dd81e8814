#include "tools/demo_place.hpp"

#include <cstdlib>
#include <unistd.h>

#include "tools/cli.hpp"
#include "tools/new_vault.hpp"
#include "vault/policy/example.hpp"

namespace oubliette::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsualListen = "127.0.0.1:8443";
constexpr const char* kAnyListen = "127.0.0.1:0";

fs::path new_directory() {
    std::error_code error;
    fs::path parent = fs::temp_directory_path(error);
    if (error) parent = "/tmp";
    std::string name = (parent / "oubliette-demo-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
        throw CommandError(Exit::failed, "no directory can be made below " + parent.string() +
                                             "; choose one with --dir");
    }
    return name;
}

// Tools connect to an address, not to "all addresses".
std::string url_of(const std::string& listen, std::uint16_t port) {
    std::string host = listen.substr(0, listen.rfind(':'));
    if (host == "0.0.0.0") host = "127.0.0.1";
    if (host == "[::]") host = "[::1]";
    return "https://" + host + ":" + std::to_string(port);
}

}  // namespace

DemoPlace::DemoPlace(const DemoOptions& options) {
    if (options.directory.empty()) {
        home_ = new_directory();
    } else {
        home_ = fs::absolute(options.directory);
        existed_ = fs::exists(home_);
        if (existed_ && (!fs::is_directory(home_) || !fs::is_empty(home_))) {
            throw CommandError(Exit::input,
                               home_.string() + " is not empty; name a new directory with --dir");
        }
        fs::create_directories(home_);
    }
    try {
        make();
        serve(options.listen);
    } catch (...) {
        remove();
        throw;
    }
}

void DemoPlace::make() {
    NewVault wanted;
    wanted.data = data();
    wanted.keepers = keepers();
    wanted.seal = seal();
    wanted.tenant = "overseas";
    wanted.policy_json = policy::example_policy();
    wanted.apps = {"web", "support_desk", "marketing"};
    fs::create_directories(home_ / "keepers");
    MadeVault made;
    try {
        made = make_vault(wanted);
    } catch (const Fault& fault) {
        if (fault.kind() != FaultKind::configuration) throw;
        wanted.accept_besteffort = true;
        made = make_vault(wanted);
        is_besteffort_ = true;
        say("WARNING: the file system of " + home_.string() +
            " cannot overwrite in place, so "
            "erasing here is best effort: receipts say class B instead of S. On ext4 or xfs it is "
            "class S: give a directory there with --dir");
    }
    write_keys(home_ / "keys", data(), made);
}

void DemoPlace::serve(const std::string& wanted) {
    const VaultConfig config = read_vault_config(data());
    std::string listen = wanted.empty() ? kUsualListen : wanted;
    try {
        vault_ = std::make_unique<RunningVault>(data(), config, listen);
    } catch (const Fault& fault) {
        if (!wanted.empty() || fault.kind() != FaultKind::configuration) throw;
        say("port 8443 is taken; using a free one (choose with --listen ADDRESS:PORT)");
        listen = kAnyListen;
        vault_ = std::make_unique<RunningVault>(data(), config, listen);
    }
    url_ = url_of(listen, vault_->port());
}

void DemoPlace::remove() {
    stop();
    std::error_code error;
    if (existed_) {
        for (const auto& entry : fs::directory_iterator{home_, error}) {
            fs::remove_all(entry.path(), error);
        }
    } else {
        fs::remove_all(home_, error);
    }
    if (error) say("WARNING: " + home_.string() + " could not be removed: " + error.message());
}

HttpsClient DemoPlace::client(const std::string& name) const {
    HttpsOptions options;
    options.url = url_;
    options.ca_file = key_file("ca.pem").string();
    options.key_file = key_file(name).string();
    return HttpsClient{options};
}

}  // namespace oubliette::tools
