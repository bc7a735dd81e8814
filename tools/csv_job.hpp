#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/csv_batch.hpp"
#include "tools/csv_columns.hpp"
#include "tools/csv_output.hpp"
#include "tools/progress.hpp"
#include "tools/vault_client.hpp"

// Takes a table through the vault: plans batches in order, sends several at a time over connections
// of their own, writes the answers in order and records how far it came.

namespace oubliette::tools {

enum class OnError : std::uint8_t {
    stop,    // the first batch with a refused cell ends the work; nothing of it is written
    report,  // a refused cell becomes empty and gets a line in OUT.errors
};

inline constexpr unsigned kConnectionsMax = 64;

// What both table verbs are told on the command line.
struct CsvOptions {
    ServerOptions server;
    std::string input;
    std::string output;
    char delimiter = ',';
    std::string purpose;
    std::size_t batch_items = kBatchItemsDefault;
    unsigned connections = 4;
    OnError on_error = OnError::stop;
    CsvForce force = CsvForce::keep_existing;
    Talk talk = Talk::normal;
};

// IN, open. Throws CommandError input: not readable, not a regular file, or the same file as OUT.
class CsvInput {
public:
    CsvInput(const std::string& path, const std::string& output_path);
    ~CsvInput();
    CsvInput(const CsvInput&) = delete;
    CsvInput& operator=(const CsvInput&) = delete;

    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] std::uint64_t mtime_ns() const noexcept { return mtime_ns_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    // Throws CommandError input if the file was written to since it was opened.
    void check_unchanged() const;

private:
    std::string path_;
    int fd_ = -1;
    std::uint64_t size_ = 0;
    std::uint64_t mtime_ns_ = 0;
};

// check_table() with progress on stderr; ends with Exit::interrupted when asked to.
[[nodiscard]] TableFacts check_input(const CsvInput& input, const TableCheck& check, Talk talk);

// What one verb does with a batch. All members are called from several threads at once, but `add`.
struct CsvVerb {
    std::string name;          // "tokenize"
    std::string options_text;  // everything that decides what OUT will hold
    std::string consents;      // part of idempotency_key()
    CsvPrivacy privacy = CsvPrivacy::as_umask;
    std::function<bool(Batch&, const CsvRow&)> add;
    // One result per edit. Throws CommandError if the whole request was refused.
    std::function<std::vector<CellResult>(HttpsClient&, const Batch&, const std::string& key)> send;
};

struct CsvSummary {
    CsvState state;
    bool is_resumed = false;
    double seconds = 0;
};

// Does the work, or what is left of it. On an error everything acknowledged so far is recorded and
// the same call goes on from there; if nothing was, nothing is left behind.
// Throws CommandError: items_refused (OnError::stop), interrupted, and what the parts throw.
[[nodiscard]] CsvSummary run_csv_job(const CsvOptions& options, const CsvVerb& verb,
                                     const CsvInput& input, const TableFacts& facts);

// Says on stderr, or with `is_json` as one object on stdout, what was done; the exit code of it.
[[nodiscard]] Exit report_csv_summary(const CsvOptions& options, const CsvSummary& summary,
                                      bool is_json);

}  // namespace oubliette::tools
