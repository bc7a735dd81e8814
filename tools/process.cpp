#include "tools/process.hpp"

#include <csignal>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "api/tls.hpp"
#include "tools/cli.hpp"

namespace oubliette::tools {

void harden_process() {
    const rlimit none{0, 0};
    const bool is_hardened =
        ::setrlimit(RLIMIT_CORE, &none) == 0 && ::prctl(PR_SET_DUMPABLE, 0) == 0;
    if (!is_hardened) {
        throw CommandError(Exit::failed, "core dumps cannot be switched off; they would hold keys");
    }
    (void)::umask(077);
    (void)std::signal(SIGPIPE, SIG_IGN);
    (void)std::signal(SIGXFSZ, SIG_IGN);
    api::use_wiping_allocators_in_openssl();
}

}  // namespace oubliette::tools
