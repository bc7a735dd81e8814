#pragma once

#include <string_view>
#include <vector>

#include "vault/vault.hpp"

// Who got what of a person, when and for what (MISSION 4.3): the entries of the log with the
// person's pseudonyms, which only the person's own key finds. Without that key, after the erasure,
// nobody can.

namespace oubliette {

struct DisclosureItem {
    std::uint64_t index = 0;  // of the entry in the log
    Timestamp time;
    audit::Action action{};
    std::uint16_t client = 0;
    std::string client_name;  // empty: it was revoked
    std::string recipient;    // empty: not known any more
    std::string purpose;
    std::string field;
    std::optional<Refusal> refusal;  // set: nothing was shown
};

struct DisclosurePage {
    std::vector<DisclosureItem> items;
    std::optional<std::uint64_t> next;  // where to go on; nullopt: that was all
};

class Disclosures {
public:
    explicit Disclosures(Core& core) noexcept : core_(core) {}

    struct Query {
        std::string_view subject;
        std::uint64_t from = 0;     // index in the log
        std::size_t count = 1'000;  // items of the page; at most 10,000
        bool with_refused = false;
    };
    // Officers. Looks at 1,000,000 entries at most, so that a page may be empty and not the last.
    // Refuses: role_denied, not_found, erased. Takes up to some 100 ms: not for a thread that
    // serves others.
    void list(const Caller& caller, const Query& query, Done<DisclosurePage> done);

private:
    Core& core_;
};

// ---- Internal to vault/.
struct DisclosureScan {
    std::uint64_t from = 0;
    std::size_t entries_max = 0;  // looked at
    std::size_t count_max = 0;    // found
    bool with_refused = false;
    bool with_writes = false;  // also who stored what
};
// REQUIRES: the person lives, and a KeyPlane::Gate is held.
[[nodiscard]] DisclosurePage find_disclosures(const Core& core, const store::ReadView& view,
                                              keys::SubjectNumber number,
                                              const DisclosureScan& scan);

}  // namespace oubliette
