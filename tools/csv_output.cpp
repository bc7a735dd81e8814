#include "tools/csv_output.hpp"

#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "crypto/encoding.hpp"
#include "crypto/hash.hpp"
#include "crypto/secret.hpp"
#include "tools/cli.hpp"
#include "tools/durable_file.hpp"

namespace oubliette::tools {

namespace {

constexpr std::string_view kFormat = "oubliette-csv-state";
constexpr std::uint64_t kVersion = 1;

struct NumberField {
    const char* name;
    std::uint64_t CsvState::*member;
};
struct TextField {
    const char* name;
    std::string CsvState::*member;
};

constexpr TextField kTexts[] = {{"verb", &CsvState::verb},
                                {"run", &CsvState::run},
                                {"options", &CsvState::options},
                                {"input_sha256", &CsvState::input_sha256}};
constexpr NumberField kNumbers[] = {{"input_size", &CsvState::input_size},
                                    {"input_mtime_ns", &CsvState::input_mtime_ns},
                                    {"input_offset", &CsvState::input_offset},
                                    {"line", &CsvState::line},
                                    {"output_size", &CsvState::output_size},
                                    {"errors_size", &CsvState::errors_size},
                                    {"batches", &CsvState::batches},
                                    {"rows", &CsvState::rows},
                                    {"values", &CsvState::values},
                                    {"refused", &CsvState::refused},
                                    {"stopped_batch", &CsvState::stopped_batch},
                                    {"attempt", &CsvState::attempt}};

CommandError disk_error(const std::string& path, int error) {
    std::string line = path + " cannot be written" + system_words(error);
    if (error == ENOSPC || error == EDQUOT) {
        line += "; make room and run the same command again to go on";
    }
    return {Exit::failed, line};
}

void write_at(int fd, const std::string& path, std::string_view bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) throw disk_error(path, errno);
        bytes.remove_prefix(static_cast<std::size_t>(put));
        offset += static_cast<std::uint64_t>(put);
    }
}

}  // namespace

std::string encode_state(const CsvState& state) {
    boost::json::object object;
    object["format"] = kFormat;
    object["version"] = kVersion;
    for (const TextField& field : kTexts) object[field.name] = state.*field.member;
    for (const NumberField& field : kNumbers) object[field.name] = state.*field.member;
    return boost::json::serialize(object) + "\n";
}

CsvState decode_state(const std::string& text, const std::string& name) {
    const CommandError wrong(Exit::input, name +
                                              " is damaged or of another version; remove it and "
                                              "its output file, or start again with --force");
    boost::json::error_code error;
    const boost::json::value value = boost::json::parse(text, error);
    const auto* const object = value.if_object();
    if (error || object == nullptr) throw wrong;
    const auto number = [&](const char* member) {
        const auto* const found = object->if_contains(member);
        boost::json::error_code bad;
        const auto result = found == nullptr ? 0 : found->to_number<std::uint64_t>(bad);
        if (found == nullptr || bad) throw wrong;
        return result;
    };
    const auto words = [&](const char* member) {
        const auto* const found = object->if_contains(member);
        if (found == nullptr || !found->is_string()) throw wrong;
        return std::string(found->get_string());
    };
    if (words("format") != kFormat || number("version") != kVersion) throw wrong;
    CsvState state;
    for (const TextField& field : kTexts) state.*field.member = words(field.name);
    for (const NumberField& field : kNumbers) state.*field.member = number(field.name);
    return state;
}

std::string idempotency_key(const CsvState& state, std::uint64_t number,
                            std::string_view consents) {
    const std::uint64_t attempt = number == state.stopped_batch ? state.attempt : 0;
    const std::string text = "oubliette csv batch|" + state.run + "|" + state.input_sha256 + "|" +
                             state.options + "|" + std::to_string(number) + "|" +
                             std::to_string(attempt) + "|" + std::string(consents);
    return crypto::hex_encode(crypto::sha256({bytes_of(text)}));
}

CsvOutput::CsvOutput(std::string path, CsvState fresh, CsvForce force, CsvPrivacy privacy)
    : path_(std::move(path)), state_path_(path_ + ".state"), errors_path_(path_ + ".errors") {
    try {
        const std::optional<std::string> found =
            force == CsvForce::overwrite ? std::nullopt : read_file_if_there(state_path_);
        if (found) {
            resume(decode_state(*found, state_path_), fresh, privacy);
        } else {
            begin(std::move(fresh), force, privacy);
        }
    } catch (...) {
        if (output_ >= 0) (void)::close(output_);
        if (errors_ >= 0) (void)::close(errors_);
        throw;
    }
}

CsvOutput::~CsvOutput() {
    if (output_ >= 0) (void)::close(output_);
    if (errors_ >= 0) (void)::close(errors_);
}

void CsvOutput::begin(CsvState fresh, CsvForce force, CsvPrivacy privacy) {
    const mode_t mode = privacy == CsvPrivacy::owner_only ? 0600 : 0666;
    const int exclusive = force == CsvForce::overwrite ? 0 : O_EXCL;
    // The output first: if it cannot be made, no state is left behind. A crash between the two
    // leaves an empty OUT, which a later run may take over.
    output_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | exclusive, mode);
    if (output_ < 0 && errno == EEXIST) {
        output_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
        struct stat status {};
        if (output_ < 0 || ::fstat(output_, &status) != 0 || !S_ISREG(status.st_mode) ||
            status.st_size != 0) {
            throw CommandError(Exit::input,
                               path_ + " exists; choose another --out, or overwrite with --force");
        }
    }
    if (output_ < 0) throw disk_error(path_, errno);
    lock_output();
    if (::ftruncate(output_, 0) != 0) throw disk_error(path_, errno);
    if (privacy == CsvPrivacy::owner_only) (void)::fchmod(output_, 0600);
    if (::unlink(errors_path_.c_str()) != 0 && errno != ENOENT) {
        throw disk_error(errors_path_, errno);
    }
    ByteArray<16> run{};
    crypto::random_bytes(run);
    state_ = std::move(fresh);
    state_.run = crypto::hex_encode(run);
    try {
        write_state();
    } catch (...) {
        (void)::unlink(path_.c_str());
        throw;
    }
}

void CsvOutput::resume(CsvState found, const CsvState& fresh, CsvPrivacy privacy) {
    const std::string again = "; remove it and " + state_path_ + ", or start again with --force";
    if (found.input_sha256 != fresh.input_sha256) {
        throw CommandError(Exit::input, "the input changed since " + path_ + " was begun" + again);
    }
    if (found.verb != fresh.verb || found.options != fresh.options) {
        throw CommandError(Exit::input, path_ + " was begun with other options" + again);
    }
    const mode_t mode = privacy == CsvPrivacy::owner_only ? 0600 : 0666;
    const int create = found.output_size == 0 ? O_CREAT : 0;
    output_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | create, mode);
    if (output_ < 0) throw disk_error(path_, errno);
    lock_output();
    struct stat status {};
    if (::fstat(output_, &status) != 0) throw disk_error(path_, errno);
    if (static_cast<std::uint64_t>(status.st_size) < found.output_size) {
        throw CommandError(Exit::input, path_ + " is shorter than its state says" + again);
    }
    state_ = std::move(found);
    durable_ = state_;
    is_resumed_ = true;
    if (::ftruncate(output_, static_cast<off_t>(state_.output_size)) != 0) {
        throw disk_error(path_, errno);
    }
    open_errors(state_.errors_size);
}

void CsvOutput::lock_output() {
    struct stat status {};
    if (::fstat(output_, &status) != 0 || !S_ISREG(status.st_mode)) {
        throw CommandError(Exit::input, path_ + " is not a regular file; choose another --out");
    }
    if (::flock(output_, LOCK_EX | LOCK_NB) != 0) {
        throw CommandError(Exit::input, "another process is writing " + path_);
    }
}

void CsvOutput::open_errors(std::uint64_t size) {
    if (size == 0) {
        (void)::unlink(errors_path_.c_str());
        return;
    }
    errors_ = ::open(errors_path_.c_str(), O_RDWR | O_CLOEXEC);
    struct stat status {};
    if (errors_ < 0 || ::fstat(errors_, &status) != 0) throw disk_error(errors_path_, errno);
    if (static_cast<std::uint64_t>(status.st_size) < size) {
        throw CommandError(Exit::input, errors_path_ + " is shorter than " + state_path_ +
                                            " says; start again with --force");
    }
    if (::ftruncate(errors_, static_cast<off_t>(size)) != 0) throw disk_error(errors_path_, errno);
}

void CsvOutput::append(std::string_view bytes) {
    try {
        write_at(output_, path_, bytes, state_.output_size);
    } catch (...) {
        cut_back();
        throw;
    }
    state_.output_size += bytes.size();
}

void CsvOutput::append_error(std::string_view line) {
    if (errors_ < 0) {
        errors_ = ::open(errors_path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (errors_ < 0) throw disk_error(errors_path_, errno);
    }
    write_at(errors_, errors_path_, line, state_.errors_size);
    state_.errors_size += line.size();
}

void CsvOutput::cut_back() noexcept {
    state_ = durable_;
    (void)!::ftruncate(output_, static_cast<off_t>(durable_.output_size));
}

void CsvOutput::checkpoint() {
    if (state_ == durable_) return;
    if (::fdatasync(output_) != 0) throw disk_error(path_, errno);
    if (errors_ >= 0 && ::fdatasync(errors_) != 0) throw disk_error(errors_path_, errno);
    write_state();
}

void CsvOutput::write_state() {
    replace_file(state_path_, encode_state(state_), 0600);
    durable_ = state_;
}

void CsvOutput::finish() {
    if (::fsync(output_) != 0) throw disk_error(path_, errno);
    if (errors_ >= 0 && ::fsync(errors_) != 0) throw disk_error(errors_path_, errno);
    if (::unlink(state_path_.c_str()) != 0) throw disk_error(state_path_, errno);
    sync_folder_of(path_);
}

bool CsvOutput::abandon_if_empty() {
    if (durable_.output_size != 0 || durable_.batches != 0) return false;
    (void)::unlink(path_.c_str());
    (void)::unlink(errors_path_.c_str());
    (void)::unlink(state_path_.c_str());
    return true;
}

}  // namespace oubliette::tools
