#pragma once

namespace oubliette::tools {

// What a process that holds keys does first: no core dumps, no ptrace by others, files only for
// its owner, no death by SIGPIPE or SIGXFSZ (writes fail instead), OpenSSL and C++ memory wiped
// when freed. REQUIRES: nothing of OpenSSL was used yet.
void harden_process();

}  // namespace oubliette::tools
