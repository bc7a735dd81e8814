#include "tools/forensic/sealed.hpp"

#include <algorithm>

#include "vault/people/boxes.hpp"

namespace oubliette::forensic {
namespace {

Kind kind_of(const RowPlace& place) noexcept {
    if (!place.kind) return Kind::client;
    switch (*place.kind) {
    case people::RowKind::value: return Kind::value;
    case people::RowKind::external_id: return Kind::external_id;
    case people::RowKind::marker: return Kind::consent;
    case people::RowKind::person:
    case people::RowKind::hot:
    case people::RowKind::order_link:
    case people::RowKind::hold_link:
    case people::RowKind::exception_note:
    case people::RowKind::told:
    case people::RowKind::request_link:
    case people::RowKind::given_token:
    case people::RowKind::given_handle:
    case people::RowKind::audit_counter: break;
    }
    return Kind::person;
}

std::optional<RowPlace> place_of(const Row& row, bool is_client) {
    return is_client ? place_of_client_row(row) : place_of_person_row(row);
}

std::vector<Box> boxes_of(const Row& row, bool is_client) {
    return is_client ? boxes_of_client_row(row) : boxes_of_person_row(row);
}

// Three ways, so that a difference ends the comparison.
int compare(ByteView a, ByteView b) noexcept {
    return text_of(a).compare(text_of(b));
}

int compare(const Row& a, const Row& b, bool is_client) noexcept {
    const int keys = compare(a.key, b.key);
    return keys != 0 ? keys : compare(head_of(a, is_client), head_of(b, is_client));
}

crypto::SubKey subkey_of(crypto::KeyView key, const Box& box) noexcept {
    return crypto::derive_subkey(key, box.context, box.number);
}

}  // namespace

SealedRows::SealedRows(const std::vector<Row>& people, const std::vector<Row>& clients) {
    rows_.reserve(people.size() + clients.size());
    for (const bool is_client : {false, true}) {
        const std::size_t begin = rows_.size();
        const std::vector<Row>& rows = is_client ? clients : people;
        for (const Row& row : rows) {
            if (place_of(row, is_client)) rows_.push_back(row);
        }
        std::sort(rows_.begin() + static_cast<std::ptrdiff_t>(begin), rows_.end(),
                  [&](const Row& a, const Row& b) { return compare(a, b, is_client) < 0; });
        for (std::size_t at = begin; at < rows_.size();) {
            const auto place = place_of(rows_[at], is_client);
            Sealed sealed;
            sealed.kind = kind_of(*place);
            sealed.first = at;
            sealed.leaf = place->leaf;
            sealed.day = place->day;
            sealed.region = place->region;
            while (at < rows_.size() && compare(rows_[sealed.first], rows_[at], is_client) == 0) {
                sealed.is_indexed = sealed.is_indexed || rows_[at].is_indexed;
                ++sealed.count;
                ++at;
            }
            all_.push_back(std::move(sealed));
        }
    }
    is_open_.resize(rows_.size(), false);
}

void SealedRows::open_all(const KeyPages& pages) {
    shared_.clear();
    for (Sealed& sealed : all_) {
        if (sealed.is_open && sealed.is_whole) continue;
        pages.find_keys(sealed.leaf, [&](const crypto::Seed& leaf) {
            (void)open_with(pages, sealed, leaf.expose());
        });
    }
}

const SealedRows::Keys& SealedRows::shared_keys(const KeyPages& pages, const keys::Path& path) {
    const auto [found, is_new] = shared_.try_emplace(path);
    if (is_new) {
        Keys& keys = found->second;
        pages.find_keys(path, [&](const crypto::Seed& key) { keys.push_back(key.duplicate()); });
    }
    return found->second;
}

// True if `opens_box` opened a version that was closed.
bool SealedRows::open_versions(Sealed& sealed, FunctionRef<bool(const Box& box)> opens_box) {
    bool is_news = false;
    bool is_whole = true;
    for (std::size_t at = sealed.first; at < sealed.first + sealed.count; ++at) {
        if (!is_open_[at]) {
            is_open_[at] =
                std::ranges::any_of(boxes_of(rows_[at], sealed.kind == Kind::client), opens_box);
            is_news = is_news || is_open_[at];
        }
        is_whole = is_whole && (is_open_[at] || !rows_[at].is_indexed);
    }
    sealed.is_open = sealed.is_open || is_news;
    sealed.is_whole = is_whole;
    return is_news;
}

bool SealedRows::open_with(const KeyPages& pages, Sealed& sealed, crypto::KeyView leaf) {
    if (sealed.kind == Kind::value) return open_value(pages, sealed, leaf);
    return open_versions(sealed,
                         [&](const Box& box) { return opens(box, subkey_of(leaf, box).expose()); });
}

// All keys that the day ever had, with all of the region.
bool SealedRows::open_value(const KeyPages& pages, Sealed& sealed, crypto::KeyView leaf) {
    Keys none;
    none.emplace_back();  // 32 zero bytes stand for "no region"
    const Keys& days = shared_keys(pages, sealed.day);
    const Keys& regions = sealed.region.bits() > 0 ? shared_keys(pages, sealed.region) : none;
    bool is_news = false;
    for (const crypto::Seed& day : days) {
        for (const crypto::Seed& region : regions) {
            const auto key = people::derive_value_key(leaf, day.expose(), region.expose());
            const auto opens_box = [&](const Box& box) {
                if (box.derivation == Derivation::value) return opens(box, key.expose());
                return opens(box, subkey_of(key.expose(), box).expose());
            };
            is_news = open_versions(sealed, opens_box) || is_news;
        }
    }
    return is_news;
}

bool SealedRows::open_directly(Sealed& sealed, crypto::KeyView key) {
    return open_versions(sealed, [&](const Box& box) { return opens(box, key); });
}

}  // namespace oubliette::forensic
