#include "tools/restore.hpp"

#include <map>
#include <set>

#include "tests/tools/vault_place.hpp"
#include "tools/cli.hpp"
#include "vault/backup_signature.hpp"
#include "vault/drill_keys.hpp"
#include "vault/people/records.hpp"
#include "vault/tables.hpp"

// The restore drill and `restore`, with real keepers and a real backup.

namespace oubliette::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAnn = "ann@example.org";
constexpr std::string_view kBob = "bob@example.org";
constexpr std::string_view kEve = "eve@example.org";

// A vault with three people, and a backup of it.
class Backup : public VaultPlace {
public:
    Backup() {
        const auto vault = open();
        add_person(*vault, "c-ann", kAnn);
        bobs_token = add_person(*vault, "c-bob", kBob);
        add_person(*vault, "c-eve", kEve);
        fs::create_directory(directory());
        vault->backup_to(directory());
    }
    [[nodiscard]] fs::path directory() const { return home / "backup"; }

    [[nodiscard]] DrillReport drill() const { return drill(keepers()); }
    [[nodiscard]] DrillReport drill(const std::vector<fs::path>& keepers) const {
        opened_ids.clear();
        DrillOptions options;
        options.backup = directory();
        options.keepers = keepers;
        options.on_open = [this](std::string_view id) { opened_ids.insert(std::string{id}); };
        return run_drill(options, seal());
    }
    // Changes the store and makes the manifest fit again, as a vault with a fault would.
    void change(FunctionRef<void(store::WriteView&)> work) const {
        const BackupManifest manifest = read_manifest(directory());
        {
            store::StoreOptions options;
            const auto store = store::open_lmdb_store(directory(), Tables::names(), options);
            store->write(work);
        }
        fs::remove(directory() / "owner.lock");
        write_manifest(directory(),
                       describe_backup(directory(), manifest.created, manifest.settings));
        sign();
    }
    // As the vault does, with the key that its keepers hold.
    void sign() const {
        std::vector<std::string> unusable;
        DrillKeys keys{keepers(), seal(), read_manifest(directory()).vault, unusable};
        sign_backup(directory(), backup_signing_key(keys.ask({backup_sign_path()}).front()));
    }
    void change_manifest(const std::string& from, const std::string& to) const {
        const std::string file = (directory() / kBackupManifest).string();
        std::string text = read_text(file);
        const std::size_t at = text.find(from);
        REQUIRE(at != std::string::npos);
        write_text(file, text.replace(at, from.size(), to));
    }
    [[nodiscard]] RestoreOptions restoring() const {
        return {directory(), home / "new", keepers(), seal_text()};
    }

    std::string bobs_token;
    mutable std::set<std::string> opened_ids;
};

// The rows of one kind, in the order of people.
std::vector<std::pair<Bytes, Bytes>> rows_of(const store::ReadView& view, people::RowKind kind) {
    std::vector<std::pair<Bytes, Bytes>> rows;
    view.scan(Tables::kPeople, {}, {}, [&](ByteView key, ByteView value) {
        if (people::kind_of(key) == kind) {
            rows.emplace_back(Bytes(key.begin(), key.end()), Bytes(value.begin(), value.end()));
        }
        return true;
    });
    return rows;
}

std::map<std::string, std::string> contents_of(const std::vector<fs::path>& directories) {
    std::map<std::string, std::string> contents;
    for (const fs::path& directory : directories) {
        for (const auto& entry : fs::recursive_directory_iterator{directory}) {
            if (entry.is_regular_file()) {
                contents[entry.path().string()] = read_text(entry.path().string());
            }
        }
    }
    return contents;
}

// What it says, or "" if it does not throw.
template <class Work>
std::string complaint_of(Work work) {
    try {
        work();
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return {};
}

using Catch::Matchers::Contains;

}  // namespace

TEST_CASE("a drill opens everything of a whole backup and writes nothing") {
    const Backup backup;
    const auto before = contents_of({backup.directory(), backup.home / "k1", backup.home / "k2"});
    const DrillReport report = backup.drill();
    CHECK(report.passed());
    CHECK(report.people == DrillCount{3, 0, 0});
    CHECK(report.values == DrillCount{3, 0, 0});
    CHECK(report.consents == DrillCount{3, 0, 0});
    CHECK(report.keepers.size() == 2);
    CHECK(backup.opened_ids == std::set<std::string>{"c-ann", "c-bob", "c-eve"});
    CHECK(contents_of({backup.directory(), backup.home / "k1", backup.home / "k2"}) == before);
}

TEST_CASE("a drill beside a running vault counts whom it erased, and only them") {
    const Backup backup;
    const auto vault = backup.open();
    erase_person(*vault, "c-bob");
    const DrillReport report = backup.drill();
    CHECK(report.passed());
    CHECK(report.people == DrillCount{2, 1, 0});
    CHECK(report.values == DrillCount{2, 1, 0});
    CHECK(report.consents == DrillCount{2, 1, 0});
    CHECK(report.rows_of_erased_asked >= 5);
    CHECK(backup.opened_ids == std::set<std::string>{"c-ann", "c-eve"});
    CHECK(email_of(*vault, "c-ann") == kAnn);
}

TEST_CASE("a backup that knows of an erasure drills and restores") {
    const Backup backup;
    {
        const auto vault = backup.open();
        erase_person(*vault, "c-bob");
        fs::remove_all(backup.directory());
        fs::create_directory(backup.directory());
        vault->backup_to(backup.directory());
    }
    const DrillReport report = backup.drill();
    CHECK(report.records_damaged == 0);
    CHECK(report.passed());
    CHECK(restore_vault(backup.restoring(), backup.seal()).passed());
    const auto vault = backup.open("new");
    CHECK(email_of(*vault, "c-ann") == kAnn);
    CHECK(opened(*vault, backup.bobs_token) == "ERASED");
}

TEST_CASE("a drill counts damaged erasure rows") {
    const Backup backup;
    erase_person(*backup.open(), "c-bob");
    fs::remove_all(backup.directory());
    fs::create_directory(backup.directory());
    backup.open()->backup_to(backup.directory());
    backup.change([](store::WriteView& view) {
        Bytes key;
        Bytes row;
        view.scan(Tables::kErasures, {}, {}, [&](ByteView at, ByteView value) {
            key.assign(at.begin(), at.end());
            row.assign(value.begin(), value.end());
            return false;
        });
        row.pop_back();
        view.put(Tables::kErasures, key, row);
    });
    CHECK(backup.drill().records_damaged == 1);
}

TEST_CASE("a drill counts damaged and swapped rows") {
    const Backup backup;
    SECTION("one bit of a value") {
        backup.change([](store::WriteView& view) {
            auto [key, row] = rows_of(view, people::RowKind::value).front();
            row.back() ^= 1;
            view.put(Tables::kPeople, key, row);
        });
        CHECK(backup.drill().values == DrillCount{2, 0, 1});
    }
    SECTION("the search entry of a value") {
        backup.change([](store::WriteView& view) {
            auto [key, row] = rows_of(view, people::RowKind::value).front();
            row[people::kHeaderSize + 40] ^= 1;
            view.put(Tables::kPeople, key, row);
        });
        CHECK(backup.drill().values == DrillCount{2, 0, 1});
    }
    SECTION("the values of two people, swapped") {
        backup.change([](store::WriteView& view) {
            const auto rows = rows_of(view, people::RowKind::value);
            view.put(Tables::kPeople, rows[0].first, rows[1].second);
            view.put(Tables::kPeople, rows[1].first, rows[0].second);
        });
        CHECK(backup.drill().values == DrillCount{1, 0, 2});
    }
    SECTION("a missing hot row") {
        backup.change([](store::WriteView& view) {
            view.remove(Tables::kPeople, rows_of(view, people::RowKind::hot).front().first);
        });
        CHECK(backup.drill().people == DrillCount{2, 0, 1});
    }
    SECTION("a cut consent") {
        backup.change([](store::WriteView& view) {
            auto [key, row] = rows_of(view, people::RowKind::marker).front();
            row.pop_back();
            view.put(Tables::kPeople, key, row);
        });
        CHECK(backup.drill().consents == DrillCount{2, 0, 1});
    }
    SECTION("an audit entry") {
        backup.change([](store::WriteView& view) {
            Bytes key;
            Bytes segment;
            view.scan(Tables::kAudit, {}, {}, [&](ByteView at, ByteView value) {
                key.assign(at.begin(), at.end());
                segment.assign(value.begin(), value.end());
                return false;
            });
            segment[40] ^= 1;
            view.put(Tables::kAudit, key, segment);
        });
        CHECK_FALSE(backup.drill().is_log_whole);
    }
    CHECK_FALSE(backup.drill().passed());
}

TEST_CASE("a drill uses the keepers that open, and refuses without one") {
    const Backup backup;
    fs::remove(fs::path{backup.home / "k2"} / "anchor.cell");
    const DrillReport report = backup.drill();
    CHECK(report.passed());
    CHECK(report.keepers.size() == 1);
    CHECK(report.keepers_unusable.size() == 1);
    CHECK_THROWS_AS(backup.drill({backup.home / "k2"}), Fault);
    CHECK_THROWS_AS(backup.drill({backup.home / "nowhere"}), Fault);
    CHECK_THROWS_AS(backup.drill({}), Fault);
}

TEST_CASE("a drill fails when a keeper still holds an erased person's key") {
    const Backup backup;
    fs::copy(backup.home / "k2", backup.home / "away", fs::copy_options::recursive);
    erase_person(*backup.open(), "c-bob");
    const DrillReport report = backup.drill({backup.home / "k1", backup.home / "away"});
    CHECK(report.erased_but_open > 0);
    CHECK_FALSE(report.passed());
    CHECK(report.people == DrillCount{2, 1, 0});
    CHECK(backup.drill().passed());
}

TEST_CASE("a restored vault knows everybody but whom was erased since") {
    const Backup backup;
    erase_person(*backup.open(), "c-bob");
    CHECK(restore_vault(backup.restoring(), backup.seal()).passed());
    const auto vault = backup.open("new");
    CHECK(vault->status().rolled_back);
    CHECK(email_of(*vault, "c-ann") == kAnn);
    CHECK(email_of(*vault, "c-eve") == kEve);
    CHECK(opened(*vault, backup.bobs_token) == "ERASED");
    CHECK(email_of(*vault, "c-bob") == "NOT_FOUND");
    add_person(*vault, "c-new", "new@example.org");
    CHECK(email_of(*vault, "c-new") == "new@example.org");
}

TEST_CASE("restore refuses what is no whole backup of this vault, and leaves nothing behind") {
    const Backup backup;
    const auto complaint = [&](const RestoreOptions& options) {
        return complaint_of([&] { (void)restore_vault(options, backup.seal()); });
    };
    RestoreOptions options = backup.restoring();
    SECTION("cut off") {
        write_text((backup.directory() / kBackupIncomplete).string(), "");
        CHECK_THAT(complaint(options), Contains("INCOMPLETE"));
    }
    SECTION("no manifest") {
        fs::remove(backup.directory() / kBackupManifest);
        CHECK_THAT(complaint(options), Contains("manifest.json"));
    }
    SECTION("another digest") {
        const std::string file = (backup.directory() / "data.mdb").string();
        std::string bytes = read_text(file);
        bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
        write_text(file, bytes);
        CHECK_THAT(complaint(options), Contains("data.mdb"));
    }
    SECTION("a shorter file") {
        fs::resize_file(backup.directory() / "data.mdb", 4'096);
        CHECK_THAT(complaint(options), Contains("data.mdb"));
    }
    SECTION("a newer format") {
        backup.change_manifest("\"format\": 1", "\"format\": 2");
        CHECK_THAT(complaint(options), Contains("newer version"));
    }
    SECTION("a path for a name") {
        backup.change_manifest("\"data.mdb\"", "\"../data.mdb\"");
        CHECK_FALSE(complaint(options).empty());
    }
    SECTION("a manifest of another state") {
        backup.change_manifest("\"log_size\": ", "\"log_size\": 9");
        backup.sign();
        CHECK_THAT(complaint(options), Contains("two different backups"));
    }
    SECTION("keepers of another vault") {
        const VaultPlace other;
        options.keepers = other.keepers();
        options.seal = other.seal_text();
        CHECK_THAT(complaint_of([&] { (void)restore_vault(options, other.seal()); }),
                   Contains("another vault"));
    }
    SECTION("damage") {
        backup.change([](store::WriteView& view) {
            view.remove(Tables::kPeople, rows_of(view, people::RowKind::hot).front().first);
        });
        CHECK_THAT(complaint(options), Contains("not restored"));
    }
    SECTION("a running server") {
        const auto vault = backup.open();
        CHECK_THAT(complaint(options), Contains("server is running"));
    }
    SECTION("a keeper inside the new data") {
        options.data = backup.home / "k1" + "/..";
        CHECK_FALSE(complaint(options).empty());
        options.data = backup.home / "new";
    }
    CHECK_FALSE(fs::exists(options.data));
}

TEST_CASE("restore refuses a backup that this vault did not sign, and leaves nothing behind") {
    const Backup backup;
    const auto complaint = [&] {
        return complaint_of([&] { (void)restore_vault(backup.restoring(), backup.seal()); });
    };
    SECTION("a manifest changed by a space") {
        backup.change_manifest("\"format\": 1", "\"format\":  1");
        CHECK_THAT(complaint(), Contains("manifest.sig"));
    }
    SECTION("no signature") {
        fs::remove(backup.directory() / kBackupSignature);
        CHECK_THAT(complaint(), Contains("manifest.sig"));
    }
    SECTION("a signature with a byte more") {
        const std::string file = (backup.directory() / kBackupSignature).string();
        write_text(file, read_text(file) + "\n");
        CHECK_THAT(complaint(), Contains("manifest.sig"));
    }
    SECTION("data of our own making, with a manifest that fits, signed by somebody else") {
        backup.change([](store::WriteView& view) {
            view.put(Tables::kMeta, bytes_of("mine"), bytes_of("mine"));
        });
        sign_backup(backup.directory(),
                    crypto::SigningKey{crypto::Seed{ByteArray<32>{7}}.expose()});
        CHECK_THAT(complaint(), Contains("manifest.sig"));
        backup.sign();
        CHECK(complaint().empty());
        fs::remove_all(backup.restoring().data);
    }
    SECTION("a signature of another vault") {
        const Backup other;
        fs::copy_file(other.directory() / kBackupSignature, backup.directory() / kBackupSignature,
                      fs::copy_options::overwrite_existing);
        CHECK_THAT(complaint(), Contains("manifest.sig"));
    }
    CHECK_FALSE(fs::exists(backup.restoring().data));
}

TEST_CASE("restore refuses a directory that holds something, and keeps it") {
    const Backup backup;
    fs::create_directory(backup.home / "new");
    write_text(backup.home / "new/mine", "kept");
    CHECK_THAT(complaint_of([&] { (void)restore_vault(backup.restoring(), backup.seal()); }),
               Contains("not empty"));
    CHECK(read_text(backup.home / "new/mine") == "kept");
}

}  // namespace oubliette::tools
