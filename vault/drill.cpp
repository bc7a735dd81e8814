#include "vault/drill.hpp"

#include <chrono>
#include <set>

#include "crypto/ggm.hpp"
#include "vault/audit/audit_log.hpp"
#include "vault/audit/tiles.hpp"
#include "vault/backup_signature.hpp"
#include "vault/drill_keys.hpp"
#include "vault/erasure_rows.hpp"
#include "vault/people/rows.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

using keys::Derived;
using keys::NodeState;
using keys::Path;
using people::Header;
using people::RowKind;

constexpr std::size_t kPeopleAtOnce = 1'024;

struct Row {
    ByteView key;  // into the snapshot
    ByteView value;
    RowKind kind{};
};

// One person's rows as the backup has them, and what the keepers say.
struct Rows {
    keys::SubjectNumber number;
    std::vector<Row> rows;
    Derived person;
    std::map<Path, Derived> keys;  // only for a person of whom something is dead
};

Path person_of(const Rows& person) {
    return keys::person_path(keys::kFirstTenant, person.number);
}

// Where the key of a row is: S_fix or an item. nullopt for a number that no item has.
std::optional<Path> path_of(const Path& person, const Row& row) {
    switch (row.kind) {
    case RowKind::person:
    case RowKind::hot:
    case RowKind::audit_counter:
    case RowKind::told:
    case RowKind::request_link:
    case RowKind::given_handle: return keys::fixed_path(person);
    case RowKind::external_id:
    case RowKind::order_link:
    case RowKind::hold_link:
    case RowKind::exception_note: return keys::item_path(person, 0);
    case RowKind::value:
    case RowKind::marker:
    case RowKind::given_token: break;
    }
    const std::uint32_t item = people::field_item_of(row.key).item;
    if (row.kind == RowKind::given_token && item == 0) return keys::fixed_path(person);
    if (item >= keys::kItemCountMax) return std::nullopt;
    return keys::item_path(person, item);
}

class Drill {
public:
    Drill(const DrillOptions& options, const store::ReadView& view, DrillKeys& keys,
          DrillReport& report)
        : options_(options), view_(view), keys_(keys), report_(report) {}

    void run() {
        check_records();
        std::vector<Rows> batch;
        view_.scan(Tables::kPeople, {}, {}, [&](ByteView key, ByteView value) {
            const auto number = people::subject_of(key);
            const auto kind = people::kind_of(key);
            if (!number || !kind) {
                ++report_.records_damaged;
                return true;
            }
            if (batch.empty() || batch.back().number != *number) {
                if (batch.size() == kPeopleAtOnce) open(batch);
                batch.push_back({*number, {}, {}, {}});
            }
            batch.back().rows.push_back({key, value, *kind});
            return true;
        });
        open(batch);
        report_.erased_but_open += keys_.disagreements();
    }

private:
    // What belongs to no person: the audit log, erasures, and revocations that waited.
    void check_records() {
        report_.is_log_whole = audit::AuditLog::verify(view_) &&
                               audit::verify_tiles(view_, audit::AuditLog{view_}.size());
        visit_erasures(view_, [&](const std::optional<ErasureRow>& row) {
            if (!row) ++report_.records_damaged;
        });
        std::vector<Path> erased;
        visit_queue(view_, [&](const std::optional<QueueRow>& row) {
            if (!row) {
                ++report_.records_damaged;
                return;
            }
            // Values that were replaced die a little later, many together: nobody was told that
            // they are gone.
            if (row->revocation.scope == keys::RevocationScope::superseded) return;
            for (const Path& path : row->revocation.addresses) erased.push_back(path);
        });
        for (const Derived& derived : keys_.ask(erased)) {
            if (derived.state != NodeState::dead) ++report_.erased_but_open;
        }
    }

    void open(std::vector<Rows>& batch) {
        fetch_keys(batch);
        for (const Rows& person : batch) open(person);
        looked_at_ += batch.size();
        if (options_.on_progress) options_.on_progress(looked_at_);
        batch.clear();
    }

    // Two questions for the whole batch: the people, then every row of those who are not whole, and
    // the retention days and regions of all.
    void fetch_keys(std::vector<Rows>& batch) {
        std::vector<Path> paths;
        std::set<Path> shared;
        for (const Rows& person : batch) paths.push_back(person_of(person));
        std::vector<Derived> answers = keys_.ask(paths);
        std::vector<std::pair<Rows*, Path>> wanted;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            Rows& person = batch[i];
            person.person = std::move(answers[i]);
            for (const Row& row : person.rows) add_shared(row, shared);
            if (person.person.state == NodeState::whole) continue;
            std::set<Path> own{keys::fixed_path(paths[i]), keys::item_path(paths[i], 0)};
            for (const Row& row : person.rows) {
                if (const auto path = path_of(paths[i], row)) own.insert(*path);
            }
            for (const Path& path : own) wanted.emplace_back(&person, path);
        }
        paths.clear();
        for (const auto& [person, path] : wanted) paths.push_back(path);
        answers = keys_.ask(paths);
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            wanted[i].first->keys.emplace(wanted[i].second, std::move(answers[i]));
        }
        keys_.ask_shared({shared.begin(), shared.end()});
    }

    static void add_shared(const Row& row, std::set<Path>& shared) {
        const auto header = row.kind == RowKind::value ? Header::decode(row.value) : std::nullopt;
        if (!header) return;
        shared.insert(
            keys::retention_path(keys::kFirstTenant, header->retention_class, header->day));
        if (header->region != 0) {
            shared.insert(keys::region_path(keys::kFirstTenant, header->region));
        }
    }

    // A living person's keys follow from the seed; nobody else's do.
    [[nodiscard]] static Derived key_at(const Rows& person, const Path& path) {
        if (person.person.state == NodeState::whole) {
            const unsigned depth = path.bits() - keys::kAddressBits;
            return {NodeState::whole,
                    crypto::ggm_descend(person.person.seed.expose(),
                                        path.slice(keys::kAddressBits, depth), depth)};
        }
        const auto found = person.keys.find(path);
        if (found == person.keys.end()) return {};
        if (found->second.state != NodeState::whole) return {found->second.state, {}};
        return {NodeState::whole, found->second.seed.duplicate()};
    }

    void open(const Rows& person) {
        const Derived fixed = key_at(person, keys::fixed_path(person_of(person)));
        switch (fixed.state) {
        case NodeState::whole: open_person(person, fixed.seed); break;
        case NodeState::dead: ++report_.people.erased; break;
        case NodeState::punctured:
        case NodeState::corrupt: ++report_.people.damaged; break;
        }
        // An erasure that goes around a legal hold leaves item 0 and the held values.
        const Derived finder = key_at(person, keys::item_path(person_of(person), 0));
        const bool is_erased = fixed.state == NodeState::dead && finder.state != NodeState::whole;
        for (const Row& row : person.rows) {
            const auto path = path_of(person_of(person), row);
            const Derived key = path ? key_at(person, *path) : Derived{};
            if (is_erased) {
                ++report_.rows_of_erased_asked;
                if (key.state != NodeState::dead) ++report_.erased_but_open;
            }
            if (row.kind == RowKind::value) open_value(person, row, key);
            if (row.kind == RowKind::marker) open_marker(person, row, key);
        }
    }

    void open_person(const Rows& person, const crypto::Seed& fixed) {
        const people::Owner owner{keys::kFirstTenant, person.number};
        bool has_person = false;
        bool has_hot = false;
        bool is_whole = true;
        std::optional<std::string> id;
        for (const Row& row : person.rows) {
            if (row.kind == RowKind::person) {
                has_person = people::open_person_row(fixed, owner, row.value).has_value();
            } else if (row.kind == RowKind::hot) {
                has_hot = people::open_hot_row(fixed, owner, row.value).has_value();
            } else if (row.kind == RowKind::audit_counter) {
                is_whole &= people::open_audit_counter(fixed, owner, row.value).has_value();
            } else if (row.kind == RowKind::told) {
                is_whole &= people::open_told_row(fixed, owner, row.value).has_value();
            } else if (row.kind == RowKind::external_id) {
                const Derived key = key_at(person, keys::item_path(person_of(person), 0));
                if (key.state != NodeState::whole) continue;
                id = people::open_external_id_row(crypto::ItemKey{key.seed.expose()}, owner,
                                                  row.value);
            }
        }
        if (!has_person || !has_hot || !is_whole || !id) {
            ++report_.people.damaged;
            return;
        }
        ++report_.people.open;
        if (options_.on_open) options_.on_open(*id);
    }

    void open_value(const Rows& person, const Row& row, const Derived& key) {
        const auto header = Header::decode(row.value);
        if (key.state == NodeState::dead) {
            ++report_.values.erased;
            return;
        }
        if (key.state != NodeState::whole || !header) {
            ++report_.values.damaged;
            return;
        }
        const Derived& day = keys_.shared(
            keys::retention_path(keys::kFirstTenant, header->retention_class, header->day));
        static const Derived kNoRegion{NodeState::whole, {}};
        const Derived& region =
            header->region == 0
                ? kNoRegion
                : keys_.shared(keys::region_path(keys::kFirstTenant, header->region));
        if (day.state == NodeState::dead || region.state == NodeState::dead) {
            ++report_.values.erased;
            if (day.state == NodeState::dead) ++report_.values_retention_ended;
            return;
        }
        bool is_open = false;
        if (day.state == NodeState::whole && region.state == NodeState::whole) {
            const auto value_key = people::derive_value_key(key.seed.expose(), day.seed.expose(),
                                                            region.seed.expose());
            const people::Owner owner{keys::kFirstTenant, person.number};
            const auto place = people::field_item_of(row.key);
            is_open = people::open_stored_value(value_key, owner, place, row.value).has_value() &&
                      (header->format != 2 ||
                       people::open_stored_truth(value_key, owner, place, row.value));
        }
        ++(is_open ? report_.values.open : report_.values.damaged);
    }

    void open_marker(const Rows& person, const Row& row, const Derived& key) {
        if (key.state == NodeState::dead) {
            ++report_.consents.erased;
            return;
        }
        const bool is_open = key.state == NodeState::whole &&
                             people::open_marker_row(crypto::ItemKey{key.seed.expose()},
                                                     {keys::kFirstTenant, person.number},
                                                     people::field_item_of(row.key), row.value);
        ++(is_open ? report_.consents.open : report_.consents.damaged);
    }

    const DrillOptions& options_;
    const store::ReadView& view_;
    DrillKeys& keys_;
    DrillReport& report_;
    std::uint64_t looked_at_ = 0;
};

// Before the database is opened: a file with foreign bytes in its pages may crash who reads it.
void check_signature(const std::filesystem::path& backup, DrillKeys& keys) {
    const std::vector<Derived> leaf = keys.ask({backup_sign_path()});
    if (leaf.front().state != NodeState::whole) {
        throw Fault{FaultKind::corrupt,
                    "the keepers cannot derive the key that signs backups; start the server with "
                    "all keepers, which repairs them"};
    }
    check_backup_signature(backup, backup_signing_key(leaf.front()).public_key());
}

}  // namespace

DrillReport run_drill(const DrillOptions& options, const keys::SealSecret& seal) {
    const auto started = std::chrono::steady_clock::now();
    DrillReport report;
    report.manifest = read_manifest(options.backup);
    check_backup_files(options.backup, report.manifest);
    DrillKeys keys{options.keepers, seal, report.manifest.vault, report.keepers_unusable};
    report.keepers = keys.opened();
    check_signature(options.backup, keys);
    const auto store = open_backup_store(options.backup, report.manifest);
    {
        const auto view = store->read();
        Drill{options, *view, keys, report}.run();
    }
    report.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return report;
}

}  // namespace oubliette
