#include "vault/drill_keys.hpp"

#include <chrono>
#include <thread>

namespace oubliette {
namespace {

using keys::Derived;
using keys::NodeState;
using keys::Path;

constexpr int kAskAgain = 5;
constexpr std::chrono::milliseconds kAskAgainAfter{300};
constexpr std::size_t kBatch = 4'096;            // paths asked for at once
constexpr std::chrono::milliseconds kPause{20};  // between batches: the server's turn

bool is_key(const Derived& derived) noexcept {
    return derived.state == NodeState::whole;
}

// `next` of another keeper, taken into what the keepers before it said. False: they disagree.
bool combine(Derived& so_far, Derived next) {
    if (next.state == NodeState::corrupt) return true;  // that keeper is no help here
    if (so_far.state == NodeState::corrupt) {
        so_far = std::move(next);
        return true;
    }
    if (is_key(so_far) && is_key(next)) {
        if (!crypto::equal_constant_time(so_far.seed.expose(), next.seed.expose())) {
            throw Fault{FaultKind::corrupt,
                        "two keepers hold different keys for one address; one of them was put "
                        "back from a copy: repair it by starting the server with both"};
        }
        return true;
    }
    if (so_far.state == next.state) return true;
    // Dead for one is dead: the dead only grow. Punctured against whole shows further below.
    const bool is_death = so_far.state == NodeState::dead || next.state == NodeState::dead;
    so_far = {is_death ? NodeState::dead : NodeState::punctured, {}};
    return !is_death;
}

}  // namespace

DrillKeys::DrillKeys(const std::vector<std::filesystem::path>& keepers,
                     const keys::SealSecret& seal, const keys::VaultId& vault,
                     std::vector<std::string>& unusable) {
    std::optional<Fault> last;
    for (const auto& keeper : keepers) {
        bool is_other_vault = false;
        try {
            auto reader = keys::KeeperReader::open(keeper, seal);
            is_other_vault = reader->vault_id() != vault;
            if (!is_other_vault) {
                (void)reader->derive_batch({});
                readers_.push_back(std::move(reader));
                opened_.push_back(keeper);
            }
        } catch (const Fault& fault) {
            // What a second keeper is for.
            unusable.push_back("keeper " + keeper.string() + " is not used: " + fault.what());
            last = fault;
        }
        if (is_other_vault) {
            throw Fault{FaultKind::configuration,
                        "keeper " + keeper.string() +
                            " belongs to another vault than this backup; name the keepers of the "
                            "vault that was backed up"};
        }
    }
    if (readers_.empty()) {
        if (last) throw Fault{*last};
        throw Fault{FaultKind::configuration, "no keeper is named; give --keeper DIR"};
    }
}

std::vector<DrillKeys::Compared> DrillKeys::compare(const std::vector<Path>& paths) {
    std::vector<Compared> all;
    all.reserve(paths.size());
    for (Derived& derived : readers_.front()->derive_batch(paths)) {
        all.push_back({std::move(derived), true});
    }
    for (std::size_t i = 1; i < readers_.size(); ++i) {
        std::vector<Derived> others = readers_[i]->derive_batch(paths);
        for (std::size_t at = 0; at < all.size(); ++at) {
            if (!combine(all[at].derived, std::move(others[at]))) all[at].agree = false;
        }
    }
    return all;
}

std::vector<Derived> DrillKeys::ask(const std::vector<Path>& paths) {
    std::vector<Derived> answers;
    answers.reserve(paths.size());
    for (std::size_t begin = 0; begin < paths.size(); begin += kBatch) {
        if (begin > 0) std::this_thread::sleep_for(kPause);
        const auto first = paths.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto count = std::min(kBatch, paths.size() - begin);
        const std::vector<Path> batch{first, first + static_cast<std::ptrdiff_t>(count)};
        for (Compared& compared : compare(batch)) {
            const Path& path = batch[answers.size() - begin];
            for (int i = 0; i < kAskAgain && !compared.agree; ++i) {
                std::this_thread::sleep_for(kAskAgainAfter);
                compared = std::move(compare({path}).front());
            }
            if (!compared.agree) ++disagreements_;
            answers.push_back(std::move(compared.derived));
        }
    }
    return answers;
}

void DrillKeys::ask_shared(const std::vector<Path>& paths) {
    std::vector<Path> unknown;
    for (const Path& path : paths) {
        if (!shared_.contains(path)) unknown.push_back(path);
    }
    std::vector<Derived> answers = ask(unknown);
    for (std::size_t i = 0; i < unknown.size(); ++i) {
        shared_.emplace(unknown[i], std::move(answers[i]));
    }
}

const Derived& DrillKeys::shared(const Path& path) {
    if (!shared_.contains(path)) ask_shared({path});
    return shared_.at(path);
}

}  // namespace oubliette
