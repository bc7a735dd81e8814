#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "api/json_request.hpp"
#include "api/openapi_document.hpp"
#include "api/router.hpp"

using namespace oubliette;
using namespace oubliette::api;
using Json = nlohmann::json;

namespace {

struct Described {
    std::string operation;
    std::set<std::string> roles;
    std::set<std::string> query;
    bool is_open = false;
    friend bool operator==(const Described&, const Described&) = default;
};
using Operations = std::map<std::string, Described>;  // by "GET /path"

std::string upper(std::string text) {
    for (char& letter : text) letter = static_cast<char>(std::toupper(letter));
    return text;
}

Operations described() {
    const Json document = Json::parse(openapi_document());
    Operations all;
    for (const auto& [path, methods] : document["paths"].items()) {
        for (const auto& [method, operation] : methods.items()) {
            Described found;
            found.operation = operation["operationId"];
            for (const Json& role : operation.value("x-oubliette-roles", Json::array())) {
                found.roles.insert(role);
            }
            found.is_open = operation.contains("security") && operation["security"].empty();
            for (const Json& reference : operation["parameters"]) {
                const std::string pointer = reference["$ref"].get<std::string>().substr(1);
                const Json& parameter = document[Json::json_pointer{pointer}];
                if (parameter["in"] == "query") found.query.insert(parameter["name"]);
            }
            all.emplace(upper(method) + " " + path, found);
        }
    }
    return all;
}

Operations routed() {
    Operations all;
    for (const Route& route : routes()) {
        Described found;
        found.operation = name_of(route.operation);
        for (unsigned bit = 1; bit < 256; bit *= 2) {
            if ((route.access.roles & bit) != 0) {
                found.roles.emplace(name_of(static_cast<Role>(bit)));
            }
        }
        found.is_open = route.access.is_open();
        for (const std::string_view name : route.query) {
            if (!name.empty()) found.query.emplace(name);
        }
        all.emplace(std::string{name_of(route.method)} + " " + std::string{route.pattern}, found);
    }
    return all;
}

}  // namespace

TEST_CASE("router and openapi.json describe the same operations", "[api][openapi]") {
    const Operations in_description = described();
    const Operations in_router = routed();
    for (const auto& [name, operation] : in_router) {
        INFO(name);
        REQUIRE(in_description.count(name) == 1);
        CHECK(in_description.at(name) == operation);
    }
    for (const auto& [name, operation] : in_description) {
        INFO(name);
        CHECK(in_router.count(name) == 1);
    }
    CHECK(routes().size() == in_router.size());
}

TEST_CASE("every operation has exactly one route", "[api][openapi]") {
    std::set<Operation> seen;
    for (const Route& route : routes()) CHECK(seen.insert(route.operation).second);
    CHECK(seen.size() == static_cast<std::size_t>(Operation::openapi) + 1);
}

TEST_CASE("the binary serves the file of the source tree, and it is strict JSON",
          "[api][openapi]") {
    std::ifstream file{OUBLIETTE_SOURCE_DIR "/api/openapi.json"};
    std::stringstream text;
    text << file.rdbuf();
    CHECK(text.str() == openapi_document());
    JsonDocument document;
    CHECK(document.parse(bytes_of(openapi_document())).has_value());
}
