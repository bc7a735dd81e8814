#pragma once

#include <csignal>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

// Runs `body` in a forked child, for what a process can only do to itself once (give up a
// privilege, abort, be a copy of its parent).

namespace oubliette::crypto::testing {

// How the child ended, as waitpid() says. `body` returns its exit status; 0 is success.
template <class Body>
int status_of_child(Body body) {
    const pid_t child = ::fork();
    if (child == 0) {
        // The test framework's handlers would report the parent's test from here.
        for (const int number : {SIGABRT, SIGSEGV, SIGBUS}) (void)std::signal(number, SIG_DFL);
        int status = 99;
        try {
            status = body();
        } catch (...) {
            status = 98;
        }
        ::_exit(status);
    }
    int status = -1;
    if (child < 0 || ::waitpid(child, &status, 0) != child) return -1;
    return status;
}

template <class Body>
bool child_succeeds(Body body) {
    const int status = status_of_child(body);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// True if the child ended by abort(): a broken REQUIRES.
template <class Body>
bool child_aborts(Body body) {
    const int status = status_of_child([&body] {
        (void)::close(STDERR_FILENO);
        body();
        return 0;
    });
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace oubliette::crypto::testing
