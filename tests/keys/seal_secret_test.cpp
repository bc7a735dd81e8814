#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "crypto/encoding.hpp"
#include "tests/keys/keeper_directory.hpp"
#include "vault/keys/seal_slots.hpp"

using namespace oubliette;
using namespace oubliette::keys;
using oubliette::test::KeeperDirectory;

namespace {

// An environment variable for the time of one test.
class Environment {
public:
    Environment(const char* name, const std::string& value) : name_(name) {
        ::setenv(name, value.c_str(), 1);
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;
    ~Environment() { ::unsetenv(name_); }

private:
    const char* name_;
};

void write_private(const std::filesystem::path& file, std::string_view text) {
    test::write_file(file, bytes_of(text));
    REQUIRE(::chmod(file.c_str(), 0600) == 0);
}

unsigned mode_of(const std::filesystem::path& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

// The text of the refusal of `spec`; fails if it is not Fault{configuration}.
std::string refusal_of(const std::string& spec, bool create = false) {
    try {
        static_cast<void>(read_seal_secret(spec, create));
    } catch (const Fault& fault) {
        CHECK(fault.kind() == FaultKind::configuration);
        return fault.what();
    }
    FAIL("accepted");
    return {};
}

std::string hex_key() {
    return std::string(63, 'a') + "b";
}

// Everything that a terminal shows until its other side closes.
std::string shown_by(int terminal) {
    std::string shown;
    char buffer[256];
    for (ssize_t n = 0; (n = ::read(terminal, buffer, sizeof buffer)) > 0;) {
        shown.append(buffer, static_cast<std::size_t>(n));
    }
    return shown;
}

// Types `lines` at the prompts of read_seal_secret("passphrase") in a child that has a terminal of
// its own. The child's verdict is its exit code: 0 the secret is `expected`, 1 it is another, 2 it
// was refused.
struct Typed {
    int verdict = -1;
    std::string shown;
};
Typed type_passphrase(const std::vector<std::string>& lines, std::string_view expected,
                      bool create) {
    int terminal = -1;
    const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    REQUIRE(child >= 0);
    if (child == 0) {
        int verdict = 2;
        try {
            const SealSecret secret = read_seal_secret("passphrase", create);
            verdict = text_of(secret.secret.expose()) == expected ? 0 : 1;
        } catch (const Fault&) {
            verdict = 2;
        }
        ::_exit(verdict);
    }
    Typed typed;
    for (const std::string& line : lines) {
        // The prompt comes after the echo is off; typing earlier would be flushed.
        while (!typed.shown.ends_with(": ")) {
            char byte = 0;
            if (::read(terminal, &byte, 1) != 1) break;
            typed.shown.push_back(byte);
        }
        REQUIRE(::write(terminal, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
        typed.shown.push_back('\n');
    }
    typed.shown += shown_by(terminal);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    ::close(terminal);
    typed.verdict = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return typed;
}

}  // namespace

TEST_CASE("a key file is created once, private, and read the same again", "[seal]") {
    const KeeperDirectory directory;
    const auto file = directory / "new" / "deep" / "seal.key";
    const std::string spec = "keyfile:" + file.string();
    CHECK_THAT(refusal_of(spec), Catch::Contains("missing"));
    const SealSecret made = read_seal_secret(spec, true);
    CHECK(made.type == SealType::keyfile);
    CHECK(made.secret.size() == 32);
    CHECK(mode_of(file) == 0600);
    CHECK(mode_of(file.parent_path()) == 0700);
    const std::string text{text_of(test::read_file(file))};
    CHECK(text == crypto::hex_encode(made.secret.expose()) + "\n");

    for (const bool create : {false, true}) {
        const SealSecret again = read_seal_secret(spec, create);
        CHECK(std::ranges::equal(again.secret.expose(), made.secret.expose()));
    }
}

TEST_CASE("a key file that others can read is refused with the remedy", "[seal]") {
    const KeeperDirectory directory;
    const auto file = directory / "seal.key";
    write_private(file, hex_key() + "\n");
    CHECK(read_seal_secret("keyfile:" + file.string(), false).secret.size() == 32);
    for (const mode_t mode : {0640U, 0604U, 0610U, 0602U, 0666U}) {
        REQUIRE(::chmod(file.c_str(), mode) == 0);
        const std::string text = refusal_of("keyfile:" + file.string());
        CHECK_THAT(text, Catch::Contains("chmod 600"));
    }
}

TEST_CASE("a malformed key file is refused and its contents are not repeated", "[seal]") {
    const KeeperDirectory directory;
    const auto file = directory / "seal.key";
    const std::string good = hex_key();
    const std::string upper = std::string(63, 'A') + "b";
    for (const std::string& text : {std::string{}, std::string{"\n"}, good.substr(1) + "\n",
                                    good + "a\n", good + "\n\n", good + " \n", " " + good.substr(1),
                                    upper + "\n", std::string(62, 'a') + "zz\n", good + "\r\n"}) {
        write_private(file, text);
        const std::string refusal = refusal_of("keyfile:" + file.string());
        CHECK_THAT(refusal, !Catch::Contains("aaaaaaaa"));
    }
    write_private(file, good);
    CHECK(read_seal_secret("keyfile:" + file.string(), false).secret.size() == 32);
}

TEST_CASE("creating never replaces a key file that is malformed", "[seal]") {
    const KeeperDirectory directory;
    const auto file = directory / "seal.key";
    write_private(file, "not a key");
    static_cast<void>(refusal_of("keyfile:" + file.string(), true));
    CHECK(text_of(test::read_file(file)) == "not a key");
}

TEST_CASE("unknown seals, a missing path and directories are refused", "[seal]") {
    const KeeperDirectory directory;
    for (const std::string& spec :
         {std::string{}, std::string{"key"}, std::string{"keyfile"}, std::string{"keyfile:"},
          std::string{"Passphrase"}, "keyfile:" + directory.path().string()}) {
        INFO(spec);
        static_cast<void>(refusal_of(spec));
    }
}

TEST_CASE("a passphrase file gives its text without one newline", "[seal]") {
    const KeeperDirectory directory;
    const auto file = directory / "passphrase";
    const Environment environment{"OUBLIETTE_PASSPHRASE_FILE", file.string()};
    CHECK_THAT(refusal_of("passphrase"), Catch::Contains("missing"));
    write_private(file, "open sesame \n");
    const SealSecret secret = read_seal_secret("passphrase", false);
    CHECK(secret.type == SealType::passphrase);
    CHECK(text_of(secret.secret.expose()) == "open sesame ");
    for (const std::string& text :
         {std::string{}, std::string{"\n"}, std::string(kPassphraseSizeMax + 1, 'x')}) {
        write_private(file, text);
        static_cast<void>(refusal_of("passphrase"));
    }
    write_private(file, std::string(kPassphraseSizeMax, 'x') + "\n");
    CHECK(read_seal_secret("passphrase", false).secret.size() == kPassphraseSizeMax);
    REQUIRE(::chmod(file.c_str(), 0644) == 0);
    CHECK_THAT(refusal_of("passphrase"), Catch::Contains("chmod 600"));
}

TEST_CASE("a credential is 32 bytes or their hex, from systemd's directory", "[seal]") {
    const KeeperDirectory directory;
    CHECK_THAT(refusal_of("credentials"), Catch::Contains("CREDENTIALS_DIRECTORY"));
    const Environment environment{"CREDENTIALS_DIRECTORY", directory.path().string()};
    CHECK_THAT(refusal_of("credentials"), Catch::Contains("missing"));
    const auto file = directory / "oubliette.kek";
    test::write_file(file, bytes_of(std::string(32, '\n')));  // raw bytes are not text: no trimming
    CHECK(read_seal_secret("credentials", false).secret.size() == 32);
    test::write_file(file, bytes_of(hex_key() + "\n"));
    const SealSecret secret = read_seal_secret("credential", false);
    CHECK(secret.type == SealType::credential);
    CHECK(crypto::hex_encode(secret.secret.expose()) == hex_key());
    for (const std::size_t size : {0U, 31U, 33U, 63U, 66U}) {
        test::write_file(file, bytes_of(std::string(size, 'a')));
        static_cast<void>(refusal_of("credentials"));
    }
}

TEST_CASE("a passphrase typed at the terminal is read and never shown", "[seal][terminal]") {
    const Typed typed = type_passphrase({"open sesame\n"}, "open sesame", false);
    CHECK(typed.verdict == 0);
    CHECK_THAT(typed.shown, Catch::Contains("passphrase: "));
    CHECK_THAT(typed.shown, !Catch::Contains("sesame"));
}

TEST_CASE("a new passphrase is asked twice and must be the same", "[seal][terminal]") {
    CHECK(type_passphrase({"open sesame\n", "open sesame\n"}, "open sesame", true).verdict == 0);
    CHECK(type_passphrase({"open sesame\n", "open sesamE\n"}, "open sesame", true).verdict == 2);
}

TEST_CASE("an empty passphrase, ^C and ^D at the terminal are refusals", "[seal][terminal]") {
    for (const std::string line : {"\n", "open\x03", "\x03", "\x04"}) {
        CHECK(type_passphrase({line}, "", false).verdict == 2);
    }
}
