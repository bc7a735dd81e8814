#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "vault/committer.hpp"
#include "vault/erasure_rows.hpp"

// Ends an erasure: takes those that are final in the data plane, has the head of the log signed
// that holds their entries, and stores it in their rows. Many that wait share one signature and one
// transaction. On a thread of its own, because the keepers must know a head before it is signed.
//
// Until the receipt is stored the erasure keeps its queue row, so that a start takes it up again.

namespace oubliette {

class ReceiptIssuer {
public:
    struct Head {
        std::vector<crypto::PublicKey> keys;  // in the order of the checkpoint's signatures
        std::string checkpoint;
    };
    // `sign`: a signed head of the log that covers every commit which ended before the call. Runs
    // on the issuer's thread; may throw Fault, then it is tried again.
    // REQUIRES: `committer` outlives this.
    ReceiptIssuer(Committer& committer, std::function<Head()> sign);
    ~ReceiptIssuer();  // stop()
    ReceiptIssuer(const ReceiptIssuer&) = delete;
    ReceiptIssuer& operator=(const ReceiptIssuer&) = delete;

    // `issued` runs on the committer's thread when the row with the receipt is durable.
    // REQUIRES: the final row is committed.
    using OnIssued = std::function<void(const ErasureRow& row)>;
    void add(const keys::RequestId& id, OnIssued issued);

    // What was added before waits for this.
    void start();
    // Ends the thread; what waits is left to the next start of the vault. Belongs to one thread.
    void stop();

private:
    struct Waiting {
        keys::RequestId id{};
        OnIssued issued;
    };
    void serve();
    void issue(std::vector<Waiting> batch);
    void put_back(std::vector<Waiting> batch);

    Committer& committer_;
    std::function<Head()> sign_;
    std::mutex mutex_;
    std::condition_variable wakes_;
    std::vector<Waiting> waiting_;
    bool is_stopping_ = false;
    std::thread thread_;  // last: it uses everything above
};

}  // namespace oubliette
