#include "tools/log_check.hpp"

#include <functional>
#include <map>

#include <catch2/catch.hpp>

#include "tests/tools/temp_folder.hpp"
#include "tools/log_export.hpp"
#include "vault/audit/tiles.hpp"

using namespace oubliette;
using namespace oubliette::tools;

namespace {

crypto::SigningKey key_of(Byte seed) {
    ByteArray<32> bytes{};
    bytes[0] = seed;
    return crypto::SigningKey{crypto::KeyView{bytes}};
}

// A log made here, served from memory.
class MadeLog final : public LogSource {
public:
    std::string name = audit::log_name({7});
    std::uint32_t generation = 0;
    crypto::SigningKey key = key_of(1);
    std::vector<Bytes> entries;
    std::map<std::string, std::string> changed;  // what is served instead; empty: missing

    explicit MadeLog(std::size_t count) { grow(count); }

    void grow(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            audit::Entry entry;
            entry.action = audit::Action::read;
            entry.time.seconds = static_cast<std::uint32_t>(entries.size()) * 60;
            append(entry);
        }
    }
    void append(const audit::Entry& entry) { audit::encode(entry, entries.emplace_back()); }
    void begin_origin(const audit::LogOrigin& origin) {
        generation = origin.generation;
        audit::Entry entry;
        audit::cite(origin, entry);
        append(entry);
    }
    [[nodiscard]] std::vector<crypto::Hash> leaves() const {
        std::vector<crypto::Hash> hashes;
        for (const Bytes& entry : entries) hashes.push_back(crypto::merkle_leaf(entry));
        return hashes;
    }
    [[nodiscard]] audit::Checkpoint head() const {
        return {audit::log_origin(name, generation), entries.size(), crypto::merkle_root(leaves())};
    }
    [[nodiscard]] std::vector<audit::VerifierKey> keys() const {
        return {{name, key.public_key()}};
    }
    [[nodiscard]] LogReport check(const std::optional<audit::Checkpoint>& earlier = {}) {
        return check_log(*this, keys(), earlier);
    }

    std::optional<std::string> fetch(const std::string& path) override {
        const auto other = changed.find(path);
        if (other != changed.end()) {
            return other->second.empty() ? std::nullopt : std::optional{other->second};
        }
        return made(path);
    }
    std::string offered_keys() override { return audit::encode_vkey(keys().front()) + "\n"; }

    // The resource as an honest server has it.
    [[nodiscard]] std::optional<std::string> made(const std::string& path) const {
        if (path == "checkpoint") return audit::sign_checkpoint(head(), name, std::array{&key});
        for (unsigned level = 0; level <= 2; ++level) {
            for (std::uint64_t n = 0;; ++n) {
                const unsigned width = audit::tile_width(level, n, entries.size());
                if (width == 0) break;
                if (path == tile_path(std::to_string(level), n, width)) {
                    return tile(level, n, width);
                }
                if (path == tile_path("entries", n, width)) return bundle(n, width);
            }
        }
        return std::nullopt;
    }

private:
    [[nodiscard]] std::string tile(unsigned level, std::uint64_t n, unsigned width) const {
        const auto all = leaves();
        const std::size_t span = std::size_t{1} << (8 * level);
        Bytes bytes;
        for (std::size_t i = n * 256; i < n * 256 + width; ++i) {
            ByteWriter{bytes}.bytes(crypto::merkle_root(std::span{all}.subspan(i * span, span)));
        }
        return std::string{text_of(bytes)};
    }
    [[nodiscard]] std::string bundle(std::uint64_t n, unsigned width) const {
        Bytes bytes;
        for (std::size_t i = n * 256; i < n * 256 + width; ++i) {
            ByteWriter{bytes}.be16(audit::kEntrySize).bytes(entries[i]);
        }
        return std::string{text_of(bytes)};
    }
};

constexpr std::size_t kSized = 2 + audit::kEntrySize;  // an entry in a bundle

}  // namespace

TEST_CASE("an honest log of any size is proven", "[log]") {
    for (const std::size_t size : {1U, 2U, 255U, 256U, 257U, 511U, 512U, 700U, 1'300U}) {
        INFO(size);
        MadeLog log{size};
        const LogReport report = log.check();
        CHECK_FALSE(report.flaw);
        CHECK(report.checkpoint == log.head());
        CHECK_FALSE(log.check(log.head()).flaw);
    }
}

TEST_CASE("a changed or removed entry is named by its index", "[log]") {
    MadeLog log{700};
    for (const std::size_t index : {0U, 1U, 255U, 256U, 300U, 511U, 512U, 699U}) {
        const unsigned width = index < 512 ? 256 : 188;
        const std::string path = tile_path("entries", index / 256, width);
        const std::string good = *log.made(path);
        INFO("entry " << index);

        std::string other = good;
        other.at(index % 256 * kSized + 20) ^= 1;
        log.changed = {{path, other}};
        CHECK(log.check().flaw.value().index == index);

        log.changed = {{path, std::string{good}.erase(index % 256 * kSized, kSized)}};
        CHECK(log.check().flaw.value().index == index);

        std::string doubled = good;
        doubled.insert(index % 256 * kSized, good.substr(index % 256 * kSized, kSized));
        log.changed = {{path, doubled}};
        CHECK(log.check().flaw.has_value());
    }
    log.changed = {{tile_path("entries", 1, 256), ""}};
    CHECK(log.check().flaw.value().index == 256U);
}

TEST_CASE("a server that changes an entry and its tiles cannot sign the root", "[log]") {
    MadeLog log{700};
    const std::string note = *log.made("checkpoint");
    log.entries[300][20] ^= 1;
    log.changed = {{"checkpoint", note}};
    CHECK(log.check().flaw.has_value());
    log.changed.clear();
    CHECK_FALSE(log.check().flaw);  // signed anew: whole in itself
    const MadeLog seen{600};
    CHECK(log.check(seen.head()).flaw.has_value());  // but not what was seen
}

TEST_CASE("damaged tiles are found", "[log]") {
    MadeLog log{700};
    for (const std::string& path :
         {tile_path("0", 1, 256), tile_path("0", 2, 188), tile_path("1", 0, 2)}) {
        INFO(path);
        std::string other = *log.made(path);
        other.at(33) ^= 1;
        log.changed = {{path, other}};
        CHECK(log.check().flaw.has_value());
        log.changed = {{path, log.made(path)->substr(32)}};
        CHECK(log.check().flaw.has_value());
        log.changed = {{path, ""}};
        CHECK(log.check().flaw.has_value());
    }
}

TEST_CASE("signatures: foreign, wrong and missing", "[log]") {
    MadeLog log{3};
    MadeLog other{3};
    other.key = key_of(2);
    CHECK(check_log(log, other.keys(), {}).flaw.has_value());
    CHECK(check_log(log, {}, {}).flaw.has_value());
    std::string note = *log.made("checkpoint");
    note[note.find("\n3\n") + 1] = '4';
    log.changed = {{"checkpoint", note}};
    CHECK(log.check().flaw.has_value());
    log.changed = {{"checkpoint", ""}};
    CHECK(log.check().flaw.has_value());
}

TEST_CASE("against what was seen before: growth, shrinking, fork, another log", "[log]") {
    MadeLog log{600};
    const MadeLog before{300};
    CHECK_FALSE(log.check(before.head()).flaw);
    CHECK_FALSE(log.check(MadeLog{0}.head()).flaw);
    const MadeLog longer{601};
    CHECK(log.check(longer.head()).flaw.value().what.find("SHRANK") != std::string::npos);
    MadeLog fork{300};
    fork.entries[7][20] ^= 1;
    CHECK(log.check(fork.head()).flaw.value().what.find("FORK") != std::string::npos);
    audit::Checkpoint foreign = before.head();
    foreign.origin = "oubliette.00/g0";
    CHECK(log.check(foreign).flaw.has_value());
}

TEST_CASE("a new origin is accepted only with the entry that cites what was lost", "[log]") {
    const MadeLog seen{300};
    const auto origin_of = [&](std::uint64_t lost_size) {
        audit::LogOrigin origin{1, lost_size, {}};
        const auto root = seen.head().root;
        std::copy_n(root.begin(), 16, origin.lost_root.begin());
        return origin;
    };
    SECTION("that cites the very log that was seen") {
        MadeLog log{200};
        log.begin_origin(origin_of(300));
        log.grow(500);
        const LogReport report = log.check(seen.head());
        CHECK_FALSE(report.flaw);
        CHECK(report.lost_entries == 100);
        REQUIRE(report.origins.size() == 1);
        CHECK(report.origins.front().index == 200);
    }
    SECTION("that cites a longer one") {
        MadeLog log{200};
        log.begin_origin(origin_of(305));
        CHECK_FALSE(log.check(seen.head()).flaw);
    }
    SECTION("nothing of what was seen is lost") {
        MadeLog log{400};
        log.begin_origin(origin_of(450));
        const LogReport report = log.check(seen.head());
        CHECK_FALSE(report.flaw);
        CHECK(report.lost_entries == 0);
    }
    SECTION("not without an entry") {
        MadeLog log{200};
        log.generation = 1;
        CHECK(log.check().flaw.has_value());
        CHECK(log.check(seen.head()).flaw.has_value());
    }
    SECTION("not if it cites less than was seen, or another root") {
        MadeLog log{200};
        log.begin_origin(origin_of(299));
        CHECK(log.check(seen.head()).flaw.value().index == 200U);
        MadeLog other{200};
        audit::LogOrigin origin = origin_of(300);
        origin.lost_root[3] ^= 1;
        other.begin_origin(origin);
        CHECK(other.check(seen.head()).flaw.value().index == 200U);
    }
    SECTION("not if what was seen and kept was changed") {
        MadeLog log{400};
        log.entries[7][20] ^= 1;
        log.begin_origin(origin_of(450));
        CHECK(log.check(seen.head()).flaw.has_value());
    }
    SECTION("not an older origin again") {
        MadeLog log{300};
        log.begin_origin(origin_of(310));
        MadeLog old{500};
        CHECK(old.check(log.head()).flaw.has_value());
    }
}

TEST_CASE("an exported log is the same log", "[log]") {
    MadeLog log{700};
    const TempFolder folder;
    const std::string directory = folder / "log";
    CHECK(export_log(log, directory).entries == 700);
    const auto source = open_log_folder(directory);
    CHECK_FALSE(check_log(*source, log.keys(), {}).flaw);
    CHECK(source->offered_keys() == log.offered_keys());
    log.grow(400);
    const ExportedLog added = export_log(log, directory);
    CHECK(added.entries == 1'100);
    CHECK(added.files < 12);  // the full tiles are kept
    CHECK(check_log(*source, log.keys(), {}).checkpoint == log.head());
}
