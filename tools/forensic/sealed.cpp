#include "tools/forensic/sealed.hpp"

#include <algorithm>

#include "tools/forensic/boxes.hpp"
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
            Sealed sealed{kind_of(*place), false,       false,        at, 0,
                          place->leaf,     place->day, place->region};
            while (at < rows_.size() && compare(rows_[sealed.first], rows_[at], is_client) == 0) {
                sealed.is_indexed = sealed.is_indexed || rows_[at].is_indexed;
                ++sealed.count;
                ++at;
            }
            all_.push_back(std::move(sealed));
        }
    }
}

void SealedRows::open_all(const KeyPages& pages) {
    shared_.clear();
    for (Sealed& sealed : all_) {
        if (sealed.is_open) continue;
        pages.find_keys(sealed.leaf, [&](const crypto::Seed& leaf) {
            if (!sealed.is_open) sealed.is_open = opens_with(pages, sealed, leaf.expose());
        });
    }
}

const SealedRows::Keys& SealedRows::shared_keys(const KeyPages& pages,
                                                const keys::Path& path) const {
    const auto [found, is_new] = shared_.try_emplace(path);
    if (is_new) {
        Keys& keys = found->second;
        pages.find_keys(path, [&](const crypto::Seed& key) { keys.push_back(key.duplicate()); });
    }
    return found->second;
}

bool SealedRows::opens_with(const KeyPages& pages, const Sealed& sealed,
                            crypto::KeyView leaf) const {
    if (sealed.kind == Kind::value) return opens_value(pages, sealed, leaf);
    for (std::size_t i = 0; i < sealed.count; ++i) {
        for (const Box& box : boxes_of(rows_[sealed.first + i], sealed.kind == Kind::client)) {
            if (opens(box, subkey_of(leaf, box).expose())) return true;
        }
    }
    return false;
}

// All keys that the day ever had, with all of the region.
bool SealedRows::opens_value(const KeyPages& pages, const Sealed& sealed,
                             crypto::KeyView leaf) const {
    Keys none;
    none.emplace_back();  // 32 zero bytes stand for "no region"
    const Keys& days = shared_keys(pages, sealed.day);
    const Keys& regions = sealed.region.bits() > 0 ? shared_keys(pages, sealed.region) : none;
    for (const crypto::Seed& day : days) {
        for (const crypto::Seed& region : regions) {
            const auto key = people::derive_value_key(leaf, day.expose(), region.expose());
            for (std::size_t i = 0; i < sealed.count; ++i) {
                for (const Box& box : boxes_of_person_row(rows_[sealed.first + i])) {
                    const bool is_value = box.derivation == Derivation::value;
                    const bool is_open =
                        opens(box, is_value ? key.expose() : subkey_of(key.expose(), box).expose());
                    if (is_open) return true;
                }
            }
        }
    }
    return false;
}

bool SealedRows::opens_directly(const Sealed& sealed, crypto::KeyView key) const {
    for (std::size_t i = 0; i < sealed.count; ++i) {
        for (const Box& box : boxes_of(rows_[sealed.first + i], sealed.kind == Kind::client)) {
            if (opens(box, key)) return true;
        }
    }
    return false;
}

}  // namespace oubliette::forensic
