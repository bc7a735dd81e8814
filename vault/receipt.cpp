#include "vault/receipt.hpp"

#include <algorithm>

#include "crypto/encoding.hpp"
#include "vault/keys/records.hpp"
#include "vault/time_text.hpp"

namespace oubliette {

bool has_receipt(const ErasureRow& row) noexcept {
    return row.log && !row.log->checkpoint.empty();
}

std::optional<audit::Checkpoint> log_head_of(const keys::VaultId& vault, const LogRecord& log) {
    const std::string name = audit::log_name(vault);
    for (const crypto::PublicKey& key : log.keys) {
        const audit::VerifierKey known{name, key};
        const auto opened = audit::open_checkpoint(log.checkpoint, {&known, 1});
        if (const auto* const head = std::get_if<audit::Checkpoint>(&opened)) return *head;
    }
    return std::nullopt;
}

audit::Entry receipt_entry(const keys::VaultId& vault, const ErasureRow& row, Timestamp now) {
    OBL_ASSERT(row.finality.has_value());
    const crypto::Hash digest =
        crypto::sha256({bytes_of("obl/leaf/1"), vault, row.id, encode_body(row)});
    audit::Entry entry;
    entry.action = audit::Action::erase_final;
    entry.time = now;
    std::copy_n(digest.begin(), entry.pseudonym.size(), entry.pseudonym.begin());
    entry.object = row.id;
    return entry;
}

std::string_view words_of(keys::CellClass cell_class) noexcept {
    switch (cell_class) {
    case keys::CellClass::software: return "software overwrite in place: flash remnants possible";
    case keys::CellClass::besteffort: break;
    }
    return "best effort: this file system does not overwrite in place, so remnants are likely";
}

std::vector<std::string> notes_of(const ErasureRow& row) {
    std::vector<std::string> notes;
    const keys::Finality& finality = *row.finality;
    const keys::Members members = keys::decode_members(finality.members).value_or(keys::Members{});
    const auto registered = std::ranges::count_if(members, [](const keys::Member& member) {
        return member.status != keys::MemberStatus::expelled;
    });
    if (registered == 1) notes.emplace_back("only one keeper was registered");
    for (const keys::Member& member : members) {
        const bool is_signed = std::ranges::any_of(
            finality.acknowledgements,
            [&](const keys::Acknowledgement& ack) { return ack.keeper == member.id; });
        if (member.status != keys::MemberStatus::expelled || is_signed) continue;
        notes.push_back("keeper " + crypto::hex_encode(member.id) +
                        " was expelled and did not acknowledge: whoever has it and its seal may "
                        "have keys of before");
    }
    for (const KeptCategory& kept : row.kept) {
        notes.push_back("kept: " + kept.category + ", " + kept.code + ", until " +
                        time_text(kept.until) + " at the latest or until it is extended");
    }
    return notes;
}

}  // namespace oubliette
