#include "vault/vault.hpp"

#include <algorithm>

#include "vault/campaigns.hpp"
#include "vault/core.hpp"
#include "vault/day_floor.hpp"
#include "vault/decisions.hpp"
#include "vault/disclosures.hpp"
#include "vault/orders.hpp"
#include "vault/recalls.hpp"
#include "vault/requests/request_table.hpp"
#include "vault/requests/requests.hpp"
#include "vault/suppressions.hpp"
#include "vault/tables.hpp"
#include "vault/token_desk.hpp"

namespace oubliette {
namespace {

namespace fs = std::filesystem;

// Takes back what init made, unless it is told that all went well.
class Undo {
public:
    explicit Undo(std::vector<fs::path> paths) {
        for (fs::path& path : paths) {
            // Directories that were there before are emptied, not removed.
            const bool existed = fs::exists(path);
            paths_.push_back({std::move(path), existed});
        }
    }
    ~Undo() {
        if (is_kept_) return;
        for (const Made& made : paths_) {
            std::error_code ignored;  // already failing; the first reason is the one to tell
            if (!made.existed) {
                fs::remove_all(made.path, ignored);
                continue;
            }
            for (const auto& entry : fs::directory_iterator{made.path, ignored}) {
                fs::remove_all(entry.path(), ignored);
            }
        }
    }
    Undo(const Undo&) = delete;
    Undo& operator=(const Undo&) = delete;
    void keep() noexcept { is_kept_ = true; }

private:
    struct Made {
        fs::path path;
        bool existed;
    };
    std::vector<Made> paths_;
    bool is_kept_ = false;
};

std::string first_error(const std::vector<policy::Finding>& findings) {
    for (const policy::Finding& finding : findings) {
        if (finding.severity != policy::Severity::error) continue;
        return finding.code + " at " + finding.pointer + " (line " + std::to_string(finding.line) +
               "): " + finding.message;
    }
    return {};
}

// True if a vault was made here and init came to its end.
bool is_complete(const fs::path& store_directory) {
    if (!fs::exists(store_directory / "data.mdb")) return false;
    store::StoreOptions read_only;
    read_only.read_only = true;
    const auto store = store::open_lmdb_store(store_directory, Tables::names(), read_only);
    return store->read()->get(Tables::kMeta, bytes_of(MetaRow::kReady)).has_value();
}

void put_meta(store::WriteView& view, std::string_view name, ByteView value) {
    view.put(Tables::kMeta, bytes_of(name), value);
}

void write_first_rows(store::Store& store, const keys::VaultId& vault, std::string_view tenant) {
    store.write([&](store::WriteView& view) {
        Bytes format;
        ByteWriter{format}.le32(kDataFormat);
        Bytes sequence;
        ByteWriter{sequence}.le32(0).le64(0);
        put_meta(view, MetaRow::kFormat, format);
        put_meta(view, MetaRow::kVault, vault);
        put_meta(view, MetaRow::kTenant, bytes_of(tenant));
        put_meta(view, MetaRow::kSequence, sequence);
    });
}

audit::Entry first_entry(audit::Action action, std::uint16_t policy_version, Timestamp now) {
    audit::Entry entry;
    entry.action = action;
    entry.time = now;
    entry.policy_version = policy_version;
    return entry;
}

ClientRow checked_row(const policy::Gate& gate, const NewClient& client) {
    auto row = check_new_client(gate, client);
    if (row) return std::move(*row);
    throw Fault{FaultKind::configuration,
                "a client cannot be enrolled: " + std::string{wire_name(row.error())} +
                    " (recipient \"" + client.recipient + "\")"};
}

// The first policy, the first clients and the audit entries of both; `ready` last.
std::vector<ApiKey> create_data_plane(const VaultOptions& options, keys::KeyPlane& plane,
                                      const std::shared_ptr<const policy::Document>& document,
                                      const std::vector<NewClient>& clients, Timestamp now) {
    const auto store =
        store::open_lmdb_store(options.data / "store", Tables::names(), options.store);
    write_first_rows(*store, plane.vault_id(), options.tenant);
    DayFloor::start(plane, keys::kFirstTenant, now);
    Policies policies{plane, keys::kFirstTenant};
    Clients rows{plane, keys::kFirstTenant};
    audit::AuditLog log{*store->read()};
    std::shared_ptr<const policy::Gate> gate;
    store->write([&](store::WriteView& view) {
        log.begin();
        gate = policies.write(view, document, now);
        log.append(first_entry(audit::Action::vault_created, gate->version(), now));
        log.append(first_entry(audit::Action::policy_publish, gate->version(), now));
        log.finish(view);
    });
    log.committed();
    policies.adopt(gate, now);
    std::vector<ApiKey> api_keys;
    store->write([&](store::WriteView& view) {
        log.begin();
        api_keys.clear();
        for (const NewClient& client : clients) {
            ClientRow row = checked_row(*gate, client);
            api_keys.push_back(enrol_new_client(plane, rows, view, row, now));
            log.append(first_entry(audit::Action::client_enrol, gate->version(), now));
        }
        log.finish(view);
        put_meta(view, MetaRow::kReady, ByteArray<1>{1});
    });
    log.committed();
    return api_keys;
}

}  // namespace

ReceiptKeys receipt_keys_of(const keys::KeyPlane& plane, const LogPublisher& publisher) {
    ReceiptKeys keys;
    keys.vault = plane.vault_id();
    for (const keys::KeeperStatus& keeper : plane.status().keepers) {
        if (keeper.state == keys::KeeperState::unregistered) continue;
        keys.keepers[keeper.id] = keeper.public_key;
    }
    keys.log = publisher.verifier_keys();
    return keys;
}

struct Vault::Groups {
    explicit Groups(Core& core)
        : decisions(core),
          requests(core),
          disclosures(core),
          recalls(core),
          suppressions(core),
          campaigns(core),
          token_desk(core) {}

    Decisions decisions;
    Requests requests;
    Disclosures disclosures;
    Recalls recalls;
    Suppressions suppressions;
    Campaigns campaigns;
    TokenDesk token_desk;
};

Vault::Vault(std::unique_ptr<Core> core)
    : core_(std::move(core)), groups_(std::make_unique<Groups>(*core_)) {}
Vault::~Vault() = default;

Decisions& Vault::decisions() const noexcept {
    return groups_->decisions;
}

TokenDesk& Vault::token_desk() const noexcept {
    return groups_->token_desk;
}

Requests& Vault::requests() const noexcept {
    return groups_->requests;
}
Disclosures& Vault::disclosures() const noexcept {
    return groups_->disclosures;
}
Recalls& Vault::recalls() const noexcept {
    return groups_->recalls;
}
Suppressions& Vault::suppressions() const noexcept {
    return groups_->suppressions;
}
Campaigns& Vault::campaigns() const noexcept {
    return groups_->campaigns;
}

std::unique_ptr<Vault> Vault::open(const VaultOptions& options, const keys::SealSecret& seal,
                                   const Clock& clock) {
    return std::unique_ptr<Vault>{new Vault{std::make_unique<Core>(options, seal, clock)}};
}

Vault::Made Vault::init(const VaultOptions& options, const keys::SealSecret& seal,
                        std::string_view policy_json, const std::vector<NewClient>& clients,
                        const Clock& clock) {
    const auto outcome = policy::parse_document(policy_json);
    std::vector<policy::Finding> findings = outcome.findings;
    if (outcome.document) {
        std::ranges::move(policy::lint(*outcome.document, clock.now()),
                          std::back_inserter(findings));
    }
    if (policy::has_errors(findings)) {
        throw Fault{FaultKind::configuration, "the policy is refused: " + first_error(findings)};
    }
    if (outcome.document->head.tenant != options.tenant) {
        throw Fault{FaultKind::configuration, "the policy is for tenant \"" +
                                                  outcome.document->head.tenant +
                                                  "\"; give --tenant the same name"};
    }
    const fs::path store_directory = options.data / "store";
    if (is_complete(store_directory)) {
        throw Fault{FaultKind::configuration,
                    "there is a vault in this directory; choose another --data"};
    }
    fs::remove_all(store_directory);
    Undo undo{{store_directory}};
    keys::VaultId vault{};
    crypto::random_bytes(vault);
    keys::PlaneOptions plane_options = options.plane;
    plane_options.data = options.data;
    keys::KeyPlane::init(plane_options, vault, keys::kFirstTenant, seal);
    fs::create_directories(options.data);
    fs::permissions(options.data, fs::perms::owner_all);

    keys::PlaneOptions unfinished = plane_options;
    unfinished.finish_init = true;
    const auto plane = keys::KeyPlane::open(unfinished, seal, clock);
    Made made;
    made.api_keys = create_data_plane(options, *plane, outcome.document, clients, clock.now());
    LogPublisher publisher{*plane, 0};
    publisher.load_keys(0);
    made.receipt_keys = receipt_keys_of(*plane, publisher);
    plane->confirm_ready();
    undo.keep();
    return made;
}

Holds& Vault::holds() {
    return *core_->holds;
}

Orders& Vault::orders() {
    return *core_->orders;
}

VaultStatus Core::status() const {
    VaultStatus status;
    status.plane = plane->status();
    status.usage = store->usage();
    status.generation = generation_;
    status.rolled_back = rolled_back_;
    const auto gate = policies->current();
    status.policy_version = gate ? gate->version() : std::uint16_t{0};
    status.log_size = log_->size();
    status.index_entries = index.size();
    status.index_bytes = index.bytes();
    status.erasures_waiting = erasures_waiting_;
    status.poison_opened = poison_opened_;
    status.damaged_rows = damaged_rows_;
    status.tenant = tenant_name;
    status.overdue_notices = orders->overdue_count();
    const auto view = store->read();
    const RequestTable requests{*this};
    status.answers_overdue = requests.overdue_answers(*view, now());
    status.recalls_overdue = requests.overdue_recalls(*view, now());
    return status;
}

}  // namespace oubliette
