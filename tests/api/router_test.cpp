#include "api/router.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace oubliette;
using namespace oubliette::api;

namespace {

Refusal refusal_of(Method method, std::string_view path) {
    const auto found = find_route(method, path);
    const Refusal* const refusal = std::get_if<Refusal>(&found);
    return refusal == nullptr ? Refusal::held : *refusal;
}

const Route& route_of(Operation operation) {
    for (const Route& route : routes()) {
        if (route.operation == operation) return route;
    }
    throw std::runtime_error{"an operation without a route"};
}

}  // namespace

TEST_CASE("every route is found by its own pattern", "[api][router]") {
    for (const Route& route : routes()) {
        INFO(route.pattern);
        std::string path;
        bool inside = false;
        for (const char letter : route.pattern) {
            if (letter == '{') path += "x";
            inside = letter == '{' || (inside && letter != '}');
            if (!inside && letter != '}') path.push_back(letter);
        }
        const auto found = find_route(route.method, path);
        REQUIRE(std::holds_alternative<Match>(found));
        CHECK(std::get<Match>(found).route->operation == route.operation);
        CHECK(refusal_of(route.method, path + "/") == Refusal::not_found);
        CHECK(refusal_of(route.method, "/" + path) == Refusal::not_found);
        const bool takes_rest = route.pattern.ends_with("...}");
        if (!takes_rest) CHECK(refusal_of(route.method, path + "x/y/z") == Refusal::not_found);
    }
}

TEST_CASE("path parameters are decoded after the match", "[api][router]") {
    const auto parameters = [](std::string_view path) {
        return std::get<Match>(find_route(Method::put, path)).parameters;
    };
    CHECK(parameters("/v1/subjects/c-1")[0] == "c-1");
    CHECK(parameters("/v1/subjects/a%2Fb%20c+d")[0] == "a/b c+d");
    CHECK(parameters("/v1/subjects/%E5%B0%8F")[0] == "\xE5\xB0\x8F");
    CHECK(parameters("/v1/subjects/a%2Fconsents/consents/s%6Cot")[0] == "a/consents");
    CHECK(parameters("/v1/subjects/a/consents/s%6Cot")[1] == "slot");
    CHECK(parameters("/v1/subjects/" + std::string(128, 'x'))[0].size() == 128);
}

TEST_CASE("path parameters that are no ids are malformed", "[api][router]") {
    for (const std::string& id :
         {std::string(129, 'x'), std::string{"%00"}, std::string{"%0a"}, std::string{"%7F"},
          std::string{"%C2%85"}, std::string{"%80"}, std::string{"%C0%AF"},
          std::string{"%ED%A0%80"}, std::string{"%F5%80%80%80"}, std::string{"%E5%B0"},
          std::string{"%F0%80%80%80"}, std::string{"%F4%90%80%80"}, std::string{"%"},
          std::string{"%4"}, std::string{"%zz"}}) {
        INFO(id);
        CHECK(refusal_of(Method::put, "/v1/subjects/" + id) == Refusal::malformed);
    }
}

TEST_CASE("the rest of a path is taken as it is written", "[api][router]") {
    const auto match = [](std::string_view path) {
        return std::get<Match>(find_route(Method::get, path));
    };
    const Match tile = match("/v1/audit/tile/3/x001/x234/067.p/8");
    CHECK(tile.route->operation == Operation::audit_tile);
    CHECK(tile.parameters[0] == "3");
    CHECK(tile.parameters[1] == "x001/x234/067.p/8");
    CHECK(match("/v1/audit/tile/%33/067").parameters[0] == "3");
    const Match bundle = match("/v1/audit/tile/entries/x001/067");
    CHECK(bundle.route->operation == Operation::audit_entry_bundle);
    CHECK(bundle.parameters[0] == "x001/067");
    for (const char* const path :
         {"/v1/audit/tile/0", "/v1/audit/tile/0/", "/v1/audit/tile/0//067",
          "/v1/audit/tile/0/x001//067", "/v1/audit/tile/0/067/", "/v1/audit/tile/0/%3067",
          "/v1/audit/tile/0/x001%2F067", "/v1/audit/tile//067"}) {
        INFO(path);
        CHECK(refusal_of(Method::get, path) == Refusal::not_found);
    }
    const std::string longest(kPathParameterSizeMax, '0');
    CHECK(match("/v1/audit/tile/0/" + longest).parameters[1] == longest);
    CHECK(refusal_of(Method::get, "/v1/audit/tile/0/" + longest + "0") == Refusal::malformed);
}

TEST_CASE("an unknown path is not found and a wrong method is told the right ones",
          "[api][router]") {
    for (const char* const path :
         {"/", "", "/v1", "/v2/tokenize", "/v1/%74okenize", "/v1/Tokenize", "/v1/subjects",
          "/v1/subjects/a/b", "/v1//subjects/a", "livez"}) {
        INFO(path);
        CHECK(refusal_of(Method::get, path) == Refusal::not_found);
    }
    const auto wrong = find_route(Method::post, "/v1/subjects/a");
    CHECK(std::get<WrongMethod>(wrong).allow == "PUT, GET");
    CHECK(std::get<WrongMethod>(find_route(Method::get, "/v1/tokenize")).allow == "POST");
}

TEST_CASE("only declared query parameters are read, once each", "[api][router]") {
    const Route& route = route_of(Operation::get_subject);
    const auto good = parse_query(route, "purpose=own%20account&fields=a,b");
    REQUIRE(good.has_value());
    CHECK(good->find("purpose") == "own account");
    CHECK(good->find("fields") == "a,b");
    CHECK_FALSE(parse_query(route, "").value().find("purpose"));
    CHECK(parse_query(route, "purpose=").value().find("purpose") == "");
    for (const char* const query :
         {"x=1", "purpose", "=x", "purpose=a&purpose=b", "purpose=%00", "purpose=%80", "purpose=%",
          "&purpose=a", "purpose=a&&fields=b", "Purpose=a", "%70urpose=a"}) {
        INFO(query);
        CHECK(parse_query(route, query).has_error());
    }
    CHECK(parse_query(route_of(Operation::livez), "x=1").has_error());
    CHECK(parse_query(route_of(Operation::livez), "=").has_error());
}

TEST_CASE("roles stay apart", "[api][router]") {
    const auto permits = [](Operation operation, Role role) {
        return route_of(operation).access.permits(mask_of(role));
    };
    CHECK(permits(Operation::detokenize, Role::app));
    for (const Role role : {Role::privacy_officer, Role::key_operator, Role::policy_admin,
                            Role::auditor, Role::legal}) {
        CHECK_FALSE(permits(Operation::detokenize, role));
        CHECK_FALSE(permits(Operation::get_subject, role));
        CHECK(find_role(name_of(role)) == role);
    }
    CHECK_FALSE(permits(Operation::backup, Role::app));
    CHECK_FALSE(permits(Operation::enrol_client, Role::privacy_officer));
    CHECK_FALSE(route_of(Operation::detokenize).access.permits(0));
    CHECK(route_of(Operation::livez).access.permits(0));
    CHECK_FALSE(find_role("root"));
}
