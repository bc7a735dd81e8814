#include "vault/linkage.hpp"

namespace oubliette {

LinkageWatch::LinkageWatch() = default;
LinkageWatch::~LinkageWatch() = default;

std::optional<Refusal> LinkageWatch::see(const policy::Gate& gate, const Sighting& sighting,
                                         std::uint32_t uptime, bool is_dry_run) {
    if (!gate.is_linked(sighting.recipient, sighting.field)) return std::nullopt;
    // One person of one client is in one shard: the set is looked at as a whole.
    const std::uint64_t person = mixed_key(mixed_key(sighting.client) ^ sighting.subject.local);
    const auto key_of = [&](policy::FieldId field) {
        return mixed_key(person + static_cast<std::uint16_t>(field));
    };
    Shard& shard = shards_.at(person >> 58);
    const std::scoped_lock lock{shard.mutex};
    const auto has_seen = [&](policy::FieldId field) {
        return shard.seen.holds(key_of(field), uptime);
    };
    if (gate.completes_set(sighting.recipient, sighting.field, has_seen)) return Refusal::linkage;
    if (is_dry_run || shard.seen.put(key_of(sighting.field), uptime)) return std::nullopt;
    return Refusal::overloaded;
}

}  // namespace oubliette
