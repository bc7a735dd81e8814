#include "tests/vault/vault_fixture.hpp"

#include <stdexcept>

#include "vault/tables.hpp"

namespace oubliette::testing {
namespace {

namespace fs = std::filesystem;

std::string code(Refusal refusal) {
    return std::string{wire_name(refusal)};
}

Shown shown(const policy::Transformed& value) {
    return std::string{text_of(value.value.expose())};
}

std::vector<NewClient> clients() {
    std::vector<NewClient> list;
    for (const char* recipient : {"web", "support_desk", "marketing", "finance", "affiliate_motor",
                                  "affiliate_de", "partner_idcheck"}) {
        list.push_back({std::string{"app-"} + recipient, recipient, {Role::app}});
    }
    list.push_back({"privacy_officer", "privacy_office", {Role::privacy_officer}});
    list.push_back({"legal", "privacy_office", {Role::legal}});
    list.push_back({"policy_admin", "", {Role::policy_admin}});
    list.push_back({"key_operator", "", {Role::key_operator}});
    return list;
}

// The name in the vault of the client that the tests call `name`.
std::string client_name(const std::string& name) {
    const bool is_office = name == "privacy_officer" || name == "legal" || name == "policy_admin" ||
                           name == "key_operator";
    return is_office ? name : "app-" + name;
}

std::string name_of_client(const NewClient& client) {
    return client.roles.front() == Role::app ? client.recipient : client.name;
}

// As REQUIRE, but also for threads of a test: Catch's assertions belong to one.
void expect(bool is_so, const char* otherwise) {
    if (!is_so) throw std::logic_error{otherwise};
}

}  // namespace

keys::SealSecret test_seal() {
    return {keys::SealType::keyfile, crypto::SecretBytes{Bytes(32, 0x5A)}};
}

std::string edited_policy(const std::vector<std::pair<std::string, std::string>>& edits) {
    std::string json{policy::example_policy()};
    for (const auto& [from, to] : edits) {
        const std::size_t at = json.find(from);
        REQUIRE(at != std::string::npos);
        json.replace(at, from.size(), to);
    }
    return json;
}

std::string text(const TokenText& token) {
    return {token.begin(), token.end()};
}

TestVault::TestVault(std::string_view policy) {
    options_.data = home_.path() / "data";
    options_.plane.keepers = {home_.path() / "keeper1", home_.path() / "keeper2"};
    options_.plane.accept_besteffort = true;
    options_.tenant = "overseas";
    options_.audit_wait = std::chrono::minutes{1};  // a busy machine must not refuse disclosures
    const auto list = clients();
    auto keys = Vault::init(options_, test_seal(), policy, list, clock).api_keys;
    for (std::size_t i = 0; i < list.size(); ++i) {
        keys_[name_of_client(list[i])] = std::move(keys[i]);
    }
    open();
}

void TestVault::open() {
    vault_ = Vault::open(options_, test_seal(), clock);
}

void TestVault::save_data(const std::string& name) const {
    fs::copy(options_.data, home_.path() / name, fs::copy_options::recursive);
}

void TestVault::restore_data(const std::string& name) const {
    fs::remove_all(options_.data);
    fs::copy(home_.path() / name, options_.data, fs::copy_options::recursive);
}

std::optional<Caller> TestVault::authenticate(const std::string& name) const {
    const ApiKey& key = keys_.at(name);
    return vault_->authenticate(key.client, key.key, key.secret.expose());
}

Caller TestVault::caller(const std::string& name) const {
    const auto found = authenticate(name);
    expect(found.has_value(), "a caller who is not enrolled");
    return *found;
}

std::string TestVault::consent(const std::string& subject, const std::string& slot, bool granted,
                               policy::ConsentKind kind, const std::string& by) {
    ConsentInput input;
    input.slot = slot;
    input.granted = granted;
    if (granted) {
        input.policy_version = vault_->gate()->version();
        input.kind = kind;
    }
    const auto record = wait_for<ConsentRecord>([&](Done<ConsentRecord> done) {
        vault_->put_consent(caller(by), subject, input, std::move(done));
    });
    return record ? "" : code(record.error());
}

std::string TestVault::put(const std::string& subject,
                           const std::vector<std::pair<std::string, std::string>>& fields,
                           std::vector<std::string>* tokens, const std::string& by,
                           const std::string& purpose) {
    PutRequest request;
    request.subject = subject;
    request.purpose = purpose;
    for (const auto& [field, value] : fields) {
        request.fields.push_back({field, {policy::ValueKind::text, value}});
    }
    const auto answer = wait_for<PutAnswer>(
        [&](Done<PutAnswer> done) { vault_->put(caller(by), request, std::move(done)); });
    REQUIRE(answer.has_value());
    if (!answer->errors.empty()) {
        CHECK(answer->tokens.empty());
        return code(answer->errors.front().refusal);
    }
    for (const FieldToken& token : answer->tokens) {
        if (tokens != nullptr) tokens->push_back(text(token.token));
    }
    return {};
}

std::string TestVault::person(const std::string& subject, const std::string& value,
                              const std::string& field) {
    REQUIRE(consent(subject, "policy").empty());
    std::vector<std::string> tokens;
    REQUIRE(put(subject, {{field, value}}, &tokens).empty());
    return tokens.front();
}

std::string TestVault::tokenize(const std::string& subject, const std::string& field,
                                std::optional<std::string> value, TokenOptions token,
                                const std::string& by, const std::string& purpose,
                                policy::ValueKind kind) {
    TokenizeRequest request;
    request.purpose = purpose;
    request.token = token;
    TokenizeItem item;
    item.subject = subject;
    item.field = field;
    if (value) item.value = ValueInput{kind, *value};
    request.items.push_back(item);
    const auto answer = wait_for<TokenizeAnswer>(
        [&](Done<TokenizeAnswer> done) { vault_->tokenize(caller(by), request, std::move(done)); });
    REQUIRE(answer.has_value());
    const auto& first = answer->front();
    if (const auto* refusal = std::get_if<Refusal>(&first)) return code(*refusal);
    return text(std::get<TokenText>(first));
}

Shown TestVault::detokenize(const std::string& token, const std::string& by,
                            const std::string& purpose, const std::string& want) {
    DetokenizeRequest request;
    request.purpose = purpose;
    request.want = want;
    request.tokens.push_back(token);
    const auto answer = wait_for<DetokenizeAnswer>([&](Done<DetokenizeAnswer> done) {
        vault_->detokenize(caller(by), request, std::move(done));
    });
    expect(answer.has_value(), "a detokenization without an answer");
    const auto& first = answer->items.front();
    if (const auto* refusal = std::get_if<Refusal>(&first)) return code(*refusal);
    return shown(std::get<Disclosed>(first).value);
}

Shown TestVault::read(const std::string& subject, const std::string& field, const std::string& by,
                      const std::string& purpose) {
    ReadRequest request;
    request.subject = subject;
    request.purpose = purpose;
    request.fields.push_back(field);
    const auto answer = wait_for<ReadAnswer>(
        [&](Done<ReadAnswer> done) { vault_->read(caller(by), request, std::move(done)); });
    if (!answer) return code(answer.error());
    const ReadItem& item = answer->items.front();
    if (item.refusal) return code(*item.refusal);
    std::string joined;
    for (const Disclosed& value : item.values) {
        joined += (joined.empty() ? "" : "|") + shown(value.value);
    }
    return joined;
}

std::string TestVault::search(const std::string& field, const std::string& value,
                              const std::string& by, const std::string& purpose) {
    const auto answer = wait_for<SearchAnswer>([&](Done<SearchAnswer> done) {
        vault_->search(caller(by), {field, value, purpose}, std::move(done));
    });
    if (!answer) return code(answer.error());
    std::string joined;
    for (const std::string& id : answer->subjects) joined += (joined.empty() ? "" : "|") + id;
    return joined;
}

std::string TestVault::match(const std::string& token, const std::string& candidate,
                             const std::string& by, const std::string& purpose) {
    const auto answer = wait_for<bool>([&](Done<bool> done) {
        vault_->match(caller(by), {token, candidate, purpose}, std::move(done));
    });
    if (!answer) return code(answer.error());
    return *answer ? "yes" : "no";
}

namespace {

// Waits for the answer, then for finality.
template <class Start>
std::string run_erasure(Start start, ErasureRow* row, ByteArray<32>* opening) {
    const auto final = std::make_shared<std::promise<ErasureRow>>();
    auto future = final->get_future();
    const auto answer = wait_for<ErasureAnswer>([&](Done<ErasureAnswer> done) {
        start(std::move(done), [final](const ErasureRow& erased) { final->set_value(erased); });
    });
    if (!answer) return code(answer.error());
    REQUIRE(answer->first);
    REQUIRE(future.wait_for(std::chrono::seconds{30}) == std::future_status::ready);
    const ErasureRow finished = future.get();
    CHECK(finished.id == answer->erasure.id);
    if (row != nullptr) *row = finished;
    if (opening != nullptr) *opening = answer->opening;
    return {};
}

}  // namespace

std::string TestVault::erase(const std::string& subject, const std::string& by, ErasureRow* row,
                             ByteArray<32>* opening) {
    return run_erasure(
        [&](Done<ErasureAnswer> done, std::function<void(const ErasureRow&)> final) {
            vault_->erase(caller(by), subject, "no_longer_using", std::move(done),
                          std::move(final));
        },
        row, opening);
}

std::string TestVault::delete_field(const std::string& subject, const std::string& field,
                                    const std::string& by, const std::string& purpose,
                                    ErasureRow* row) {
    return run_erasure(
        [&](Done<ErasureAnswer> done, std::function<void(const ErasureRow&)> final) {
            vault_->delete_field(caller(by), subject, field, purpose, std::move(done),
                                 std::move(final));
        },
        row, nullptr);
}

std::string TestVault::revoke(const std::string& name) {
    const auto revoked = wait_for<bool>([&](Done<bool> done) {
        vault_->revoke_client(caller("policy_admin"), client_name(name), std::move(done));
    });
    return revoked ? "" : code(revoked.error());
}

std::string TestVault::publish(const std::string& json) {
    const auto answer = wait_for<Vault::PublishAnswer>([&](Done<Vault::PublishAnswer> done) {
        vault_->publish_policy(caller("policy_admin"), json, std::move(done));
    });
    REQUIRE(answer.has_value());
    if (!policy::has_errors(answer->findings)) return std::to_string(answer->version);
    std::string codes;
    for (const auto& finding : answer->findings) {
        if (finding.severity != policy::Severity::error) continue;
        codes += (codes.empty() ? "" : " ") + finding.code;
    }
    return codes;
}

std::unique_ptr<store::Store> TestVault::open_store(const store::StoreOptions& options) const {
    REQUIRE(!vault_);
    return store::open_lmdb_store(options_.data / "store", Tables::names(), options);
}

std::vector<audit::Entry> TestVault::audit_log() const {
    store::StoreOptions read_only;
    read_only.read_only = true;
    const auto store = open_store(read_only);
    std::vector<audit::Entry> entries;
    const auto view = store->read();
    audit::AuditLog::read(*view, 0, [&](std::uint64_t index, const audit::Entry& entry) {
        CHECK(index == entries.size());
        entries.push_back(entry);
        return true;
    });
    return entries;
}

}  // namespace oubliette::testing
