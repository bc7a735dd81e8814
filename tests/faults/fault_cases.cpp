#include "tests/faults/fault_cases.hpp"

#include <algorithm>
#include <new>
#include <system_error>
#include <thread>

#include "tests/faults/file_calls.hpp"
#include "vault/backup.hpp"
#include "vault/tables.hpp"

namespace oubliette::faults {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBackupDirectory = "backup";
constexpr auto kFinalWait = std::chrono::milliseconds{200};  // long enough without trouble

// Items of the scene, by what the verbs do to them.
enum : std::uint32_t { kLiving, kToErase, kToRemove, kToWithdraw, kErased, kWithdrawn, kItemCount };

}  // namespace

const char* name_of(Verb verb) noexcept {
    switch (verb) {
    case Verb::store: return "store";
    case Verb::detokenize: return "detokenize";
    case Verb::erase: return "erase";
    case Verb::withdraw: return "withdraw";
    case Verb::remove: return "remove";
    case Verb::backup: return "backup";
    case Verb::start: return "start";
    }
    return "";
}

FaultScene::FaultScene() {
    const store::TemporaryDirectory home;
    credentials_ = SmallVault::init(home.path(), clock_);
    Story story{{}};
    {
        SmallVault vault{home.path(), credentials_, clock_};
        for (std::uint32_t i = 0; i < kItemCount; ++i) {
            Item item;
            item.person = "p-" + std::to_string(i);
            item.value = "value " + std::to_string(i);
            vault.tell_store(story, story.add(item));
        }
        vault.tell_erase(story, kErased);
        vault.tell_withdraw(story, kWithdrawn);
        if (!vault.becomes_final(story.items()[kErased].request)) {
            throw std::runtime_error{"the scene's erasure is not final"};
        }
    }
    items_ = story.items();
    fates_ = story.fates();
    files_ = read_image(home.path());
}

// ---- One run ----

class FaultScene::Run {
public:
    Run(const FaultScene& scene, const fs::path& room)
        : scene_(scene), room_(room), story_(scene.items_, scene.fates_) {
        write_image(scene.files_, room);
        fs::create_directory(room / kBackupDirectory);
    }

    void open() { vault_.emplace(room_, scene_.credentials_, scene_.clock_); }
    // A Fault is an honest answer, and so are no memory and no thread; what they have left is
    // checked later.
    void try_to_open() {
        try {
            open();
        } catch (const Fault&) {
        } catch (const std::bad_alloc&) {
        } catch (const std::system_error&) {
        }
    }
    void live(Verb verb);
    // In the same process: a fault says nothing, everything else that is shown must be true.
    void check_answers();
    void close() { vault_.reset(); }
    // With the trouble gone, after a start.
    void check_files();

    void complain(const std::string& what) { wrong_ += (wrong_.empty() ? "" : "; ") + what; }
    [[nodiscard]] const std::string& wrong() const noexcept { return wrong_; }

private:
    void check_answer(const Answer& answer);
    void wait_for_final(std::uint32_t item) const;
    void check_start();
    void check_log();
    void check_backup();

    const FaultScene& scene_;
    const fs::path room_;
    Story story_;
    std::optional<SmallVault> vault_;
    bool has_backup_ = false;
    std::string wrong_;
};

// Done and fault are honest; the refusal of a lawful request is not, and silence neither.
void FaultScene::Run::check_answer(const Answer& answer) {
    if (answer.kind == Answer::Kind::done || answer.kind == Answer::Kind::fault) return;
    complain("answers " + answer.text);
}

void FaultScene::Run::wait_for_final(std::uint32_t item) const {
    const auto deadline = std::chrono::steady_clock::now() + kFinalWait;
    while (must_become_final(story_.fates()[item]) && !is_final(story_.fates()[item]) &&
           std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::microseconds{200});
    }
}

void FaultScene::Run::live(Verb verb) {
    switch (verb) {
    case Verb::store:
        check_answer(
            vault_->tell_store(story_, story_.add({.person = "new", .value = "new value"})));
        break;
    case Verb::detokenize: check_answers(); break;
    case Verb::erase:
        check_answer(vault_->tell_erase(story_, kToErase));
        wait_for_final(kToErase);
        break;
    case Verb::withdraw: check_answer(vault_->tell_withdraw(story_, kToWithdraw)); break;
    case Verb::remove:
        check_answer(vault_->tell_delete(story_, kToRemove));
        wait_for_final(kToRemove);
        break;
    case Verb::backup: {
        const Answer answer = vault_->backup(room_ / kBackupDirectory);
        check_answer(answer);
        has_backup_ = answer.is_done();
        break;
    }
    case Verb::start: break;
    }
}

void FaultScene::Run::check_answers() {
    if (!vault_) return;
    const std::vector<Item> items = story_.items();
    const std::vector<Deed> fates = story_.fates();
    std::vector<std::string> tokens;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (items[i].token.empty()) continue;
        tokens.push_back(items[i].token);
        places.push_back(i);
    }
    const std::vector<Answer> answers = vault_->detokenize(tokens);
    for (std::size_t k = 0; k < tokens.size(); ++k) {
        const Item& item = items[places[k]];
        const Deed fate = fates[places[k]];
        const bool is_silent = answers[k].kind == Answer::Kind::silent;
        if (answers[k].kind == Answer::Kind::fault) continue;
        if (!is_silent && is_kept(item, fate, answers[k].shown())) continue;
        complain(item.person + " (" + std::string{name_of(fate)} + ") shows " + answers[k].text +
                 " in the same process");
    }
}

void FaultScene::Run::check_start() {
    SmallVault vault{room_, scene_.credentials_, scene_.clock_};
    for (const std::string& text : broken_promises(vault, story_.items(), story_.fates())) {
        complain("after a start " + text);
    }
    if (vault.vault().status().rolled_back) complain("takes itself for a copy");
    const Answer stored = vault.store("later", "later value");
    if (!stored.is_done()) complain("stores no more: " + stored.text);
    const auto erased = vault.erase("later", {});
    if (!erased.answer.is_done() || !vault.becomes_final(erased.request)) {
        complain("erases no more: " + erased.answer.text);
    }
}

void FaultScene::Run::check_log() {
    store::StoreOptions options;
    options.read_only = true;
    const auto store =
        store::open_lmdb_store(room_ / kDataDirectory / "store", Tables::names(), options);
    if (!audit::AuditLog::verify(*store->read())) complain("the log does not verify");
}

void FaultScene::Run::check_backup() {
    try {
        const BackupManifest manifest = read_manifest(room_ / kBackupDirectory);
        check_backup_files(room_ / kBackupDirectory, manifest);
    } catch (const Fault& fault) {
        complain(std::string{"a backup that was reported good is not: "} + fault.what());
    }
}

void FaultScene::Run::check_files() {
    if (has_backup_) check_backup();
    check_start();
    check_log();
}

std::string FaultScene::run(Verb verb, const Trouble& trouble, const fs::path& room) const {
    Run run{*this, room};
    try {
        if (verb != Verb::start) run.open();
        trouble.arm();
        if (verb == Verb::start) run.try_to_open();
        run.live(verb);
        if (!trouble.stays_for_close) trouble.disarm();
        run.check_answers();
        run.close();
        trouble.disarm();
        run.check_files();
    } catch (const std::exception& error) {
        trouble.disarm();
        run.complain(std::string{"throws: "} + error.what());
        run.close();
    }
    for (const auto& entry : fs::directory_iterator{room}) fs::remove_all(entry.path());
    return run.wrong();
}

}  // namespace oubliette::faults
