// Preloaded into a child process: ends it in front of its k-th call that changes a file, so that a
// test can crash the real program at every such point.
//   CRASH_AT=k     the call in front of which the process ends (1 = the first); unset: never
//   CRASH_TORN=1   if that call writes a block of anchor.cell, its first half is written before
//   CRASH_COUNT=f  at a normal end the number of calls is written to file f
//   CRASH_HISTORY=d  before each of these calls the file that changes is copied into directory d,
//                  so that d ends up with every byte that was ever in a file; cells are left out
// This models a killed process, not a power cut: what was written but not flushed stays.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { kCrashStatus = 77, kTornStatus = 78 };

static atomic_long calls;
static atomic_long copies;

static long crash_at(void) {
    const char* text = getenv("CRASH_AT");
    return text ? strtol(text, NULL, 10) : 0;
}

static int is_file(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
}

enum { kPathMax = 512 };

// False if the file has no name.
static int path_of(int fd, char* path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t size = readlink(link, path, kPathMax - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return 1;
}

static int is_cell_path(const char* path) {
    return strstr(path, "anchor.cell") != NULL;
}

static int is_cell(int fd) {
    char path[kPathMax];
    return path_of(fd, path) && is_cell_path(path);
}

// With system calls of its own: the functions below are the library's.
static void keep(const char* path) {
    const char* const history = getenv("CRASH_HISTORY");
    struct stat status;
    if (!history || is_cell_path(path)) return;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) return;
    char copy[2 * kPathMax];
    snprintf(copy, sizeof copy, "%s/%d-%ld", history, (int)getpid(),
             atomic_fetch_add(&copies, 1));
    const int from = open(path, O_RDONLY | O_CLOEXEC);
    const int to = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (off_t left = status.st_size; from >= 0 && to >= 0 && left > 0;) {
        const ssize_t count = sendfile(to, from, NULL, (size_t)left);
        if (count <= 0) _exit(1);  // a history with holes would prove too much
        left -= count;
    }
    if (from < 0 || to < 0) _exit(1);
    close(from);
    close(to);
}

static void keep_file(int fd) {
    char path[kPathMax];
    if (path_of(fd, path)) keep(path);
}

static int is_due(void) {
    return atomic_fetch_add(&calls, 1) + 1 == crash_at();
}

static void step(int fd) {
    if (!is_file(fd)) return;
    keep_file(fd);
    if (is_due()) _exit(kCrashStatus);
}

static void step_path(const char* path) {
    keep(path);
    if (is_due()) _exit(kCrashStatus);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) *(void**)&real = dlsym(RTLD_NEXT, name)

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
    REAL(ssize_t, "pwrite", int, const void*, size_t, off_t);
    if (!is_file(fd)) return real(fd, data, size, offset);
    keep_file(fd);
    if (!is_due()) return real(fd, data, size, offset);
    if (!getenv("CRASH_TORN") || size != 4096 || !is_cell(fd)) _exit(kCrashStatus);
    (void)!real(fd, data, size / 2, offset);
    _exit(kTornStatus);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
    return pwrite(fd, data, size, offset);
}

ssize_t pwritev(int fd, const struct iovec* parts, int count, off_t offset) {
    REAL(ssize_t, "pwritev", int, const struct iovec*, int, off_t);
    step(fd);
    return real(fd, parts, count, offset);
}

ssize_t write(int fd, const void* data, size_t size) {
    REAL(ssize_t, "write", int, const void*, size_t);
    if (fd > 2) step(fd);
    return real(fd, data, size);
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    step(fd);
    return real(fd);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    step(fd);
    return real(fd);
}

int ftruncate(int fd, off_t size) {
    REAL(int, "ftruncate", int, off_t);
    step(fd);
    return real(fd, size);
}

int unlink(const char* path) {
    REAL(int, "unlink", const char*);
    step_path(path);
    return real(path);
}

int unlinkat(int directory, const char* path, int flags) {
    REAL(int, "unlinkat", int, const char*, int);
    char whole[2 * kPathMax];
    char below[kPathMax];
    const int is_named = directory != AT_FDCWD && path[0] != '/' && path_of(directory, below);
    snprintf(whole, sizeof whole, "%s%s%s", is_named ? below : "", is_named ? "/" : "", path);
    step_path(whole);
    return real(directory, path, flags);
}

int rename(const char* from, const char* to) {
    REAL(int, "rename", const char*, const char*);
    step_path(to);
    return real(from, to);
}

__attribute__((destructor)) static void write_count(void) {
    const char* const file = getenv("CRASH_COUNT");
    if (!file) return;
    FILE* const out = fopen(file, "w");
    if (!out) return;
    fprintf(out, "%ld\n", atomic_load(&calls));
    fclose(out);
}
