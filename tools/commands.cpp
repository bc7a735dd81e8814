#include "tools/commands.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>

namespace oubliette::tools {

void add_server_options(CLI::App& verb, ServerOptions& server) {
    verb.add_option("--url", server.url, "Where the vault serves: https://HOST[:PORT]")
        ->envname("OUBLIETTE_URL")
        ->capture_default_str();
    verb.add_option("--ca", server.ca_file, "CA certificates to trust, PEM (default: the system's)")
        ->envname("OUBLIETTE_CA");
    verb.add_option("--key-file", server.key_file, "File with the API key, mode 0600")
        ->envname("OUBLIETTE_KEY_FILE");
}

void add_example(CLI::App& verb, const std::string& example) {
    verb.footer(
        "Example:\n  " + example +
        "\n\nExit codes: 0 done, 1 failure, 2 usage, 3 items refused, "
        "4 refused,\n  5 unreachable, 6 unusable file, 7 not final yet, 8 not proven, 9 unsound,"
        "\n  130 interrupted");
}

void print(const std::string& text) {
    const std::string line = text + "\n";
    (void)std::fwrite(line.data(), 1, line.size(), stdout);
}

}  // namespace oubliette::tools
