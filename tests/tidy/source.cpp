#include <algorithm>
#include <fstream>
#include <iterator>

#include "crypto/assert.hpp"
#include "tests/tidy/lists.hpp"
#include "tests/tidy/rules.hpp"

namespace oubliette::tidy {
namespace {

bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Blanks comments and the insides of literals, one token at a time.
class Blanker {
public:
    explicit Blanker(std::string text) : out_(std::move(text)) {}

    std::string run() {
        while (at_ < out_.size()) step();
        return std::move(out_);
    }

private:
    [[nodiscard]] bool starts(std::string_view what) const {
        return std::string_view{out_}.substr(at_).starts_with(what);
    }
    void blank(std::size_t end) {
        for (end = std::min(end, out_.size()); at_ < end; ++at_) {
            if (out_[at_] != '\n') out_[at_] = ' ';
        }
    }
    void step() {
        if (starts("//")) return blank(out_.find('\n', at_));
        if (starts("/*")) return blank(after(out_.find("*/", at_ + 2), 2));
        if (starts("R\"") && (at_ == 0 || !is_name(out_[at_ - 1]))) return raw_string();
        if (out_[at_] == '"') return literal('"');
        // An apostrophe after a digit or letter separates digits: 65'536.
        if (out_[at_] == '\'' && (at_ == 0 || !is_name(out_[at_ - 1]))) return literal('\'');
        ++at_;
    }
    void literal(char quote) {
        const std::size_t line_end = out_.find('\n', at_);
        // The path of an include is code to the rules.
        const std::size_t line = out_.rfind('\n', at_) + 1;
        const bool include = std::string_view{out_}.substr(line).starts_with("#include");
        std::size_t end = ++at_;
        while (end < out_.size() && end < line_end && out_[end] != quote) {
            end += out_[end] == '\\' ? 2U : 1U;
        }
        if (!include) blank(end);
        at_ = std::min(end + 1, out_.size());
    }
    void raw_string() {
        const std::size_t open = out_.find('(', at_);
        OBL_ASSERT(open != std::string::npos);
        const std::string close = ")" + out_.substr(at_ + 2, open - at_ - 2) + "\"";
        at_ += 2;
        blank(after(out_.find(close, open), close.size()));
    }
    [[nodiscard]] static std::size_t after(std::size_t found, std::size_t size) {
        return found == std::string::npos ? found : found + size;
    }

    std::string out_;
    std::size_t at_ = 0;
};

}  // namespace

Source make_source(std::string path, std::string text) {
    std::string code = Blanker{text}.run();
    OBL_ASSERT(code.size() == text.size());
    return {std::move(path), std::move(text), std::move(code)};
}

std::vector<Source> read_tree(const std::filesystem::path& root) {
    std::vector<Source> tree;
    for (const std::string_view folder : kTopFolders) {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
            const auto extension = entry.path().extension();
            if (extension != ".hpp" && extension != ".cpp") continue;
            std::ifstream in(entry.path(), std::ios::binary);
            std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
            tree.push_back(make_source(entry.path().lexically_relative(root).generic_string(),
                                       std::move(text)));
        }
    }
    std::ranges::sort(tree, {}, &Source::path);
    return tree;
}

}  // namespace oubliette::tidy
