#include "tools/demo_story.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>

#include <boost/json/serialize.hpp>

#include "crypto/encoding.hpp"
#include "tools/clear_text_scan.hpp"
#include "tools/cli.hpp"
#include "tools/demo_calls.hpp"
#include "tools/demo_receipt.hpp"
#include "vault/drill.hpp"

namespace oubliette::tools {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kSeed = 20'221'122;  // the same people each time
constexpr std::size_t kPeopleAtOnce = 200;
constexpr int kPolicyVersion = 3;  // of the example policy
constexpr std::array<const char*, 5> kFields{"username", "real_name", "mobile", "email", "address"};
constexpr std::size_t kMobile = 2;

std::array<std::string, kFields.size()> values_of(const SyntheticPerson& person) {
    return {person.user_name, person.real_name, person.mobile, person.email, person.address};
}

std::string seconds_text(double seconds) {
    std::array<char, 32> text{};
    (void)std::snprintf(text.data(), text.size(), seconds < 0.1 ? "%.3f s" : "%.1f s", seconds);
    return text.data();
}

class Watch {
public:
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }
    [[nodiscard]] std::string text() const { return seconds_text(seconds()); }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class Story {
public:
    Story(const DemoPlace& place, std::uint64_t people_count,
          const std::function<void(const DemoResult&)>& told)
        : place_{place},
          told_{told},
          web_{place, "app-web.key"},
          support_{place, "app-support_desk.key"},
          marketing_{place, "app-marketing.key"},
          officer_{place, "privacy_officer.key"},
          operator_{place, "key_operator.key"},
          erased_{people_count / 2},
          withdrawn_{people_count / 3} {
        for (std::uint64_t i = 0; i < people_count; ++i) people_.push_back(make_person(kSeed, i));
    }

    std::vector<DemoResult> tell() {
        step("0a", "Nothing is kept before you accept the policy", [&] { return no_consent(); });
        step("1.2(1)", "Only what the policy lists can be kept", [&] { return unknown_field(); });
        step("1.2(1)", "What you give is replaced by tokens", [&] { return take_in(); });
        step("1.3(1)", "Your data serves the purpose you gave it for",
             [&] { return right_purpose(); });
        step("1.3(5)", "It serves no other purpose", [&] { return wrong_purpose(); });
        step("3.1", "Another recipient can do nothing with a token",
             [&] { return other_recipient(); });
        step("4.2a", "Support sees no more than it needs", [&] { return least_data(); });
        step("1.3(4)", "Promotion stops when you withdraw", [&] { return withdrawal(); });
        step("4.1", "Search needs no readable copy of your number", [&] { return search(); });
        step("4.1", "Each disclosure leaves an audit entry", [&] { return audited(); });
        step("4.1", "A backup holds boxes, never the keys to them", [&] { return take_backup(); });
        step("5.1", "You are erased when you ask for it", [&] { return erase(); });
        step("5.3", "After that nobody finds you", [&] { return gone(); });
        step("5.4b", "Older backups cannot read you either", [&] { return drill(); });
        step("4.1", "No file holds a value in clear", [&] { return scan(); });
        return std::move(results_);
    }

private:
    using Outcome = std::pair<bool, std::string>;

    template <class Work>
    void step(const char* clause, const char* promise, Work work) {
        DemoResult result{clause, promise, {}, false};
        try {
            std::tie(result.is_kept, result.fact) = work();
        } catch (const CommandError& error) {
            if (error.exit() == Exit::interrupted) throw;
            result.fact = error.what();
        } catch (const Fault& fault) {
            result.fact = fault.what();
        }
        told_(result);
        results_.push_back(std::move(result));
    }

    [[nodiscard]] std::string path_of(std::uint64_t number) const {
        return "/v1/subjects/" + demo_subject(number);
    }

    // Tokens of `number` for another recipient.
    std::string token_for(std::uint64_t number, const char* field, const char* recipient) {
        const json::object body{
            {"purpose", "own_account"},
            {"token", {{"recipient", recipient}}},
            {"items",
             json::array{json::object{{"subject", demo_subject(number)}, {"field", field}}}}};
        return item_text(web_.items("/v1/tokenize", body).at(0), "token");
    }

    json::value open_one(DemoClient& client, const char* purpose, const std::string& token,
                         const char* want = nullptr) {
        json::object body{{"purpose", purpose}, {"tokens", json::array{token}}};
        if (want != nullptr) body["want"] = want;
        return client.items("/v1/detokenize", body).at(0);
    }

    // ---- The steps.

    Outcome no_consent() {
        const DemoAnswer refused = web_.put(
            "/v1/subjects/c-stranger",
            json::object{{"purpose", "own_account"}, {"fields", {{"mobile", "+2105551"}}}});
        const DemoAnswer after =
            web_.get("/v1/subjects/c-stranger?purpose=own_account&fields=mobile");
        return {refused.code() == "CONSENT_MISSING" && after.status == 404,
                "storing a mobile number without it: " + std::to_string(refused.status) + " " +
                    refused.code() + "; the person is unknown afterwards (" +
                    std::to_string(after.status) + ")"};
    }

    Outcome unknown_field() {
        const DemoAnswer refused = web_.put(
            "/v1/subjects/c-stranger",
            json::object{{"purpose", "own_account"}, {"fields", {{"id_number", "12345"}}}});
        return {refused.code() == "FIELD_UNKNOWN",
                "storing an id_number: " + std::to_string(refused.status) + " " + refused.code()};
    }

    json::array consents() const {
        const std::string evidence = crypto::hex_encode(crypto::sha256({bytes_of("demo form")}));
        json::array given;
        for (const auto& [slot, kind] : {std::pair{"policy", "policy"}, {"promote", "express"}}) {
            given.push_back(json::object{{"slot", slot},
                                         {"granted", true},
                                         {"policy_version", kPolicyVersion},
                                         {"kind", kind},
                                         {"evidence_sha256", evidence}});
        }
        return given;
    }

    Outcome take_in() {
        const Watch watch;
        for (std::size_t begin = 0; begin < people_.size(); begin += kPeopleAtOnce) {
            const std::size_t end = std::min(begin + kPeopleAtOnce, people_.size());
            json::array items;
            for (std::size_t i = begin; i < end; ++i) {
                const auto values = values_of(people_[i]);
                for (std::size_t f = 0; f < kFields.size(); ++f) {
                    items.push_back(json::object{
                        {"subject", demo_subject(i)}, {"field", kFields[f]}, {"value", values[f]}});
                }
            }
            const json::object body{
                {"purpose", "own_account"}, {"items", std::move(items)}, {"consents", consents()}};
            for (const json::value& item : web_.items("/v1/tokenize", body)) {
                tokens_.push_back(item_text(item, "token"));
            }
        }
        const auto count = static_cast<std::uint64_t>(
            std::ranges::count_if(tokens_, [](const auto& token) { return !token.empty(); }));
        return {count == people_.size() * kFields.size(),
                grouped(people_.size()) + " people, " + grouped(count) +
                    " values stored and answered by tokens, in " + watch.text()};
    }

    Outcome right_purpose() {
        const Watch watch;
        std::uint64_t equal = 0;
        const std::size_t batch = kPeopleAtOnce * kFields.size();
        for (std::size_t begin = 0; begin < tokens_.size(); begin += batch) {
            const auto end = std::min(begin + batch, tokens_.size());
            json::array asked(tokens_.begin() + static_cast<std::ptrdiff_t>(begin),
                              tokens_.begin() + static_cast<std::ptrdiff_t>(end));
            const json::array items =
                web_.items("/v1/detokenize",
                           json::object{{"purpose", "own_account"}, {"tokens", std::move(asked)}});
            for (std::size_t i = 0; i < items.size(); ++i) {
                const auto values = values_of(people_[(begin + i) / kFields.size()]);
                if (item_text(items[i], "value") == values[(begin + i) % kFields.size()]) ++equal;
            }
        }
        return {equal == tokens_.size() && !tokens_.empty(),
                grouped(equal) + " of " + grouped(tokens_.size()) +
                    " tokens opened to exactly what was given, in " + watch.text()};
    }

    Outcome wrong_purpose() {
        const std::string& token = tokens_.at(kMobile);
        const std::string promote = item_code(open_one(web_, "promote", token));
        const std::string unknown = item_code(open_one(web_, "credit_score", token));
        return {promote == "PURPOSE_NOT_ALLOWED" && unknown == "PURPOSE_UNKNOWN",
                "the shop asks for promotion: " + promote + "; for a credit score: " + unknown};
    }

    Outcome other_recipient() {
        const json::value stolen = open_one(marketing_, "promote", tokens_.at(kMobile));
        const json::value invented = open_one(marketing_, "promote", "obl1.not-a-token");
        const bool same = json::serialize(stolen) == json::serialize(invented);
        return {item_code(stolen) == "NOT_FOUND" && same,
                "marketing presents the shop's token: " + item_code(stolen) +
                    (same ? ", the same answer as for a token that never existed"
                          : ", but an invented token is answered differently")};
    }

    Outcome least_data() {
        const std::string& mobile = people_.front().mobile;
        const json::value item =
            open_one(support_, "support", token_for(0, "mobile", "support_desk"), "plain");
        const std::string shown = item_text(item, "value");
        const bool is_masked = shown.size() == mobile.size() && shown.size() > 4 &&
                               shown.ends_with(mobile.substr(mobile.size() - 4)) &&
                               shown.find_first_not_of('*') == shown.size() - 4;
        return {is_masked, "support asks for a mobile number in plain and gets " +
                               (shown.empty() ? item_code(item) : shown)};
    }

    Outcome withdrawal() {
        const std::string token = token_for(withdrawn_, "email", "marketing");
        const bool was_open =
            item_text(open_one(marketing_, "promote", token), "value") == people_[withdrawn_].email;
        const Watch watch;
        const DemoAnswer withdrawn =
            web_.put(path_of(withdrawn_) + "/consents/promote", json::object{{"granted", false}});
        const std::string code = item_code(open_one(marketing_, "promote", token));
        return {was_open && withdrawn.status == 200 && code == "CONSENT_MISSING",
                std::string{was_open ? "marketing read the address before; "
                                     : "marketing could not read the address before; "} +
                    "the very next read, " + watch.text() +
                    " after the withdrawal was sent: " + code};
    }

    json::array found(std::uint64_t number) {
        const DemoAnswer answer =
            support_.post("/v1/search", json::object{{"purpose", "support"},
                                                     {"field", "mobile"},
                                                     {"value", people_[number].mobile}});
        const auto* const object = answer.body.if_object();
        const auto* const subjects = object == nullptr ? nullptr : object->if_contains("subjects");
        if (answer.status != 200 || subjects == nullptr || !subjects->is_array()) {
            throw CommandError(
                Exit::failed,
                "the search answered " + std::to_string(answer.status) + " " + answer.code());
        }
        return subjects->get_array();
    }

    Outcome search() {
        const Watch watch;
        const json::array subjects = found(erased_);
        const bool is_found =
            subjects.size() == 1 && subjects.at(0) == json::value(demo_subject(erased_));
        return {is_found, "search by phone number finds " + std::to_string(subjects.size()) +
                              " of " + grouped(people_.size()) + " people, the right one, in " +
                              watch.text()};
    }

    std::uint64_t status_number(const char* name) {
        const DemoAnswer status = operator_.get("/v1/status");
        const auto* const object = status.body.if_object();
        const auto* const value = object == nullptr ? nullptr : object->if_contains(name);
        if (value == nullptr) throw CommandError(Exit::failed, "/v1/status lacks a number");
        return value->to_number<std::uint64_t>();
    }

    Outcome audited() {
        const std::uint64_t before = status_number("audit_entries");
        (void)open_one(web_, "own_account", tokens_.at(kMobile));
        (void)open_one(web_, "promote", tokens_.at(kMobile));
        const std::uint64_t after = status_number("audit_entries");
        return {after - before == 2,
                "one value read and one refused: " + std::to_string(after - before) +
                    " new entries, " + grouped(after) + " in all"};
    }

    Outcome take_backup() {
        const Watch watch;
        const DemoClient::Backup backup = operator_.backup(place_.backup().string());
        std::set<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator{place_.backup()}) {
            names.insert(entry.path().filename().string());
        }
        check_backup_files(place_.backup(), read_manifest(place_.backup()));
        return {names == std::set<std::string>{"data.mdb", "manifest.json", "manifest.sig"},
                std::to_string(backup.file_count) + " files, " + grouped(backup.size / 1'024) +
                    " KiB over HTTPS in " + watch.text() +
                    ", digests verified; no file of a keeper is among them"};
    }

    Outcome erase() {
        const Watch watch;
        const DemoAnswer answer =
            officer_.post(path_of(erased_) + "/erase", json::object{{"ground", "no_longer_using"}});
        const double seconds = watch.seconds();
        const DemoAnswer keys = operator_.get("/v1/receipts/keys");
        const ReceiptJudgement judgement = judge_receipt(
            json::serialize(answer.body), json::serialize(keys.body), demo_subject(erased_));
        return {answer.status == 200 && judgement.is_good,
                "final after " + seconds_text(seconds) + ": " + judgement.fact};
    }

    Outcome gone() {
        const std::string by_token =
            item_code(open_one(web_, "own_account", tokens_.at(erased_ * kFields.size())));
        const std::string query = "?purpose=own_account&fields=email";
        const DemoAnswer by_id = web_.get(path_of(erased_) + query);
        const DemoAnswer never = web_.get("/v1/subjects/c-never-seen" + query);
        const bool same = by_id.status == never.status && by_id.code() == never.code();
        const std::size_t by_phone = found(erased_).size();
        return {by_token == "ERASED" && by_id.status == 404 && same && by_phone == 0,
                "by token: 410 " + by_token + "; by id: " + std::to_string(by_id.status) + " " +
                    by_id.code() + ", as for an id never seen; by phone number: " +
                    std::to_string(by_phone) + " found"};
    }

    Outcome drill() {
        DrillOptions options;
        options.backup = place_.backup();
        options.keepers = place_.keepers();
        std::set<std::string> missing;
        for (std::uint64_t i = 0; i < people_.size(); ++i) missing.insert(demo_subject(i));
        options.on_open = [&](std::string_view id) { missing.erase(std::string{id}); };
        const DrillReport report = run_drill(options, keys::read_seal_secret(place_.seal(), false));
        const bool is_right = missing == std::set{demo_subject(erased_)};
        return {report.passed() && is_right && report.people.erased == 1 &&
                    report.values.erased == kFields.size(),
                "the backup from before the erasure, with today's keepers: " +
                    grouped(report.people.open) + " people with " + grouped(report.values.open) +
                    " values open, " + grouped(report.people.erased) + " person with " +
                    grouped(report.values.erased) + " values erased" +
                    (is_right ? " (exactly the one)" : " (NOT exactly the one)") + ", " +
                    grouped(report.damaged()) + " damaged"};
    }

    Outcome scan() {
        std::vector<std::string> values;
        for (std::uint64_t i = 0; i < people_.size(); ++i) {
            for (std::string& value : values_of(people_[i])) values.push_back(std::move(value));
            values.push_back(people_[i].mobile.substr(1));  // without the +
        }
        const ClearTextScan scan{values};
        // A search that finds nothing proves nothing unless it can find something.
        const bool can_find = scan.finds_in("before " + people_.back().email + " after");
        const ClearTextScan::Result result = scan.scan(place_.home());
        return {can_find && result.hits.empty(),
                grouped(scan.value_count()) + " values as UTF-8, UTF-16 and hex in " +
                    grouped(result.file_count) + " files (" + grouped(result.size >> 20) +
                    " MiB) of data, backup and keepers: " + grouped(result.hits.size()) + " found" +
                    (result.hits.empty() ? "" : ", in " + result.hits.front().string())};
    }

    const DemoPlace& place_;
    const std::function<void(const DemoResult&)>& told_;
    DemoClient web_;
    DemoClient support_;
    DemoClient marketing_;
    DemoClient officer_;
    DemoClient operator_;
    std::vector<SyntheticPerson> people_;
    std::uint64_t erased_;
    std::uint64_t withdrawn_;
    std::vector<std::string> tokens_;  // of the shop: kFields of person 0, of person 1, ...
    std::vector<DemoResult> results_;
};

}  // namespace

std::string demo_subject(std::uint64_t number) {
    const std::string digits = std::to_string(number);
    return "customer-" + std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits;
}

std::vector<DemoResult> tell_story(const DemoPlace& place, std::uint64_t people_count,
                                   const std::function<void(const DemoResult&)>& told) {
    return Story{place, people_count, told}.tell();
}

}  // namespace oubliette::tools
