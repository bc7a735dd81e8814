#include "tools/backup_stream.hpp"

#include <filesystem>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "crypto/hash.hpp"
#include "tests/tools/temp_folder.hpp"
#include "tools/cli.hpp"

using namespace oubliette;
using namespace oubliette::tools;
using Catch::Contains;

namespace {

std::string number(std::uint64_t value, int size) {
    std::string bytes;
    for (int i = 0; i < size; ++i) bytes.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
    return bytes;
}

std::string frame(const std::string& name, const std::string& content) {
    return number(name.size(), 4) + name + number(content.size(), 8) + content;
}

std::string ended(std::string stream) {
    stream += number(0, 4);
    const crypto::Hash digest = crypto::sha256({bytes_of(stream)});
    return stream + std::string(text_of(digest));
}

const std::string kStream =
    ended(frame("manifest.json", "{}") + frame("data/data.mdb", std::string(100'000, 'x')) +
          frame("data/empty", ""));

void receive(const std::string& directory, const std::string& stream, std::size_t piece) {
    BackupReceiver receiver(directory);
    for (std::size_t at = 0; at < stream.size(); at += piece) {
        receiver.take(bytes_of(std::string_view(stream).substr(at, piece)));
    }
    receiver.finish();
}

}  // namespace

TEST_CASE("a backup stream becomes a directory, however it is parted", "[backup]") {
    const TempFolder folder;
    const std::string directory = folder / "b";
    receive(directory, kStream, GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{1} << 20));
    CHECK(read_text(directory + "/manifest.json") == "{}");
    CHECK(read_text(directory + "/data/data.mdb") == std::string(100'000, 'x'));
    CHECK(std::filesystem::is_empty(directory + "/data/empty"));
    CHECK_FALSE(std::filesystem::exists(directory + "/INCOMPLETE"));
    struct stat status {};
    REQUIRE(::stat(directory.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
    REQUIRE(::stat((directory + "/data/data.mdb").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("a stream that is cut or changed leaves nothing", "[backup]") {
    const TempFolder folder;
    const std::string directory = folder / "b";
    const std::string small = ended(frame("a", "1234") + frame("d/b", "56"));
    for (std::size_t size = 0; size < small.size(); ++size) {
        REQUIRE_THROWS_AS(receive(directory, small.substr(0, size), 1'000), CommandError);
        REQUIRE_FALSE(std::filesystem::exists(directory));
    }
    for (std::size_t at = 0; at < small.size(); ++at) {
        std::string changed = small;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        REQUIRE_THROWS_AS(receive(directory, changed, 1'000), CommandError);
        REQUIRE_FALSE(std::filesystem::exists(directory));
    }
    CHECK_THROWS_WITH(receive(directory, small + "x", 1), Contains("bytes follow its end"));
}

TEST_CASE("a stream cannot write outside its directory or over its own files", "[backup]") {
    const TempFolder folder;
    const std::string directory = folder / "b";
    for (const std::string name :
         {"../x", "/etc/x", "a/../x", "a//b", "a/", ".", "a\nb", "a b", "INCOMPLETE", "\xC3\xA9"}) {
        INFO(name);
        CHECK_THROWS_WITH(receive(directory, ended(frame(name, "x")), 100),
                          Contains("a name is not allowed"));
    }
    CHECK_THROWS_WITH(receive(directory, ended(frame("a", "x") + frame("a", "y")), 100),
                      Contains("there twice"));
    CHECK_THROWS_AS(receive(directory, ended(frame("a", "x") + frame("a/b", "y")), 100),
                    CommandError);
    CHECK_NOTHROW(receive(folder / "long", ended(frame(std::string(255, 'n'), "x")), 100));
    CHECK_THROWS_WITH(receive(directory, ended(frame(std::string(256, 'n'), "x")), 100),
                      Contains("too long"));
}

TEST_CASE("a directory that is not empty is not touched", "[backup]") {
    const TempFolder folder;
    const std::string directory = folder / "b";
    std::filesystem::create_directory(directory);
    SECTION("with a file") {
        write_text(directory + "/mine", "x");
        CHECK_THROWS_WITH(receive(directory, kStream, 1'000), Contains("not an empty directory"));
        CHECK(read_text(directory + "/mine") == "x");
    }
    SECTION("an empty one is used, and is empty again after an error") {
        CHECK_THROWS_AS(receive(directory, kStream.substr(0, 100), 1'000), CommandError);
        CHECK(std::filesystem::is_empty(directory));
        CHECK_NOTHROW(receive(directory, kStream, 1'000));
    }
}
