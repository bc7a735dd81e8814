#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "tests/faults/disk_model.hpp"
#include "tests/faults/small_vault.hpp"

// What a verb may leave behind when something fails under it: an honest answer in time; then, with
// the fault gone, in the same process nothing false, and after a start everything that was
// promised.

namespace oubliette::faults {

enum class Verb : std::uint8_t { store, detokenize, erase, withdraw, remove, backup, start };
inline constexpr Verb kVerbs[] = {Verb::store,  Verb::detokenize, Verb::erase, Verb::withdraw,
                                  Verb::remove, Verb::backup,     Verb::start};
[[nodiscard]] const char* name_of(Verb verb) noexcept;

// Makes things fail between arm() and disarm().
struct Trouble {
    std::function<void()> arm;
    std::function<void()> disarm;
    bool stays_for_close = false;  // the vault is closed under it, too
};

// A small vault with people of every fate, and copies of it to fail on.
class FaultScene {
public:
    FaultScene();

    // Runs `verb` on a fresh copy below `room`, which is empty before and after. What is wrong; ""
    // if nothing.
    [[nodiscard]] std::string run(Verb verb, const Trouble& trouble,
                                  const std::filesystem::path& room) const;

private:
    class Run;

    testing::ManualClock clock_;
    Credentials credentials_;
    std::vector<Item> items_;
    std::vector<Deed> fates_;
    Image files_;
};

}  // namespace oubliette::faults
