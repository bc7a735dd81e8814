#include <fstream>
#include <iterator>
#include <map>

#include "tests/tidy/rules.hpp"

namespace oubliette::tidy {
namespace {

// The words of a CMakeLists.txt without its comments; empty if there is none.
std::string list_text(const std::filesystem::path& folder) {
    std::ifstream in(folder / "CMakeLists.txt");
    std::string text;
    for (std::string line; std::getline(in, line);) text += line.substr(0, line.find('#')) + " ";
    return text;
}

bool names(std::string_view text, const std::string& file) {
    constexpr std::string_view kEnds = " \t()\";";
    for (std::size_t at = text.find(file); at != text.npos; at = text.find(file, at + 1)) {
        const std::size_t end = at + file.size();
        const bool starts = at == 0 || kEnds.find(text[at - 1]) != kEnds.npos;
        if (starts && (end == text.size() || kEnds.find(text[end]) != kEnds.npos)) return true;
    }
    return false;
}

}  // namespace

std::vector<Finding> check_built(const std::vector<Source>& tree,
                                 const std::filesystem::path& root) {
    std::map<std::filesystem::path, std::string> lists;
    std::vector<Finding> findings;
    for (const Source& source : tree) {
        if (!source.path.ends_with(".cpp")) continue;
        const std::filesystem::path file = source.path;
        bool built = false;
        for (std::filesystem::path folder = file.parent_path();; folder = folder.parent_path()) {
            const auto [list, fresh] = lists.try_emplace(folder);
            if (fresh) list->second = list_text(root / folder);
            const std::string name = file.lexically_relative(folder).generic_string();
            built = built || names(list->second, folder.empty() ? source.path : name);
            if (folder.empty()) break;
        }
        if (!built) findings.push_back({source.path, 0, "no CMakeLists.txt names it"});
    }
    return findings;
}

}  // namespace oubliette::tidy
