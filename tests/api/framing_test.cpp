#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "api/request_head.hpp"
#include "tests/api/echo_server.hpp"

using namespace oubliette;
using namespace oubliette::api;
using namespace oubliette::api::test;
using namespace std::string_literals;

namespace {

struct Vector {
    std::string name;
    std::string bytes;
    unsigned status;
};

// What a smuggler would like to be read as a second request.
const std::string kInner = "GET /inner HTTP/1.1\r\nHost: a\r\n\r\n";

std::string get(const std::string& fields) {
    return "GET /x HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
std::string post(const std::string& fields, const std::string& rest = "") {
    return "POST /x HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + rest;
}
std::string line(const std::string& request_line) {
    return request_line + "\r\nHost: a\r\n\r\n";
}

std::vector<Vector> transfer_codings() {
    const std::string chunks = "5\r\nhello\r\n0\r\n\r\n" + kInner;
    std::vector<Vector> vectors{
        {"CL then TE", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunks), 501},
        {"TE then CL", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunks), 501},
        {"TE gzip and CL", post("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", "hello"), 501},
        {"TE in GET", get("Transfer-Encoding: chunked\r\n") + chunks, 501},
        {"TE twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunks),
         501},
        {"TE with lower case name", post("transfer-encoding: chunked\r\n", chunks), 501},
        {"TE with folded value", post("Transfer-Encoding:\r\n chunked\r\n", chunks), 400},
        {"TE with a space before the colon", post("Transfer-Encoding : chunked\r\n", chunks), 400},
        {"TE after a tab", post("\tTransfer-Encoding: chunked\r\n", chunks), 400},
        {"chunk extension", post("Transfer-Encoding: chunked\r\n", "5;x=y\r\nhello\r\n0\r\n\r\n"),
         501},
        {"trailer", post("Transfer-Encoding: chunked\r\n", "0\r\nHost: b\r\n\r\n"), 501},
    };
    for (const char* const coding : {"chunked", "gzip", "identity", "xchunked", "chunked, identity",
                                     "identity, chunked", "", "\"chunked\"", "CHUNKED"}) {
        vectors.push_back(
            {"TE: "s + coding, post("Transfer-Encoding: "s + coding + "\r\n", chunks), 501});
    }
    return vectors;
}

std::vector<Vector> lengths() {
    std::vector<Vector> vectors{
        {"POST without CL", post("", "hello"), 411},
        {"PUT without CL", "PUT /x HTTP/1.1\r\nHost: a\r\n\r\n", 411},
        {"two equal CL", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 411},
        {"two different CL", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 411},
        {"GET with body", get("Content-Length: 5\r\n") + "hello", 400},
        {"GET with two CL", get("Content-Length: 0\r\nContent-Length: 0\r\n"), 400},
        {"GET with a CL of words", get("Content-Length: zero\r\n"), 400},
        {"DELETE with body", "DELETE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 400},
        {"body over the limit", post("Content-Length: 1025\r\n"), 413},
        {"huge body", post("Content-Length: 18446744073709551615\r\n"), 413},
    };
    for (const char* const length :
         {"+5", "-5", "0x5", "5 5", "5,5", "5, 5", "0, 0", "5;", "five", "", "5.0", "1e1", "\"5\"",
          "18446744073709551616", "99999999999999999999999", "5\t5"}) {
        vectors.push_back(
            {"CL: "s + length, post("Content-Length: "s + length + "\r\n", "hello"), 411});
    }
    return vectors;
}

std::vector<Vector> targets_and_lines() {
    std::vector<Vector> vectors{
        {"HTTP/1.0", line("GET /x HTTP/1.0"), 505},
        {"HTTP/1.0 chunked", line("POST /x HTTP/1.0\r\nTransfer-Encoding: chunked"), 501},
        {"HTTP/2.0", line("GET /x HTTP/2.0"), 505},
        {"HTTP/1.9", line("GET /x HTTP/1.9"), 505},
        {"HTTP/0.9", "GET /x\r\n\r\n", 400},
        {"lower-case http", line("GET /x http/1.1"), 505},
        {"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"empty line first", "\r\n" + get(""), 400},
        {"space before the method", " " + get(""), 400},
        {"two spaces", line("GET  /x HTTP/1.1"), 400},
        {"tab", line("GET\t/x HTTP/1.1"), 400},
        {"space in the target", line("GET /x y HTTP/1.1"), 505},
        {"trailing space", line("GET /x HTTP/1.1 "), 505},
    };
    for (const char* const method :
         {"PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "BREW", "GETT", "PROPFIND"}) {
        vectors.push_back({"method "s + method, line(method + " /x HTTP/1.1"s), 501});
    }
    for (const char* const target :
         {"http://a/x", "https://a/x", "*",    "a:443",    "x",        "/x#y",    "/x\"",
          "/<x>",       "/x\\y",       "/x^",  "/x`",      "/{x}",     "/|",      "/x%",
          "/x%2",       "/x%zz",       "/%00", "/..",      "/.",       "/a/../b", "/%2e%2e",
          "/a/%2E./b",  "/a/.%2e",     "/%2e", "/x?a[]=1", "/x?a=%g0", "?x",      "//../x"}) {
        vectors.push_back({"target "s + target, line("GET "s + target + " HTTP/1.1"), 400});
    }
    return vectors;
}

std::vector<Vector> fields() {
    std::string many;
    for (int i = 0; i < 64; ++i) many += "A" + std::to_string(i) + ": b\r\n";
    std::vector<Vector> vectors{
        {"no Host", "GET /x HTTP/1.1\r\n\r\n", 400},
        {"two Host", get("Host: a\r\n"), 400},
        {"two different Host", get("Host: b\r\n"), 400},
        {"empty Host", "GET /x HTTP/1.1\r\nHost:\r\n\r\n", 400},
        {"blank Host", "GET /x HTTP/1.1\r\nHost:   \r\n\r\n", 400},
        {"Host with a path", "GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        {"Host with user", "GET /x HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
        {"Host list", "GET /x HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
        {"65 fields", get(many), 431},
        {"8 KB + 1", get("A: " + std::string(8192 - get("A: \r\n").size() + 1, 'x') + "\r\n"), 431},
        {"endless line", "GET /" + std::string(20'000, 'x'), 431},
        {"endless field", "GET /x HTTP/1.1\r\nHost: " + std::string(20'000, 'x'), 431},
        {"obs-fold", get("A: b\r\n c\r\n"), 400},
        {"obs-fold with tab", get("A: b\r\n\tc\r\n"), 400},
        {"obs-fold of the first field", "GET /x HTTP/1.1\r\n Host: a\r\n\r\n", 400},
        {"bare LF in a field", get("A: b\nC: d\r\n"), 400},
        {"bare CR in a field", get("A: b\rC: d\r\n"), 400},
        {"NUL in a field", get("A: b\0c\r\n"s), 400},
        {"NUL in the target", line("GET /\0 HTTP/1.1"s), 400},
        {"byte above 0x7F in a field", get("A: \x80\r\n"), 400},
        {"byte above 0x7F in the target", line("GET /\x80 HTTP/1.1"), 400},
        {"UTF-8 in a field name", get("\xC3\xA9: b\r\n"), 400},
        {"DEL in a field", get("A: \x7F\r\n"), 400},
        {"escape in a field", get("A: \x1B[0m\r\n"), 400},
        {"no colon", get("A b\r\n"), 400},
        {"no name", get(": b\r\n"), 400},
        {"space in a name", get("A B: c\r\n"), 400},
        {"space before the colon", get("A : c\r\n"), 400},
        {"bracket in a name", get("A(: c\r\n"), 400},
        {"Expect", post("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello"), 417},
        {"Expect in GET", get("Expect: nothing\r\n"), 417},
        {"two Authorization", get("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"), 400},
        {"two Content-Type", get("Content-Type: a/b\r\nContent-Type: c/d\r\n"), 400},
        {"two Idempotency-Key", get("Idempotency-Key: a\r\nIdempotency-Key: b\r\n"), 400},
        {"garbage", "\x16\x03\x01\x02" + std::string(64, 'x') + "\r\n\r\n", 400},
    };
    return vectors;
}

std::vector<Vector> all_vectors() {
    std::vector<Vector> all;
    for (auto&& part : {transfer_codings(), lengths(), targets_and_lines(), fields()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

ServerLimits small_limits() {
    ServerLimits limits;
    limits.body_size_max = 1024;
    return limits;
}

}  // namespace

TEST_CASE("a framing error is answered once and the connection closes", "[api][framing]") {
    const RunningServer running{echo, let_pass, small_limits()};
    for (const Vector& vector : all_vectors()) {
        INFO(vector.name);
        TlsClient client{running.port()};
        REQUIRE(client.is_connected());
        // What follows is what a proxy may have taken for another request.
        client.send(vector.bytes + kInner);
        const auto answer = client.receive();
        REQUIRE(answer);
        CHECK(answer->status == vector.status);
        CHECK(answer->field("Content-Type") == "application/problem+json");
        CHECK(answer->field("Connection") == "close");
        CHECK(answer->body.find("\"request_id\":\"" + answer->field("X-Request-Id").value()) !=
              std::string::npos);
        CHECK(client.is_closed_by_peer());
        CHECK(client.was_closed_cleanly());
    }
}

TEST_CASE("the head's verdict does not depend on how the bytes were cut", "[api][framing]") {
    const RunningServer running{echo, let_pass, small_limits()};
    for (const Vector& vector : {transfer_codings().front(), fields().front(), lengths().front()}) {
        INFO(vector.name);
        TlsClient client{running.port()};
        for (const char byte : vector.bytes) {
            if (!client.send({&byte, 1})) break;
        }
        const auto answer = client.receive();
        REQUIRE(answer);
        CHECK(answer->status == vector.status);
        CHECK(client.is_closed_by_peer());
    }
}

TEST_CASE("requests at the limits are served", "[api][framing]") {
    const RunningServer running{echo, let_pass, small_limits()};
    TlsClient client{running.port()};
    SECTION("64 fields") {
        std::string many;
        for (int i = 0; i < 63; ++i) many += "A" + std::to_string(i) + ": b\r\n";
        client.send(get(many));
        CHECK(client.receive().value().status == 200);
    }
    SECTION("8 KB of head") {
        client.send(get("A: " + std::string(8192 - get("A: \r\n").size(), 'x') + "\r\n"));
        CHECK(client.receive().value().status == 200);
    }
    SECTION("a body of the limit") {
        client.send(post("Content-Length: 1024\r\n", std::string(1024, 'b')));
        CHECK(client.receive().value().body == std::string(1024, 'b'));
    }
    SECTION("an empty body, and a GET that says so") {
        client.send(post("Content-Length: 0\r\n"));
        CHECK(client.receive().value().status == 200);
        client.send(get("Content-Length: 0\r\n"));
        CHECK(client.receive().value().status == 200);
    }
    SECTION("Upgrade is ignored") {
        client.send(get("Connection: upgrade\r\nUpgrade: h2c\r\n"));
        CHECK(client.receive().value().status == 200);
    }
    SECTION("an encoded slash and a query reach the handler raw") {
        client.send(line("GET /v1/a%2Fb HTTP/1.1"));
        CHECK(client.receive().value().body == "/v1/a%2Fb");
    }
}

TEST_CASE("no prefix of a good head is taken for a head", "[api][framing]") {
    const std::string whole = post("Content-Length: 5\r\nAuthorization: Bearer x\r\n");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK_FALSE(find_head_end(std::string_view{whole}.substr(0, size), 0));
        CHECK(parse_request_head(std::string_view{whole}.substr(0, size)).has_error());
    }
    for (std::size_t from = 0; from < whole.size(); ++from) {
        CHECK(find_head_end(whole, from) == whole.size());
    }
    CHECK(parse_request_head(whole).has_value());
}
