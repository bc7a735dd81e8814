#pragma once

#include <cstring>

#include "crypto/assert.hpp"
#include "crypto/bytes.hpp"

// Fixed-width integers in our formats: little-endian in rows, records and associated data,
// big-endian in database keys (so that keys sort by number). One writer and one reader, so that
// no format is encoded by hand twice.

namespace oubliette {

// Appends to `out`, which must outlive the writer.
class ByteWriter {
public:
    explicit ByteWriter(Bytes& out) noexcept : out_(out) {}

    ByteWriter& u8(std::uint8_t value) { return le(value, 1); }
    ByteWriter& le16(std::uint16_t value) { return le(value, 2); }
    ByteWriter& le32(std::uint32_t value) { return le(value, 4); }
    ByteWriter& le64(std::uint64_t value) { return le(value, 8); }
    ByteWriter& be16(std::uint16_t value) { return be(value, 2); }
    ByteWriter& be32(std::uint32_t value) { return be(value, 4); }
    ByteWriter& be40(std::uint64_t value) { return be(value, 5); }
    ByteWriter& be64(std::uint64_t value) { return be(value, 8); }
    ByteWriter& le40(std::uint64_t value) { return le(value, 5); }
    ByteWriter& bytes(ByteView value) {
        out_.insert(out_.end(), value.begin(), value.end());
        return *this;
    }
    ByteWriter& zeros(std::size_t count) {
        out_.insert(out_.end(), count, Byte{0});
        return *this;
    }

private:
    ByteWriter& le(std::uint64_t value, std::size_t width) {
        for (std::size_t i = 0; i < width; ++i) out_.push_back(static_cast<Byte>(value >> (8 * i)));
        return *this;
    }
    ByteWriter& be(std::uint64_t value, std::size_t width) {
        for (std::size_t i = width; i-- > 0;) out_.push_back(static_cast<Byte>(value >> (8 * i)));
        return *this;
    }

    Bytes& out_;
};

// Reads from the front. A read past the end returns zeros and makes ok() false for ever, so a
// decoder reads everything first and asks once. finished() also refuses trailing bytes.
class ByteReader {
public:
    explicit ByteReader(ByteView in) noexcept : in_(in) {}

    std::uint8_t u8() noexcept { return static_cast<std::uint8_t>(le(1)); }
    std::uint16_t le16() noexcept { return static_cast<std::uint16_t>(le(2)); }
    std::uint32_t le32() noexcept { return static_cast<std::uint32_t>(le(4)); }
    std::uint64_t le40() noexcept { return le(5); }
    std::uint64_t le64() noexcept { return le(8); }
    std::uint16_t be16() noexcept { return static_cast<std::uint16_t>(be(2)); }
    std::uint32_t be32() noexcept { return static_cast<std::uint32_t>(be(4)); }
    std::uint64_t be40() noexcept { return be(5); }
    std::uint64_t be64() noexcept { return be(8); }
    ByteView bytes(std::size_t size) noexcept {
        if (size > in_.size()) {
            ok_ = false;
            in_ = {};
            return {};
        }
        const ByteView front = in_.first(size);
        in_ = in_.subspan(size);
        return front;
    }
    template <std::size_t N>
    ByteArray<N> array() noexcept {
        ByteArray<N> out{};
        const ByteView front = bytes(N);
        if (front.size() == N) std::memcpy(out.data(), front.data(), N);
        return out;
    }

    [[nodiscard]] ByteView rest() const noexcept { return in_; }
    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] bool finished() const noexcept { return ok_ && in_.empty(); }

private:
    std::uint64_t le(std::size_t width) noexcept {
        const ByteView front = bytes(width);
        std::uint64_t value = 0;
        for (std::size_t i = front.size(); i-- > 0;) value = value << 8 | front[i];
        return value;
    }
    std::uint64_t be(std::size_t width) noexcept {
        const ByteView front = bytes(width);
        std::uint64_t value = 0;
        for (const Byte byte : front) value = value << 8 | byte;
        return value;
    }

    ByteView in_;
    bool ok_ = true;
};

}  // namespace oubliette
