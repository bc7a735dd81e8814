#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>
#include <sodium.h>

#include "tests/vault/vault_fixture.hpp"
#include "vault/people/records.hpp"
#include "vault/tables.hpp"

// What is left in the memory of a process that served people and erased them. The vault runs in a
// child; this process knows values and keys and reads the child's memory through /proc. The child
// is there before this process makes the values up, and derives no key itself.

namespace oubliette::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPeople = 4;
constexpr std::size_t kKept = 3;  // the last one is not erased
constexpr std::size_t kValueSize = 32;
constexpr std::uint32_t kItems = 3;  // external id, value, and one more than there is

void send(int pipe, const std::string& bytes) {
    REQUIRE(::write(pipe, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

// Reads until the line ends; empty when the other side is gone.
std::string receive(int pipe) {
    std::string line;
    for (char byte = 0; ::read(pipe, &byte, 1) == 1 && byte != '\n';) line.push_back(byte);
    return line;
}

std::string subject(std::size_t i) {
    return "subject-" + std::to_string(i);
}

// ---- The child -----------------------------------------------------------------------------

// Commands: `put` and the values, `open`, `read`, `erase`; each is answered with a line.
void serve(int in, int out) {
    TestVault vault;
    for (std::string command = receive(in); !command.empty(); command = receive(in)) {
        std::string answer = "done";
        if (command == "put") {
            for (std::size_t i = 0; i < kPeople; ++i) {
                std::string value = receive(in);
                vault.person(subject(i), value);
                sodium_memzero(value.data(), value.size());
            }
            vault.close();
            answer = vault.home();
        }
        if (command == "open") vault.open();
        for (std::size_t i = 0; i < kPeople; ++i) {
            if (command == "read") {
                std::string value = vault.read(subject(i), "username");
                if (value.size() != kValueSize) answer = "cannot read: " + value;
                sodium_memzero(value.data(), value.size());
            }
            if (command == "erase" && i != kKept) {
                const std::string refusal = vault.erase(subject(i));
                if (!refusal.empty()) answer = "cannot erase: " + refusal;
            }
        }
        send(out, answer + "\n");
    }
}

class VaultProcess {
public:
    VaultProcess() {
        int to_child[2];
        int from_child[2];
        REQUIRE(::pipe(to_child) == 0);
        REQUIRE(::pipe(from_child) == 0);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::close(to_child[1]);
            serve(to_child[0], from_child[1]);
            ::_exit(0);
        }
        ::close(to_child[0]);
        ::close(from_child[1]);
        in_ = from_child[0];
        out_ = to_child[1];
    }
    VaultProcess(const VaultProcess&) = delete;
    VaultProcess& operator=(const VaultProcess&) = delete;
    ~VaultProcess() {
        ::close(out_);
        ::waitpid(pid_, nullptr, 0);
        ::close(in_);
    }

    std::string ask(const std::string& command) {
        send(out_, command + "\n");
        return receive(in_);
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    pid_t pid_ = -1;
    int in_ = -1;
    int out_ = -1;
};

// ---- What is looked for --------------------------------------------------------------------

struct Secrets {
    std::string value;
    std::string seed;
    std::vector<std::string> keys;  // S_fix and items
};

std::string text_of_key(crypto::KeyView key) {
    return {key.begin(), key.end()};
}

std::string random_word() {
    std::string word(kValueSize, ' ');
    for (char& letter : word) letter = static_cast<char>('a' + randombytes_uniform(26));
    return word;
}

// Derives the keys of everybody from a copy of the closed vault in `home`.
std::vector<Secrets> derive_secrets(const fs::path& home, const std::vector<std::string>& values) {
    const store::TemporaryDirectory copy;
    for (const char* name : {"data", "keeper1", "keeper2"}) {
        fs::copy(home / name, copy.path() / name, fs::copy_options::recursive);
    }
    std::vector<keys::SubjectNumber> numbers;
    {
        const auto store =
            store::open_lmdb_store(copy.path() / "data" / "store", Tables::names(), {});
        store->read()->scan(Tables::kPeople, {}, {}, [&](ByteView key, ByteView) {
            const auto number = people::subject_of(key);
            REQUIRE(number.has_value());
            if (numbers.empty() || numbers.back() != *number) numbers.push_back(*number);
            return true;
        });
    }
    REQUIRE(numbers.size() == kPeople);
    keys::PlaneOptions options;
    options.keepers = {copy.path() / "keeper1", copy.path() / "keeper2"};
    options.accept_besteffort = true;
    const SystemClock clock;
    const auto plane = keys::KeyPlane::open(options, test_seal(), clock);
    std::vector<Secrets> all;
    for (std::size_t i = 0; i < kPeople; ++i) {
        Secrets secrets{values[i], {}, {}};
        const auto whole = plane->derive(keys::person_path(keys::kFirstTenant, numbers[i]));
        REQUIRE(whole.state == keys::NodeState::whole);
        secrets.seed = text_of_key(whole.seed.expose());
        crypto::Seed fixed;
        REQUIRE(plane->fixed_key(keys::kFirstTenant, numbers[i], fixed) == keys::NodeState::whole);
        secrets.keys.push_back(text_of_key(fixed.expose()));
        for (std::uint32_t item = 0; item < kItems; ++item) {
            crypto::ItemKey key;
            REQUIRE(plane->item_key(keys::kFirstTenant, numbers[i], item, key) ==
                    keys::NodeState::whole);
            secrets.keys.push_back(text_of_key(key.expose()));
        }
        all.push_back(std::move(secrets));
    }
    return all;
}

// ---- Looking -------------------------------------------------------------------------------

std::size_t count_in(const std::string& bytes, const std::string& needle) {
    std::size_t found = 0;
    for (std::size_t at = bytes.find(needle); at != std::string::npos;
         at = bytes.find(needle, at + 1)) {
        ++found;
    }
    return found;
}

// Everything that the process may write; no file is private and writable here, so stores are left
// out, which hold ciphertext only.
std::string memory_of(pid_t pid) {
    const std::string directory = "/proc/" + std::to_string(pid);
    std::ifstream maps{directory + "/maps"};
    std::ifstream memory{directory + "/mem", std::ios::binary};
    std::string all;
    for (std::string line; std::getline(maps, line);) {
        std::size_t begin = 0;
        std::size_t end = 0;
        char dash = 0;
        std::string rights;
        std::istringstream{line} >> std::hex >> begin >> dash >> end >> rights;
        const bool is_shadow = end - begin > (std::size_t{1} << 30);  // of a sanitizer
        if (rights.substr(0, 2) != "rw" || is_shadow) continue;
        const std::size_t at = all.size();
        all.resize(at + end - begin);
        memory.clear();
        memory.seekg(static_cast<std::streamoff>(begin));
        memory.read(all.data() + at, static_cast<std::streamsize>(end - begin));
    }
    return all;
}

// The process's core dump, or nothing if no debugger is installed here.
std::string core_of(pid_t pid, const fs::path& directory) {
    const fs::path file = directory / "core";
    const std::string command =
        "gcore -o " + file.string() + " " + std::to_string(pid) + " >/dev/null 2>&1";
    if (std::system(command.c_str()) != 0) return {};
    std::ifstream in{file.string() + "." + std::to_string(pid), std::ios::binary};
    std::ostringstream bytes;
    bytes << in.rdbuf();
    return std::move(bytes).str();
}

void check_gone(const std::string& memory, const Secrets& secrets) {
    CHECK(count_in(memory, secrets.value) == 0);
    CHECK(count_in(memory, secrets.seed) == 0);
    for (const std::string& key : secrets.keys) CHECK(count_in(memory, key) == 0);
}

}  // namespace

TEST_CASE("values and keys of the erased are in no memory once their erasure is final") {
    REQUIRE(sodium_init() >= 0);
    VaultProcess vault;
    std::vector<std::string> values;
    std::string put = "put";
    for (std::size_t i = 0; i < kPeople; ++i) {
        values.push_back(random_word());
        put += "\n" + values.back();
    }
    const fs::path home = vault.ask(put);
    REQUIRE(fs::exists(home / "keeper1"));
    const std::vector<Secrets> people = derive_secrets(home, values);
    REQUIRE(vault.ask("open") == "done");
    REQUIRE(vault.ask("read") == "done");
    std::this_thread::sleep_for(std::chrono::seconds{1});
    {
        // The control: the scan finds what is there. Values are gone with their requests.
        const std::string memory = memory_of(vault.pid());
        for (const Secrets& person : people) {
            CHECK(count_in(memory, person.seed) > 0);
            CHECK(count_in(memory, person.value) == 0);
        }
    }
    REQUIRE(vault.ask("erase") == "done");
    std::this_thread::sleep_for(std::chrono::seconds{1});
    const std::string memory = memory_of(vault.pid());
    for (std::size_t i = 0; i < kPeople; ++i) {
        if (i != kKept) check_gone(memory, people[i]);
    }
    CHECK(count_in(memory, people[kKept].seed) > 0);

    const std::string core = core_of(vault.pid(), home);
    if (core.empty()) {
        WARN("no gcore here (package gdb): the core dump was not looked at");
        return;
    }
    for (const Secrets& person : people) check_gone(core, person);
}

}  // namespace oubliette::testing
