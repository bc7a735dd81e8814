#include "crypto/chunks.hpp"

#include <algorithm>

#include <sodium.h>

#include "crypto/assert.hpp"
#include "crypto/box.hpp"
#include "crypto/hash.hpp"

namespace oubliette::crypto {
namespace {

constexpr Byte kVersion = 0x81;
constexpr Byte kSuite = 1;
constexpr std::string_view kLabel = "obl/chunks/1";
constexpr std::size_t kCommitmentSize = 16;
constexpr std::size_t kPrefixSize = 2 + kChunkHeaderSize + kCommitmentSize;
constexpr std::size_t kChunkOverhead = crypto_secretstream_xchacha20poly1305_ABYTES;
constexpr std::size_t kChunkSize = kChunkPlaintextSize + kChunkOverhead;
constexpr std::size_t kAssociatedDataSizeMax = 0xFFFF;

static_assert(kChunkPlaintextSize == kBoxPlaintextSizeMax);
static_assert(kChunkHeaderSize == crypto_secretstream_xchacha20poly1305_HEADERBYTES);
static_assert(crypto_secretstream_xchacha20poly1305_TAG_MESSAGE == 0);
static_assert(crypto_secretstream_xchacha20poly1305_TAG_FINAL == 3);

// The running state holds the stream's key.
class Stream {
public:
    // init_pull for both directions: init_push differs only in drawing the header itself.
    Stream(KeyView key, ByteView header) noexcept {
        (void)crypto_secretstream_xchacha20poly1305_init_pull(&state_, header.data(), key.data());
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() { sodium_memzero(&state_, sizeof state_); }

    void push(ByteView plaintext, ByteView associated_data, Byte tag, ByteSpan out) noexcept {
        (void)crypto_secretstream_xchacha20poly1305_push(
            &state_, out.data(), nullptr, plaintext.data(), plaintext.size(),
            associated_data.data(), associated_data.size(), tag);
    }

    [[nodiscard]] bool pull(ByteView chunk, ByteView associated_data, Byte expected_tag,
                            ByteSpan out) noexcept {
        Byte tag = 0xFF;
        const int refused = crypto_secretstream_xchacha20poly1305_pull(
            &state_, out.data(), nullptr, &tag, chunk.data(), chunk.size(), associated_data.data(),
            associated_data.size());
        return refused == 0 && tag == expected_tag;
    }

private:
    crypto_secretstream_xchacha20poly1305_state state_{};
};

Byte tag_for(bool last) noexcept {
    return last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
}

ByteArray<kCommitmentSize> commitment_of(KeyView key, ByteView header,
                                         ByteView associated_data) noexcept {
    const ByteArray<2> versions{kVersion, kSuite};
    const std::size_t size = associated_data.size();
    const ByteArray<2> size_le{static_cast<Byte>(size), static_cast<Byte>(size >> 8)};
    ByteArray<kCommitmentSize> out{};
    blake2b_keyed(key, {bytes_of(kLabel), versions, header, size_le, associated_data}, out);
    return out;
}

}  // namespace

std::optional<std::size_t> chunked_plaintext_size(std::size_t chunked_size) noexcept {
    if (chunked_size <= kPrefixSize) return std::nullopt;
    const std::size_t body = chunked_size - kPrefixSize;
    const std::size_t chunks = (body + kChunkSize - 1) / kChunkSize;
    const std::size_t last = body - (chunks - 1) * kChunkSize;
    if (chunks < 2 || last <= kChunkOverhead) return std::nullopt;
    const std::size_t size = body - chunks * kChunkOverhead;
    if (size > kChunkedPlaintextSizeMax) return std::nullopt;
    return size;
}

void seal_chunks_into(KeyView key, std::span<const Byte, kChunkHeaderSize> header,
                      ByteView plaintext, ByteView associated_data, ByteSpan out) noexcept {
    OBL_ASSERT(plaintext.size() > kChunkPlaintextSize);
    OBL_ASSERT(plaintext.size() <= kChunkedPlaintextSizeMax);
    OBL_ASSERT(associated_data.size() <= kAssociatedDataSizeMax);
    OBL_ASSERT(out.size() == chunked_size(plaintext.size()));

    const ByteArray<kCommitmentSize> commitment = commitment_of(key, header, associated_data);
    out[0] = kVersion;
    out[1] = kSuite;
    std::ranges::copy(header, out.subspan(2).begin());
    std::ranges::copy(commitment, out.subspan(2 + kChunkHeaderSize).begin());
    out = out.subspan(kPrefixSize);

    Stream stream{key, header};
    while (!plaintext.empty()) {
        const ByteView front = plaintext.first(std::min(plaintext.size(), kChunkPlaintextSize));
        plaintext = plaintext.subspan(front.size());
        stream.push(front, associated_data, tag_for(plaintext.empty()), out);
        out = out.subspan(front.size() + kChunkOverhead);
    }
}

Bytes seal_chunks(KeyView key, ByteView plaintext, ByteView associated_data) {
    Bytes out(chunked_size(plaintext.size()));
    ByteArray<kChunkHeaderSize> header{};
    random_bytes(header);
    seal_chunks_into(key, header, plaintext, associated_data, out);
    return out;
}

std::optional<SecretBytes> open_chunks(KeyView key, ByteView chunked, ByteView associated_data) {
    OBL_ASSERT(associated_data.size() <= kAssociatedDataSizeMax);
    const std::optional<std::size_t> size = chunked_plaintext_size(chunked.size());
    if (!size || chunked[0] != kVersion || chunked[1] != kSuite) return std::nullopt;
    const ByteView header = chunked.subspan(2, kChunkHeaderSize);
    if (!equal_constant_time(commitment_of(key, header, associated_data),
                             chunked.subspan(2 + kChunkHeaderSize, kCommitmentSize))) {
        return std::nullopt;
    }

    ByteView rest = chunked.subspan(kPrefixSize);
    SecretBytes plaintext{*size};  // wiped on every way out
    ByteSpan out = plaintext.expose_mut();
    Stream stream{key, header};
    while (!rest.empty()) {
        const ByteView chunk = rest.first(std::min(rest.size(), kChunkSize));
        rest = rest.subspan(chunk.size());
        if (!stream.pull(chunk, associated_data, tag_for(rest.empty()), out)) return std::nullopt;
        out = out.subspan(chunk.size() - kChunkOverhead);
    }
    return plaintext;
}

}  // namespace oubliette::crypto
