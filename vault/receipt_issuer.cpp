#include "vault/receipt_issuer.hpp"

#include <chrono>
#include <memory>

#include "crypto/patient_memory.hpp"
#include "vault/receipt.hpp"

namespace oubliette {
namespace {

constexpr std::chrono::seconds kRetryAfter{1};

// The row with its receipt, which may be there since before a crash.
ErasureRow issue_in(store::WriteView& view, const keys::RequestId& id,
                    const ReceiptIssuer::Head& head) {
    auto row = read_erasure(view, id);
    if (!row || !row->log) throw Fault{FaultKind::corrupt, "a final erasure's row is missing"};
    view.use_reserve();
    remove_queued(view, id);
    if (has_receipt(*row)) return std::move(*row);
    row->log->keys = head.keys;
    row->log->checkpoint = head.checkpoint;
    write_erasure(view, *row);
    return std::move(*row);
}

}  // namespace

ReceiptIssuer::ReceiptIssuer(Committer& committer, std::function<Head()> sign)
    : committer_(committer), sign_(std::move(sign)) {}

ReceiptIssuer::~ReceiptIssuer() {
    stop();
}

void ReceiptIssuer::add(const keys::RequestId& id, OnIssued issued) {
    {
        const std::scoped_lock lock{mutex_};
        waiting_.push_back({id, std::move(issued)});
    }
    wakes_.notify_one();
}

void ReceiptIssuer::start() {
    thread_ = std::thread([this] { serve(); });
}

void ReceiptIssuer::stop() {
    {
        const std::scoped_lock lock{mutex_};
        is_stopping_ = true;
    }
    wakes_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void ReceiptIssuer::serve() {
    const crypto::PatientMemory patient;
    for (;;) {
        std::vector<Waiting> batch;
        {
            std::unique_lock lock{mutex_};
            wakes_.wait(lock, [this] { return is_stopping_ || !waiting_.empty(); });
            if (is_stopping_) return;
            batch.swap(waiting_);
        }
        issue(std::move(batch));
    }
}

void ReceiptIssuer::issue(std::vector<Waiting> batch) {
    Head head;
    try {
        head = sign_();
    } catch (const Fault&) {
        // No keeper could be told: nothing may be signed until one can.
        return put_back(std::move(batch));
    }
    struct Issued {
        std::vector<Waiting> batch;
        std::vector<ErasureRow> rows;
    };
    const auto issued = std::make_shared<Issued>();
    issued->batch = std::move(batch);
    committer_.submit(
        [issued, head = std::move(head)](store::WriteView& view) {
            issued->rows.clear();
            for (const Waiting& waiting : issued->batch) {
                issued->rows.push_back(issue_in(view, waiting.id, head));
            }
        },
        [issued](const Fault* fault) {
            if (fault != nullptr) return;  // the store is in trouble: the next start goes on
            for (std::size_t i = 0; i < issued->rows.size(); ++i) {
                if (issued->batch[i].issued) issued->batch[i].issued(issued->rows[i]);
            }
        });
}

void ReceiptIssuer::put_back(std::vector<Waiting> batch) {
    std::unique_lock lock{mutex_};
    waiting_.insert(waiting_.begin(), std::make_move_iterator(batch.begin()),
                    std::make_move_iterator(batch.end()));
    wakes_.wait_for(lock, kRetryAfter, [this] { return is_stopping_; });
}

}  // namespace oubliette
