#include <map>

#include "vault/minting.hpp"
#include "vault/storing.hpp"

namespace oubliette {
namespace {

// A batch inside one transaction: each person is read and saved once.
class Tokenizing {
public:
    Tokenizing(Writing& writing, const Caller& caller, const TokenizeRequest& request)
        : writing_(writing),
          caller_(caller),
          request_(request),
          storing_(writing, caller, request.purpose),
          minting_(Minting::open(writing, caller, request.token, Minting::Repeat::as_kind)) {}

    TokenizeAnswer run() {
        const bool may_grant = may_write_consents(*writing_.gate, caller_);
        for (const ConsentInput& consent : request_.consents) {
            auto grant = check_grant(*writing_.gate, consent, writing_.now);
            if (!may_grant) grant = Refusal::role_denied;
            grants_.push_back(std::move(grant));
        }
        TokenizeAnswer answer;
        answer.reserve(request_.items.size());
        for (const TokenizeItem& item : request_.items) {
            const auto token = one(item);
            if (token) {
                answer.emplace_back(*token);
            } else {
                answer.emplace_back(token.error());
            }
        }
        for (auto& [id, entry] : people_) {
            if (entry.person) writing_.core.people->save(writing_.view, *entry.person);
        }
        return answer;
    }

private:
    struct Entry {
        std::optional<people::Person> person;
        std::optional<Refusal> refusal;  // erased, or a consent that was not accepted
    };

    // The person of an item, with the batch's consents recorded. Nobody is created yet.
    Entry& entry_of(std::string_view subject) {
        const auto [at, is_first] = people_.try_emplace(subject);
        Entry& entry = at->second;
        if (!is_first) return entry;
        auto found = writing_.find_person(subject);
        if (found) {
            entry.person = std::move(*found);
        } else if (found.error() != Refusal::not_found) {
            entry.refusal = found.error();
            return entry;
        }
        for (const auto& grant : grants_) {
            if (!grant) {
                entry.refusal = grant.error();
                return entry;
            }
        }
        if (!grants_.empty() && !entry.person) entry.person = writing_.create_person(subject);
        if (!grants_.empty() && !entry.person->has_room()) {
            entry.refusal = Refusal::storage_full;
            return entry;
        }
        for (const auto& grant : grants_) record_grant(writing_, *entry.person, *grant);
        if (!grants_.empty()) {
            storing_.note(audit::Action::consent_grant, entry.person->number, std::nullopt,
                          std::nullopt);
        }
        return entry;
    }

    Result<TokenText> one(const TokenizeItem& item) {
        std::optional<keys::SubjectNumber> number;
        std::optional<policy::FieldId> field;
        auto token = decide(item, number, field);
        storing_.note(audit::Action::tokenize, number, field,
                      token ? std::nullopt : std::optional{token.error()});
        return token;
    }

    Result<TokenText> decide(const TokenizeItem& item, std::optional<keys::SubjectNumber>& number,
                             std::optional<policy::FieldId>& field) {
        const bool is_id_valid =
            !item.subject.empty() && item.subject.size() <= people::kExternalIdSizeMax;
        if (!is_id_valid) return Refusal::value_invalid;
        const auto checked = storing_.check(item.field, item.value ? &*item.value : nullptr);
        if (!checked) return checked.error();
        field = *checked;
        if (!minting_) return minting_.error();
        const std::string_view text = item.value ? item.value->text : std::string_view{};
        // Before it is stored.
        if (const auto refusal = minting_->permit(writing_, *field, text)) return *refusal;
        Entry& entry = entry_of(item.subject);
        if (entry.person) number = entry.person->number;
        if (entry.refusal) return *entry.refusal;
        const auto refusal = entry.person ? storing_.permit(*entry.person) : storing_.permit_new();
        if (refusal) return *refusal;
        if (!entry.person && !item.value) return Refusal::not_found;
        if (!entry.person) entry.person = writing_.create_person(item.subject);
        number = entry.person->number;
        std::uint32_t salt = 0;
        if (item.value) {
            salt = storing_.store_value(*entry.person, *field, *item.value);
        } else {
            const auto present =
                writing_.core.people->open_value(writing_.view, *number, *field, 0);
            if (!present) return present.error();
            salt = present->salt32;
        }
        return minting_->mint(writing_, *entry.person, *field, salt);
    }

    Writing& writing_;
    Caller caller_;
    const TokenizeRequest& request_;
    Storing storing_;
    Result<Minting> minting_;
    std::vector<Result<people::Marker>> grants_;
    std::map<std::string_view, Entry> people_;
};

}  // namespace

void Vault::tokenize(const Caller& caller, const TokenizeRequest& request,
                     Done<TokenizeAnswer> done) {
    const auto answer = std::make_shared<TokenizeAnswer>();
    core_->submit(
        [answer, caller, request](Writing& writing) {
            *answer = Tokenizing{writing, caller, request}.run();
        },
        [answer, done = std::move(done)](const Fault* fault) {
            if (fault != nullptr) return done(Refusal::wrong_state, fault);
            done(std::move(*answer), nullptr);
        });
}

}  // namespace oubliette
