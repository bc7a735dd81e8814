#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "crypto/bytes.hpp"
#include "vault/backup.hpp"

// The receiving end of POST /v1/sys/backup: a stream of files, written below one directory. Not
// thread-safe. All integers little-endian.
//
//   stream := file*  end
//   file   := name size u32 (1..255) | name | content size u64 | content
//   end    := u32 = 0 | SHA-256 (32 bytes) of every byte of the stream before it
//   name   := segment *("/" segment)     segment := 1 or more of A-Z a-z 0-9 . _ -, not "." or ".."

namespace oubliette::tools {

inline constexpr std::size_t kBackupNameSizeMax = 255;  // bytes

class BackupReceiver {
public:
    // `directory` is made (0700), or taken if it is empty. As long as the backup is not whole it
    // holds a file INCOMPLETE. Throws CommandError input, failed.
    explicit BackupReceiver(std::string directory);
    // Removes everything that was written, unless finish() succeeded.
    ~BackupReceiver();
    BackupReceiver(const BackupReceiver&) = delete;
    BackupReceiver& operator=(const BackupReceiver&) = delete;

    // Takes the next bytes, parted anywhere. Throws CommandError failed: a frame is malformed, a
    // name unsafe or there twice, the digest wrong, bytes behind the end, the disk.
    void take(ByteView bytes);

    // Throws CommandError failed if the stream ended early. Then all files (0600) and folders
    // (0700) are durable.
    void finish();

    [[nodiscard]] std::uint64_t file_count() const noexcept;
    [[nodiscard]] std::uint64_t content_size() const noexcept;  // bytes

private:
    class Files;
    std::unique_ptr<Files> files_;
};

}  // namespace oubliette::tools
