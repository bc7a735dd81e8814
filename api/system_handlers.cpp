#include <filesystem>
#include <fstream>

#include "api/call.hpp"
#include "api/openapi_document.hpp"
#include "crypto/encoding.hpp"
#include "crypto/hash.hpp"

// Status, probes and backup: API 4.

namespace oubliette::api {
namespace {

namespace fs = std::filesystem;

void write_keeper(JsonWriter& json, const keys::KeeperStatus& keeper) {
    const char cell_class = static_cast<char>(keeper.cell_class);
    json.begin_object()
        .member("id", crypto::hex_encode(keeper.id))
        .member("public_key", crypto::hex_encode(keeper.public_key))
        .member("class", {&cell_class, 1})
        .key("online")
        .boolean(keeper.online)
        .key("epoch")
        .integer(keeper.epoch)
        .member("seal", keeper.seal)
        .member("trouble", keeper.trouble)
        .end_object();
}

std::vector<std::string> warnings_of(const VaultStatus& status) {
    std::vector<std::string> warnings;
    const auto& keepers = status.plane.keepers;
    for (std::size_t i = 1; i < keepers.size(); ++i) {
        if (keepers[i].device != keepers[0].device) continue;
        warnings.emplace_back(
            "two keepers share a device: one dead disk loses every key; move one keeper");
        break;
    }
    for (const auto& keeper : keepers) {
        if (!keeper.online) warnings.emplace_back("a keeper is offline: erasures wait for it");
        if (keeper.cell_class == keys::CellClass::besteffort) {
            warnings.emplace_back(
                "a keeper's file system cannot overwrite in place: receipts say class B");
        }
        if (keeper.seal == "keyfile") {
            warnings.emplace_back(
                "a keeper is sealed by a key file: whoever reads it and the cell has all keys");
        }
    }
    if (status.rolled_back) {
        warnings.emplace_back(
            "an older copy of the data is served: what was revoked since stays revoked, what was "
            "stored since is missing");
    }
    std::ranges::sort(warnings);
    const auto repeated = std::ranges::unique(warnings);
    warnings.erase(repeated.begin(), repeated.end());
    return warnings;
}

std::uint64_t resident_bytes() {
    std::ifstream statm{"/proc/self/statm"};
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    statm >> total >> resident;
    return resident * 4'096;
}

void answer_text(Call& call, unsigned status, std::string_view json) {
    Response response;
    response.status = status;
    response.body = crypto::SecretBytes{bytes_of(json)};
    call.exchange->respond(std::move(response));
}

// The frames of a backup (tools/backup_stream.hpp) read from staged files, which are removed when
// the stream ends or the client goes away.
//   stream := file* | 0:u32 | SHA-256 of all before
//   file := name size:u32 | name | content size:u64 | content
class BackupStream {
public:
    explicit BackupStream(fs::path directory) : directory_{std::move(directory)} {
        for (const auto& entry : fs::directory_iterator{directory_}) {
            files_.push_back(entry.path());
        }
        std::ranges::sort(files_);
        for (const fs::path& file : files_) {
            size_ += 4 + file.filename().string().size() + 8 + fs::file_size(file);
        }
        size_ += 4 + 32;
    }
    ~BackupStream() {
        std::error_code ignored;  // left-overs are removed at the next start
        fs::remove_all(directory_, ignored);
    }
    BackupStream(const BackupStream&) = delete;
    BackupStream& operator=(const BackupStream&) = delete;

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

    std::size_t read(ByteSpan out) {
        std::size_t filled = 0;
        while (filled < out.size()) {
            if (!head_.empty()) {
                const std::size_t size = std::min(head_.size(), out.size() - filled);
                std::copy_n(head_.begin(), size, out.begin() + static_cast<std::ptrdiff_t>(filled));
                head_.erase(head_.begin(), head_.begin() + static_cast<std::ptrdiff_t>(size));
                filled += size;
            } else if (content_.is_open()) {
                filled += read_content(out.subspan(filled));
            } else if (!next_frame()) {
                break;
            }
        }
        return filled;
    }

private:
    std::size_t read_content(ByteSpan out) {
        const auto wanted = static_cast<std::streamsize>(std::min<std::uint64_t>(left_, out.size()));
        // iostream speaks char; the bytes are the same.
        content_.read(static_cast<char*>(static_cast<void*>(out.data())), wanted);
        if (content_.gcount() != wanted) throw Fault{FaultKind::storage, "a backup file is short"};
        const auto size = static_cast<std::size_t>(wanted);
        hash_.update(out.first(size));
        left_ -= size;
        if (left_ == 0) content_.close();
        return size;
    }

    // False after the end.
    bool next_frame() {
        if (ended_) return false;
        if (index_ == files_.size()) {
            ended_ = true;
            ByteWriter{head_}.le32(0);
            hash_.update(head_);
            const crypto::Hash digest = hash_.digest();
            ByteWriter{head_}.bytes(digest);
            return true;
        }
        const fs::path& file = files_[index_++];
        const std::string name = file.filename().string();
        left_ = fs::file_size(file);
        ByteWriter{head_}
            .le32(static_cast<std::uint32_t>(name.size()))
            .bytes(bytes_of(name))
            .le64(left_);
        hash_.update(head_);
        if (left_ == 0) return true;
        content_.open(file, std::ios::binary);
        if (!content_) throw Fault{FaultKind::storage, "a backup file cannot be read"};
        return true;
    }

    fs::path directory_;
    std::vector<fs::path> files_;
    std::uint64_t size_ = 0;
    std::size_t index_ = 0;
    Bytes head_;
    std::ifstream content_;
    std::uint64_t left_ = 0;
    bool ended_ = false;
    crypto::Sha256 hash_;
};

}  // namespace

void handle_status(const CallPtr& call) {
    const VaultStatus status = call->vault.status();
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object()
        .member("tenant", status.tenant)
        .key("ready")
        .boolean(call->vault.ready())
        .key("policy_version")
        .integer(std::uint32_t{status.policy_version})
        .key("generation")
        .integer(status.generation)
        .key("rolled_back")
        .boolean(status.rolled_back)
        .member("vault", crypto::hex_encode(status.plane.vault))
        .key("epoch")
        .integer(status.plane.epoch)
        .key("term")
        .integer(status.plane.term)
        .member("key_plane_hash", crypto::hex_encode(status.plane.hash));
    json.key("keepers").begin_array();
    for (const auto& keeper : status.plane.keepers) write_keeper(json, keeper);
    json.end_array();
    json.key("erasures_waiting").integer(std::uint64_t{status.erasures_waiting});
    json.key("revocations_waiting").integer(std::uint64_t{status.plane.waiting});
    json.key("audit_entries").integer(status.log_size);
    json.key("index")
        .begin_object()
        .key("entries")
        .integer(std::uint64_t{status.index_entries})
        .key("bytes")
        .integer(std::uint64_t{status.index_bytes})
        .end_object();
    json.key("store")
        .begin_object()
        .key("bytes_used")
        .integer(status.usage.bytes_used)
        .key("bytes_map")
        .integer(status.usage.bytes_map)
        .key("bytes_max")
        .integer(status.usage.bytes_max)
        .end_object();
    json.key("memory_resident_bytes").integer(resident_bytes());
    json.key("warnings").begin_array();
    for (const std::string& warning : warnings_of(status)) json.string(warning);
    json.end_array().end_object();
    call->answer(200, buffer);
}

void handle_backup(const CallPtr& call) {
    if (const auto body = call->body({}); !body) return call->refuse(body.error());
    ByteArray<8> name{};
    crypto::random_bytes(name);
    const fs::path directory = call->scratch / ("backup-" + crypto::hex_encode(name));
    fs::create_directories(directory);
    fs::permissions(directory, fs::perms::owner_all);
    // Copying takes as long as the data is large: not on the loop's thread.
    std::thread{[call, directory] {
        try {
            call->vault.backup_to(directory);
            const auto stream = std::make_shared<BackupStream>(directory);
            Response response;
            response.content_type = "application/octet-stream";
            response.stream.size = stream->size();
            response.stream.read = [stream](ByteSpan out) { return stream->read(out); };
            call->exchange->respond(std::move(response));
        } catch (const Fault& fault) {
            call->fail(fault);
        } catch (const std::exception&) {
            call->fail(Fault{FaultKind::storage, "the backup could not be staged"});
        }
    }}.detach();
}

void handle_livez(const CallPtr& call) { answer_text(*call, 200, R"({"live":true})"); }

void handle_readyz(const CallPtr& call) {
    const bool is_ready = call->vault.ready();
    answer_text(*call, is_ready ? 200 : 503, is_ready ? R"({"ready":true})" : R"({"ready":false})");
}

void handle_version(const CallPtr& call) {
    answer_text(*call, 200, R"({"version":")" OUBLIETTE_VERSION R"(","storage_format":1,"api":"v1"})");
}

void handle_openapi(const CallPtr& call) { answer_text(*call, 200, openapi_document()); }

}  // namespace oubliette::api
