#include "tools/demo_calls.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "tools/backup_stream.hpp"
#include "tools/cli.hpp"

namespace oubliette::tools {

namespace json = boost::json;

std::string DemoAnswer::code() const {
    return string_member(body, "code");
}

DemoAnswer DemoClient::call(HttpMethod method, const std::string& path, const json::value& body) {
    if (is_interrupted()) throw CommandError(Exit::interrupted, "interrupted");
    HttpRequest request;
    request.method = method;
    request.path = path;
    if (!body.is_null()) request.body = json::serialize(body);
    const HttpAnswer answer = client_.call(request);
    json::error_code error;
    return {answer.status, json::parse(answer.body, error)};
}

json::array DemoClient::items(const std::string& path, const json::value& body) {
    const DemoAnswer answer = post(path, body);
    const auto* const object = answer.body.if_object();
    const auto* const items = object == nullptr ? nullptr : object->if_contains("items");
    if (answer.status != 200 || items == nullptr || !items->is_array()) {
        throw CommandError(Exit::failed, path + " answered " + std::to_string(answer.status) + " " +
                                             answer.code());
    }
    return items->get_array();
}

DemoClient::Backup DemoClient::backup(const std::string& directory) {
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/sys/backup";
    BackupReceiver receiver{directory};
    expect_accepted(client_.download(request, [&](ByteView bytes) { receiver.take(bytes); }));
    receiver.finish();
    return {receiver.file_count(), receiver.content_size()};
}

std::string item_text(const json::value& item, std::string_view name) {
    return string_member(item, name);
}

std::string item_code(const json::value& item) {
    const auto* const object = item.if_object();
    const auto* const error = object == nullptr ? nullptr : object->if_contains("error");
    return error == nullptr ? std::string{} : string_member(*error, "code");
}

std::string grouped(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3;) {
        at -= 3;
        text.insert(at, ",");
    }
    return text;
}

}  // namespace oubliette::tools
