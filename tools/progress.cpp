#include "tools/progress.hpp"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

#include "tools/cli.hpp"

namespace oubliette::tools {

namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::milliseconds kLineEvery{5'000};
constexpr std::size_t kBarWidth = 24;

std::string span_text(double seconds) {
    const auto whole = static_cast<long>(std::clamp(seconds, 0.0, 359'999.0));
    char text[32];
    (void)std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60,
                        whole % 60);
    return text;
}

}  // namespace

Progress::Progress(std::string label, std::uint64_t total, std::uint64_t begun, Talk talk)
    : label_(std::move(label)),
      total_(total),
      begun_(begun),
      talk_(talk),
      is_terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
    end();
}

void Progress::update(std::uint64_t done, std::uint64_t rows, std::uint64_t values) {
    if (talk_ == Talk::quiet) return;
    if (!has_first_) {
        has_first_ = true;
        first_values_ = begun_ == 0 ? 0 : values;
    }
    const auto now = Clock::now();
    if (now - last_ < (is_terminal_ ? kRedraw : kLineEvery)) return;
    last_ = now;
    draw(line(done, rows, values));
}

std::string Progress::line(std::uint64_t done, std::uint64_t rows, std::uint64_t values) const {
    const double seconds =
        std::max(0.001, std::chrono::duration<double>(Clock::now() - start_).count());
    const double part =
        total_ == 0 ? 1.0
                    : static_cast<double>(std::min(done, total_)) / static_cast<double>(total_);
    const double speed = static_cast<double>(values - std::min(values, first_values_)) / seconds;
    const auto fresh = static_cast<double>(done - std::min(done, begun_));
    const double left =
        fresh <= 0 ? 0 : static_cast<double>(total_ - std::min(done, total_)) / (fresh / seconds);
    std::string text = label_ + " ";
    if (is_terminal_) {
        const auto filled = static_cast<std::size_t>(part * static_cast<double>(kBarWidth));
        text += "[" + std::string(filled, '#') + std::string(kBarWidth - filled, '.') + "] ";
    }
    char numbers[128];
    (void)std::snprintf(numbers, sizeof numbers, "%5.1f%%  %llu rows  %.0f values/s  ETA %s",
                        part * 100, static_cast<unsigned long long>(rows), speed,
                        fresh <= 0 ? "-" : span_text(left).c_str());
    return text + numbers;
}

void Progress::draw(const std::string& text) {
    if (!is_terminal_) {
        say(text);
        return;
    }
    const std::string out = "\r" + text + "\x1b[K";
    (void)std::fwrite(out.data(), 1, out.size(), stderr);
    (void)std::fflush(stderr);
    is_drawn_ = true;
}

void Progress::end() {
    if (!is_drawn_) return;
    is_drawn_ = false;
    (void)std::fputs("\r\x1b[K", stderr);
}

}  // namespace oubliette::tools
