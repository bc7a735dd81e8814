#pragma once

#include <chrono>
#include <cstdint>
#include <string>

// How far long work is, on stderr: a bar that is redrawn if stderr is a terminal, else one line
// every five seconds. Not thread-safe.

namespace oubliette::tools {

enum class Talk : std::uint8_t { normal, quiet };

class Progress {
public:
    // `total` and what update() is told are of one kind (bytes, rows); it only makes the
    // percentage. `begun` is what was done before this process.
    Progress(std::string label, std::uint64_t total, std::uint64_t begun, Talk talk);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void update(std::uint64_t done, std::uint64_t rows, std::uint64_t values);
    // Clears the bar, so that other lines can follow.
    void end();

private:
    using Clock = std::chrono::steady_clock;

    [[nodiscard]] std::string line(std::uint64_t done, std::uint64_t rows,
                                   std::uint64_t values) const;
    void draw(const std::string& text);

    std::string label_;
    std::uint64_t total_;
    std::uint64_t begun_;
    Talk talk_;
    bool is_terminal_;
    bool is_drawn_ = false;
    std::uint64_t first_values_ = 0;
    bool has_first_ = false;
    Clock::time_point start_ = Clock::now();
    Clock::time_point last_ = Clock::now();
};

}  // namespace oubliette::tools
