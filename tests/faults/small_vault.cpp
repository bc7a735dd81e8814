#include "tests/faults/small_vault.hpp"

#include <condition_variable>
#include <thread>

#include "tests/faults/allocation_faults.hpp"
#include "tests/faults/small_policy.hpp"

namespace oubliette::faults {
namespace {

constexpr const char* kField = "username";
constexpr const char* kPurpose = "own_account";
constexpr const char* kConsent = "policy";

std::string code(Refusal refusal) {
    return std::string{wire_name(refusal)};
}

// Where an answer arrives, whether or not anybody still waits for it.
template <class T>
class Mailbox {
public:
    void deliver(Result<T> result, const Fault* fault) {
        const TestScope test;
        {
            const std::lock_guard lock{mutex_};
            if (fault != nullptr) {
                fault_.emplace(*fault);
            } else {
                result_.emplace(std::move(result));
            }
            is_there_ = true;
        }
        arrived_.notify_all();
    }
    // The result; nullopt after a fault, a refusal or silence, with `answer` telling which.
    [[nodiscard]] std::optional<T> wait(Answer& answer) {
        std::unique_lock lock{mutex_};
        if (!arrived_.wait_for(lock, SmallVault::kPatience, [&] { return is_there_; })) {
            answer = {Answer::Kind::silent, "no answer", {}};
            return std::nullopt;
        }
        if (fault_) {
            answer = {Answer::Kind::fault, fault_->what(), fault_->kind()};
            return std::nullopt;
        }
        if (!*result_) {
            answer = {Answer::Kind::refused, code(result_->error()), {}};
            return std::nullopt;
        }
        answer = {Answer::Kind::done, {}, {}};
        return std::move(**result_);
    }

private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    bool is_there_ = false;
    std::optional<Result<T>> result_;
    std::optional<Fault> fault_;
};

// `call` gets the Done. `kept` is what the views of the request point into: it lives as long as
// the vault may answer.
template <class T, class Kept, class Call>
std::optional<T> ask(std::shared_ptr<Kept> kept, Answer& answer, Call call) {
    const auto mailbox = std::make_shared<Mailbox<T>>();
    try {
        const ProductScope product;
        call(Done<T>{[mailbox, kept](Result<T> result, const Fault* fault) {
            mailbox->deliver(std::move(result), fault);
        }});
    } catch (const Fault& fault) {
        answer = {Answer::Kind::fault, fault.what(), fault.kind()};
        return std::nullopt;
    } catch (const std::exception& error) {  // a session answers 503 to these, too
        answer = {Answer::Kind::fault, error.what(), std::nullopt};
        return std::nullopt;
    }
    return mailbox->wait(answer);
}

}  // namespace

keys::SealSecret small_vault_seal() {
    return {keys::SealType::keyfile, crypto::SecretBytes{Bytes(32, 0x5A)}};
}

VaultOptions SmallVault::options_of(const std::filesystem::path& home) {
    VaultOptions options;
    options.data = home / kDataDirectory;
    for (const char* keeper : kKeeperDirectories) options.plane.keepers.push_back(home / keeper);
    options.plane.accept_besteffort = true;
    options.plane.seed_cache_count = 64;
    options.plane.page_cache_bytes = 1U << 18;
    options.store.bytes_initial = 4U << 20;
    options.index_threads = 1;
    options.tenant = "overseas";
    return options;
}

Credentials SmallVault::init(const std::filesystem::path& home, const Clock& clock) {
    const std::vector<NewClient> clients{
        {"app-web", "web", {Role::app}},
        {"privacy_officer", "privacy_office", {Role::privacy_officer}},
        {"policy_admin", "", {Role::policy_admin}},
        {"app-shop", "shop", {Role::app}},
    };
    const VaultOptions options = options_of(home);
    const Vault::Made made = Vault::init(options, small_vault_seal(), kSmallPolicy, clients, clock);
    const std::vector<ApiKey>& keys = made.api_keys;
    const auto vault = Vault::open(options, small_vault_seal(), clock);
    const auto caller = [&](std::size_t i) {
        return *vault->authenticate(keys[i].client, keys[i].key, keys[i].secret.expose());
    };
    Credentials credentials{caller(0),      caller(1),   caller(2), clients[3].name,
                            keys[3].client, keys[3].key, {}};
    const ByteView secret = keys[3].secret.expose();
    credentials.revocable_secret.assign(secret.begin(), secret.end());
    return credentials;
}

std::unique_ptr<Vault> SmallVault::open(const std::filesystem::path& home, const Clock& clock) {
    const VaultOptions options = options_of(home);
    const keys::SealSecret seal = small_vault_seal();
    const ProductScope product;
    return Vault::open(options, seal, clock);
}

SmallVault::SmallVault(const std::filesystem::path& home, const Credentials& credentials,
                       const Clock& clock)
    : credentials_(credentials), vault_(open(home, clock)) {}

// ---- Verbs ----

Answer SmallVault::consent(const std::string& person, bool is_granted) {
    struct Kept {
        std::string person;
        ConsentInput input;
    };
    const auto kept = std::make_shared<Kept>();
    kept->person = person;
    kept->input.slot = kConsent;
    kept->input.granted = is_granted;
    if (is_granted) {
        kept->input.policy_version = vault_->gate()->version();
        kept->input.kind = policy::ConsentKind::separate;
    }
    Answer answer;
    (void)ask<ConsentRecord>(kept, answer, [&](Done<ConsentRecord> done) {
        vault_->put_consent(credentials_.web, kept->person, kept->input, std::move(done));
    });
    return answer;
}

Answer SmallVault::replace(const std::string& person, const std::string& value) {
    struct Kept {
        std::string person;
        std::string value;
        PutRequest request;
    };
    const auto kept = std::make_shared<Kept>();
    kept->person = person;
    kept->value = value;
    kept->request.subject = kept->person;
    kept->request.purpose = kPurpose;
    kept->request.fields.push_back({kField, {policy::ValueKind::text, kept->value}});
    Answer answer;
    const auto put = ask<PutAnswer>(kept, answer, [&](Done<PutAnswer> done) {
        vault_->put(credentials_.web, kept->request, std::move(done));
    });
    if (!put) return answer;
    if (!put->errors.empty()) return {Answer::Kind::refused, code(put->errors[0].refusal), {}};
    answer.text.assign(put->tokens[0].token.begin(), put->tokens[0].token.end());
    return answer;
}

Answer SmallVault::store(const std::string& person, const std::string& value) {
    const Answer consented = consent(person, true);
    return consented.is_done() ? replace(person, value) : consented;
}

std::vector<Answer> SmallVault::detokenize(const std::vector<std::string>& tokens) {
    struct Kept {
        std::vector<std::string> tokens;
        DetokenizeRequest request;
    };
    const auto kept = std::make_shared<Kept>();
    kept->tokens = tokens;
    kept->request.purpose = kPurpose;
    for (const std::string& token : kept->tokens) kept->request.tokens.emplace_back(token);
    Answer answer;
    const auto shown = ask<DetokenizeAnswer>(kept, answer, [&](Done<DetokenizeAnswer> done) {
        vault_->detokenize(credentials_.web, kept->request, std::move(done));
    });
    std::vector<Answer> answers(tokens.size(), answer);
    for (std::size_t i = 0; shown && i < tokens.size(); ++i) {
        if (const auto* refusal = std::get_if<Refusal>(&shown->items[i])) {
            answers[i] = {Answer::Kind::refused, code(*refusal), {}};
        } else {
            const auto& value = std::get<Disclosed>(shown->items[i]).value;
            answers[i].text = text_of(value.value.expose());
        }
    }
    return answers;
}

Answer SmallVault::read(const std::string& person) {
    struct Kept {
        std::string person;
        ReadRequest request;
    };
    const auto kept = std::make_shared<Kept>();
    kept->person = person;
    kept->request = {kept->person, kPurpose, {kField}};
    Answer answer;
    const auto shown = ask<ReadAnswer>(kept, answer, [&](Done<ReadAnswer> done) {
        vault_->read(credentials_.web, kept->request, std::move(done));
    });
    if (!shown) return answer;
    const ReadItem& item = shown->items.front();
    if (item.refusal) return {Answer::Kind::refused, code(*item.refusal), {}};
    answer.text = text_of(item.values.front().value.value.expose());
    return answer;
}

SmallVault::ErasureHandle SmallVault::erase(const std::string& person,
                                            std::function<void(const ErasureRow&)> on_final) {
    const auto kept = std::make_shared<std::string>(person);
    ErasureHandle handle;
    const auto answer = ask<ErasureAnswer>(kept, handle.answer, [&](Done<ErasureAnswer> done) {
        vault_->erase(credentials_.officer, *kept, "no_longer_using", std::move(done),
                      std::move(on_final));
    });
    if (answer) handle.request = answer->erasure.id;
    return handle;
}

SmallVault::ErasureHandle SmallVault::delete_field(
    const std::string& person, std::function<void(const ErasureRow&)> on_final) {
    const auto kept = std::make_shared<std::string>(person);
    ErasureHandle handle;
    const auto answer = ask<ErasureAnswer>(kept, handle.answer, [&](Done<ErasureAnswer> done) {
        vault_->delete_field(credentials_.web, *kept, kField, kPurpose, std::move(done),
                             std::move(on_final));
    });
    if (answer) handle.request = answer->erasure.id;
    return handle;
}

Answer SmallVault::revoke_client() {
    const auto kept = std::make_shared<std::string>(credentials_.revocable_name);
    Answer answer;
    (void)ask<bool>(kept, answer, [&](Done<bool> done) {
        vault_->revoke_client(credentials_.admin, *kept, std::move(done));
    });
    return answer;
}

Answer SmallVault::backup(const std::filesystem::path& directory) {
    try {
        const ProductScope product;
        vault_->backup_to(directory);
    } catch (const Fault& fault) {
        return {Answer::Kind::fault, fault.what(), fault.kind()};
    } catch (const std::exception& error) {
        return {Answer::Kind::fault, error.what(), {}};
    }
    return {Answer::Kind::done, {}, {}};
}

bool SmallVault::revocable_client_may_call() const {
    return vault_
        ->authenticate(credentials_.revocable_client, credentials_.revocable_key,
                       credentials_.revocable_secret)
        .has_value();
}

bool SmallVault::becomes_final(const keys::RequestId& request) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
        const auto row = vault_->find_erasure(credentials_.officer, request);
        if (!row) return false;
        if (row->state == ErasureState::final) return row->finality.has_value();
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return false;
}

// ---- Deeds ----

void SmallVault::tell_log(Story& story) const {
    try {
        story.tell(Deed::logged, 0, vault_->status().log_size);
    } catch (const Fault&) {
        // The store failed meanwhile: then nobody is told of the log.
    }
}

Answer SmallVault::tell_store(Story& story, std::uint32_t item) {
    const Item told = story.items()[item];
    story.tell(Deed::storing, item);
    const Answer answer = store(told.person, told.value);
    if (!answer.is_done()) return answer;
    story.change(item, [&](Item& stored) { stored.token = answer.text; });
    story.tell(Deed::stored, item);
    tell_log(story);
    return answer;
}

Answer SmallVault::tell_replace(Story& story, std::uint32_t item) {
    const Item told = story.items()[item];
    story.tell(Deed::replacing, item);
    Answer answer = replace(told.person, told.value_after);
    if (!answer.is_done()) return answer;
    story.tell(Deed::replaced, item);
    tell_log(story);
    return answer;
}

Answer SmallVault::tell_erase(Story& story, std::uint32_t item) {
    story.tell(Deed::erasing, item);
    const ErasureHandle handle =
        erase(story.items()[item].person, [&story, item](const ErasureRow& row) {
            const TestScope test;
            story.change(item, [&](Item& erased) {
                erased.request = row.id;
                erased.epoch = row.finality->epoch;
            });
            story.tell(Deed::final, item);
        });
    if (!handle.answer.is_done()) return handle.answer;
    story.change(item, [&](Item& erased) { erased.request = handle.request; });
    story.tell(Deed::erased, item);
    tell_log(story);
    return handle.answer;
}

Answer SmallVault::tell_delete(Story& story, std::uint32_t item) {
    story.tell(Deed::deleting, item);
    const ErasureHandle handle =
        delete_field(story.items()[item].person, [&story, item](const ErasureRow& row) {
            const TestScope test;
            story.change(item, [&](Item& erased) {
                erased.request = row.id;
                erased.epoch = row.finality->epoch;
            });
            story.tell(Deed::deletion_final, item);
        });
    if (!handle.answer.is_done()) return handle.answer;
    story.change(item, [&](Item& erased) { erased.request = handle.request; });
    story.tell(Deed::deleted, item);
    tell_log(story);
    return handle.answer;
}

Answer SmallVault::tell_withdraw(Story& story, std::uint32_t item) {
    story.tell(Deed::withdrawing, item);
    Answer answer = consent(story.items()[item].person, false);
    if (!answer.is_done()) return answer;
    story.tell(Deed::withdrawn, item);
    tell_log(story);
    return answer;
}

Answer SmallVault::tell_revoke(Story& story, std::uint32_t item) {
    story.tell(Deed::client_revoking, item);
    Answer answer = revoke_client();
    if (!answer.is_done()) return answer;
    story.tell(Deed::client_revoked, item);
    tell_log(story);
    return answer;
}

// ---- Are they kept? ----

std::vector<std::string> broken_promises(SmallVault& vault, const std::vector<Item>& items,
                                         const std::vector<Deed>& fates) {
    std::vector<std::string> broken;
    const auto complain = [&](std::size_t i, const std::string& what) {
        broken.push_back(items[i].person + " (" + std::string{name_of(fates[i])} + "): " + what);
    };
    std::vector<std::string> tokens;
    std::vector<std::size_t> token_items;
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (fates[i] == Deed::client_revoked && vault.revocable_client_may_call()) {
            complain(i, "may call again");
        }
        if (items[i].value.empty()) continue;
        if (must_become_final(fates[i]) && !vault.becomes_final(items[i].request)) {
            complain(i, "does not become final");
        }
        if (fates[i] == Deed::none || items[i].token.empty()) {
            const Answer answer = vault.read(items[i].person);
            if (!is_kept(items[i], fates[i], answer.shown())) complain(i, answer.text);
            continue;
        }
        tokens.push_back(items[i].token);
        token_items.push_back(i);
    }
    const std::vector<Answer> answers = vault.detokenize(tokens);
    for (std::size_t k = 0; k < tokens.size(); ++k) {
        const std::size_t i = token_items[k];
        if (!is_kept(items[i], fates[i], answers[k].shown())) complain(i, answers[k].text);
    }
    return broken;
}

}  // namespace oubliette::faults
