#include "tools/csv_job.hpp"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <fcntl.h>
#include <future>
#include <mutex>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "crypto/encoding.hpp"
#include "crypto/hash.hpp"

namespace oubliette::tools {

namespace {

constexpr std::chrono::milliseconds kCheckpointEvery{250};
constexpr std::size_t kErrorsShownMax = 10;

using Results = std::vector<CellResult>;
using Clock = std::chrono::steady_clock;

std::uint64_t mtime_of(const struct stat& status) {
    return static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
}

// Threads with one connection each, fed with batches. The first error a thread meets is handed to
// whoever waits for that batch; destruction drops what was not sent yet.
class Senders {
public:
    Senders(const CsvOptions& options, const CsvVerb& verb) : verb_(verb) {
        for (unsigned i = 0; i < options.connections; ++i) {
            clients_.push_back(make_client(options.server));
        }
        for (HttpsClient& client : clients_) {
            threads_.emplace_back([this, &client] { serve(client); });
        }
    }
    ~Senders() {
        {
            const std::lock_guard lock(mutex_);
            is_closed_ = true;
            waiting_.clear();
        }
        changed_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }
    Senders(const Senders&) = delete;
    Senders& operator=(const Senders&) = delete;

    [[nodiscard]] std::future<Results> submit(const Batch& batch, std::string key) {
        Task task([this, &batch, key = std::move(key)](HttpsClient& client) {
            return verb_.send(client, batch, key);
        });
        std::future<Results> result = task.get_future();
        {
            const std::lock_guard lock(mutex_);
            waiting_.push_back(std::move(task));
        }
        changed_.notify_one();
        return result;
    }

private:
    using Task = std::packaged_task<Results(HttpsClient&)>;

    void serve(HttpsClient& client) {
        for (;;) {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return is_closed_ || !waiting_.empty(); });
            if (is_closed_) return;
            Task task = std::move(waiting_.front());
            waiting_.pop_front();
            lock.unlock();
            task(client);
        }
    }

    const CsvVerb& verb_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Task> waiting_;
    bool is_closed_ = false;
    std::vector<HttpsClient> clients_;
    std::vector<std::thread> threads_;
};

std::string describe(const Batch& batch, const BoundColumns& columns, std::size_t edit,
                     const std::string& code) {
    const CellEdit& at = batch.edits[edit];
    return "line " + std::to_string(at.line) + ", column '" + columns.mapped[at.column].map.column +
           "': " + code;
}

class Job {
public:
    Job(const CsvOptions& options, const CsvVerb& verb, const CsvInput& input,
        const TableFacts& facts, CsvOutput& output)
        : options_(options),
          verb_(verb),
          input_(input),
          facts_(facts),
          output_(output),
          reader_(input.fd(), options.input, options.delimiter, output.state().input_offset,
                  output.state().line),
          next_number_(output.state().batches),
          progress_(verb.name, facts.size, output.state().input_offset, options.talk) {}

    void run() {
        std::deque<InFlight> in_flight;
        // Declared after what its threads read: they end first.
        Senders senders(options_, verb_);
        has_row_ = reader_.read(row_);
        while (has_row_ || !in_flight.empty()) {
            while (has_row_ && in_flight.size() < std::size_t{2} * options_.connections) {
                InFlight& next = in_flight.emplace_back();
                next.batch = std::make_unique<Batch>(plan());
                next.results = senders.submit(
                    *next.batch,
                    idempotency_key(output_.state(), next.batch->number, verb_.consents));
            }
            if (is_interrupted()) {
                throw CommandError(Exit::interrupted,
                                   "interrupted; run the same command again to go on");
            }
            const Results results = in_flight.front().results.get();
            accept(*in_flight.front().batch, results);
            in_flight.pop_front();
        }
        progress_.end();
    }

private:
    struct InFlight {
        std::unique_ptr<Batch> batch;
        std::future<Results> results;
    };

    // REQUIRES: has_row_.
    Batch plan() {
        Batch batch;
        batch.number = next_number_++;
        while (has_row_) {
            if (row_.offset == 0) {
                add_copied(batch, row_);
            } else {
                check_width(row_, facts_.columns, options_.input);
                if (!verb_.add(batch, row_)) break;
            }
            has_row_ = reader_.read(row_);
        }
        return batch;
    }

    void accept(const Batch& batch, const Results& results) {
        input_.check_unchanged();
        const auto refused = static_cast<std::uint64_t>(std::count_if(
            results.begin(), results.end(), [](const CellResult& r) { return !r.code.empty(); }));
        if (refused > 0 && options_.on_error == OnError::stop) stop(batch, results, refused);
        output_.append(render(batch, results, options_.delimiter));
        for (std::size_t i = 0; i < results.size() && refused > 0; ++i) {
            if (!results[i].code.empty()) report(batch, i, results[i].code);
        }
        CsvState& state = output_.state();
        state.input_offset = batch.input_end;
        state.line = batch.line_end;
        state.batches = batch.number + 1;
        state.rows += batch.row_count;
        state.values += results.size() - refused;
        state.refused += refused;
        if (Clock::now() - last_checkpoint_ >= kCheckpointEvery) {
            output_.checkpoint();
            last_checkpoint_ = Clock::now();
        }
        progress_.update(state.input_offset, state.rows, state.values);
    }

    void report(const Batch& batch, std::size_t edit, const std::string& code) {
        if (output_.state().errors_size == 0) output_.append_error("line,column,code\n");
        std::string line = std::to_string(batch.edits[edit].line) + ",";
        csv_encode(line, facts_.columns.mapped[batch.edits[edit].column].map.column,
                   CsvQuoting::as_needed, ',');
        output_.append_error(line + "," + code + "\n");
    }

    [[noreturn]] void stop(const Batch& batch, const Results& results, std::uint64_t refused) {
        progress_.end();
        CsvState& state = output_.state();
        state.attempt = state.stopped_batch == batch.number ? state.attempt + 1 : 1;
        state.stopped_batch = batch.number;
        std::size_t shown = 0;
        std::size_t first = results.size();
        for (std::size_t i = 0; i < results.size() && shown < kErrorsShownMax; ++i) {
            if (results[i].code.empty()) continue;
            first = std::min(first, i);
            if (refused > 1) say(describe(batch, facts_.columns, i, results[i].code));
            ++shown;
        }
        throw CommandError(
            Exit::items_refused,
            "the vault refused " + std::to_string(refused) + " of " +
                std::to_string(results.size()) + " values from line " +
                std::to_string(batch.edits.front().line) + " on, the first at " +
                describe(batch, facts_.columns, first, results[first].code) +
                "; nothing from there on was written. Remove the cause and run the same command "
                "again, or use --on-error report");
    }

    const CsvOptions& options_;
    const CsvVerb& verb_;
    const CsvInput& input_;
    const TableFacts& facts_;
    CsvOutput& output_;
    CsvReader reader_;
    CsvRow row_;
    bool has_row_ = false;
    std::uint64_t next_number_;
    Progress progress_;
    Clock::time_point last_checkpoint_ = Clock::now();
};

// True if a rerun need not know of this one: the vault answered, or was never reached.
bool leaves_nothing_open(const CommandError& error) {
    if (error.exit() == Exit::unreachable) {
        const auto* const transport = dynamic_cast<const TransportError*>(&error);
        return transport != nullptr && transport->arrival() == TransportError::Arrival::not_sent;
    }
    return error.exit() != Exit::interrupted && error.exit() != Exit::failed;
}

}  // namespace

CsvInput::CsvInput(const std::string& path, const std::string& output_path) : path_(path) {
    struct stat status {};
    struct stat other {};
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const int error = errno;
    if (fd_ < 0) throw CommandError(Exit::input, path + " cannot be read" + system_words(error));
    const bool is_regular = ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
    const bool is_output = is_regular && ::stat(output_path.c_str(), &other) == 0 &&
                           other.st_dev == status.st_dev && other.st_ino == status.st_ino;
    if (!is_regular || is_output) {
        (void)::close(fd_);
        throw CommandError(Exit::input, is_output
                                            ? "--out is the same file as --csv; choose another name"
                                            : path + " is not a regular file; it is read twice");
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
    mtime_ns_ = mtime_of(status);
}

CsvInput::~CsvInput() {
    (void)::close(fd_);
}

void CsvInput::check_unchanged() const {
    struct stat status {};
    if (::fstat(fd_, &status) != 0 || static_cast<std::uint64_t>(status.st_size) != size_ ||
        mtime_of(status) != mtime_ns_) {
        throw CommandError(Exit::input, path_ +
                                            " was written to while it was read; start again "
                                            "with --force when it is complete");
    }
}

TableFacts check_input(const CsvInput& input, const TableCheck& check, Talk talk) {
    Progress progress("check", input.size(), 0, talk);
    return check_table(input.fd(), check, [&](std::uint64_t size, std::uint64_t rows) {
        if (rows % 1'024 != 0) return;
        if (is_interrupted()) throw CommandError(Exit::interrupted, "interrupted");
        progress.update(size, rows, rows);
    });
}

CsvSummary run_csv_job(const CsvOptions& options, const CsvVerb& verb, const CsvInput& input,
                       const TableFacts& facts) {
    const auto start = Clock::now();
    CsvState fresh;
    fresh.verb = verb.name;
    fresh.options = crypto::hex_encode(crypto::sha256({bytes_of(verb.options_text)}));
    fresh.input_sha256 = facts.sha256;
    fresh.input_size = facts.size;
    fresh.input_mtime_ns = input.mtime_ns();
    CsvOutput output(options.output, std::move(fresh), options.force, verb.privacy);
    if (output.state().batches > 0 && options.talk == Talk::normal) {
        say("going on with " + options.output + " behind line " +
            std::to_string(output.state().line - 1));
    }
    try {
        Job job(options, verb, input, facts, output);
        job.run();
    } catch (const CommandError& error) {
        // A failed disk is what stopped us; its own message matters more than a second one.
        if (error.exit() != Exit::failed) output.checkpoint();
        if (leaves_nothing_open(error)) (void)output.abandon_if_empty();
        throw;
    }
    output.finish();
    return {output.state(), output.is_resumed(),
            std::chrono::duration<double>(Clock::now() - start).count()};
}

Exit report_csv_summary(const CsvOptions& options, const CsvSummary& summary, bool is_json) {
    const CsvState& state = summary.state;
    const Exit exit = state.refused == 0 ? Exit::done : Exit::items_refused;
    if (is_json) {
        const boost::json::object object{
            {"verb", state.verb},
            {"output", options.output},
            {"rows", state.rows},
            {"values", state.values},
            {"refused", state.refused},
            {"batches", state.batches},
            {"resumed", summary.is_resumed},
            {"elapsed_ms", static_cast<std::uint64_t>(summary.seconds * 1'000)}};
        const std::string text = boost::json::serialize(object) + "\n";
        (void)std::fwrite(text.data(), 1, text.size(), stdout);
        return exit;
    }
    char seconds[32];
    (void)std::snprintf(seconds, sizeof seconds, "%.1f s", summary.seconds);
    if (options.talk == Talk::normal) {
        say(state.verb + ": " + std::to_string(state.rows) + " rows, " +
            std::to_string(state.values) + " values in " + seconds + ", written to " +
            options.output);
    }
    if (state.refused > 0) {
        say(std::to_string(state.refused) + " values were refused and left empty; see " +
            options.output + ".errors");
    }
    return exit;
}

}  // namespace oubliette::tools
