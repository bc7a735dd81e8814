// read_seal_secret of vault/keys/seal_slots.hpp: key files, passphrases, credentials.

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "crypto/encoding.hpp"
#include "crypto/hash.hpp"
#include "vault/keys/durable_file.hpp"
#include "vault/keys/seal_slots.hpp"

namespace oubliette::keys {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::string_view kKeyfilePrefix = "keyfile:";
constexpr cc_t kControlC = 3;

[[noreturn]] void refuse(const std::string& what) {
    throw Fault{FaultKind::configuration, what};
}

// `what` and the path, never the contents, go into texts.
FileDescriptor open_secret_file(const std::filesystem::path& file, const std::string& what) {
    FileDescriptor fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!fd.is_open() && errno == ENOENT) refuse(what + " is missing: " + file.string());
    if (!fd.is_open()) refuse(what + " cannot be opened: " + file.string());
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        refuse(what + " is not a regular file: " + file.string());
    }
    return fd;
}

void require_private(const FileDescriptor& fd, const std::filesystem::path& file,
                     const std::string& what) {
    struct stat status {};
    const bool known = ::fstat(fd.get(), &status) == 0;
    if (!known || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        refuse(what + " can be read by others: chmod 600 " + file.string());
    }
}

crypto::SecretBytes without_newline(crypto::SecretBytes text) {
    if (text.size() > 0 && text.expose().back() == '\n') text.truncate(text.size() - 1);
    return text;
}

// 64 lower-case hex digits; one newline at the end may be missing.
crypto::SecretBytes decode_key(crypto::SecretBytes text, const std::string& malformed) {
    const crypto::SecretBytes digits = without_newline(std::move(text));
    auto bytes = crypto::hex_decode(text_of(digits.expose()));
    if (!bytes || bytes->size() != kKeySize) {
        if (bytes) crypto::wipe(*bytes);
        refuse(malformed);
    }
    crypto::SecretBytes key{ByteView{*bytes}};
    crypto::wipe(*bytes);
    return key;
}

void create_parents(const std::filesystem::path& directory) {
    if (directory.empty() || std::filesystem::exists(directory)) return;
    create_parents(directory.parent_path());
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
        refuse("the key file's directory cannot be made: " + directory.string());
    }
}

void create_key_file(const std::filesystem::path& file) {
    create_parents(file.parent_path());
    crypto::SecretBytes key{kKeySize};
    crypto::random_bytes(key.expose_mut());
    std::string digits = crypto::hex_encode(key.expose());
    crypto::SecretBytes text{digits.size() + 1};
    for (std::size_t i = 0; i < digits.size(); ++i) {
        text.expose_mut()[i] = static_cast<Byte>(digits[i]);
    }
    text.expose_mut()[digits.size()] = '\n';
    ::explicit_bzero(digits.data(), digits.size());
    // Never over an existing file: another vault may be sealed by it.
    create_file(file, text.expose());
}

crypto::SecretBytes read_key_file(const std::filesystem::path& file, bool create) {
    if (file.empty()) refuse("seal: keyfile: needs a path, as in keyfile:/etc/oubliette/seal.key");
    if (create && !std::filesystem::exists(file)) create_key_file(file);
    const FileDescriptor fd = open_secret_file(file, "the seal key file");
    require_private(fd, file, "the seal key file");
    return decode_key(
        read_up_to(fd.get(), 2 * kKeySize + 1, "the seal key file cannot be read"),
        "the seal key file is not 64 lower-case hex digits and a newline: " + file.string());
}

crypto::SecretBytes read_credential() {
    const char* const directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (directory == nullptr || *directory == '\0') {
        refuse(
            "CREDENTIALS_DIRECTORY is not set: start with LoadCredential=oubliette.kek:FILE or "
            "LoadCredentialEncrypted=, or use another seal");
    }
    const std::filesystem::path file = std::filesystem::path{directory} / "oubliette.kek";
    // systemd guards the directory and may show an access list as group bits: no mode check here.
    const FileDescriptor fd = open_secret_file(file, "the credential oubliette.kek");
    auto text = read_up_to(fd.get(), 2 * kKeySize + 1, "the credential cannot be read");
    if (text.size() == kKeySize) return text;
    return decode_key(std::move(text),
                      "the credential oubliette.kek is neither 32 bytes nor 64 "
                      "lower-case hex digits and a newline");
}

// Turns echo and signals off while it lives: a ^C in the middle must not leave a mute terminal.
class MuteTerminal {
public:
    explicit MuteTerminal(int fd) : fd_(fd) {
        if (::tcgetattr(fd, &before_) != 0) refuse("the terminal cannot be used for a passphrase");
        termios mute = before_;
        mute.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHOE | ECHOK | ISIG);
        mute.c_lflag |= ECHONL | ICANON;
        mute.c_cc[VEOL] = kControlC;  // so that ^C ends the line at once, and we see it
        if (::tcsetattr(fd, TCSAFLUSH, &mute) != 0) {
            refuse("the terminal cannot be used for a passphrase");
        }
    }
    MuteTerminal(const MuteTerminal&) = delete;
    MuteTerminal& operator=(const MuteTerminal&) = delete;
    ~MuteTerminal() { ::tcsetattr(fd_, TCSAFLUSH, &before_); }

private:
    int fd_;
    termios before_{};
};

void say(int fd, std::string_view text) {
    // A prompt that cannot be shown is no reason to refuse.
    static_cast<void>(!::write(fd, text.data(), text.size()));
}

crypto::SecretBytes ask(int terminal, std::string_view prompt) {
    const MuteTerminal mute{terminal};
    say(terminal, prompt);
    crypto::SecretBytes line{kPassphraseSizeMax + 2};
    ssize_t count = -1;
    do {
        count = ::read(terminal, line.expose_mut().data(), line.size());
    } while (count < 0 && errno == EINTR);
    if (count <= 0) refuse("no passphrase given");
    line.truncate(static_cast<std::size_t>(count));
    if (line.expose().back() == kControlC) refuse("cancelled");
    return without_newline(std::move(line));
}

crypto::SecretBytes check_passphrase(crypto::SecretBytes passphrase) {
    if (passphrase.size() == 0) refuse("the passphrase is empty");
    if (passphrase.size() > kPassphraseSizeMax) refuse("the passphrase is over 1,024 bytes");
    return passphrase;
}

crypto::SecretBytes ask_passphrase(bool create) {
    const FileDescriptor terminal{::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)};
    if (!terminal.is_open()) {
        refuse(
            "no terminal to ask for the passphrase: set OUBLIETTE_PASSPHRASE_FILE, or use "
            "keyfile:PATH");
    }
    auto passphrase = check_passphrase(
        ask(terminal.get(), create ? "New vault passphrase: " : "Vault passphrase: "));
    if (!create) return passphrase;
    const auto again = ask(terminal.get(), "Once more: ");
    if (!crypto::equal_constant_time(passphrase.expose(), again.expose())) {
        refuse("the two passphrases differ");
    }
    return passphrase;
}

crypto::SecretBytes read_passphrase(bool create) {
    const char* const name = std::getenv("OUBLIETTE_PASSPHRASE_FILE");
    if (name == nullptr || *name == '\0') return ask_passphrase(create);
    const FileDescriptor fd = open_secret_file(name, "the passphrase file");
    require_private(fd, name, "the passphrase file");
    return check_passphrase(without_newline(
        read_up_to(fd.get(), kPassphraseSizeMax + 1, "the passphrase file cannot be read")));
}

}  // namespace

SealSecret read_seal_secret(const std::string& spec, bool create) {
    if (spec.starts_with(kKeyfilePrefix)) {
        return {SealType::keyfile, read_key_file(spec.substr(kKeyfilePrefix.size()), create)};
    }
    if (spec == "passphrase") return {SealType::passphrase, read_passphrase(create)};
    if (spec == "credential" || spec == "credentials") {
        return {SealType::credential, read_credential()};
    }
    refuse("unknown seal: use keyfile:PATH, passphrase or credentials");
}

}  // namespace oubliette::keys
