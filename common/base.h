/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.h: what every file of Leat may use without asking: assertions that are
 * never compiled out, magic numbers that catch stale pointers, compiler
 * attributes, and the handful of helpers C leaves out. It knows nothing of
 * the rest of common/.
 */
#ifndef LEAT_COMMON_BASE_H
#define LEAT_COMMON_BASE_H

#include <assert.h> /* static_assert */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEAT_VERSION "0.1.0"

/* A result that must not be dropped: fallible functions carry it. */
#define MUST_USE __attribute__((warn_unused_result))

/* printf-like: argument numbers of the format and of the first value. */
#define PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))

/* Elements of an array; a pointer in its place does not compile. */
#define COUNT_OF(a)                                                            \
    (sizeof(a) / sizeof((a)[0]) +                                              \
     0 * sizeof(char[__builtin_types_compatible_p(__typeof__(a),               \
                                                  __typeof__(&(a)[0]))         \
                         ? -1                                                  \
                         : 1]))

/* The struct that holds `member` at `ptr`. */
#define CONTAINER_OF(ptr, type, member)                                        \
    ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/*
 * must(x): x is true or a programmer made an error. Always on. Prints the
 * expression and where it stands, then aborts (proc.h turns that into a
 * backtrace). Bytes that came from a peer are checked with returned errors,
 * never with must.
 */
#define must(x)                                                                \
    ((x) ? (void)0 : base_must_failed(#x, __FILE__, __LINE__, __func__))

/* Where control never comes unless a programmer made an error. */
#define must_not(what) base_must_failed(what, __FILE__, __LINE__, __func__)

void base_must_failed(const char *expr, const char *file, int line,
                      const char *func) NORETURN;

/*
 * Long-lived structs begin with `uint32_t magic`. Each kind has its own:
 *     #define LANE_MAGIC LEAT_MAGIC(0x1a4e0001)
 * set by x_new, cleared by x_destroy, checked on entry with
 * check_magic(lane, LANE_MAGIC). tests/lint/magic.py keeps them distinct.
 */
#define LEAT_MAGIC(number) ((uint32_t)(number))
#define check_magic(p, number)                                                 \
    (((p) != NULL && (p)->magic == (number))                                   \
         ? (void)0                                                             \
         : base_must_failed(#p " is a live " #number, __FILE__, __LINE__,      \
                            __func__))

/*
 * Allocation that cannot fail: runs are leased and durable, so a process out
 * of memory costs a retry, not data. base_zalloc zeroes; base_realloc keeps
 * realloc's meaning; base_strdup and base_memdup copy. Release with free().
 * base_memdup adds a NUL after the copy.
 */
void *base_zalloc(size_t size) MUST_USE;
void *base_realloc(void *old, size_t size) MUST_USE;
char *base_strdup(const char *s) MUST_USE;
void *base_memdup(const void *data, size_t size) MUST_USE;

/*
 * Copies `s` into `out` of `cap` bytes, cut to fit, always terminated.
 * Returns false when it was cut.
 */
bool base_copy(char *out, size_t cap, const char *s);

/* The programs, as bits: which of them has an option or a metric. */
enum {
    PROC_BROKER = 1,
    PROC_GATEWAY = 2,
    PROC_WORKER = 4,
    PROC_DEV = 8,
    PROC_CLI = 16,
    PROC_SERVERS = PROC_BROKER | PROC_GATEWAY | PROC_WORKER,
    PROC_ALL = PROC_SERVERS | PROC_DEV | PROC_CLI,
};

static inline int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }
static inline size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t max_size(size_t a, size_t b) { return a > b ? a : b; }
static inline int min_int(int a, int b) { return a < b ? a : b; }
static inline int max_int(int a, int b) { return a > b ? a : b; }

#endif
