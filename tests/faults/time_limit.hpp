#pragma once

#include <csignal>
#include <cstdlib>
#include <string>
#include <unistd.h>
#include <utility>

namespace oubliette::faults {

// Ends this process with a core and a line of text if it lives too long: a step outside the pool
// that hangs says which one it was, and where. One at a time.
class TimeLimit {
public:
    TimeLimit(unsigned seconds, std::string what) {
        text() = std::move(what) + " hangs\n";
        (void)std::signal(SIGALRM, [](int) {
            (void)!::write(STDERR_FILENO, text().data(), text().size());
            ::abort();
        });
        ::alarm(seconds);
    }
    ~TimeLimit() {
        ::alarm(0);
        (void)std::signal(SIGALRM, SIG_DFL);
    }
    TimeLimit(const TimeLimit&) = delete;
    TimeLimit& operator=(const TimeLimit&) = delete;

private:
    static std::string& text() {
        static std::string what;
        return what;
    }
};

}  // namespace oubliette::faults
