/* Counts the calls of a program that change files below FAULT_UNDER, and at the FAULT_AT-th kills it or fails.
 *
 * Loaded with LD_PRELOAD. FAULT_DO: KILL (SIGKILL to the whole process group, so start it in a session of its own)
 * or the number of an errno that calls return from then on, as a disk does that has become full or broken.
 * FAULT_COUNT: a file that gets one byte for each call, of all processes together; its size is the count.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int below(const char *path) {
    const char *under = getenv("FAULT_UNDER");
    return under && path && strncmp(path, under, strlen(under)) == 0;
}

static int named(int folder, const char *path) {
    char place[64], where[PATH_MAX];
    ssize_t length;
    if (!path || path[0] == '/') return below(path);
    if (folder == AT_FDCWD) {
        if (!getcwd(where, sizeof where)) return 0;
        return below(where);
    }
    snprintf(place, sizeof place, "/proc/self/fd/%d", folder);
    length = readlink(place, where, sizeof where - 1);
    if (length < 0) return 0;
    where[length] = 0;
    return below(where);
}

static int opened(int descriptor) {
    char place[64], where[PATH_MAX];
    ssize_t length;
    snprintf(place, sizeof place, "/proc/self/fd/%d", descriptor);
    length = readlink(place, where, sizeof where - 1);
    if (length < 0) return 0;
    where[length] = 0;
    return below(where);
}

/* 1 where the call has to fail with errno set. */
static int reached(void) {
    const char *file = getenv("FAULT_COUNT"), *act = getenv("FAULT_DO"), *at = getenv("FAULT_AT");
    struct stat facts;
    int before = errno, descriptor;
    if (!file) return 0;
    descriptor = REAL(open)(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) return 0;
    if (REAL(write)(descriptor, "x", 1) != 1 || fstat(descriptor, &facts) != 0) facts.st_size = 0;
    close(descriptor);
    errno = before;
    if (!act || !at || facts.st_size < atol(at)) return 0;
    if (strcmp(act, "KILL") == 0) {
        kill(0, SIGKILL);
        pause();
    }
    errno = atoi(act);
    return 1;
}

#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))

#define OPEN(name, parameters, folder, call)                          \
    int name parameters {                                             \
        mode_t mode = 0;                                              \
        if (flags & (O_CREAT | O_TMPFILE)) {                          \
            va_list rest;                                             \
            va_start(rest, flags);                                    \
            mode = va_arg(rest, mode_t);                              \
            va_end(rest);                                             \
        }                                                             \
        if (WRITES(flags) && named(folder, path) && reached()) return -1; \
        return REAL(name) call;                                       \
    }
OPEN(open, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPEN(openat, (int at, const char *path, int flags, ...), at, (at, path, flags, mode))
OPEN(openat64, (int at, const char *path, int flags, ...), at, (at, path, flags, mode))

#define CALL(type, name, parameters, counts, call) \
    type name parameters {                         \
        if ((counts) && reached()) return -1;      \
        return REAL(name) call;                    \
    }
CALL(ssize_t, write, (int fd, const void *data, size_t n), opened(fd), (fd, data, n))
CALL(ssize_t, pwrite, (int fd, const void *data, size_t n, off_t at), opened(fd), (fd, data, n, at))
CALL(ssize_t, pwrite64, (int fd, const void *data, size_t n, off64_t at), opened(fd), (fd, data, n, at))
CALL(ssize_t, writev, (int fd, const struct iovec *parts, int n), opened(fd), (fd, parts, n))
CALL(int, fsync, (int fd), opened(fd), (fd))
CALL(int, fdatasync, (int fd), opened(fd), (fd))
CALL(int, ftruncate, (int fd, off_t n), opened(fd), (fd, n))
CALL(int, ftruncate64, (int fd, off64_t n), opened(fd), (fd, n))
CALL(int, rename, (const char *from, const char *to), below(to), (from, to))
CALL(int, renameat, (int a, const char *from, int b, const char *to), named(b, to), (a, from, b, to))
CALL(int, renameat2, (int a, const char *from, int b, const char *to, unsigned how), named(b, to), (a, from, b, to, how))
CALL(int, mkdir, (const char *path, mode_t mode), below(path), (path, mode))
CALL(int, link, (const char *from, const char *to), below(to), (from, to))
/* A disk that is full or broken still lets go of names; only a kill counts here. */
CALL(int, unlink, (const char *path), below(path) && reached() && 0, (path))
CALL(int, unlinkat, (int at, const char *path, int how), named(at, path) && reached() && 0, (at, path, how))
CALL(int, rmdir, (const char *path), below(path) && reached() && 0, (path))

/* NumPy's tofile; the C library's own write() inside it does not come by here. */
size_t fwrite(const void *data, size_t size, size_t n, FILE *stream) {
    if (opened(fileno(stream)) && reached()) return 0;
    return REAL(fwrite)(data, size, n, stream);
}
