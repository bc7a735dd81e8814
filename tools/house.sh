# Shared by tools/quickstart and tools/check; sourced, not run. All talk goes to stderr.
# shellcheck shell=bash

BUILD_PACKAGES=(
    g++ cmake ninja-build pkg-config ccache ca-certificates
    libsodium-dev liblmdb-dev libssl-dev libicu-dev
    libboost1.81-dev libboost-json1.81-dev libboost-url1.81-dev
    nlohmann-json3-dev catch2 libcli11-dev
)
export BUILD_PACKAGES

current_step="start"
step_started=$SECONDS

# begin NAME: names the step that runs from here on.
begin() {
    finish
    current_step=$1
    step_started=$SECONDS
    printf '==> %s\n' "$current_step" >&2
}

# finish: says how long the step took that ran until now.
finish() {
    local took=$((SECONDS - step_started))
    if [[ $current_step != start ]] && ((took > 0)); then
        printf '    %s: %d s\n' "$current_step" "$took" >&2
    fi
}

# failed CODE: for the ERR trap. A substituted command leaves the word to the shell that asked.
failed() {
    if ((BASH_SUBSHELL > 0)); then exit "$1"; fi
    printf '\n%s: failed in step "%s" (exit code %d)\n' "${0##*/}" "$current_step" "$1" >&2
    exit "$1"
}

# quietly COMMAND...: shows the command's output only if it fails.
quietly() {
    local log code=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || code=$?
    if ((code != 0)); then cat "$log" >&2; fi
    rm -f "$log"
    return "$code"
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        printf 'This needs root: run it as root or install sudo. Wanted: %s\n' "$*" >&2
        return 1
    fi
}

is_installed() {
    local status
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null || true)
    [[ $status == installed ]]
}

# install_packages NAME...: installs those that are missing; does nothing, also without a network,
# if none is.
install_packages() {
    local missing=() name
    if ! command -v dpkg-query >/dev/null; then
        printf 'no dpkg here: this script installs on Debian 12. Packages needed: %s\n' "$*" >&2
        return 1
    fi
    for name in "$@"; do
        if ! is_installed "$name"; then missing+=("$name"); fi
    done
    if ((${#missing[@]} == 0)); then return 0; fi
    printf '    installing: %s\n' "${missing[*]}" >&2
    quietly as_root apt-get -q update
    quietly as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-install-recommends install "${missing[@]}"
}

# One job for each processor, but 2 GB of memory for each: a compiler at work on Beast takes that.
job_count() {
    local cores memory_kib by_memory
    cores=$(nproc)
    memory_kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    by_memory=$((memory_kib / (2 * 1024 * 1024)))
    if ((by_memory < 1)); then by_memory=1; fi
    printf '%d\n' "$((cores < by_memory ? cores : by_memory))"
}
