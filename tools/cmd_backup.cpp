#include <CLI/CLI.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "tools/backup_stream.hpp"
#include "tools/commands.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    ServerOptions server;
    std::string directory;
    bool is_json = false;
};

Exit run_backup(const Options& options) {
    HttpsClient client = make_client(options.server);
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/v1/sys/backup";
    request.body = "{}";
    // Opened with the first byte, so that a refused backup leaves no directory.
    std::unique_ptr<BackupReceiver> receiver;
    catch_interrupts();
    const HttpAnswer answer = client.download(request, [&](ByteView bytes) {
        if (is_interrupted())
            throw CommandError(Exit::interrupted, "interrupted; nothing was kept");
        if (!receiver) receiver = std::make_unique<BackupReceiver>(options.directory);
        receiver->take(bytes);
    });
    expect_accepted(answer);
    if (!receiver) throw CommandError(Exit::failed, "the vault sent no backup; is --url right?");
    receiver->finish();
    const boost::json::object summary{{"directory", options.directory},
                                      {"files", receiver->file_count()},
                                      {"bytes", receiver->content_size()}};
    if (options.is_json) {
        print(boost::json::serialize(summary));
    } else {
        say("backup: " + std::to_string(receiver->file_count()) + " files, " +
            std::to_string(receiver->content_size()) + " bytes in " + options.directory);
    }
    return Exit::done;
}

}  // namespace

void add_backup(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb =
        *program.add_subcommand("backup", "Write a backup of a running vault into a new directory");
    verb.add_option("DIR", options->directory, "Directory that is absent or empty")->required();
    verb.add_flag("--json", options->is_json, "Summary as JSON on stdout");
    add_server_options(verb, options->server);
    add_example(verb, "oubliette backup /backup/2022-11-22 --key-file keys/key_operator.key");
    verb.final_callback(
        [options, &chosen] { chosen = [options] { return run_backup(*options); }; });
}

}  // namespace oubliette::tools
