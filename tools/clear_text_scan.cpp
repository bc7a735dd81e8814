#include "tools/clear_text_scan.hpp"

#include <algorithm>
#include <fstream>

#include "crypto/byte_io.hpp"
#include "crypto/encoding.hpp"
#include "tools/cli.hpp"

namespace oubliette::tools {
namespace {

constexpr std::size_t kPieceSize = std::size_t{4} << 20;  // bytes

std::uint64_t head_of(std::string_view text) noexcept {
    return ByteReader{bytes_of(text.substr(0, 8))}.le64();
}

// ASCII only: a value with other letters has no such spelling here.
std::string utf16_of(std::string_view text) {
    std::string wide;
    for (const char c : text) {
        if ((static_cast<unsigned char>(c) & 0x80U) != 0) return {};
        wide.push_back(c);
        wide.push_back('\0');
    }
    return wide;
}

}  // namespace

ClearTextScan::ClearTextScan(const std::vector<std::string>& values) {
    for (const std::string& value : values) {
        if (value.size() < kValueSizeMin) continue;
        ++value_count_;
        add(value);
        add(utf16_of(value));
        add(crypto::hex_encode(bytes_of(value)));
    }
}

void ClearTextScan::add(std::string needle) {
    if (needle.size() < kValueSizeMin) return;
    size_max_ = std::max(size_max_, needle.size());
    const std::uint64_t head = head_of(needle);
    needles_.emplace(head, std::move(needle));
}

bool ClearTextScan::finds_in(std::string_view bytes) const noexcept {
    if (bytes.size() < kValueSizeMin) return false;
    std::uint64_t window = head_of(bytes) << 8;
    for (std::size_t at = 0; at + kValueSizeMin <= bytes.size(); ++at) {
        window = window >> 8 |
                 std::uint64_t{static_cast<unsigned char>(bytes[at + kValueSizeMin - 1])} << 56;
        if (window == 0) continue;
        const auto [begin, end] = needles_.equal_range(window);
        for (auto found = begin; found != end; ++found) {
            if (bytes.substr(at).starts_with(found->second)) return true;
        }
    }
    return false;
}

ClearTextScan::Result ClearTextScan::scan(const std::filesystem::path& directory) const {
    Result result;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{directory}) {
        if (!entry.is_regular_file()) continue;
        std::ifstream in{entry.path(), std::ios::binary};
        if (!in) throw CommandError(Exit::failed, entry.path().string() + " cannot be read");
        ++result.file_count;
        std::string piece;
        bool is_hit = false;
        while (in && !is_hit) {
            // The end of the piece before stays in front: a value may lie across.
            const std::size_t kept = std::min(piece.size(), size_max_);
            piece.erase(0, piece.size() - kept);
            piece.resize(kept + kPieceSize);
            in.read(piece.data() + kept, static_cast<std::streamsize>(kPieceSize));
            piece.resize(kept + static_cast<std::size_t>(in.gcount()));
            result.size += static_cast<std::uint64_t>(in.gcount());
            is_hit = finds_in(piece);
        }
        if (is_hit) result.hits.push_back(entry.path());
    }
    return result;
}

}  // namespace oubliette::tools
