#include "tools/log_source.hpp"

#include <filesystem>

#include <boost/json/array.hpp>

#include "tools/durable_file.hpp"

namespace oubliette::tools {
namespace {

namespace fs = std::filesystem;

class LogFolder final : public LogSource {
public:
    explicit LogFolder(fs::path directory) : directory_{std::move(directory)} {}

    std::optional<std::string> fetch(const std::string& path) override {
        return read_file_if_there((directory_ / path).string());
    }
    std::string offered_keys() override {
        return read_file_if_there((directory_ / "vkey").string()).value_or("");
    }

private:
    fs::path directory_;
};

class LogServer final : public LogSource {
public:
    explicit LogServer(const ServerOptions& server) : client_{make_client(server)} {}

    std::optional<std::string> fetch(const std::string& path) override {
        HttpRequest request;
        request.path = "/v1/audit/" + path;
        HttpAnswer answer = client_.call(request);
        if (answer.status == 404) return std::nullopt;
        expect_accepted(answer);
        return std::move(answer.body);
    }
    std::string offered_keys() override {
        HttpRequest request;
        request.path = "/v1/audit/keys";
        const boost::json::value answer = accepted_json(client_.call(request));
        const auto* const object = answer.if_object();
        const auto* const keys = object == nullptr ? nullptr : object->if_contains("keys");
        if (keys == nullptr || !keys->is_array()) {
            throw CommandError(Exit::failed, "the vault's list of keys cannot be read");
        }
        std::string lines;
        for (const boost::json::value& key : keys->get_array()) {
            if (key.is_string()) lines += std::string(key.get_string()) + "\n";
        }
        return lines;
    }

private:
    HttpsClient client_;
};

}  // namespace

std::unique_ptr<LogSource> open_log_folder(const std::string& directory) {
    if (!fs::is_directory(directory)) {
        throw CommandError(Exit::input, directory +
                                            " is no directory; name one that `oubliette audit "
                                            "export` wrote");
    }
    return std::make_unique<LogFolder>(directory);
}

std::unique_ptr<LogSource> open_log_server(const ServerOptions& server) {
    return std::make_unique<LogServer>(server);
}

}  // namespace oubliette::tools
