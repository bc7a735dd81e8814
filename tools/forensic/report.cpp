#include "tools/forensic/report.hpp"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "crypto/encoding.hpp"

namespace oubliette::forensic {
namespace {

constexpr std::array<const char*, kKindCount> kKindNames = {"values", "external_ids", "consents",
                                                            "person_rows", "clients"};

Tally sum_of(const std::array<Tally, kKindCount>& tallies) noexcept {
    Tally sum;
    for (const Tally& tally : tallies) {
        sum.total += tally.total;
        sum.open += tally.open;
    }
    return sum;
}

bool is_99_percent(const Tally& tally) noexcept {
    return tally.open * 100 >= tally.total * 99;
}

std::string percent(const Tally& tally) {
    if (tally.total == 0) return "-";
    std::array<char, 32> text{};
    const double share = 100.0 * static_cast<double>(tally.open) / static_cast<double>(tally.total);
    (void)std::snprintf(text.data(), text.size(), "%.4g %%", share);
    return text.data();
}

std::string of(const Tally& tally) {
    return std::to_string(tally.open) + " of " + std::to_string(tally.total);
}

std::string label(std::string name) {
    name.resize(20, ' ');
    return name;
}

std::string line(const char* name, const std::string& text) {
    return label(name) + text + "\n";
}

std::string found_text(const Report& report) {
    std::string text =
        line("files", std::to_string(report.file_count) + ", " + std::to_string(report.size >> 20) +
                          " MiB, " + std::to_string(report.windows) + " different pages");
    text += line("keys", std::to_string(report.keks) + " KEKs, " + std::to_string(report.anchors) +
                             " anchors");
    text += line("root records", of(report.roots) + " open");
    text += line("tree pages", of(report.pages) + " open");
    for (const KeeperFound& keeper : report.keepers) {
        text += line("keeper", crypto::hex_encode(keeper.id).substr(0, 8) + " at epoch " +
                                   std::to_string(keeper.epoch));
    }
    if (report.core) {
        const CoreSearch& core = *report.core;
        text +=
            line("core", std::to_string(core.tried) + " of " + std::to_string(core.windows) +
                             " windows tried as anchor, page key, seed, item key and box key "
                             "on " +
                             std::to_string(core.targets) +
                             " closed boxes: " + std::to_string(core.hits) + " keys found" +
                             (core.is_cut_off ? " (cut off: more windows than are tried)" : ""));
    }
    for (std::size_t i = 0; i < kKindCount; ++i) {
        std::string opened = of(report.live[i]) + " open";
        // Without a tree nobody can say who is erased.
        if (report.epoch > 0)
            opened = "living " + opened + ", erased " + of(report.erased[i]) + " open";
        text += line(kKindNames[i], opened);
    }
    text += line("fragments", of(report.fragments) + " open");
    if (report.overflows_unpaired > 0) {
        text += line("not tried", std::to_string(report.overflows_unpaired) +
                                      " long values whose key was overwritten");
    }
    return text;
}

std::string figures_text(const Report& report) {
    const Tally live = report.all_live();
    const Tally erased = report.all_erased();
    if (!report.has_secrets) {
        return line("open", std::to_string(live.open + erased.open) + " of " +
                                std::to_string(live.total + erased.total) +
                                ", without any unseal secret");
    }
    std::string text = line("R_erased", of(erased) + " (" + percent(erased) + "), " +
                                            std::to_string(report.erased_leaves) + " leaves");
    if (report.waiting > 0) {
        text += line("", std::to_string(report.waiting) +
                             " of them wait for their group and may open until then");
    }
    text += line("R_live", of(live) + " (" + percent(live) + ")");
    for (const Control& control : report.controls) {
        text += line("control", "the kept anchor of epoch " + std::to_string(control.epoch) +
                                    " opens " + of(control.erased_since) + " (" +
                                    percent(control.erased_since) + ") of what was erased since, " +
                                    of(control.alive) + " of what lived then");
    }
    return text;
}

// Why it is not a pass, with the remedy.
std::string reason(const Report& report) {
    if (report.verdict() == Verdict::failed) {
        const bool is_behind = std::ranges::any_of(report.keepers, [&](const KeeperFound& keeper) {
            return keeper.epoch != report.epoch;
        });
        if (is_behind) {
            return "what must not open opens; one keeper is behind: start the server with all "
                   "keepers, wait until no revocation waits, and attack again";
        }
        return "what must not open opens: a cell or a key outside of the present keepers survives "
               "among these files";
    }
    if (report.has_secrets && report.epoch == 0) {
        return "no tree opens: name every keeper's directory with --keeper, and its --seal";
    }
    if (report.all_live().total + report.all_erased().total == 0) {
        return "no row of a vault is among these files: name its directory with --data";
    }
    if (report.has_secrets && (report.all_live().total == 0 || !report.all_live().all_open())) {
        return "what lives does not all open, so closed things prove nothing: are all keepers and "
               "seals named, and no other vault's files?";
    }
    return "the kept cell opens no older tree among these files, or too little of it: name the "
           "copies of the keepers' planes from its time with --extra";
}

nlohmann::ordered_json json_of(const Tally& tally) {
    return {{"total", tally.total}, {"open", tally.open}};
}

nlohmann::ordered_json json_of(const std::array<Tally, kKindCount>& tallies) {
    nlohmann::ordered_json json = json_of(sum_of(tallies));
    for (std::size_t i = 0; i < kKindCount; ++i) json[kKindNames[i]] = json_of(tallies[i]);
    return json;
}

const char* name_of(Verdict verdict) noexcept {
    switch (verdict) {
    case Verdict::passed: return "passed";
    case Verdict::failed: return "failed";
    case Verdict::voided: return "void";
    }
    return "void";
}

}  // namespace

bool Control::holds() const noexcept {
    return erased_since.total > 0 && is_99_percent(erased_since) && is_99_percent(alive);
}

Tally Report::all_live() const noexcept {
    return sum_of(live);
}

Tally Report::all_erased() const noexcept {
    return sum_of(erased);
}

Verdict Report::verdict() const noexcept {
    const Tally living = all_live();
    const Tally dead = all_erased();
    if (dead.open > 0) return Verdict::failed;
    if (!has_secrets) {
        if (living.open > 0) return Verdict::failed;
        return living.total > 0 ? Verdict::passed : Verdict::voided;
    }
    if (epoch == 0 || living.total == 0 || !living.all_open()) return Verdict::voided;
    const bool is_controlled =
        !wants_control || (!controls.empty() && std::ranges::all_of(controls, &Control::holds));
    return is_controlled ? Verdict::passed : Verdict::voided;
}

std::string report_text(const Report& report) {
    std::array<char, 32> time{};
    (void)std::snprintf(time.data(), time.size(), " in %.1f s", report.seconds);
    std::string text = found_text(report) + figures_text(report);
    switch (report.verdict()) {
    case Verdict::passed: return text + "PASSED" + time.data();
    case Verdict::failed: return text + "FAILED" + time.data() + ": " + reason(report);
    case Verdict::voided: return text + "VOID" + time.data() + ": " + reason(report);
    }
    return text;
}

std::string report_json(const Report& report) {
    nlohmann::ordered_json json;
    json["verdict"] = name_of(report.verdict());
    json["has_secrets"] = report.has_secrets;
    json["files"] = report.file_count;
    json["bytes"] = report.size;
    json["pages_different"] = report.windows;
    json["overflows_unpaired"] = report.overflows_unpaired;
    json["keks"] = report.keks;
    json["anchors"] = report.anchors;
    json["keeper_boxes"] = report.keeper_boxes;
    json["roots"] = json_of(report.roots);
    json["tree_pages"] = json_of(report.pages);
    json["epoch"] = report.epoch;
    json["keepers"] = nlohmann::ordered_json::array();
    for (const KeeperFound& keeper : report.keepers) {
        json["keepers"].push_back({{"id", crypto::hex_encode(keeper.id)}, {"epoch", keeper.epoch}});
    }
    if (report.core) {
        json["core"] = {{"windows", report.core->windows},
                        {"tried", report.core->tried},
                        {"targets", report.core->targets},
                        {"hits", report.core->hits},
                        {"cut_off", report.core->is_cut_off}};
    }
    json["r_erased"] = json_of(report.erased);
    json["r_erased"]["leaves"] = report.erased_leaves;
    json["r_erased"]["waiting"] = report.waiting;
    json["r_live"] = json_of(report.live);
    json["fragments"] = json_of(report.fragments);
    json["controls"] = nlohmann::ordered_json::array();
    for (const Control& control : report.controls) {
        json["controls"].push_back({{"epoch", control.epoch},
                                    {"alive", json_of(control.alive)},
                                    {"erased_since", json_of(control.erased_since)}});
    }
    json["seconds"] = report.seconds;
    return json.dump();
}

}  // namespace oubliette::forensic
