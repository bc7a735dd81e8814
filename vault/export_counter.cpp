#include "vault/export_counter.hpp"

#include "crypto/byte_io.hpp"
#include "crypto/hash.hpp"
#include "vault/tables.hpp"

namespace oubliette {
namespace {

constexpr std::uint8_t kMark = 1;
constexpr std::uint8_t kCount = 2;

Bytes row_key(std::uint8_t kind, std::pair<std::uint16_t, std::uint16_t> of) {
    Bytes key;
    ByteWriter{key}.u8(kind).be16(of.first).be16(of.second);
    return key;
}

Bytes mark_key(std::pair<std::uint16_t, std::uint16_t> of, const ByteArray<16>& mark) {
    Bytes key = row_key(kMark, of);
    ByteWriter{key}.bytes(mark);
    return key;
}

ByteArray<16> mark_of(const crypto::SubKey& audit_key, std::uint16_t recipient,
                      std::uint16_t year) {
    Bytes text;
    ByteWriter{text}.bytes(bytes_of(std::string_view{"export"})).le16(recipient).le16(year);
    ByteArray<16> mark{};
    crypto::blake2b_keyed(audit_key.expose(), {text}, mark);
    return mark;
}

std::uint64_t read_count(const store::ReadView& view, std::pair<std::uint16_t, std::uint16_t> of) {
    const auto row = view.get(Tables::kCounters, row_key(kCount, of));
    if (!row) return 0;
    ByteReader in{*row};
    const std::uint64_t count = in.le64();
    if (!in.finished()) throw Fault{FaultKind::corrupt, "a count of exports is damaged"};
    return count;
}

// Gregorian year in UTC; `days` since 2020-01-01.
std::uint16_t year_of(Timestamp now) noexcept {
    std::uint32_t days = now.seconds / 86'400;
    std::uint16_t year = 2020;
    const auto length = [&]() -> std::uint32_t {
        const bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        return is_leap ? 366 : 365;
    };
    for (; days >= length(); ++year) days -= length();
    return year;
}

}  // namespace

ExportCounter::ExportCounter() = default;
ExportCounter::~ExportCounter() = default;

void ExportCounter::load(const store::ReadView& view) {
    const std::scoped_lock lock{mutex_};
    const Bytes kind{Byte{kCount}};
    view.scan(Tables::kCounters, kind, {}, [&](ByteView key, ByteView value) {
        ByteReader at{key};
        (void)at.u8();
        const std::uint16_t recipient = at.be16();
        const std::uint16_t year = at.be16();
        ByteReader in{value};
        standings_[{recipient, year}].people = in.le64();
        if (!at.finished() || !in.finished()) {
            throw Fault{FaultKind::corrupt, "a count of exports is damaged"};
        }
        return true;
    });
}

Result<std::shared_ptr<ExportCounter::Passage>> ExportCounter::pass(const store::ReadView& view,
                                                                    policy::RecipientId recipient,
                                                                    const crypto::SubKey& audit_key,
                                                                    std::uint32_t limit,
                                                                    Timestamp now) {
    const Passage::Key key{static_cast<std::uint16_t>(recipient), year_of(now)};
    const ByteArray<16> mark = mark_of(audit_key, key.first, key.second);
    if (view.get(Tables::kCounters, mark_key(key, mark))) return std::shared_ptr<Passage>{};
    const std::scoped_lock lock{mutex_};
    Standing& standing = standings_[key];
    // Two reads of one new person at once take two places until they are written: too strict for
    // a moment, never too wide.
    if (standing.people + standing.passing >= limit) return Refusal::export_limit;
    std::shared_ptr<Passage> passage{new Passage{*this, key, mark, limit}};
    ++standing.passing;
    return passage;
}

std::vector<ExportCount> ExportCounter::counts() const {
    const std::scoped_lock lock{mutex_};
    std::vector<ExportCount> counts;
    for (const auto& [key, standing] : standings_) {
        counts.push_back({policy::RecipientId{key.first}, key.second, standing.people});
    }
    return counts;
}

policy::RecipientId ExportCounter::Passage::recipient() const noexcept {
    return policy::RecipientId{key_.first};
}

bool ExportCounter::Passage::write(store::WriteView& view) {
    const Bytes mark = mark_key(key_, mark_);
    is_new_ = !view.get(Tables::kCounters, mark);
    if (!is_new_) return false;
    const std::uint64_t before = read_count(view, key_);
    Bytes count;
    ByteWriter{count}.le64(before + 1);
    view.put(Tables::kCounters, mark, Bytes{Byte{1}});
    view.put(Tables::kCounters, row_key(kCount, key_), count);
    const std::uint64_t alarm = std::uint64_t{limit_} * 9;
    return before * 10 < alarm && (before + 1) * 10 >= alarm;
}

ExportCounter::Passage::~Passage() {
    const std::scoped_lock lock{counter_.mutex_};
    Standing& standing = counter_.standings_[key_];
    --standing.passing;
    if (is_committed_ && is_new_) ++standing.people;
}

}  // namespace oubliette
