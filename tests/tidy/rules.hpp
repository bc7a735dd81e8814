#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

// The house rules that a compiler does not check, as functions over the text of one file or of the
// tree. They read code line by line and brace by brace, without a parser: simple enough to be
// right on our style, and tested on planted snippets. Lists of exceptions: tests/tidy/lists.hpp.

namespace oubliette::tidy {

struct Source {
    std::string path;  // from the root, "vault/keys/cell.cpp"
    std::string text;
    std::string code;  // `text` with comments and the contents of literals blanked; same lines
};

struct Finding {
    std::string path;
    std::size_t line = 0;  // from 1; 0 for the whole file
    std::string rule;
};

// A Source with its `code`. Lines and columns of `code` are those of `text`.
[[nodiscard]] Source make_source(std::string path, std::string text);

// All .hpp and .cpp files of the layers below `root`, sorted by path.
[[nodiscard]] std::vector<Source> read_tree(const std::filesystem::path& root);

// ---- Rules over one file.
[[nodiscard]] std::vector<Finding> check_words(const Source& source);
[[nodiscard]] std::vector<Finding> check_shape(const Source& source);
[[nodiscard]] std::vector<Finding> check_functions(const Source& source);
[[nodiscard]] std::vector<Finding> check_includes(const Source& source);
// All of the above.
[[nodiscard]] std::vector<Finding> check_source(const Source& source);

// ---- Rules over the tree.
// Folders of vault/ that include each other in a circle.
[[nodiscard]] std::vector<Finding> check_circles(const std::vector<Source>& tree);
// Quoted includes of files that are not there.
[[nodiscard]] std::vector<Finding> check_targets(const std::vector<Source>& tree);
// .cpp files that no CMakeLists.txt of their folder or a folder above names.
[[nodiscard]] std::vector<Finding> check_built(const std::vector<Source>& tree,
                                               const std::filesystem::path& root);

}  // namespace oubliette::tidy
