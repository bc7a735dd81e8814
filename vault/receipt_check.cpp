#include "vault/receipt_check.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "crypto/encoding.hpp"
#include "crypto/merkle.hpp"
#include "crypto/patient_memory.hpp"
#include "vault/keys/records.hpp"

namespace oubliette {
namespace {

using Json = nlohmann::ordered_json;
using crypto::hex_encode;

// Empty: the check is passed.
using Flaw = std::string;

constexpr std::uint32_t kKeyFileFormat = 1;

bool is_registered(const keys::Member& member) noexcept {
    return member.status != keys::MemberStatus::expelled;
}

keys::Members members_of(const Receipt& receipt) {
    return keys::decode_members(receipt.erasure.finality->members).value_or(keys::Members{});
}

Flaw check_signatures(const Receipt& receipt) {
    const keys::Finality& finality = *receipt.erasure.finality;
    const keys::Members members = members_of(receipt);
    for (const keys::Acknowledgement& ack : finality.acknowledgements) {
        const std::string keeper = "keeper " + hex_encode(ack.keeper);
        const auto member = std::ranges::find(members, ack.keeper, &keys::Member::id);
        if (member == members.end()) return keeper + " is not in the list of keepers";
        if (member->public_key != ack.public_key || member->cell_class != ack.cell_class) {
            return keeper + " signed with another key or cell class than the list has";
        }
        if (!keys::acknowledges_chain(receipt.vault, ack, finality.chain)) {
            return keeper + "'s signature does not fit the chain";
        }
    }
    return {};
}

Flaw check_completeness(const Receipt& receipt) {
    const keys::Finality& finality = *receipt.erasure.finality;
    std::set<keys::KeeperId> signed_by;
    for (const auto& ack : finality.acknowledgements) signed_by.insert(ack.keeper);
    std::size_t registered = 0;
    for (const keys::Member& member : members_of(receipt)) {
        if (!is_registered(member)) continue;
        ++registered;
        if (!signed_by.contains(member.id)) {
            return "keeper " + hex_encode(member.id) + " did not acknowledge";
        }
    }
    return registered == 0 ? "no keeper is listed" : "";
}

Flaw check_chain(const Receipt& receipt) {
    const keys::Finality& finality = *receipt.erasure.finality;
    const auto& chain = finality.chain;
    if (chain.empty() || chain.front().epoch != finality.epoch ||
        chain.front().previous_hash != finality.hash_before ||
        chain.front().hash != finality.hash_after) {
        return "the chain does not begin with this erasure";
    }
    for (std::size_t i = 0; i < chain.size(); ++i) {
        const std::string epoch = "epoch " + std::to_string(chain[i].epoch);
        if (!keys::is_consistent(receipt.vault, chain[i])) return epoch + " has another hash";
        const bool follows = i == 0 || (chain[i].previous_hash == chain[i - 1].hash &&
                                        chain[i].epoch > chain[i - 1].epoch);
        if (!follows) return epoch + " does not follow the one before";
    }
    const auto is_last = [&](const auto& ack) { return ack.epoch == chain.back().epoch; };
    if (std::ranges::none_of(finality.acknowledgements, is_last)) {
        return "nobody acknowledged the end of the chain";
    }
    const auto members = keys::decode_members(finality.members);
    if (!members || keys::members_hash(*members) != chain.back().members) {
        return "the list of keepers is another one than the end of the chain has";
    }
    return {};
}

bool is_of(const keys::Path& path, keys::AddressClass address_class) {
    constexpr unsigned kTenantBits = 12;
    constexpr unsigned kClassBits = 6;
    return path.bits() >= kTenantBits + kClassBits &&
           path.slice(kTenantBits, kClassBits) == static_cast<std::uint64_t>(address_class);
}

// True if these are the keys of one whole `scope`, or, of a field, some below one person.
bool fits(keys::RevocationScope scope, const std::vector<keys::Path>& addresses) {
    constexpr unsigned kTenantBits = 12;
    constexpr unsigned kKindEnd = 24;  // tenant, class, kind
    constexpr unsigned kRecipientEnd = 38;
    constexpr unsigned kBankBits = 30;
    using keys::AddressClass;
    using keys::RevocationScope;
    if (addresses.empty()) return false;
    const keys::Path& first = addresses.front();
    const auto is_one = [&](unsigned bits) {
        return addresses.size() == 1 && first.bits() == bits;
    };
    const auto below_one_person = [&](const keys::Path& path) {
        return path.bits() > keys::kAddressBits &&
               first.prefix(keys::kAddressBits).is_prefix_of(path);
    };
    const auto of_one_recipient = [&](const keys::Path& path) {
        return is_of(path, AddressClass::system) && path.bits() > kRecipientEnd &&
               path.slice(kKindEnd, kRecipientEnd - kKindEnd) ==
                   first.slice(kKindEnd, kRecipientEnd - kKindEnd);
    };
    switch (scope) {
    case RevocationScope::subject:
        if (is_one(keys::kAddressBits)) return is_of(first, AddressClass::people);
        // Around a legal hold: S_fix, and everything else below the person that is not held.
        return first.bits() > keys::kAddressBits && is_of(first, AddressClass::people) &&
               first.is_prefix_of(keys::fixed_path(first.prefix(keys::kAddressBits))) &&
               std::ranges::all_of(addresses, below_one_person);
    case RevocationScope::field:
    case RevocationScope::category:
        return first.bits() > keys::kAddressBits && is_of(first, AddressClass::people) &&
               std::ranges::all_of(addresses, below_one_person);
    case RevocationScope::region:
        return is_one(keys::kAddressBits) && is_of(first, AddressClass::region);
    case RevocationScope::recipient: return std::ranges::all_of(addresses, of_one_recipient);
    case RevocationScope::bank: return is_one(kBankBits) && is_of(first, AddressClass::people);
    case RevocationScope::tenant: return is_one(kTenantBits);
    case RevocationScope::consent:
    case RevocationScope::client:
    case RevocationScope::token_key:
    case RevocationScope::superseded:
    case RevocationScope::retention_day:
    case RevocationScope::exception: break;  // no receipts
    }
    return false;
}

Flaw check_request(const Receipt& receipt) {
    const ErasureRow& row = receipt.erasure;
    const keys::Finality& finality = *row.finality;
    const bool is_sorted = std::ranges::adjacent_find(
                               row.addresses, std::ranges::greater_equal{}) == row.addresses.end();
    if (!is_sorted || !fits(row.scope, row.addresses)) {
        return "the addresses are not those of one " + std::string{name_of(row.scope)};
    }
    if (finality.chain.empty()) return "there is no chain";
    // A row's request root is not part of its hash: it counts because a keeper signed it.
    const crypto::Hash& root = finality.chain.front().request_root;
    const auto signs_root = [&](const keys::Acknowledgement& ack) {
        return ack.epoch == finality.epoch && ack.request_root == root;
    };
    if (std::ranges::none_of(finality.acknowledgements, signs_root)) {
        return "no keeper signed for the requests of this epoch";
    }
    keys::Revocation request;
    request.id = row.id;
    request.blind = row.blind;
    request.addresses = row.addresses;
    const crypto::Hash leaf = crypto::merkle_leaf(keys::request_digest(request));
    if (!crypto::verify_inclusion(leaf, finality.request_index, finality.request_count,
                                  finality.request_proof, root)) {
        return "the request is not among those that the keepers signed for";
    }
    return {};
}

Flaw check_log_entry(const Receipt& receipt) {
    const LogRecord& log = *receipt.erasure.log;
    const auto entry = audit::decode_entry(log.entry);
    if (!entry) return "the entry is none";
    Bytes expected;
    audit::encode(receipt_entry(receipt.vault, receipt.erasure, entry->time), expected);
    if (!std::ranges::equal(expected, log.entry)) {
        return "the entry is not the one of this receipt: something in the receipt was changed";
    }
    if (receipt.erasure.accepted > irrecoverable_after(log)) {
        return "the erasure was final before it was accepted";
    }
    return {};
}

Flaw check_log_inclusion(const Receipt& receipt) {
    const LogRecord& log = *receipt.erasure.log;
    const auto head = log_head_of(receipt.vault, log);
    const bool is_there =
        head && crypto::verify_inclusion(crypto::merkle_leaf(log.entry), log.index, head->size,
                                         receipt.log_proof, head->root);
    return is_there ? "" : "the entry is not in the log that the checkpoint names";
}

// Every line must be of a named key: a line of another one would be a place to write anything.
Flaw check_checkpoint(const Receipt& receipt) {
    const LogRecord& log = *receipt.erasure.log;
    const std::string name = audit::log_name(receipt.vault);
    const std::size_t head_end = log.checkpoint.find("\n\n");
    const auto lines = static_cast<std::size_t>(
        head_end == std::string::npos
            ? 0
            : std::count(log.checkpoint.begin() + static_cast<std::ptrdiff_t>(head_end) + 2,
                         log.checkpoint.end(), '\n'));
    if (log.keys.empty() || lines != log.keys.size()) return "it is not signed by the named keys";
    for (const crypto::PublicKey& key : log.keys) {
        const audit::VerifierKey known{name, key};
        const auto opened = audit::open_checkpoint(log.checkpoint, {&known, 1});
        const auto* const head = std::get_if<audit::Checkpoint>(&opened);
        if (head == nullptr) return "a signature does not verify";
        if (!audit::generation_of(head->origin, name)) return "it is of another log";
    }
    return {};
}

Flaw check_pinned_keepers(const Receipt& receipt, const ReceiptKeys& keys) {
    if (keys.vault != receipt.vault) return "the key file is of another vault";
    const keys::Members members = members_of(receipt);
    for (const keys::Member& member : members) {
        const auto pinned = keys.keepers.find(member.id);
        if (pinned == keys.keepers.end()) {
            if (!is_registered(member)) continue;
            return "keeper " + hex_encode(member.id) +
                   " is not in the key file; fetch a newer one from the vault";
        }
        if (pinned->second != member.public_key) {
            return "keeper " + hex_encode(member.id) + " has another key in the key file";
        }
    }
    return {};
}

Flaw check_pinned_log(const Receipt& receipt, const std::vector<audit::VerifierKey>& pinned) {
    const auto opened = audit::open_checkpoint(receipt.erasure.log->checkpoint, pinned);
    if (std::holds_alternative<audit::Checkpoint>(opened)) return {};
    return "none of the pinned keys signed the checkpoint";
}

Flaw check_commitment(const Receipt& receipt, const ReceiptQuestion& question) {
    if (!question.opening) {
        return "the file has no opening \"r\"; it is only in the answer to the erasing request";
    }
    if (commitment_of(*question.opening, *question.external_id) != receipt.erasure.commitment) {
        return "the receipt is about somebody else";
    }
    return {};
}

class Findings {
public:
    void add(ReceiptCheck check, const Flaw& flaw, std::string good) {
        report.findings.push_back({check, flaw.empty(), flaw.empty() ? std::move(good) : flaw});
    }
    ReceiptReport report;
};

std::string keepers_text(const Receipt& receipt) {
    const auto count = std::ranges::count_if(members_of(receipt), is_registered);
    return count == 1 ? "the only registered keeper" : std::to_string(count) + " keepers";
}

}  // namespace

std::string_view name_of(ReceiptCheck check) noexcept {
    switch (check) {
    case ReceiptCheck::signatures: return "signatures";
    case ReceiptCheck::completeness: return "completeness";
    case ReceiptCheck::chain: return "chain";
    case ReceiptCheck::request: return "request";
    case ReceiptCheck::log_entry: return "log_entry";
    case ReceiptCheck::log_inclusion: return "log_inclusion";
    case ReceiptCheck::checkpoint: return "checkpoint";
    case ReceiptCheck::pinned_keepers: return "pinned_keepers";
    case ReceiptCheck::pinned_log: return "pinned_log";
    case ReceiptCheck::commitment: return "commitment";
    }
    return "";
}

bool ReceiptReport::passed() const noexcept {
    return std::ranges::all_of(findings, &ReceiptFinding::is_good);
}

ReceiptReport check_receipt(const Receipt& receipt, const ReceiptQuestion& question) {
    Findings findings;
    const std::string keepers = keepers_text(receipt);
    findings.add(ReceiptCheck::signatures, check_signatures(receipt),
                 "every acknowledgement is signed by a listed keeper");
    findings.add(ReceiptCheck::completeness, check_completeness(receipt),
                 keepers + " acknowledged");
    findings.add(ReceiptCheck::chain, check_chain(receipt),
                 "the hashes lead from before the erasure to what was acknowledged");
    findings.add(
        ReceiptCheck::request, check_request(receipt),
        "the keys that died are those of one " + std::string{name_of(receipt.erasure.scope)});
    findings.add(ReceiptCheck::log_entry, check_log_entry(receipt),
                 "the log says that this receipt is final");
    findings.add(ReceiptCheck::log_inclusion, check_log_inclusion(receipt),
                 "entry " + std::to_string(receipt.erasure.log->index) + " is in the log");
    findings.add(ReceiptCheck::checkpoint, check_checkpoint(receipt),
                 "the head of the log is signed by the named keys");
    std::vector<audit::VerifierKey> pinned = question.vkeys;
    if (question.keys) {
        findings.add(ReceiptCheck::pinned_keepers, check_pinned_keepers(receipt, *question.keys),
                     "the keepers are those of the key file");
        pinned.insert(pinned.end(), question.keys->log.begin(), question.keys->log.end());
    }
    if (!pinned.empty()) {
        findings.add(ReceiptCheck::pinned_log, check_pinned_log(receipt, pinned),
                     "a pinned key signed the head of the log");
        findings.report.is_pinned = true;
    }
    if (question.external_id) {
        findings.add(ReceiptCheck::commitment, check_commitment(receipt, question),
                     "the receipt is about this external id");
    }
    return std::move(findings.report);
}

std::string receipt_keys_json(const ReceiptKeys& keys) {
    const crypto::PatientMemory patient;  // nlohmann::json allocates in its destructor
    Json json{{"format", kKeyFileFormat}, {"vault", hex_encode(keys.vault)}};
    json["keepers"] = Json::array();
    for (const auto& [id, key] : keys.keepers) {
        json["keepers"].push_back({{"id", hex_encode(id)}, {"public_key", hex_encode(key)}});
    }
    json["log"] = Json::array();
    for (const audit::VerifierKey& key : keys.log) json["log"].push_back(audit::encode_vkey(key));
    return json.dump();
}

std::optional<ReceiptKeys> parse_receipt_keys(std::string_view text) {
    const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
    if (!json.is_object()) return std::nullopt;
    const auto bytes = [](const Json& value, ByteSpan out) {
        const auto decoded = crypto::hex_decode(value.get<std::string>());
        if (!decoded || decoded->size() != out.size()) return false;
        std::ranges::copy(*decoded, out.begin());
        return true;
    };
    try {
        ReceiptKeys keys;
        bool is_good = json.at("format") == kKeyFileFormat && bytes(json.at("vault"), keys.vault);
        for (const Json& keeper : json.at("keepers")) {
            keys::KeeperId id{};
            is_good = is_good && bytes(keeper.at("id"), id) &&
                      bytes(keeper.at("public_key"), keys.keepers[id]);
        }
        for (const Json& line : json.at("log")) {
            const auto vkey = audit::parse_vkey(line.get<std::string>());
            is_good = is_good && vkey;
            if (vkey) keys.log.push_back(*vkey);
        }
        if (is_good && Json::parse(receipt_keys_json(keys)) == json) return keys;
    } catch (const Json::exception&) {  // a member is missing or of another type
    }
    return std::nullopt;
}

}  // namespace oubliette
