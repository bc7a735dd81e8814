#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <thread>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "tools/commands.hpp"
#include "tools/demo_calls.hpp"
#include "tools/demo_story.hpp"
#include "tools/process.hpp"

namespace oubliette::tools {

namespace {

struct Options {
    DemoOptions demo;
    bool is_once = false;
    bool is_json = false;
};

void show(const DemoResult& result) {
    std::string clause = result.clause;
    clause.resize(std::max<std::size_t>(clause.size(), 8), ' ');
    print(std::string{result.is_kept ? "PASS  " : "FAIL  "} + clause + result.promise);
    print("              " + result.fact);
}

void show_json(const DemoPlace& place, const std::vector<DemoResult>& results, bool is_kept) {
    boost::json::array promises;
    for (const DemoResult& result : results) {
        promises.push_back(boost::json::object{{"clause", result.clause},
                                               {"promise", result.promise},
                                               {"result", result.is_kept ? "PASS" : "FAIL"},
                                               {"fact", result.fact}});
    }
    print(boost::json::serialize(
        boost::json::object{{"passed", is_kept},
                            {"promises", std::move(promises)},
                            {"url", place.url()},
                            {"directory", place.home().string()},
                            {"cell_class", place.is_besteffort() ? "besteffort" : "software"}}));
}

std::string curl_line(const DemoPlace& place, const std::string& key, const std::string& rest) {
    return "  curl --cacert '" + place.key_file("ca.pem").string() +
           "' -H \"Authorization: Bearer $(cat '" + place.key_file(key).string() + "')\" \\\n    " +
           rest;
}

// To stderr, so that stdout holds the table or the JSON only.
void invite(const DemoPlace& place) {
    const std::string person = place.url() + "/v1/subjects/" + demo_subject(1);
    std::string text = "\nThe vault goes on serving at " + place.url() + "\n";
    text += "  CA certificate  " + place.key_file("ca.pem").string() + "\n";
    text += "  API keys        " + place.key_file("*.key").string() + "\n\n";
    text += "Try, in another terminal:\n\n# the shop reads a customer's data\n";
    text += curl_line(place, "app-web.key",
                      "'" + person + "?purpose=own_account&fields=real_name,mobile,email'\n\n");
    text += "# support sees the last four digits, and no name\n";
    text += curl_line(place, "app-support_desk.key",
                      "'" + person + "?purpose=support&fields=real_name,mobile'\n\n");
    text += "# erase the customer for ever, then repeat the first command\n";
    text += curl_line(place, "privacy_officer.key",
                      "-H 'Content-Type: application/json' -d '{\"ground\":\"no_longer_using\"}' "
                      "\\\n    '" +
                          person + "/erase'\n\n");
    text += "Ctrl-C ends it.\n";
    (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

std::string summary(const std::vector<DemoResult>& results) {
    const auto kept = std::ranges::count_if(results, &DemoResult::is_kept);
    return std::to_string(kept) + " of " + std::to_string(results.size()) + " promises kept";
}

Exit run_demo(const Options& options) {
    harden_process();
    catch_interrupts();
    say("making a vault with two keepers and the example policy");
    DemoPlace place{options.demo};
    say("it serves at " + place.url() + "; taking in " + grouped(options.demo.people) +
        " synthetic people and checking the policy's promises");
    if (!options.is_json) print("\nresult clause promise, and what was measured\n");
    std::vector<DemoResult> results;
    try {
        results = tell_story(place, options.demo.people, [&](const DemoResult& result) {
            if (!options.is_json) show(result);
        });
    } catch (...) {
        place.remove();
        throw;
    }
    const bool is_kept = std::ranges::all_of(results, &DemoResult::is_kept);
    if (options.is_json) {
        show_json(place, results, is_kept);
    } else {
        print("\n" + summary(results));
    }
    if (!is_kept) {
        say("a promise was broken; everything is left in " + place.home().string());
        return Exit::failed;
    }
    if (options.is_once) {
        place.remove();
        return Exit::done;
    }
    invite(place);
    while (!is_interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds{50});
    place.remove();
    say("stopped; " + place.home().string() + " is removed");
    return Exit::done;
}

}  // namespace

void add_demo(CLI::App& program, Run& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *program.add_subcommand(
        "demo", "The whole story on synthetic people: promise by promise, over HTTPS");
    verb.add_flag("--once", options->is_once,
                  "End after the story and remove everything (default: go on serving)");
    verb.add_option("--listen", options->demo.listen,
                    "ADDRESS:PORT (default: 127.0.0.1:8443, or a free port if that is taken)");
    verb.add_option("--dir", options->demo.directory,
                    "New or empty directory to work in (default: below $TMPDIR or /tmp)");
    verb.add_option("--people", options->demo.people, "How many people")
        ->check(CLI::Range(10U, 100'000U))
        ->capture_default_str();
    verb.add_flag("--json", options->is_json, "The results as one object on stdout");
    add_example(verb, "oubliette demo --once");
    verb.final_callback([options, &chosen] { chosen = [options] { return run_demo(*options); }; });
}

}  // namespace oubliette::tools
