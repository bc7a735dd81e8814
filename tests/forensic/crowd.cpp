#include "tests/forensic/crowd.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace oubliette::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBatch = 100;          // people in one request
constexpr std::size_t kUnderWayMax = 1'024;  // erasures

// Counts what is under way, so that many share a group and not all of a million wait at once.
class Flight {
public:
    void begin() {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [this] { return count_ < kUnderWayMax; });
        ++count_;
    }
    void end() {
        const std::lock_guard lock{mutex_};
        --count_;
        changed_.notify_all();
    }
    [[nodiscard]] bool wait_all() {
        std::unique_lock lock{mutex_};
        return changed_.wait_for(lock, std::chrono::minutes{5}, [this] { return count_ == 0; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t count_ = 0;
};

using Fields = std::vector<std::pair<std::string, std::string>>;

Fields fields_of(std::size_t person) {
    const std::string n = std::to_string(person);
    return {{"username", "name " + n},
            {"mobile", "+86138" + std::to_string(10'000'000 + person)},
            {"email", "person" + n + "@example.org"},
            {"real_name", "Ann Number " + n},
            {"industry", "industry " + n},
            {"region", "region " + n},
            {"website", "https://example.org/" + n},
            {"address", R"({"city":"City )" + n + R"("})"}};
}

}  // namespace

std::string Crowd::id_of(std::size_t person) {
    return "customer-" + std::to_string(person);
}

void Crowd::add(std::size_t from, std::size_t to) {
    const Caller web = vault.caller("web");
    ConsentInput consent;
    consent.slot = "policy";
    consent.granted = true;
    consent.policy_version = vault->gate()->version();
    consent.kind = policy::ConsentKind::policy;
    for (std::size_t first = from; first < to; first += kBatch) {
        const std::size_t last = std::min(to, first + kBatch);
        std::vector<std::string> ids;
        std::vector<Fields> fields;
        for (std::size_t person = first; person < last; ++person) {
            ids.push_back(id_of(person));
            fields.push_back(fields_of(person));
        }
        TokenizeRequest request;
        request.purpose = "own_account";
        request.consents = {consent};
        for (std::size_t i = 0; i < ids.size(); ++i) {
            for (const auto& [field, value] : fields[i]) {
                const auto kind =
                    field == "address" ? policy::ValueKind::json : policy::ValueKind::text;
                request.items.push_back({ids[i], field, ValueInput{kind, value}});
            }
        }
        const auto answer = wait_for<TokenizeAnswer>(
            [&](Done<TokenizeAnswer> done) { vault->tokenize(web, request, std::move(done)); });
        REQUIRE(answer.has_value());
        for (const auto& item : *answer) REQUIRE(std::holds_alternative<TokenText>(item));
    }
}

void Crowd::erase(std::size_t from, std::size_t to,
                  const std::function<bool(std::size_t)>& is_gone) {
    const Caller officer = vault.caller("privacy_officer");
    const auto flight = std::make_shared<Flight>();
    std::vector<std::string> ids;
    ids.reserve(to - from);  // requests view them
    std::atomic<std::size_t> refused{0};
    for (std::size_t person = from; person < to; ++person) {
        if (!is_gone(person)) continue;
        ids.push_back(id_of(person));
        flight->begin();
        vault->erase(
            officer, ids.back(), "other",
            [&refused](Result<ErasureAnswer> answer, const Fault* fault) {
                if (fault != nullptr || !answer) ++refused;
            },
            [flight](const ErasureRow&) { flight->end(); });
    }
    REQUIRE(flight->wait_all());
    REQUIRE(refused == 0);
}

void Crowd::settle() {
    vault.clock.advance(2 * kHour);
    vault.reopen();
    for (int i = 0; vault->status().plane.waiting > 0; ++i) {
        REQUIRE(i < 6'000);
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
}

void Crowd::back_up(const std::string& name) {
    fs::create_directory(place(name));
    vault->backup_to(place(name));
    kept_.push_back(place(name));
}

void Crowd::keep_files(const std::string& name) {
    fs::create_directory(place(name));
    kept_.push_back(place(name));
    fs::copy(vault.options().data, place(name) / "data", fs::copy_options::recursive);
    for (const fs::path& keeper : vault.options().plane.keepers) {
        const fs::path copy = place(name) / keeper.filename();
        fs::copy(keeper, copy, fs::copy_options::recursive);
        fs::remove(copy / "anchor.cell");
    }
}

fs::path Crowd::keep_cell(const std::string& name) const {
    fs::copy_file(vault.options().plane.keepers.front() / "anchor.cell", place(name));
    return place(name);
}

forensic::AttackOptions Crowd::attack() const {
    forensic::AttackOptions options;
    options.places = kept_;
    options.places.push_back(vault.options().data);
    for (const fs::path& keeper : vault.options().plane.keepers) options.places.push_back(keeper);
    options.secrets.push_back(test_seal());
    return options;
}

}  // namespace oubliette::testing
