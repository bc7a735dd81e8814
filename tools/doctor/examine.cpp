#include "tools/doctor/examine.hpp"

#include "tools/cli.hpp"
#include "tools/doctor/checks.hpp"

namespace oubliette::tools {

Findings examine(const Examination& examination) {
    Findings findings;
    Place place;
    place.data = std::filesystem::absolute(examination.data);
    place.machine = examination.machine;
    try {
        place.config = read_vault_config(place.data);
    } catch (const CommandError& error) {
        findings.push_back({Level::problem, "configuration", error.what(), {}});
        return findings;
    }
    findings.push_back({Level::ok, "configuration", (place.data / "vault.json").string(), {}});
    check_process(place, findings);
    check_keepers_together(place, findings);
    for (const auto& keeper : place.config.keepers) check_keeper(place, keeper, findings);
    check_data_directory(place, findings);
    check_room(place, findings);
    check_seal(place, findings);
    check_certificate(place, findings);
    check_swap(place, findings);
    check_clock(place, findings);
    check_backup(place, examination.backup, findings);
    return findings;
}

}  // namespace oubliette::tools
