// Preloaded into a child process: ends it in front of its k-th call that changes a file, so that a
// test can crash the real program at every such point.
//   CRASH_AT=k     the call in front of which the process ends (1 = the first); unset: never
//   CRASH_TORN=1   if that call writes a block of anchor.cell, its first half is written before
//   CRASH_COUNT=f  at a normal end the number of calls is written to file f
// This models a killed process, not a power cut: what was written but not flushed stays.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { kCrashStatus = 77 };

static atomic_long calls;

static long crash_at(void) {
    const char* text = getenv("CRASH_AT");
    return text ? strtol(text, NULL, 10) : 0;
}

static int is_file(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
}

static int is_cell(int fd) {
    char link[64];
    char path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return strstr(path, "anchor.cell") != NULL;
}

static int is_due(void) {
    return atomic_fetch_add(&calls, 1) + 1 == crash_at();
}

static void step(int fd) {
    if (is_file(fd) && is_due()) _exit(kCrashStatus);
}

static void step_path(void) {
    if (is_due()) _exit(kCrashStatus);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) *(void**)&real = dlsym(RTLD_NEXT, name)

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
    REAL(ssize_t, "pwrite", int, const void*, size_t, off_t);
    if (is_file(fd) && is_due()) {
        if (getenv("CRASH_TORN") && size == 4096 && is_cell(fd)) {
            (void)!real(fd, data, size / 2, offset);
        }
        _exit(kCrashStatus);
    }
    return real(fd, data, size, offset);
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
    step_path();
    return real(path);
}

int unlinkat(int directory, const char* path, int flags) {
    REAL(int, "unlinkat", int, const char*, int);
    step_path();
    return real(directory, path, flags);
}

int rename(const char* from, const char* to) {
    REAL(int, "rename", const char*, const char*);
    step_path();
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
