#include "crypto/locked_arena.hpp"

#include <cerrno>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "crypto/assert.hpp"

namespace oubliette::crypto {
namespace {

constexpr std::size_t kSlotGranularity = 16;  // bytes

std::size_t page_size() noexcept {
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

[[noreturn]] void refuse(std::size_t bytes, const char* step) {
    const int error = errno;
    throw std::runtime_error(
        "cannot keep " + std::to_string(bytes) + " bytes of keys in locked memory (" + step +
        " failed, errno " + std::to_string(error) +
        "): raise RLIMIT_MEMLOCK above this size for the whole process (`LimitMEMLOCK=` in the "
        "systemd unit, `ulimit -l` in a shell, `--ulimit memlock=` for a container) or grant "
        "CAP_IPC_LOCK");
}

// guard page | data, locked | guard page
class LockedMapping {
public:
    explicit LockedMapping(std::size_t data_size)
        : guard_size_(page_size()), data_size_(round_up(data_size, guard_size_)) {
        void* const base = ::mmap(nullptr, data_size_ + 2 * guard_size_, PROT_NONE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base == MAP_FAILED) refuse(data_size_, "mmap");
        base_ = static_cast<Byte*>(base);
        if (const char* const step = failed_step(); step != nullptr) {
            const int error = errno;
            (void)::munmap(base_, data_size_ + 2 * guard_size_);
            errno = error;
            refuse(data_size_, step);
        }
    }
    LockedMapping(const LockedMapping&) = delete;
    LockedMapping& operator=(const LockedMapping&) = delete;
    ~LockedMapping() {
        wipe(data());
        (void)::munmap(base_, data_size_ + 2 * guard_size_);  // unlocks too
    }

    [[nodiscard]] ByteSpan data() noexcept { return {base_ + guard_size_, data_size_}; }

private:
    static std::size_t round_up(std::size_t size, std::size_t unit) {
        if (size > std::numeric_limits<std::size_t>::max() / 2) {
            errno = ENOMEM;
            refuse(size, "mmap");
        }
        return (size + unit - 1) / unit * unit;
    }

    // The step that failed, with errno set; or nullptr. Locked before anything is written there.
    const char* failed_step() noexcept {
        const ByteSpan bytes = data();
        if (::mprotect(bytes.data(), bytes.size(), PROT_READ | PROT_WRITE) != 0) return "mprotect";
        if (::madvise(bytes.data(), bytes.size(), MADV_DONTDUMP) != 0) return "MADV_DONTDUMP";
        if (::madvise(bytes.data(), bytes.size(), MADV_WIPEONFORK) != 0) return "MADV_WIPEONFORK";
        // Not mlock(): the sanitizers replace that by nothing, and would test unlocked memory.
        if (::mlock2(bytes.data(), bytes.size(), 0) != 0) return "mlock2";
        return nullptr;
    }

    std::size_t guard_size_;
    std::size_t data_size_;
    Byte* base_ = nullptr;
};

std::size_t total_size(std::size_t slot_size, std::size_t slot_count) {
    OBL_ASSERT(slot_size > 0 && slot_count > 0 && slot_size % kSlotGranularity == 0);
    if (slot_count > std::numeric_limits<std::size_t>::max() / slot_size) {
        errno = ENOMEM;
        refuse(std::numeric_limits<std::size_t>::max(), "mmap");
    }
    return slot_size * slot_count;
}

}  // namespace

struct LockedArena::State {
    State(std::size_t size, std::size_t count)
        : mapping(total_size(size, count)), slot_size(size), free(count), is_taken(count, false) {
        // Against the upper guard page, so that an overrun of the last slot faults at once.
        slots = mapping.data().last(size * count);
        for (std::size_t i = 0; i < count; ++i) free[i] = count - 1 - i;
    }

    LockedMapping mapping;
    ByteSpan slots;
    std::size_t slot_size;
    // A stack of slot numbers outside the locked memory: it holds nothing secret, and a slot
    // that held a link to the next would not be zero when handed out.
    std::vector<std::size_t> free;
    std::vector<bool> is_taken;
    mutable std::mutex mutex;
};

LockedArena::LockedArena(std::size_t slot_size, std::size_t slot_count)
    : state_(new State(slot_size, slot_count)) {}

LockedArena::~LockedArena() {
    delete state_;
}

ByteSpan LockedArena::take() noexcept {
    const std::lock_guard lock{state_->mutex};
    if (state_->free.empty()) return {};
    const std::size_t slot = state_->free.back();
    state_->free.pop_back();
    state_->is_taken[slot] = true;
    return state_->slots.subspan(slot * state_->slot_size, state_->slot_size);
}

void LockedArena::give_back(ByteSpan slot) noexcept {
    OBL_ASSERT(slot.size() == state_->slot_size);
    OBL_ASSERT(slot.data() >= state_->slots.data());
    const auto offset = static_cast<std::size_t>(slot.data() - state_->slots.data());
    OBL_ASSERT(offset < state_->slots.size() && offset % state_->slot_size == 0);
    // Outside the lock: until the slot is on the free list, nobody else may have it.
    wipe(slot);
    const std::lock_guard lock{state_->mutex};
    const std::size_t number = offset / state_->slot_size;
    OBL_ASSERT(state_->is_taken[number]);
    state_->is_taken[number] = false;
    state_->free.push_back(number);  // room for every slot since construction: no allocation
}

std::size_t LockedArena::slot_size() const noexcept {
    return state_->slot_size;
}

std::size_t LockedArena::slot_count() const noexcept {
    return state_->is_taken.size();
}

std::size_t LockedArena::taken() const noexcept {
    const std::lock_guard lock{state_->mutex};
    return state_->is_taken.size() - state_->free.size();
}

bool can_lock(std::size_t bytes) noexcept {
    if (bytes == 0) return true;
    // Asks the kernel itself, which counts what is locked already and knows the capabilities.
    // MLOCK_ONFAULT on an inaccessible mapping counts the pages but needs no memory for them.
    void* const probe = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED) return false;
    const bool locked = ::mlock2(probe, bytes, MLOCK_ONFAULT) == 0;
    (void)::munmap(probe, bytes);
    return locked;
}

}  // namespace oubliette::crypto
