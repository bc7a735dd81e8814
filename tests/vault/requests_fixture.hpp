#pragma once

#include "tests/vault/vault_fixture.hpp"
#include "vault/campaigns.hpp"
#include "vault/disclosures.hpp"
#include "vault/recalls.hpp"
#include "vault/requests/requests.hpp"
#include "vault/suppressions.hpp"

// Subject requests as plain calls on a TestVault. Codes of refusals are texts, as there.

namespace oubliette::testing {

class RequestVault : public TestVault {
public:
    using TestVault::TestVault;

    // Id of the request, or the code of the refusal.
    std::string open_request(Requests::Opening opening, const std::string& by = "web");
    // State after it, or the code.
    std::string verify(const std::string& id, const Requests::Proof& proof,
                       const std::string& by = "web", std::string* code = nullptr);
    std::string accept(const std::string& id, bool fee_settled = false,
                       const std::string& by = "privacy_officer");
    std::string refuse(const std::string& id, RefusalCode code, bool with_evidence = true,
                       const std::string& by = "privacy_officer");
    std::string withdraw(const std::string& id, const std::string& by = "web");
    std::string execute(const std::string& id, const std::string& by = "web",
                        const std::vector<FieldInput>& corrections = {});
    std::string close_account(const std::string& subject, const std::string& by = "web");
    std::string reopen_account(const std::string& subject, const std::string& by = "web");
    Result<Package> package(const std::string& id, const std::string& subject = {});
    [[nodiscard]] RequestRecord record(const std::string& id) const;
    // Session and a known value: two factors.
    std::string prove(const std::string& id, const std::string& field, const std::string& value);
    // Waits until the vault itself has brought the request into that state.
    bool reaches(const std::string& id, RequestState state) const;
    // An access request, proved; its id.
    std::string proved_access(const std::string& subject, const std::string& value);
};

}  // namespace oubliette::testing
