#include "tests/faults/promises.hpp"

#include <algorithm>

namespace oubliette::faults {
namespace {

bool is_gone(const std::string& shown) {
    return shown == "ERASED" || shown == "NOT_FOUND";
}

}  // namespace

std::uint32_t Story::add(Item item) {
    const std::lock_guard lock{mutex_};
    items_.push_back(std::move(item));
    fates_.push_back(Deed::none);
    return static_cast<std::uint32_t>(items_.size() - 1);
}

void Story::change(std::uint32_t item, const std::function<void(Item&)>& change) {
    const std::lock_guard lock{mutex_};
    change(items_[item]);
}

void Story::tell(Deed deed, std::uint32_t item, std::uint64_t number) {
    {
        const std::lock_guard lock{mutex_};
        if (deed == Deed::logged) {
            log_size_ = std::max(log_size_, number);
        } else {
            // An erasure may be final before its answer is told.
            fates_[item] = std::max(fates_[item], deed);
        }
    }
    if (listener_) listener_(deed, item, number);
}

std::vector<Item> Story::items() const {
    const std::lock_guard lock{mutex_};
    return items_;
}

std::vector<Deed> Story::fates() const {
    const std::lock_guard lock{mutex_};
    return fates_;
}

std::uint64_t Story::log_size() const {
    const std::lock_guard lock{mutex_};
    return log_size_;
}

bool is_kept(const Item& item, Deed fate, const std::string& shown) {
    const bool is_old = shown == item.value;
    const bool is_new = shown == item.value_after && !item.value_after.empty();
    switch (fate) {
    case Deed::none:
    case Deed::storing: return is_old || is_gone(shown) || shown == "CONSENT_MISSING";
    case Deed::stored: return is_old;
    case Deed::replacing: return is_old || is_new;
    case Deed::replaced: return is_new;
    case Deed::erasing:
    case Deed::deleting: return is_old || is_gone(shown);
    case Deed::erased:
    case Deed::final: return shown == "ERASED" || (item.token.empty() && is_gone(shown));
    case Deed::deleted:
    case Deed::deletion_final: return is_gone(shown);
    case Deed::withdrawing: return is_old || shown == "CONSENT_MISSING";
    case Deed::withdrawn: return shown == "CONSENT_MISSING";
    case Deed::client_revoking:
    case Deed::client_revoked:
    case Deed::logged: break;
    }
    return true;
}

bool is_final(Deed fate) noexcept {
    return fate == Deed::final || fate == Deed::deletion_final;
}

bool must_become_final(Deed fate) noexcept {
    return is_final(fate) || fate == Deed::erased || fate == Deed::deleted;
}

std::string_view name_of(Deed deed) noexcept {
    switch (deed) {
    case Deed::none: return "nothing";
    case Deed::storing: return "storing";
    case Deed::stored: return "stored";
    case Deed::replacing: return "replacing";
    case Deed::replaced: return "replaced";
    case Deed::erasing: return "erasing";
    case Deed::erased: return "erased";
    case Deed::final: return "final";
    case Deed::deleting: return "deleting";
    case Deed::deleted: return "deleted";
    case Deed::deletion_final: return "deletion final";
    case Deed::withdrawing: return "withdrawing";
    case Deed::withdrawn: return "withdrawn";
    case Deed::client_revoking: return "client revoking";
    case Deed::client_revoked: return "client revoked";
    case Deed::logged: return "logged";
    }
    return {};
}

}  // namespace oubliette::faults
