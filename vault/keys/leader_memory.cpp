#include <algorithm>
#include <utility>

#include "vault/keys/leader.hpp"

// What keepers remember beside the tree: registers, state record, requests.

namespace oubliette::keys {

std::uint64_t Leader::read_register(const RegisterKey& key) const {
    const std::lock_guard lock{mutex_};
    const auto found = registers_.find(key);
    return found == registers_.end() ? 0 : found->second;
}

void Leader::raise_registers(const std::vector<std::pair<RegisterKey, std::uint64_t>>& to) {
    const std::lock_guard lock{memory_mutex_};
    Memory memory;
    for (const auto& [key, value] : to) {
        if (value > std::max(read_register(key), memory.registers[key])) {
            memory.registers[key] = value;
        }
    }
    std::erase_if(memory.registers, [](const auto& entry) { return entry.second == 0; });
    if (memory.registers.empty()) return;
    write_everywhere([&](Keeper& keeper) { keeper.write_memory(memory); });
    const std::lock_guard inner{mutex_};
    for (const auto& [key, value] : memory.registers) registers_[key] = value;
}

std::uint64_t Leader::lease(const RegisterKey& key, std::uint32_t count) {
    const std::lock_guard lock{memory_mutex_};
    const std::uint64_t first = read_register(key);
    Memory memory;
    memory.registers[key] = first + count;
    write_everywhere([&](Keeper& keeper) { keeper.write_memory(memory); });
    const std::lock_guard inner{mutex_};
    registers_[key] = first + count;
    return first;
}

StateRecord Leader::state_record() const {
    const std::lock_guard lock{mutex_};
    return state_;
}

void Leader::write_state_record(const StateRecord& record) {
    const std::lock_guard lock{memory_mutex_};
    Memory memory;
    memory.state = record;
    write_everywhere([&](Keeper& keeper) { keeper.write_memory(memory); });
    const std::lock_guard inner{mutex_};
    state_ = record;
}

// ---- Requests that are remembered ----

std::vector<Revocation> Leader::remembered() const {
    std::map<RequestId, Revocation> found;
    for (const std::shared_ptr<Keeper>& keeper : keepers_in_sync()) {
        const auto source = keeper->store();
        const auto view = source->read();
        for (const auto& [id, epoch] : KeeperRows::request_ids(*view)) {
            if (found.contains(id)) continue;
            if (auto request = keeper->rows().request(*view, id)) {
                found.emplace(id, std::move(*request));
            }
        }
        for (Revocation& request : keeper->rows().pending(*view)) {
            found.emplace(request.id, std::move(request));
        }
    }
    std::vector<Revocation> out;
    for (auto& [id, request] : found) out.push_back(std::move(request));
    return out;
}

void Leader::forget(const std::vector<RequestId>& ids) {
    if (ids.empty()) return;
    const std::lock_guard lock{memory_mutex_};
    write_everywhere([&](Keeper& keeper) { keeper.forget(ids); });
    const std::lock_guard inner{mutex_};
    for (const RequestId& id : ids) applied_.erase(std::string{text_of(id)});
}

}  // namespace oubliette::keys
