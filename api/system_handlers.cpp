#include <filesystem>
#include <fstream>
#include <thread>

#include "api/call.hpp"
#include "api/openapi_document.hpp"
#include "crypto/byte_io.hpp"
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
        .member("state", keys::name_of(keeper.state))
        .key("online")
        .boolean(keeper.online)
        .key("epoch")
        .integer(keeper.epoch)
        .member("seal", keeper.seal)
        .member("trouble", keeper.trouble)
        .end_object();
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

// Removes the staged copy, however sending it ends.
class Staged {
public:
    explicit Staged(fs::path directory) : directory_{std::move(directory)} {
        fs::create_directories(directory_);
        fs::permissions(directory_, fs::perms::owner_all);
    }
    ~Staged() {
        std::error_code ignored;  // left-overs are removed at the next start
        fs::remove_all(directory_, ignored);
    }
    Staged(const Staged&) = delete;
    Staged& operator=(const Staged&) = delete;

    [[nodiscard]] const fs::path& directory() const noexcept { return directory_; }

private:
    fs::path directory_;
};

// Writes the frames of a backup and their digest; write() is false when the reader has gone.
//   stream := file* | 0:u32 | SHA-256 of all before
//   file := name size:u32 | name | content size:u64 | content
class BackupWriter {
public:
    explicit BackupWriter(BodyStream& stream) : stream_{stream} {}

    [[nodiscard]] bool write_file(const fs::path& file) {
        const std::string name = file.filename().string();
        const std::uint64_t size = fs::file_size(file);
        Bytes head;
        ByteWriter{head}
            .le32(static_cast<std::uint32_t>(name.size()))
            .bytes(bytes_of(name))
            .le64(size);
        if (!write(head)) return false;
        std::ifstream content{file, std::ios::binary};
        std::string chunk(kChunkSize, '\0');
        for (std::uint64_t left = size; left > 0;) {
            const auto wanted = std::min<std::uint64_t>(left, kChunkSize);
            content.read(chunk.data(), static_cast<std::streamsize>(wanted));
            if (content.gcount() != static_cast<std::streamsize>(wanted)) {
                throw Fault{FaultKind::storage, "a staged backup file is short"};
            }
            if (!write(bytes_of(std::string_view{chunk}.substr(0, wanted)))) return false;
            left -= wanted;
        }
        return true;
    }

    [[nodiscard]] bool write_end() {
        Bytes end;
        ByteWriter{end}.le32(0);
        if (!write(end)) return false;
        return stream_.write(hash_.digest());
    }

private:
    static constexpr std::size_t kChunkSize = 262'144;  // bytes

    [[nodiscard]] bool write(ByteView bytes) {
        hash_.update(bytes);
        return stream_.write(bytes);
    }

    BodyStream& stream_;
    crypto::Sha256 hash_;
};

// True when all of it is on its way.
bool send_backup(Call& call, const fs::path& directory) {
    Response head;
    head.content_type = "application/octet-stream";
    const auto stream = call.exchange->respond_stream(std::move(head));
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator{directory}) files.push_back(entry.path());
    std::ranges::sort(files);
    BackupWriter writer{*stream};
    for (const fs::path& file : files) {
        if (!writer.write_file(file)) return false;
    }
    if (!writer.write_end()) return false;
    stream->finish();
    return true;
}

}  // namespace

void handle_status(const CallPtr& call) {
    const VaultStatus status = call->vault.status();
    WipedBuffer buffer;
    JsonWriter json{buffer};
    json.begin_object()
        .member("tenant", status.tenant)
        .member("state", call->vault.ready() ? "ready" : "starting")
        .member("version", OUBLIETTE_VERSION)
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
    for (const auto& keeper : status.plane.keepers) {
        if (keeper.state != keys::KeeperState::expelled) write_keeper(json, keeper);
    }
    json.end_array();
    json.key("erasures_waiting").integer(std::uint64_t{status.erasures_waiting});
    json.key("damaged_rows").integer(std::uint64_t{status.damaged_rows});
    json.key("revocations_waiting").integer(std::uint64_t{status.plane.waiting});
    json.key("scrub");
    write_scrub(json, status.plane.scrub);
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
    // Copying takes as long as the data is large: not on the loop's thread.
    std::thread{[call, directory] {
        bool is_answered = false;
        try {
            const Staged staged{directory};
            const auto moved = call->vault.backup_to(staged.directory());
            is_answered = true;  // from here on a failure cuts the connection
            if (send_backup(*call, staged.directory())) call->vault.confirm_backup(moved);
        } catch (const Fault& fault) {
            if (!is_answered) call->fail(fault);
        } catch (const std::exception&) {
            if (!is_answered) call->fail(Fault{FaultKind::storage, "the backup failed"});
        }
    }}.detach();
}

void handle_livez(const CallPtr& call) {
    answer_text(*call, 200, R"({"status":"ok"})");
}

void handle_readyz(const CallPtr& call) {
    const bool is_ready = call->vault.ready();
    answer_text(*call, is_ready ? 200 : 503,
                is_ready ? R"({"status":"ok"})" : R"({"status":"starting"})");
}

void handle_version(const CallPtr& call) {
    answer_text(*call, 200, R"({"name":"oubliette","version":")" OUBLIETTE_VERSION R"("})");
}

void handle_openapi(const CallPtr& call) {
    answer_text(*call, 200, openapi_document());
}

}  // namespace oubliette::api
