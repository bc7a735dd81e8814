#include "vault/core.hpp"

// How entries get into the log, and how a disclosure waits for its own.

namespace oubliette {
namespace {

using keys::NodeState;

constexpr std::size_t kAuditNumbersMax = 1'048'576;  // people whose next number is known, 40 B each

constexpr std::size_t kToldKnownMax = 1'048'576;  // 40 B each

}  // namespace

std::unique_ptr<store::ReadView> Core::read_for_disclosure() const {
    if (!store->healthy()) {
        throw Fault{FaultKind::audit_unavailable, "an earlier commit failed; restart the process"};
    }
    return store->read();
}

void Core::use_then(std::vector<DisclosureEntry> entries, UseUp use_up,
                    std::function<void(const Fault*)> done) {
    const auto waiting = disclosures_->add(std::move(done));
    if (!waiting) return;
    const auto shared = std::make_shared<std::vector<DisclosureEntry>>(std::move(entries));
    committer_->submit(
        [this, shared, use_up](store::WriteView& view) {
            if (use_up) use_up(view, *shared);
            for (DisclosureEntry& entry : *shared) {
                if (entry.pseudonym_key) {
                    append_as(view, entry.pending, &*entry.pseudonym_key);
                } else {
                    append(view, entry.pending);
                }
                if (entry.passage && entry.passage->write(view)) append_alarm(view, *entry.passage);
            }
        },
        [this, shared, waiting, has_use = use_up != nullptr](const Fault* fault) {
            for (DisclosureEntry& entry : *shared) {
                if (entry.passage && fault == nullptr) entry.passage->committed();
            }
            shared->clear();
            if (fault == nullptr && has_use) {
                try {
                    record_state();
                } catch (const Fault& failed) {
                    return waiting->tell(&failed);
                }
            }
            if (fault == nullptr) return waiting->tell(nullptr);
            const Fault unavailable{FaultKind::audit_unavailable,
                                    "the audit entry could not be made durable"};
            waiting->tell(&unavailable);
        });
}

void Core::append_alarm(store::WriteView& view, const ExportCounter::Passage& passage) {
    PendingEntry alarm;
    alarm.entry.action = audit::Action::export_alarm;
    alarm.entry.time = now();
    const std::uint16_t numbers[] = {static_cast<std::uint16_t>(passage.recipient()),
                                     passage.year()};
    for (std::size_t i = 0; i < 2; ++i) {
        alarm.entry.object[2 * i] = static_cast<Byte>(numbers[i]);
        alarm.entry.object[2 * i + 1] = static_cast<Byte>(numbers[i] >> 8);
    }
    append(view, alarm);
}

const crypto::SubKey* Core::pseudonym_key_of(keys::SubjectNumber subject) {
    if (!last_pseudonym_key_ || last_pseudonym_key_->subject != subject) {
        last_pseudonym_key_.emplace().subject = subject;
        crypto::Seed fixed;
        const NodeState state = plane->fixed_key(tenant, subject, fixed);
        if (state == NodeState::corrupt || state == NodeState::punctured) {
            throw Fault{FaultKind::corrupt, "a person's key cannot be derived"};
        }
        if (state == NodeState::whole) {
            last_pseudonym_key_->key = people::People::pseudonym_key(fixed);
        }
    }
    return last_pseudonym_key_->key ? &*last_pseudonym_key_->key : nullptr;
}

void Core::append(store::WriteView& view, PendingEntry& pending) {
    append_as(view, pending, pending.subject ? pseudonym_key_of(*pending.subject) : nullptr);
}

std::optional<std::uint64_t> Core::take_audit_number(store::WriteView& view,
                                                     keys::SubjectNumber subject) {
    if (audit_numbers_.size() >= kAuditNumbersMax) audit_numbers_.clear();
    std::uint64_t& next = audit_numbers_[subject.local];
    if (next % people::People::kAuditReserve == 0) {
        crypto::Seed fixed;
        if (plane->fixed_key(tenant, subject, fixed) != NodeState::whole) return std::nullopt;
        next = people->reserve_audit_numbers(view, subject, fixed);
    }
    return next++;
}

void Core::append_as(store::WriteView& view, PendingEntry& pending, const crypto::SubKey* key) {
    if (pending.subject) pending.entry.pseudonym = {};  // of a run before
    const auto number = key != nullptr ? take_audit_number(view, *pending.subject) : std::nullopt;
    if (number) pending.entry.pseudonym = audit::pseudonym_of(*key, *number);
    log_->append(pending.entry);
    if (pending.told == 0 || !number) return;
    remember_told(view, *pending.subject, {pending.told, pending.entry.field});
}

// Whoever got data must be told when it has to go, and nobody can look through the whole log then.
void Core::remember_told(store::WriteView& view, keys::SubjectNumber subject,
                         people::ToldField shown) {
    constexpr unsigned kBits = 14;  // of a recipient; and of a field that is kept in memory
    const bool fits = shown.field >> kBits == 0;
    const std::uint64_t known =
        subject.local << 2 * kBits | std::uint64_t{shown.recipient} << kBits | shown.field;
    if (fits && told_known_.contains(known)) return;
    crypto::Seed fixed;
    if (plane->fixed_key(tenant, subject, fixed) != NodeState::whole) return;
    people->add_told(view, subject, fixed, shown);
    if (told_known_.size() >= kToldKnownMax) told_known_.clear();
    if (fits) told_known_.insert(known);
}

}  // namespace oubliette
