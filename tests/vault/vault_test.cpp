#include "vault/vault.hpp"

#include <algorithm>
#include <future>

#include <catch2/catch.hpp>

#include "tests/store/store_fixture.hpp"
#include "vault/policy/example.hpp"

// The vault as its callers see it, with real keepers and a real store.

namespace oubliette {
namespace {

namespace fs = std::filesystem;

class FixedClock final : public Clock {
public:
    [[nodiscard]] Timestamp now() const noexcept override { return {now_}; }

private:
    std::uint32_t now_ = 217'000'000;  // November 2026
};

// Waits for the one answer of a verb.
template <class T>
class Answer {
public:
    [[nodiscard]] Done<T> done() {
        return [state = state_](Result<T> result, const Fault* fault) {
            if (fault != nullptr) {
                state->set_exception(std::make_exception_ptr(Fault{*fault}));
            } else {
                state->set_value(std::move(result));
            }
        };
    }
    [[nodiscard]] Result<T> get() { return future_.get(); }

private:
    std::shared_ptr<std::promise<Result<T>>> state_ = std::make_shared<std::promise<Result<T>>>();
    std::future<Result<T>> future_ = state_->get_future();
};

class Place {
public:
    Place() {
        options_.data = home_.path() / "data";
        options_.plane.keepers = {home_.path() / "k1", home_.path() / "k2"};
        options_.plane.accept_besteffort = true;
        options_.store = store::small_options();
        options_.tenant = "overseas";
        const std::vector<NewClient> clients{
            {"web", "web", {Role::app}}, {"officer", "privacy_office", {Role::privacy_officer}}};
        keys_ = Vault::init(options_, seal(), policy::example_policy(), clients, clock_).api_keys;
    }
    [[nodiscard]] std::unique_ptr<Vault> open() const {
        return Vault::open(options_, seal(), clock_);
    }
    [[nodiscard]] Caller caller(const Vault& vault) const {
        const ApiKey& key = keys_.front();
        const auto caller = vault.authenticate(key.client, key.key, key.secret.expose());
        REQUIRE(caller);
        return *caller;
    }
    void copy_to(const std::string& name) const {
        fs::copy(options_.data, home_.path() / name, fs::copy_options::recursive);
    }
    void restore(const std::string& name) const {
        fs::remove_all(options_.data);
        fs::copy(home_.path() / name, options_.data, fs::copy_options::recursive);
    }

private:
    static keys::SealSecret seal() {
        return {keys::SealType::keyfile, crypto::SecretBytes{Bytes(32, 0x5A)}};
    }

    store::TemporaryDirectory home_;
    VaultOptions options_;
    FixedClock clock_;
    std::vector<ApiKey> keys_;
};

Refusal consent(Vault& vault, const Caller& caller, std::string_view subject, bool granted = true) {
    ConsentInput input;
    input.slot = "policy";
    input.granted = granted;
    input.policy_version = 3;
    input.kind = policy::ConsentKind::policy;
    Answer<ConsentRecord> answer;
    vault.put_consent(caller, subject, input, answer.done());
    const auto result = answer.get();
    return result ? Refusal{} : result.error();
}

// nullopt: stored.
std::optional<Refusal> put(Vault& vault, const Caller& caller, std::string_view subject,
                           std::string_view field, std::string_view value) {
    PutRequest request;
    request.subject = subject;
    request.purpose = "own_account";
    request.fields = {{field, {policy::ValueKind::text, value}}};
    Answer<PutAnswer> answer;
    vault.put(caller, request, answer.done());
    const auto result = answer.get();
    if (!result) return result.error();
    if (!result->errors.empty()) return result->errors.front().refusal;
    REQUIRE(result->tokens.size() == 1);
    return std::nullopt;
}

// The value, or the refusal's name.
std::string read(Vault& vault, const Caller& caller, std::string_view subject,
                 std::string_view field) {
    ReadRequest request{subject, "own_account", {field}};
    Answer<ReadAnswer> answer;
    vault.read(caller, request, answer.done());
    const auto result = answer.get();
    if (!result) return std::string{wire_name(result.error())};
    const ReadItem& item = result->items.front();
    if (item.refusal) return std::string{wire_name(*item.refusal)};
    return std::string{text_of(item.values.front().value.value.expose())};
}

struct Erasing {
    Answer<ErasureAnswer> answer;
    std::shared_ptr<std::promise<void>> final = std::make_shared<std::promise<void>>();

    void start(Vault& vault, const Caller& caller, std::string_view subject) {
        vault.erase(caller, subject, "withdrawn", answer.done(),
                    [told = final](const ErasureRow&) { told->set_value(); });
    }
    bool is_final() {
        return final->get_future().wait_for(std::chrono::seconds{20}) == std::future_status::ready;
    }
};

}  // namespace

TEST_CASE("what was put is read, what was erased is gone, also after a start") {
    const Place place;
    keys::RequestId id{};
    {
        const auto vault = place.open();
        const Caller web = place.caller(*vault);
        CHECK(put(*vault, web, "ann", "mobile", "+49 151 1") == Refusal::consent_missing);
        CHECK(read(*vault, web, "ann", "mobile") == "NOT_FOUND");
        CHECK(consent(*vault, web, "ann") == Refusal{});
        CHECK_FALSE(put(*vault, web, "ann", "mobile", "+49 151 11111"));
        CHECK(read(*vault, web, "ann", "mobile") == "+49 151 11111");
        CHECK(read(*vault, web, "ann", "email") == "NOT_FOUND");
        Erasing erasing;
        erasing.start(*vault, web, "ann");
        const auto accepted = erasing.answer.get();
        REQUIRE(accepted.has_value());
        id = accepted->erasure.id;
        CHECK(accepted->erasure.commitment == commitment_of(accepted->opening, "ann"));
        REQUIRE(erasing.is_final());
        CHECK(read(*vault, web, "ann", "mobile") == "NOT_FOUND");
    }
    const auto vault = place.open();
    const Caller web = place.caller(*vault);
    CHECK_FALSE(vault->status().rolled_back);
    const auto row = vault->find_erasure(web, id);
    REQUIRE(row.has_value());
    CHECK(row->state == ErasureState::final);
    CHECK(row->finality->acknowledgements.size() == 2);
    CHECK(read(*vault, web, "ann", "mobile") == "NOT_FOUND");
    CHECK(consent(*vault, web, "ann") == Refusal{});  // somebody new
    CHECK_FALSE(put(*vault, web, "ann", "mobile", "+49 151 22222"));
    CHECK(read(*vault, web, "ann", "mobile") == "+49 151 22222");
}

TEST_CASE("ids that nobody can have are refused") {
    const Place place;
    const auto vault = place.open();
    const Caller web = place.caller(*vault);
    const std::string longest(128, 'x');
    const std::string too_long(129, 'x');
    CHECK(put(*vault, web, "", "mobile", "+49 151 11111") == Refusal::value_invalid);
    CHECK(put(*vault, web, too_long, "mobile", "+49 151 11111") == Refusal::value_invalid);
    CHECK(consent(*vault, web, "") == Refusal::value_invalid);
    CHECK(consent(*vault, web, too_long) == Refusal::value_invalid);
    CHECK(consent(*vault, web, longest) == Refusal{});
    CHECK_FALSE(put(*vault, web, longest, "mobile", "+49 151 11111"));
}

TEST_CASE("nothing is stored for a person whose erasure was accepted before") {
    const Place place;
    const auto vault = place.open();
    const Caller web = place.caller(*vault);
    for (int i = 0; i < 30; ++i) {
        const std::string subject = "person-" + std::to_string(i);
        REQUIRE(consent(*vault, web, subject) == Refusal{});
        REQUIRE_FALSE(put(*vault, web, subject, "mobile", "+49 151 11111"));
        Erasing erasing;
        Erasing again;
        erasing.start(*vault, web, subject);
        again.start(*vault, web, subject);
        const auto refusal = put(*vault, web, subject, "mobile", "+49 151 22222");
        REQUIRE(erasing.answer.get().has_value());
        const auto second = again.answer.get();
        REQUIRE_FALSE(second.has_value());
        const bool is_gone =
            second.error() == Refusal::erased || second.error() == Refusal::not_found;
        CHECK(is_gone);
        // The person is erased, or so much so that somebody new would need to consent.
        REQUIRE(refusal);
        const bool is_refused = *refusal == Refusal::erased || *refusal == Refusal::consent_missing;
        CHECK(is_refused);
        REQUIRE(erasing.is_final());
    }
}

TEST_CASE("a token without a foreseeable end does not end at once") {
    const Place place;
    const auto vault = place.open();
    const Caller web = place.caller(*vault);
    REQUIRE(consent(*vault, web, "ann") == Refusal{});
    REQUIRE_FALSE(put(*vault, web, "ann", "mobile", "+49 151 11111"));
    TokenizeRequest request;
    request.purpose = "own_account";
    request.items = {{"ann", "mobile", std::nullopt}};
    for (const std::uint32_t seconds : {1U, 0xFFFF'FFFFU, 0xFFFF'FFFFU - 217'000'000U + 1}) {
        request.token.expires_in_seconds = seconds;
        Answer<TokenizeAnswer> made;
        vault->tokenize(web, request, made.done());
        const auto tokens = made.get();
        REQUIRE(tokens.has_value());
        const TokenText& token = std::get<TokenText>(tokens->front());
        DetokenizeRequest back;
        back.purpose = "own_account";
        back.tokens = {{token.data(), token.size()}};
        Answer<DetokenizeAnswer> answer;
        vault->detokenize(web, back, answer.done());
        const auto shown = answer.get();
        REQUIRE(shown.has_value());
        CHECK(std::holds_alternative<Disclosed>(shown->items.front()));
    }
}

TEST_CASE("older copies of the data: the vault goes on, and deleting kills nothing else") {
    const Place place;
    {
        const auto vault = place.open();
        const Caller web = place.caller(*vault);
        REQUIRE(consent(*vault, web, "ann") == Refusal{});
        REQUIRE_FALSE(put(*vault, web, "ann", "username", "ann"));
    }
    std::uint32_t generation = 0;
    for (const std::string name : {"first", "second", "third"}) {
        place.copy_to(name);
        {
            const auto vault = place.open();
            const Caller web = place.caller(*vault);
            REQUIRE_FALSE(put(*vault, web, "ann", "region", "lost with " + name));
        }
        place.restore(name);
        const auto vault = place.open();
        const Caller web = place.caller(*vault);
        CHECK(vault->status().rolled_back);
        CHECK(vault->status().generation == ++generation);
        CHECK(read(*vault, web, "ann", "username") == "ann");
        REQUIRE_FALSE(put(*vault, web, "ann", name == "second" ? "mobile" : "email",
                          name == "second" ? "+49 151 11111" : name + "@example.invalid"));
    }
    const auto vault = place.open();
    CHECK_FALSE(vault->status().rolled_back);
    const Caller web = place.caller(*vault);
    Answer<ErasureAnswer> deleted;
    std::promise<void> final;
    vault->delete_field(web, "ann", "email", "own_account", deleted.done(),
                        [&](const ErasureRow&) { final.set_value(); });
    REQUIRE(deleted.get().has_value());
    REQUIRE(final.get_future().wait_for(std::chrono::seconds{20}) == std::future_status::ready);
    CHECK(read(*vault, web, "ann", "email") == "NOT_FOUND");
    CHECK(read(*vault, web, "ann", "username") == "ann");
    CHECK(read(*vault, web, "ann", "mobile") == "+49 151 11111");
    CHECK_FALSE(put(*vault, web, "ann", "email", "new@example.invalid"));
    CHECK(read(*vault, web, "ann", "email") == "new@example.invalid");
}

TEST_CASE("a withdrawn consent stays withdrawn when an older copy comes back") {
    const Place place;
    {
        const auto vault = place.open();
        const Caller web = place.caller(*vault);
        REQUIRE(consent(*vault, web, "ann") == Refusal{});
        REQUIRE_FALSE(put(*vault, web, "ann", "username", "ann"));
    }
    place.copy_to("before");
    {
        const auto vault = place.open();
        const Caller web = place.caller(*vault);
        REQUIRE(consent(*vault, web, "ann", false) == Refusal{});
        CHECK(read(*vault, web, "ann", "username") == "CONSENT_MISSING");
    }
    place.restore("before");
    const auto vault = place.open();
    const Caller web = place.caller(*vault);
    CHECK(read(*vault, web, "ann", "username") == "CONSENT_MISSING");
    CHECK(consent(*vault, web, "ann") == Refusal{});
    CHECK(read(*vault, web, "ann", "username") == "ann");
}

}  // namespace oubliette
