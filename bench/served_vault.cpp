#include "bench/served_vault.hpp"

#include <array>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <mutex>
#include <sched.h>
#include <stdexcept>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "bench/load_client.hpp"
#include "vault/policy/example.hpp"

namespace oubliette::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFillBatch = 200;  // people per request
constexpr unsigned kFillConnections = 8;

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error("bench: " + what);
}

std::string read_line(const fs::path& file) {
    std::ifstream in{file};
    std::string line;
    if (!std::getline(in, line)) fail(file.string() + " cannot be read");
    return line;
}

// Runs `arguments` with stderr going to `errors`, on the first `cores` cores if that is not 0.
pid_t spawn(const std::vector<std::string>& arguments, int errors, unsigned cores) {
    std::vector<char*> texts;
    for (const std::string& text : arguments) texts.push_back(const_cast<char*>(text.c_str()));
    texts.push_back(nullptr);
    const pid_t child = ::fork();
    if (child < 0) fail("no process can be started");
    if (child != 0) return child;
    ::dup2(errors, STDERR_FILENO);
    const int nothing = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nothing, STDOUT_FILENO);
    if (cores > 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        for (unsigned core = 0; core < cores; ++core) CPU_SET(core, &set);
        (void)::sched_setaffinity(0, sizeof(set), &set);
    }
    ::execv(texts[0], texts.data());
    ::_exit(127);
}

// What a child writes to the pipe, until it closes it or `stop` is found. Returns all.
std::string read_until(int from, std::string_view stop) {
    std::string text;
    std::array<char, 1024> part{};
    while (stop.empty() || text.find(stop) == std::string::npos ||
           text.find('\n', text.find(stop)) == std::string::npos) {
        const ssize_t got = ::read(from, part.data(), part.size());
        if (got <= 0) break;
        text.append(part.data(), static_cast<std::size_t>(got));
    }
    return text;
}

struct Pipe {
    std::array<int, 2> ends{-1, -1};
    Pipe() {
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("no pipe");
    }
    ~Pipe() {
        ::close(ends[0]);
        if (ends[1] >= 0) ::close(ends[1]);
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    void close_write() {
        ::close(ends[1]);
        ends[1] = -1;
    }
};

int wait_for(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

std::uint64_t kilobytes(const std::string& status, std::string_view name) {
    const std::size_t at = status.find(name);
    return at == std::string::npos ? 0 : std::strtoull(&status[at + name.size()], nullptr, 10);
}

void append_value(std::string& body, const std::string& subject, std::string_view field,
                  const std::string& value) {
    body.append(R"({"subject":")").append(subject).append(R"(","field":")").append(field);
    body.append(R"(","value":")").append(value).append(R"("},)");
}

void take_tokens(std::string_view body, std::string& tokens, std::size_t expected) {
    constexpr std::string_view kBefore = R"("token":")";
    std::size_t found = 0;
    for (std::size_t at = body.find(kBefore); at != std::string_view::npos;
         at = body.find(kBefore, at)) {
        at += kBefore.size();
        tokens.append(body.substr(at, ServedVault::kTokenSize));
        ++found;
    }
    if (found != expected) fail("a value was not stored: " + std::string{body.substr(0, 200)});
}

}  // namespace

ServedVault::ServedVault(fs::path binary, fs::path directory, unsigned server_cores)
    : binary_(std::move(binary)), directory_(std::move(directory)), server_cores_(server_cores) {
    init();
    start();
}

ServedVault::~ServedVault() {
    if (server_ > 0) {
        ::kill(server_, SIGTERM);
        (void)wait_for(server_);
    }
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
}

void ServedVault::init() {
    fs::create_directories(directory_);
    std::ofstream{directory_ / "policy.json"} << policy::example_policy();
    const auto in = [&](const char* name) { return (directory_ / name).string(); };
    Pipe errors;
    const pid_t child =
        spawn({binary_.string(), "init", "--data", in("data"), "--keeper", in("keeper1"),
               "--keeper", in("keeper2"), "--seal", "keyfile:" + in("seal.key"), "--tenant",
               "overseas", "--policy", in("policy.json"), "--app", "web", "--keys-out", in("keys")},
              errors.ends[1], 0);
    errors.close_write();
    const std::string said = read_until(errors.ends[0], {});
    if (wait_for(child) != 0) fail(binary_.string() + " init: " + said);
    app_key_ = read_line(directory_ / "keys/app-web.key");
    officer_key_ = read_line(directory_ / "keys/privacy_officer.key");
}

void ServedVault::start() {
    constexpr std::string_view kReady = "ready on port ";
    Pipe errors;
    server_ = spawn({binary_.string(), "serve", "--data", (directory_ / "data").string(),
                     "--listen", "127.0.0.1:0"},
                    errors.ends[1], server_cores_);
    errors.close_write();
    const std::string said = read_until(errors.ends[0], kReady);
    const std::size_t at = said.find(kReady);
    if (at == std::string::npos) fail(binary_.string() + " serve: " + said);
    port_ = static_cast<std::uint16_t>(std::strtoul(&said[at + kReady.size()], nullptr, 10));
}

void ServedVault::stop() {
    ::kill(server_, SIGTERM);
    const int status = wait_for(server_);
    server_ = -1;
    if (status != 0) fail("the server ended with " + std::to_string(status));
}

std::string ServedVault::subject(std::uint64_t number) {
    return "c-" + std::to_string(number);
}

void ServedVault::append_new_people(std::string& request, std::uint64_t people) {
    std::string body = R"({"purpose":"own_account","consents":[{"slot":"policy",)"
                       R"("policy_version":3,"kind":"policy","evidence_sha256":")";
    body.append(64, 'a').append(R"("}],"items":[)");
    const std::uint64_t first = people_.fetch_add(people);
    for (std::uint64_t number = first; number < first + people; ++number) {
        const std::string who = subject(number);
        const std::string digits = std::to_string(100'000'000'000 + number);
        append_value(body, who, "username", "user_" + digits);
        append_value(body, who, "mobile", "+999" + digits);
        append_value(body, who, "email", "p" + digits + "@example.org");
        append_value(body, who, "real_name", "Person No " + digits);
        append_value(body, who, "industry", "industry " + std::to_string(number % 40));
    }
    body.back() = ']';
    body.append(R"(,"token":{"kind":"pointer"}})");
    append_post(request, "/v1/tokenize", app_key_, body);
}

void ServedVault::fill(std::uint64_t people) {
    tokens_.reserve(tokens_.size() + people * kFieldCount * kTokenSize);
    std::atomic<std::uint64_t> left{people};
    std::mutex mutex;
    Load load;
    load.port = port_;
    load.ca = ca();
    load.connections = kFillConnections;
    load.threads = 2;
    std::array<std::uint64_t, kFillConnections> asked{};
    load.next = [&](unsigned connection, std::string& out) {
        std::uint64_t now = left.load();
        std::uint64_t batch = 0;
        do {
            batch = std::min(now, kFillBatch);
        } while (!left.compare_exchange_weak(now, now - batch));
        if (batch == 0) return false;
        asked[connection] = batch;
        append_new_people(out, batch);
        return true;
    };
    load.answered = [&](unsigned connection, std::string_view body) {
        const std::lock_guard lock{mutex};
        take_tokens(body, tokens_, asked[connection] * kFieldCount);
    };
    (void)run_load(load);
}

std::chrono::duration<double> ServedVault::cpu_time() const {
    clockid_t clock{};
    timespec time{};
    if (::clock_getcpuclockid(server_, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
        fail("the server's processor time cannot be read");
    }
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

Memory ServedVault::memory() const {
    std::ifstream in{"/proc/" + std::to_string(server_) + "/status"};
    const std::string status{std::istreambuf_iterator<char>{in}, {}};
    return {kilobytes(status, "VmRSS:") * 1024, kilobytes(status, "RssAnon:") * 1024};
}

std::uint64_t ServedVault::store_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& entry : fs::recursive_directory_iterator{directory_ / "data/store"}) {
        struct stat file {};
        if (::stat(entry.path().c_str(), &file) == 0 && S_ISREG(file.st_mode)) {
            sum += static_cast<std::uint64_t>(file.st_blocks) * 512;
        }
    }
    return sum;
}

}  // namespace oubliette::bench
