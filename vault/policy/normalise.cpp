#include "vault/policy/normalise.hpp"

#include <algorithm>
#include <array>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

#include "crypto/assert.hpp"
#include "vault/policy/phone_region.hpp"
#include "vault/policy/text_check.hpp"
#include "vault/policy/value.hpp"

namespace oubliette::policy {

namespace {

// Where ICU writes normalised text: grows by hand, so that no unwiped copy is left behind.
class SecretSink final : public icu::ByteSink {
public:
    explicit SecretSink(std::size_t expected) : bytes_(expected) {}

    void Append(const char* piece, std::int32_t size) override {
        const ByteView added = bytes_of({piece, static_cast<std::size_t>(size)});
        if (size_ + added.size() > bytes_.size()) grow(size_ + added.size());
        std::copy(added.begin(), added.end(), bytes_.expose_mut().data() + size_);
        size_ += added.size();
    }

    crypto::SecretBytes take() {
        bytes_.truncate(size_);
        return std::move(bytes_);
    }

private:
    void grow(std::size_t needed) {
        crypto::SecretBytes larger{std::max(needed, bytes_.size() * 2)};
        std::copy_n(bytes_.expose().data(), size_, larger.expose_mut().data());
        bytes_ = std::move(larger);
    }

    crypto::SecretBytes bytes_;
    std::size_t size_ = 0;
};

const icu::Normalizer2& nfkc() {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* const instance = icu::Normalizer2::getNFKCInstance(status);
    OBL_ASSERT(U_SUCCESS(status));  // data of the ICU library itself
    return *instance;
}

const icu::Normalizer2& nfkc_casefold() {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* const instance = icu::Normalizer2::getNFKCCasefoldInstance(status);
    OBL_ASSERT(U_SUCCESS(status));
    return *instance;
}

// REQUIRES: well-formed UTF-8.
crypto::SecretBytes normalise_with(const icu::Normalizer2& form, std::string_view value) {
    SecretSink sink{value.size() * 2 + 64};
    UErrorCode status = U_ZERO_ERROR;
    form.normalizeUTF8(0, icu::StringPiece{value.data(), static_cast<std::int32_t>(value.size())},
                       sink, nullptr, status);
    OBL_ASSERT(U_SUCCESS(status));  // well-formed input and a growing sink cannot fail
    return sink.take();
}

// One character of well-formed UTF-8 at `at`, which moves behind it. By hand, because ICU's macro
// for it does not compile without conversion warnings.
UChar32 next_character(std::string_view text, std::size_t& at) noexcept {
    const ByteView bytes = bytes_of(text);
    const Byte lead = bytes[at++];
    if (lead < 0x80) return lead;
    const int rest = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    UChar32 character = lead & (0x3F >> rest);
    for (int i = 0; i < rest && at < bytes.size(); ++i) {
        character = character << 6 | (bytes[at++] & 0x3F);
    }
    return character;
}

// Drops white space at the ends and makes each run inside one space, or drops all of it.
crypto::SecretBytes collapse(crypto::SecretBytes bytes, std::string_view between_words) {
    const std::string_view text = text_of(bytes.expose());
    ByteSpan out = bytes.expose_mut();
    std::size_t size = 0;
    bool gap = false;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t start = at;
        if (u_isUWhiteSpace(next_character(text, at))) {
            gap = size != 0;
            continue;
        }
        // Writing never overtakes reading: a gap was at least one byte.
        if (gap) {
            for (const char c : between_words) out[size++] = static_cast<Byte>(c);
        }
        gap = false;
        for (std::size_t i = start; i < at; ++i) out[size++] = static_cast<Byte>(text[i]);
    }
    bytes.truncate(size);
    return bytes;
}

std::optional<crypto::SecretBytes> not_empty(crypto::SecretBytes bytes) {
    if (bytes.size() == 0) return std::nullopt;
    return bytes;
}

crypto::SecretBytes normalise_account(std::string_view value) {
    crypto::SecretBytes bytes = collapse(normalise_with(nfkc_casefold(), value), "");
    ByteSpan out = bytes.expose_mut();
    const auto end = std::remove(out.begin(), out.end(), static_cast<Byte>('-'));
    bytes.truncate(static_cast<std::size_t>(end - out.begin()));
    return bytes;
}

bool is_phone_filler(UChar32 c) noexcept {
    constexpr std::array<UChar32, 8> kFillers{' ', '-', '(', ')', '[', ']', 0x2010, 0x2013};
    return std::find(kFillers.begin(), kFillers.end(), c) != kFillers.end();
}

// As it would be dialled from abroad. A number of more than 15 digits is none (E.164).
std::optional<crypto::SecretBytes> with_country(crypto::SecretBytes number,
                                                const PhoneRegion& region) {
    constexpr std::size_t kDigitsMax = 15;
    std::string_view digits = text_of(number.expose());
    if (digits.empty() || digits.front() == '+') return number;
    if (!region.trunk.empty() && digits.starts_with(region.trunk)) {
        digits.remove_prefix(region.trunk.size());
    }
    const std::size_t size = region.calling_code.size() + digits.size();
    if (digits.empty() || size > kDigitsMax) return number;
    crypto::SecretBytes whole{1 + size};
    auto out = whole.expose_mut().begin();
    *out++ = static_cast<Byte>('+');
    out = std::copy(region.calling_code.begin(), region.calling_code.end(), out);
    std::copy(digits.begin(), digits.end(), out);
    return whole;
}

}  // namespace

bool has_white_space(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        if (u_isUWhiteSpace(next_character(text, at))) return true;
    }
    return false;
}

std::optional<crypto::SecretBytes> normalise_phone(std::string_view value, PhoneDigits digits) {
    if (value.size() > kPhoneSizeMax || !is_utf8(value)) return std::nullopt;
    crypto::SecretBytes bytes = normalise_with(nfkc(), value);
    const std::string_view text = text_of(bytes.expose());
    ByteSpan out = bytes.expose_mut();
    std::size_t size = 0;
    for (std::size_t at = 0; at < text.size();) {
        const UChar32 c = next_character(text, at);
        const bool is_digit = c >= '0' && c <= '9';
        if (is_digit || (c == '+' && size == 0)) {
            out[size++] = static_cast<Byte>(c);
        } else if (!is_phone_filler(c)) {
            return std::nullopt;
        }
    }
    bool international = size > 0 && out[0] == '+';
    if (size > 2 && out[0] == '0' && out[1] == '0') {
        out[0] = '+';
        std::copy(out.begin() + 2, out.begin() + static_cast<std::ptrdiff_t>(size),
                  out.begin() + 1);
        --size;
        international = true;
    }
    const std::size_t count = size - (international ? 1 : 0);
    const bool whole = count >= kPhoneDigitsMin && count <= kPhoneDigitsMax;
    if (count == 0 || (digits == PhoneDigits::whole_number && !whole)) return std::nullopt;
    bytes.truncate(size);
    return bytes;
}

std::optional<crypto::SecretBytes> normalise(const FieldRule& rule, std::string_view value) {
    auto normalised = normalise(rule.type, value);
    if (!normalised || rule.type != FieldType::phone) return normalised;
    const auto region = phone_region_of(rule.phone_country);
    return region ? with_country(std::move(*normalised), *region) : std::move(normalised);
}

std::optional<crypto::SecretBytes> normalise(FieldType type, std::string_view value) {
    if (value.empty() || value.size() > kTextSizeMax || !is_utf8(value)) return std::nullopt;
    switch (type) {
    case FieldType::phone: return normalise_phone(value, PhoneDigits::any_count);
    case FieldType::account:
    case FieldType::national_id: return not_empty(normalise_account(value));
    case FieldType::binary:
    case FieldType::json: return crypto::SecretBytes{bytes_of(value)};
    case FieldType::address:
        if (value.front() == '{') return crypto::SecretBytes{bytes_of(value)};
        break;
    case FieldType::string:
    case FieldType::name:
    case FieldType::email:
    case FieldType::url:
    case FieldType::enumeration:
    case FieldType::text:
    case FieldType::date: break;
    }
    return not_empty(collapse(normalise_with(nfkc_casefold(), value), " "));
}

}  // namespace oubliette::policy
