#include "vault/retention.hpp"

#include <algorithm>

#include "crypto/patient_memory.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

constexpr auto kSweepEvery = std::chrono::seconds{60};
constexpr auto kSliceEvery = std::chrono::seconds{1};  // while a pass over people is under way
constexpr auto kRecordUptime = std::chrono::minutes{30};
constexpr std::size_t kBucketRowsAtOnce = 16'384;
constexpr std::size_t kPassPersistEvery = 16;  // slices
constexpr std::uint64_t kDone = (std::uint64_t{1} << 36) - 1;

Timestamp start_of_day(std::uint16_t day) noexcept {
    return {std::uint32_t{day} * 86'400U};
}

std::string category_name(const policy::Gate* gate, std::uint16_t retention_class) {
    if (gate == nullptr) return {};
    return std::string{gate->name_of(policy::RetentionClassId{retention_class})};
}

// Calls `visit` with all rows of a bucket, a snapshot for each part: none is held for long.
void for_bucket_rows(
    const Core& core, const people::Bucket& bucket,
    FunctionRef<void(const store::ReadView& view, const people::BucketRow& row)> visit) {
    Bytes last;
    for (;;) {
        const keys::KeyPlane::Gate ticket{*core.plane};
        const auto view = core.store->read();
        const auto rows = people::bucket_rows(*view, core.tenant, bucket, last, kBucketRowsAtOnce);
        for (const people::BucketRow& row : rows) visit(*view, row);
        if (rows.size() < kBucketRowsAtOnce) return;
        last = rows.back().row_key;
    }
}

}  // namespace

std::string_view name_of(RetentionBlock block) noexcept {
    switch (block) {
    case RetentionBlock::none: return "";
    case RetentionBlock::too_recent: return "too_recent";
    case RetentionBlock::day_floor: return "day_floor";
    case RetentionBlock::moved: return "moved";
    }
    return "";
}

// ---- The thread ----------------------------------------------------------------------------

Retention::Retention(Core& core) : core_(core), floor_(*core.plane, core.tenant, core.clock) {}

Retention::~Retention() {
    stop();
}

void Retention::start() {
    pass_ = stored_pass();
    next_sweep_ = std::chrono::steady_clock::now() + kSweepEvery;
    thread_ = std::thread{[this] { serve(); }};
}

void Retention::stop() {
    {
        const std::scoped_lock lock{mutex_};
        is_stopping_ = true;
    }
    wakes_.notify_all();
    if (thread_.joinable()) thread_.join();
    const Fault closed{FaultKind::storage, "the vault is closing; ask again after its start"};
    for (const Waiting& waiting : waiting_) waiting.done(Refusal::wrong_state, &closed);
    waiting_.clear();
    try {
        floor_.record_uptime(std::chrono::minutes{0});
    } catch (const Fault&) {
        // The next start counts from less: the floor only rises later.
    }
}

bool Retention::is_stopping() const {
    const std::scoped_lock lock{mutex_};
    return is_stopping_;
}

void Retention::run(const RetentionRequest& request, Done<RetentionReport> done) {
    {
        const std::scoped_lock lock{mutex_};
        waiting_.push_back({request, std::move(done)});
    }
    wakes_.notify_all();
}

void Retention::serve() {
    const crypto::PatientMemory patient;
    for (;;) {
        std::optional<Waiting> request;
        {
            std::unique_lock lock{mutex_};
            const bool is_resting = pass_.next.local == kDone;
            wakes_.wait_for(lock, is_resting ? kSweepEvery : kSliceEvery,
                            [this] { return is_stopping_ || !waiting_.empty(); });
            if (is_stopping_) return;
            if (!waiting_.empty()) {
                request = std::move(waiting_.front());
                waiting_.pop_front();
            }
        }
        if (request) {
            answer(*request);
        } else {
            tick();
        }
    }
}

void Retention::answer(const Waiting& waiting) {
    try {
        waiting.done(run_now(waiting.request), nullptr);
    } catch (const Fault& fault) {
        waiting.done(Refusal::wrong_state, &fault);
    } catch (const std::exception&) {
        const Fault fault{FaultKind::storage, "out of memory"};
        waiting.done(Refusal::wrong_state, &fault);
    }
}

void Retention::tick() {
    try {
        const auto now = std::chrono::steady_clock::now();
        if (now >= next_sweep_) {
            next_sweep_ = now + kSweepEvery;
            floor_.record_uptime(kRecordUptime);
            (void)floor_.advance();
            sweep_days(nullptr, false);
        }
        continue_pass();
    } catch (const std::exception&) {
        // A keeper or the store is in trouble: status says so, and the next round tries again.
    }
}

Result<RetentionReport> Retention::run_now(const RetentionRequest& request) {
    if (request.catch_up) {
        // The same answer whether or not it is a dry run.
        const bool is_possible =
            *request.catch_up > floor_.value() && *request.catch_up <= floor_.target();
        if (!is_possible) return Refusal::value_invalid;
        if (!request.is_dry_run && !floor_.raise_to(*request.catch_up)) {
            return Refusal::value_invalid;
        }
    }
    if (!request.is_dry_run) (void)floor_.advance();
    RetentionReport report;
    report.today = core_.now().day();
    report.day_floor = floor_.value();
    if (request.is_dry_run && request.catch_up) report.day_floor = *request.catch_up;
    sweep_days(&report, request.is_dry_run);
    sweep_people(report, request.is_dry_run);
    return report;
}

// ---- Whole days ----------------------------------------------------------------------------

bool Retention::is_dead(const people::Bucket& bucket) const {
    const auto leaf =
        core_.leaves->get(keys::retention_path(core_.tenant, bucket.retention_class, bucket.day));
    if (leaf.state == keys::NodeState::corrupt) {
        throw Fault{FaultKind::corrupt, "the key of a retention day cannot be derived"};
    }
    return leaf.state == keys::NodeState::dead;
}

// Days that are over by the clock, dead or not: with a report all of them, without one only those
// that the floor permits.
void Retention::sweep_days(RetentionReport* report, bool is_dry_run) {
    const std::uint16_t floor = report != nullptr ? report->day_floor : floor_.value();
    const std::uint16_t end = report != nullptr ? report->today : floor;
    const std::uint16_t safe = floor_.target();
    for (const people::Bucket& bucket :
         people::find_buckets(*core_.store->read(), core_.tenant, std::max(end, floor))) {
        if (is_stopping()) return;
        if (is_dead(bucket)) {
            // Left by a crash, or brought back with an older copy of the data.
            if (!is_dry_run) remove_rows(bucket);
            continue;
        }
        RetentionDay day = examine(bucket);
        if (day.block == RetentionBlock::none && bucket.day >= safe) {
            day.block = RetentionBlock::too_recent;
        } else if (day.block == RetentionBlock::none && bucket.day >= floor) {
            day.block = RetentionBlock::day_floor;
        }
        const bool is_due = day.block == RetentionBlock::none;
        if (is_due && !is_dry_run) destroy(bucket);
        if (report != nullptr) report->days.push_back(std::move(day));
    }
}

// Every value in the bucket ends on its day, because it is in the bucket: its own key says so. What
// else the bucket names was moved off it, as a legal hold will do; whoever moves a value leaves the
// row here until a completed backup has the value at its new place (KEYS 5.3), or the operator
// confirms. Until then the day's key must live.
RetentionDay Retention::examine(const people::Bucket& bucket) const {
    RetentionDay day;
    day.day = bucket.day;
    day.category = category_name(core_.policies->current().get(), bucket.retention_class);
    for_bucket_rows(core_, bucket, [&](const store::ReadView&, const people::BucketRow& row) {
        if (row.is_within) {
            ++day.values;
        } else if (row.has_value) {
            day.block = RetentionBlock::moved;
        }
    });
    return day;
}

// Before the key dies: afterwards nothing says which entries were the bucket's. Should the key not
// die after all, only values that have ended are no longer found.
void Retention::unindex(const people::Bucket& bucket) {
    for_bucket_rows(core_, bucket, [&](const store::ReadView& view, const people::BucketRow& row) {
        if (!row.is_within || !row.is_indexed) return;
        const auto value = view.get(Tables::kPeople, row.row_key);
        const auto number = people::subject_of(row.row_key);
        if (!value || !number) return;
        try {
            const auto truth = core_.people->index_truth(*number, row.row_key, *value);
            if (!truth) return;
            core_.index.remove(people::field_item_of(row.row_key).field,
                               index_fingerprint(truth->fingerprint), *number);
        } catch (const Fault& fault) {
            if (fault.kind() != FaultKind::corrupt) throw;  // an entry that no row proves
        }
    });
}

void Retention::destroy(const people::Bucket& bucket) {
    unindex(bucket);
    Core::Revoking revoking;
    core_.revoke_and_wait(
        [&](store::WriteView& view) {
            revoking = {};
            keys::Revocation& revocation = revoking.row.revocation;
            crypto::random_bytes(revocation.id);
            crypto::random_bytes(revocation.blind);
            revocation.scope = keys::RevocationScope::retention_day;
            revocation.addresses = {
                keys::retention_path(core_.tenant, bucket.retention_class, bucket.day)};
            revoking.row.due = core_.now();
            revoking.remove_rows = [tenant = core_.tenant, bucket](store::WriteView& rows,
                                                                   std::size_t count_max) {
                return people::remove_bucket(rows, tenant, bucket, count_max);
            };
            view.use_reserve();
            core_.enqueue(view, revoking.row);
            PendingEntry entry;
            entry.entry.time = core_.now();
            audit::cite(audit::EndedDay{bucket.retention_class, bucket.day}, entry.entry);
            core_.append_entry(view, entry);
        },
        revoking);
}

void Retention::remove_rows(const people::Bucket& bucket) {
    core_.remove_in_parts(
        [tenant = core_.tenant, bucket](store::WriteView& view, std::size_t count_max) {
            return people::remove_bucket(view, tenant, bucket, count_max);
        });
}

// ---- Person by person ----------------------------------------------------------------------

void Retention::sweep_people(RetentionReport& report, bool is_dry_run) {
    const auto gate = core_.policies->current();
    if (!gate) return;
    const Timestamp until = start_of_day(report.day_floor);
    std::map<std::uint16_t, std::uint64_t> by_class;
    EndedSlice slice;
    while (!slice.is_last && !is_stopping()) {
        slice = find_ended(core_, *gate, slice.next, until);
        report.people += slice.people;
        for (const auto& [retention_class, count] : slice.by_class) {
            by_class[retention_class] += count;
        }
        if (!is_dry_run) destroy_ended(core_, slice.due, until);
    }
    for (const auto& [retention_class, count] : by_class) {
        report.by_person.push_back({category_name(gate.get(), retention_class), count});
    }
}

// One slice of the pass for the present floor.
void Retention::continue_pass() {
    const auto gate = core_.policies->current();
    if (!gate) return;
    if (pass_.day != floor_.value()) pass_ = {floor_.value(), {}};
    if (pass_.next.local == kDone) return;
    const Timestamp until = start_of_day(pass_.day);
    const EndedSlice slice = find_ended(core_, *gate, pass_.next, until);
    destroy_ended(core_, slice.due, until);
    pass_.next = slice.is_last ? keys::SubjectNumber{kDone} : slice.next;
    const bool is_due = slice.is_last || ++slices_ % kPassPersistEvery == 0;
    if (is_due) store_pass(pass_);
}

Retention::Pass Retention::stored_pass() const {
    Pass pass;
    const auto row = core_.store->read()->get(Tables::kMeta, bytes_of(MetaRow::kSweep));
    if (!row) return pass;
    ByteReader in{*row};
    pass.day = in.le16();
    pass.next.local = in.le64();
    // Only a hint where to go on: a bad one costs a pass from the beginning.
    if (!in.finished() || pass.next.local > kDone) return {};
    return pass;
}

void Retention::store_pass(const Pass& pass) {
    core_.run_raw([&](store::WriteView& view) {
        Bytes row;
        ByteWriter{row}.le16(pass.day).le64(pass.next.local);
        view.put(Tables::kMeta, bytes_of(MetaRow::kSweep), row);
    });
}

// ---- The verb ------------------------------------------------------------------------------

void Vault::run_retention(const Caller& caller, const RetentionRequest& request,
                          Done<RetentionReport> done) {
    // A key operator answers for the machine's clock, a privacy officer for what is kept.
    const bool may_run = caller.has(Role::privacy_officer) && !request.catch_up;
    const bool may_lift = caller.has(Role::key_operator) && request.catch_up;
    if (!may_run && !may_lift) return done(Refusal::role_denied, nullptr);
    core_->retention->run(request, std::move(done));
}

}  // namespace oubliette
