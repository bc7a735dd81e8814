# Writes TARGET, a .cpp with the text of SOURCE. In pieces, because a string literal may be limited
# to 64 KiB, and raw, because JSON is full of quotes.
file(READ "${SOURCE}" text)
string(LENGTH "${text}" size)
set(pieces "")
set(at 0)
while(at LESS size)
    string(SUBSTRING "${text}" ${at} 8000 piece)
    string(APPEND pieces "    R\"policy(${piece})policy\"\n")
    math(EXPR at "${at} + 8000")
endwhile()
file(WRITE "${TARGET}" "#include \"vault/policy/example.hpp\"

namespace oubliette::policy {

std::string_view example_policy() noexcept {
    static constexpr std::string_view kText =
${pieces}    ;
    return kText;
}

}  // namespace oubliette::policy
")
