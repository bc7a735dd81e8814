#pragma once

#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "tools/demo_place.hpp"
#include "tools/people.hpp"

// Requests of the demonstration, as an application would send them. One thread at a time.

namespace oubliette::tools {

struct DemoAnswer {
    unsigned status = 0;
    boost::json::value body;  // null if it was no JSON

    [[nodiscard]] std::string code() const;  // of a problem, or empty
};

// One client with one key.
class DemoClient {
public:
    DemoClient(const DemoPlace& place, const std::string& key_name)
        : client_{place.client(key_name)} {}

    // Whatever the status. Throws what HttpsClient::call throws.
    DemoAnswer call(HttpMethod method, const std::string& path,
                    const boost::json::value& body = nullptr);
    DemoAnswer post(const std::string& path, const boost::json::value& body) {
        return call(HttpMethod::post, path, body);
    }
    DemoAnswer put(const std::string& path, const boost::json::value& body) {
        return call(HttpMethod::put, path, body);
    }
    DemoAnswer get(const std::string& path) { return call(HttpMethod::get, path); }

    // "items" of a 200. Throws CommandError with the problem otherwise.
    boost::json::array items(const std::string& path, const boost::json::value& body);

    // Writes POST /v1/sys/backup into `directory`; returns files and bytes.
    struct Backup {
        std::uint64_t file_count = 0;
        std::uint64_t size = 0;
    };
    Backup backup(const std::string& directory);

private:
    HttpsClient client_;
};

// "value" or "token" of an item, or empty; "code" of its error, or empty.
[[nodiscard]] std::string item_text(const boost::json::value& item, std::string_view name);
[[nodiscard]] std::string item_code(const boost::json::value& item);
// "3" as "3", "12345" as "12,345".
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace oubliette::tools
