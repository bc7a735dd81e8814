#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// OUT while a table is being worked on: OUT grows by whole acknowledged batches, and OUT.state says
// how far it may be trusted. A process may die at any instruction; the same command goes on where
// the state says. Not thread-safe; a lock on OUT keeps a second process out.
//
// OUT.state is one JSON object, replaced by rename and synced after OUT was:
//   {"format":"oubliette-csv-state","version":1,
//    "verb":"tokenize",          what is being done
//    "run":"<32 hex>",           random, drawn when the run began; part of every idempotency key
//    "options":"<64 hex>",       SHA-256 over everything that decides what OUT will hold
//    "input_sha256":"<64 hex>","input_size":N,"input_mtime_ns":N,
//    "input_offset":N,"line":N,  where the next row begins
//    "output_size":N,            bytes of OUT that are right; the rest is cut off on resume
//    "errors_size":N,            the same for OUT.errors
//    "batches":N,"rows":N,"values":N,"refused":N,
//    "stopped_batch":N,"attempt":N}   the batch last refused and how often; see idempotency_key()

namespace oubliette::tools {

struct CsvState {
    std::string verb;
    std::string run;
    std::string options;
    std::string input_sha256;
    std::uint64_t input_size = 0;
    std::uint64_t input_mtime_ns = 0;
    std::uint64_t input_offset = 0;
    std::uint64_t line = 1;
    std::uint64_t output_size = 0;
    std::uint64_t errors_size = 0;
    std::uint64_t batches = 0;
    std::uint64_t rows = 0;
    std::uint64_t values = 0;
    std::uint64_t refused = 0;
    std::uint64_t stopped_batch = 0;
    std::uint64_t attempt = 0;

    friend bool operator==(const CsvState&, const CsvState&) = default;
};

[[nodiscard]] std::string encode_state(const CsvState& state);
// Throws CommandError input if `text` is not what encode_state() wrote. `name` is for the message.
[[nodiscard]] CsvState decode_state(const std::string& text, const std::string& name);

// Key of batch `number` (from 0), 64 hex. Sending the batch again, by this process or the next,
// uses the same key; after the vault refused items of it the next attempt uses another one, so that
// it is decided anew. `consents` is part of the request body that may change between two runs.
[[nodiscard]] std::string idempotency_key(const CsvState& state, std::uint64_t number,
                                          std::string_view consents);

enum class CsvForce : std::uint8_t { keep_existing, overwrite };
enum class CsvPrivacy : std::uint8_t { as_umask, owner_only };  // mode of OUT: 0666 & ~umask, 0600

class CsvOutput {
public:
    // Begins OUT, or goes on with it: if OUT.state belongs to the same verb, options and input as
    // `fresh`, OUT and OUT.errors are cut to the sizes it records. OUT.state is durable on return.
    // Throws CommandError input: OUT exists without state, the state is of other options or of
    // another input, OUT is shorter than the state says, OUT is in use or not a regular file;
    // failed: the disk.
    CsvOutput(std::string path, CsvState fresh, CsvForce force, CsvPrivacy privacy);
    ~CsvOutput();
    CsvOutput(const CsvOutput&) = delete;
    CsvOutput& operator=(const CsvOutput&) = delete;

    [[nodiscard]] CsvState& state() noexcept { return state_; }
    [[nodiscard]] bool is_resumed() const noexcept { return is_resumed_; }
    [[nodiscard]] const std::string& errors_path() const noexcept { return errors_path_; }

    // Adds bytes behind what state() covers and counts them there. Throws CommandError failed; OUT
    // is then cut back to the last checkpoint.
    void append(std::string_view bytes);
    void append_error(std::string_view line);

    // Makes OUT and then the state durable. Throws CommandError failed.
    void checkpoint();

    // OUT is whole: durable, and OUT.state is gone.
    void finish();

    // Nothing was worked on: removes OUT, OUT.errors and OUT.state, if nothing was recorded.
    // Returns true if so.
    bool abandon_if_empty();

private:
    void begin(CsvState fresh, CsvForce force, CsvPrivacy privacy);
    void resume(CsvState found, const CsvState& fresh, CsvPrivacy privacy);
    void lock_output();
    void open_errors(std::uint64_t size);
    void write_state();
    void cut_back() noexcept;

    std::string path_;
    std::string state_path_;
    std::string errors_path_;
    CsvState state_;
    CsvState durable_;
    int output_ = -1;
    int errors_ = -1;
    bool is_resumed_ = false;
};

}  // namespace oubliette::tools
