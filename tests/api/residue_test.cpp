#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/api/echo_server.hpp"

using namespace oubliette;
using namespace oubliette::api;
using namespace oubliette::api::test;

namespace {

// An echo server in a process of its own, so that its memory can be read without the client's.
class ServerProcess {
public:
    ServerProcess() {
        int to_child[2];
        int from_child[2];
        REQUIRE(::pipe(to_child) == 0);
        REQUIRE(::pipe(from_child) == 0);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) serve(to_child[0], to_child[1], from_child[1]);
        ::close(to_child[0]);
        ::close(from_child[1]);
        end_ = to_child[1];
        REQUIRE(::read(from_child[0], &port_, sizeof port_) == sizeof port_);
        ::close(from_child[0]);
    }
    ServerProcess(const ServerProcess&) = delete;
    ServerProcess& operator=(const ServerProcess&) = delete;
    ~ServerProcess() {
        ::close(end_);
        ::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }

    // How often `needle` is in the process's memory.
    [[nodiscard]] std::size_t count(const std::string& needle) const {
        const std::string directory = "/proc/" + std::to_string(pid_);
        std::ifstream maps{directory + "/maps"};
        std::ifstream memory{directory + "/mem", std::ios::binary};
        std::size_t found = 0;
        for (std::string line; std::getline(maps, line);) {
            std::size_t begin = 0;
            std::size_t end = 0;
            char dash = 0;
            std::string rights;
            std::istringstream{line} >> std::hex >> begin >> dash >> end >> rights;
            const bool is_shadow = end - begin > (1U << 30);  // of a sanitizer
            if (rights.substr(0, 2) != "rw" || is_shadow) continue;
            std::string bytes(end - begin, '\0');
            memory.clear();
            memory.seekg(static_cast<std::streamoff>(begin));
            memory.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
            for (std::size_t at = bytes.find(needle); at != std::string::npos;
                 at = bytes.find(needle, at + 1)) {
                ++found;
            }
        }
        return found;
    }

private:
    [[noreturn]] static void serve(int end, int other_end, int out) {
        ::close(other_end);
        {
            const RunningServer running{
                [](const ExchangePtr& exchange) {
                    if (exchange->request().path != "/keep") return echo(exchange);
                    // The positive control: a program that forgets to wipe.
                    static std::string kept;
                    kept = text_of(exchange->request().body.expose());
                    exchange->respond(text_response("kept"));
                },
                [](const Request& request, std::size_t /*body_size*/) -> std::optional<Response> {
                    if (request.path != "/refused") return std::nullopt;
                    return text_response("refused");
                }};
            const std::uint16_t port = running.port();
            char byte = 0;
            const bool told = ::write(out, &port, sizeof port) == sizeof port;
            if (told && ::read(end, &byte, 1) < 0) std::abort();
        }
        ::_exit(0);
    }

    pid_t pid_ = -1;
    int end_ = -1;
    std::uint16_t port_ = 0;
};

std::string random_word() {
    std::random_device random;
    std::string word;
    for (int i = 0; i < 32; ++i) word.push_back(static_cast<char>('a' + random() % 26));
    return word;
}

std::string post(const std::string& path, const std::string& key, const std::string& body) {
    return "POST " + path + " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + key +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace

TEST_CASE("bodies and keys are gone from memory while their connections are still open",
          "[api][residue]") {
    const ServerProcess process;
    const std::string value = random_word();  // after the fork: the child knows it from us only
    const std::string key = random_word();
    std::string large;
    for (int i = 0; i < 2'000; ++i) large += value;
    std::vector<std::unique_ptr<TlsClient>> clients;
    for (int c = 0; c < 4; ++c) {
        clients.push_back(std::make_unique<TlsClient>(process.port()));
        for (int i = 0; i < 10; ++i) {
            clients.back()->send(post("/x", key, i % 2 == 0 ? value : large));
            REQUIRE(clients.back()->receive().value().status == 200);
        }
        clients.back()->send("GET /refused HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + key +
                             "\r\n\r\n");
        REQUIRE(clients.back()->receive().value().body == "refused");
        clients.back()->send(post("/x", key, value).substr(0, 40));  // and half a request
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{300});
    CHECK(process.count(value) == 0);
    CHECK(process.count(key) == 0);

    TlsClient forgetful{process.port()};
    forgetful.send(post("/keep", key, value));
    REQUIRE(forgetful.receive().value().status == 200);
    CHECK(process.count(value) > 0);
}
