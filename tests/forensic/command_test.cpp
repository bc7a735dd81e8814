#include <cstdio>
#include <fstream>
#include <sys/wait.h>

#include <nlohmann/json.hpp>

#include "crypto/encoding.hpp"
#include "tests/forensic/crowd.hpp"

// `oubliette forensic` as an operator calls it: exit codes, the report, and nobody's data in it.

namespace oubliette::testing {
namespace {

namespace fs = std::filesystem;

struct Ended {
    int code = -1;
    std::string output;
};

std::string quoted(const fs::path& path) {
    return " '" + path.string() + "'";
}

Ended run(const std::string& arguments) {
    const std::string command = OUBLIETTE_BINARY " forensic" + arguments + " 2>&1";
    Ended ended;
    FILE* const pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    char buffer[4'096];
    for (std::size_t size = 0; (size = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
        ended.output.append(buffer, size);
    }
    const int status = ::pclose(pipe);
    REQUIRE(WIFEXITED(status));
    ended.code = WEXITSTATUS(status);
    return ended;
}

}  // namespace

TEST_CASE("the command ends with 0 only when the erased are gone and the living are there") {
    Crowd crowd;
    crowd.add(0, 3);
    crowd.back_up("backup");
    crowd.keep_files("before");
    const fs::path kept = crowd.keep_cell("kept.cell");
    crowd.erase(0, 1, [](std::size_t) { return true; });
    crowd.settle();
    const auto& keepers = crowd.vault.options().plane.keepers;
    const fs::path key = crowd.place("seal.key");
    std::ofstream(key) << crypto::hex_encode(Bytes(32, 0x5A)) << "\n";
    fs::permissions(key, fs::perms::owner_read | fs::perms::owner_write);
    const std::string data = " --data" + quoted(crowd.vault.options().data) + " --backup" +
                             quoted(crowd.place("backup")) + " --extra" +
                             quoted(crowd.place("before"));
    const std::string named = data + " --keeper" + quoted(keepers[0]) + quoted(keepers[1]);
    const std::string seal = " --seal 'keyfile:" + key.string() + "'";

    // A running vault is refused before anything is read.
    CHECK(run(named + seal).code == 6);
    crowd.vault.close();
    const Ended all = run(named + seal + " --kept-cell" + quoted(kept));
    INFO(all.output);
    CHECK(all.code == 0);
    CHECK(all.output.find("R_erased            0 of 15") != std::string::npos);
    CHECK(all.output.find("PASSED") != std::string::npos);
    CHECK(all.output.find("example.org") == std::string::npos);
    CHECK(all.output.find(Crowd::id_of(0)) == std::string::npos);

    const Ended json = run(named + seal + " --json");
    CHECK(json.code == 0);
    const auto report = nlohmann::json::parse(json.output);
    CHECK(report["verdict"] == "passed");
    CHECK(report["r_erased"]["open"] == 0);
    CHECK(report["r_erased"]["total"] == 15);
    CHECK(report["r_live"]["open"] == report["r_live"]["total"]);

    CHECK(run(named).code == 0);                                     // a thief without the secret
    CHECK(run(data + seal).code == 1);                               // void: no keeper
    CHECK(run(named + seal + " --extra" + quoted(kept)).code == 1);  // a cell was copied
    CHECK(run(named + seal + " --extra /nowhere").code == 6);
    CHECK(run(named + " --seal keyfile:/nowhere").code == 6);
    CHECK(run(seal).code == 2);
}

}  // namespace oubliette::testing
