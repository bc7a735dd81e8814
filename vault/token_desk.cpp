#include "vault/token_desk.hpp"

#include "vault/core.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

struct Found {
    policy::TokenKind kind{};
    std::uint16_t field = 0;
    std::uint16_t kid = 0;
    Timestamp expiry;
    TokenState state = TokenState::open;
};

bool is_over(Timestamp expiry, Timestamp now) noexcept {
    return expiry.seconds != 0 && now >= expiry;
}

bool is_erased(Core& core, keys::SubjectNumber number) {
    crypto::Seed fixed;
    return core.plane->fixed_key(core.tenant, number, fixed) == keys::NodeState::dead;
}

std::optional<Found> find_sealed(Core& core, policy::RecipientId recipient, std::uint16_t kid,
                                 std::string_view text) {
    const auto keys = core.token_keys(recipient, kid);
    if (!keys) return std::nullopt;
    const tokens::TokenScope scope{core.tenant, static_cast<std::uint16_t>(recipient), kid};
    const auto payload = tokens::open_token(*keys, scope, text);
    if (!payload || payload->kind == tokens::TokenKind::poison) return std::nullopt;
    Found found;
    found.kind = payload->kind == tokens::TokenKind::deterministic
                     ? policy::TokenKind::deterministic
                     : policy::TokenKind::pointer;
    found.field = payload->field;
    found.kid = kid;
    found.expiry = payload->expiry;
    if (is_over(found.expiry, core.now())) found.state = TokenState::expired;
    if (is_erased(core, payload->subject)) found.state = TokenState::erased;
    return found;
}

std::optional<Found> find_in_table(Core& core, const store::ReadView& view,
                                   policy::RecipientId recipient, std::string_view text) {
    const auto keys = core.token_table->keys_of(recipient);
    if (!keys) return std::nullopt;
    const auto token = core.token_table->find(view, *keys, text);
    Found found;
    found.kid = keys->place.kid;
    if (!token) {
        if (token.error() != Refusal::erased) return std::nullopt;
        found.kind = policy::TokenKind::handle;
        found.state = TokenState::erased;
        return found;
    }
    if (tokens::is_poison(token->row.state)) return std::nullopt;  // it must not be known by asking
    found.kind = static_cast<policy::TokenKind>(token->row.kind);
    found.field = token->row.field;
    found.expiry = token->row.expiry;
    const auto& members = token->row.members;
    const auto is_dead = [&](const tokens::TokenMember& member) {
        return is_erased(core, member.subject);
    };
    if (is_over(found.expiry, core.now())) found.state = TokenState::expired;
    if (!members.empty() && std::ranges::all_of(members, is_dead)) found.state = TokenState::erased;
    const bool is_one_time = found.kind == policy::TokenKind::one_time;
    if (is_one_time && !core.token_table->is_open(*token)) found.state = TokenState::used;
    return found;
}

Result<TokenFacts> facts_of(Core& core, const policy::Gate& gate, std::string_view text) {
    const bool is_sealed = text.starts_with(tokens::kTokenPrefix);
    const auto kid = is_sealed ? tokens::parse_kid(text) : std::nullopt;
    if (is_sealed && !kid) return Refusal::not_found;
    const auto view = core.store->read();
    for (const policy::RecipientRule& rule : gate.document().recipients) {
        const auto recipient = gate.find_recipient(rule.name);
        if (!recipient) continue;
        const auto found = is_sealed ? find_sealed(core, *recipient, *kid, text)
                                     : find_in_table(core, *view, *recipient, text);
        if (!found) continue;
        return TokenFacts{policy::word_of(found->kind),
                          rule.name,
                          std::string{gate.name_of(policy::FieldId{found->field})},
                          found->kid,
                          found->expiry,
                          found->state};
    }
    return Refusal::not_found;
}

// As the recipient's tokens of that field look.
Result<tokens::TokenText> plant(Writing& writing, const PoisonOrder& order) {
    const auto recipient = writing.gate->find_recipient(order.recipient);
    if (!recipient) return Refusal::recipient_unknown;
    const auto field = writing.gate->find_field(order.field);
    if (!field) return Refusal::field_unknown;
    if (!writing.gate->has_cell_with(*recipient, *field)) return Refusal::field_not_necessary;
    Core& core = writing.core;
    const policy::FieldRule& rule = *writing.gate->field_rule(*field);
    const auto number = static_cast<std::uint16_t>(*field);
    const bool is_sealed =
        rule.token == policy::TokenKind::pointer || rule.token == policy::TokenKind::deterministic;
    if (is_sealed) {
        const std::uint16_t kid = core.kid_of(keys::SystemKind::token, *recipient);
        const auto keys = core.token_keys(*recipient, kid);
        if (!keys) return Refusal::recipient_unknown;
        tokens::TokenPayload payload;
        payload.field = number;
        payload.recipient = static_cast<std::uint16_t>(*recipient);
        payload.kind = tokens::TokenKind::poison;
        payload.salt32 = order.ends_client ? 1 : 0;
        crypto::random_bytes(payload.nonce);
        std::array<char, tokens::kTokenSize> text{};
        tokens::seal_token(*keys, {core.tenant, payload.recipient, kid}, payload, text);
        return tokens::TokenText{{text.data(), text.size()}};
    }
    const auto keys = core.token_table->keys_of(*recipient);
    if (!keys) return Refusal::recipient_unknown;
    TokenTable::NewToken token;
    const bool has_shape = rule.token == policy::TokenKind::format;
    token.kind = has_shape ? tokens::TableKind::format : tokens::TableKind::value;
    token.state =
        order.ends_client ? tokens::TableState::poison_ends_client : tokens::TableState::poison;
    token.field = number;
    if (has_shape) {
        token.shape =
            tokens::shape_for(rule.token_format, {}, writing.gate->document().head.tenant);
    }
    return core.token_table->issue(writing, *keys, nullptr, token);
}

}  // namespace

std::string_view name_of(TokenState state) noexcept {
    switch (state) {
    case TokenState::open: return "open";
    case TokenState::expired: return "expired";
    case TokenState::used: return "used";
    case TokenState::erased: return "erased";
    }
    return "open";
}

void TokenDesk::inspect(const Caller& caller, std::string_view text,
                        std::function<void(Result<TokenFacts>, const Fault*)> done) {
    const auto gate = core_.policies->current();
    if (!gate) {
        throw Fault{FaultKind::configuration, "no policy is in force; publish the current one"};
    }
    const auto ticket = std::make_shared<keys::KeyPlane::Gate>(*core_.plane);
    const auto facts = facts_of(core_, *gate, text);
    DisclosureEntry noted;
    audit::Entry& entry = noted.pending.entry;
    entry.action = audit::Action::token_inspect;
    if (!facts) entry.refusal = facts.error();
    entry.time = core_.now();
    entry.actor = caller.client;
    entry.policy_version = gate->version();
    std::vector<DisclosureEntry> entries;
    entries.push_back(std::move(noted));
    core_.audit_then(std::move(entries),
                     [facts, ticket, done = std::move(done)](const Fault* fault) {
                         if (fault != nullptr) return done(Refusal::audit_unavailable, fault);
                         done(facts, nullptr);
                     });
}

void TokenDesk::plant_poison(const Caller& caller, const PoisonOrder& order,
                             std::function<void(Result<tokens::TokenText>, const Fault*)> done) {
    const auto text = std::make_shared<Result<tokens::TokenText>>(Refusal::wrong_state);
    core_.submit(
        [text, caller, order](Writing& writing) {
            *text = plant(writing, order);
            PendingEntry pending;
            pending.entry.action = audit::Action::poison_plant;
            if (!*text) pending.entry.refusal = text->error();
            pending.entry.time = writing.now;
            pending.entry.actor = caller.client;
            pending.entry.policy_version = writing.gate->version();
            writing.audit(pending);
        },
        [text, done = std::move(done)](const Fault* fault) {
            if (fault != nullptr) return done(Refusal::wrong_state, fault);
            done(*text, nullptr);
        });
}

// ---- The alarm -----------------------------------------------------------------------------

void Core::raise_poison_alarm(std::uint16_t client, bool ends_client) {
    ++poison_opened_;
    if (!ends_client) return;
    const auto revoking = std::make_shared<Revoking>();
    const auto work = [this, revoking, client](store::WriteView& view) {
        *revoking = {};
        auto leaves_of_client = clients->leaves_of(client);
        if (!leaves_of_client) return;  // somebody was faster
        keys::Revocation& revocation = revoking->row.revocation;
        crypto::random_bytes(revocation.id);
        crypto::random_bytes(revocation.blind);
        revocation.scope = keys::RevocationScope::client;
        revocation.addresses = std::move(*leaves_of_client);
        revoking->row.due = now();
        view.use_reserve();
        enqueue(view, revoking->row);
        Bytes key;
        ByteWriter{key}.be16(client);
        view.remove(Tables::kClients, key);
        PendingEntry pending;
        pending.entry.action = audit::Action::client_revoke;
        pending.entry.time = now();
        pending.entry.actor = client;
        append_entry(view, pending);
    };
    submit_raw(work, [this, revoking, client](const Fault* fault) {
        if (fault != nullptr || revoking->row.revocation.addresses.empty()) return;
        clients->publish_revoked(client);
        revoke(std::move(*revoking), {});
    });
}

}  // namespace oubliette
