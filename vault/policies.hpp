#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vault/clock.hpp"
#include "vault/keys/key_plane.hpp"
#include "vault/policy/diff.hpp"
#include "vault/policy/gate.hpp"
#include "vault/policy/lint.hpp"
#include "vault/store/store.hpp"

// The history of published policies and the numbers behind their names. Versions are immutable;
// the one in force is the highest whose effective date has come. Thread-safe.
//
//   table policies: version:u16be | part:u16be -> part 0: published:u32 | SHA-256 of the whole
//                   text:32 | link of the version before:32 (0 if this copy has none) | text...,
//                   other parts: text...  (parts of at most 60,000 bytes)
//   link := SHA-256("oubliette policy 1" | link of the version before | SHA-256 of the canonical
//           form, RFC 8785): what a version's readers pin is the whole history before it
//   table names: kind:u8 | name -> id:u16
//
// Ids are never used again: the next one is a register of the keepers, which no restore lowers. So
// is the mark of the newest version: an old copy of the data cannot go back behind it, nor have the
// same version with another text.
//
//   mark := version << 48 | first 48 bits of the text's SHA-256, big-endian

namespace oubliette {

// One link of the chain of versions. Public, as versions are.
struct PolicyVersion {
    std::uint16_t version = 0;
    Timestamp published;
    std::optional<Timestamp> effective;  // nullopt: at once
    crypto::Hash canonical{};            // SHA-256 of the canonical form
    crypto::Hash previous{};             // link of the version before
    crypto::Hash link{};
};

class Policies {
public:
    Policies(keys::KeyPlane& plane, keys::TenantId tenant);
    ~Policies();

    // Compiles all stored versions. Throws Fault{corrupt}.
    void load(const store::ReadView& view, Timestamp now);

    // Chooses the version in force at `now` (true if it changed), then raises the keepers' floor to
    // the newest stored version. Throws Fault{storage} when no keeper can be written.
    bool refresh(Timestamp now);

    // The gate in force. nullptr before the first version, and when the newest stored version is
    // not the one the keepers know (an old copy of the data): then nothing may be disclosed.
    [[nodiscard]] std::shared_ptr<const policy::Gate> current() const;
    // Of one version, and of the one that was in force at a time. nullptr: none.
    [[nodiscard]] std::shared_ptr<const policy::Gate> gate_of(std::uint16_t version) const;
    [[nodiscard]] std::shared_ptr<const policy::Gate> gate_at(Timestamp time) const;
    [[nodiscard]] std::vector<PolicyVersion> history() const;
    [[nodiscard]] std::uint16_t newest_version() const;
    [[nodiscard]] std::optional<std::string> text_of(std::uint16_t version) const;

    // The number of a name that any version ever used, also if this one does not.
    [[nodiscard]] static std::optional<std::uint16_t> find_id(const store::ReadView& view,
                                                              policy::NameKind kind,
                                                              std::string_view name);

    // Parses, lints and compares with the newest version. Errors in the findings: not publishable.
    struct Draft {
        std::shared_ptr<const policy::Document> document;
        std::vector<policy::Finding> findings;
        std::uint16_t newest = 0;             // the version it was compared with; 0 = none
        std::vector<policy::Change> changes;  // material ones since then
    };
    // `first`: the first policy of a tenant may have any version and dates. Where this copy of the
    // data lacks the newest version, that version's own text may be published again, or the version
    // after it.
    [[nodiscard]] Draft check(std::string_view json, std::string_view tenant, Timestamp now,
                              bool first) const;

    // Writes version and new names; raises the registers of names. The gate becomes visible by
    // adopt(), after the commit: a floor above all stored versions would close the vault.
    // adopt() throws as refresh().
    [[nodiscard]] std::shared_ptr<const policy::Gate> write(
        store::WriteView& view, const std::shared_ptr<const policy::Document>& document,
        Timestamp now) const;
    void adopt(std::shared_ptr<const policy::Gate> gate, Timestamp now);
    // What write() will chain such a version as.
    [[nodiscard]] crypto::Hash link_of(const policy::Document& document) const;

private:
    struct Version {
        std::shared_ptr<const policy::Gate> gate;
        std::uint64_t mark = 0;
        PolicyVersion record;
    };
    [[nodiscard]] static Version version_of(std::shared_ptr<const policy::Gate> gate,
                                            Timestamp published, const crypto::Hash& previous);
    [[nodiscard]] crypto::Hash link_before(std::uint16_t version) const;
    [[nodiscard]] std::uint64_t newest_mark() const;
    [[nodiscard]] std::shared_ptr<const policy::Document> newest_document() const;

    keys::KeyPlane& plane_;
    keys::TenantId tenant_;
    mutable std::mutex mutex_;
    std::map<std::uint16_t, Version> versions_;
    std::shared_ptr<const policy::Gate> current_;
};

}  // namespace oubliette
