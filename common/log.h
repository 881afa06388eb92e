/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h: one line per event on standard error, written with one write():
 *   2026-01-02T03:04:05.678901Z info run.moved run=... from=... to=... who=...
 * Event name first, ids next, key=value, UTC. error = someone must act,
 * warn = we recovered, info = a state changed, debug = per message. Never
 * payloads above debug, never secrets. Safe from any thread.
 */
#ifndef LEAT_COMMON_LOG_H
#define LEAT_COMMON_LOG_H

#include "common/base.h"

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_OFF
};

/* A longer line is cut and ends with "...". */
#define LOG_LINE_MAX 4096

/*
 * log_info("desk.up") or log_info("run.moved", "run=%s to=%s", id, name).
 * The format is a literal. Arguments are not evaluated below the level.
 */
#define log_debug(event, ...) LOG_AT_(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) LOG_AT_(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) LOG_AT_(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) LOG_AT_(LOG_LEVEL_ERROR, event, __VA_ARGS__)

/*
 * A value that may hold spaces, quotes or control characters, for %s:
 * log_warn("store.failed", "error=%s", LOG_Q(err.text)). Plain words stay
 * as they are; others come out "quoted" with escapes, cut to 512 bytes.
 */
#define LOG_Q(s) log_quote((char[512]){0}, 512, (s))

/* Writes `s` quoted if it needs it to out; returns out. NULL reads as "-". */
const char *log_quote(char *out, size_t cap, const char *s);

/* Lines below the level are dropped; the start value is info. */
void log_level_set(enum log_level level);
enum log_level log_level_get(void);
/* "debug" "info" "warn" "error" "off"; false for another word. */
bool log_level_parse(const char *name, enum log_level *out);

/* The process name appended to each line as who=NAME/PID ("" for none). */
void log_who_set(const char *name);

/*
 * Text (key=value pairs) appended to each line of the calling thread, until
 * it is set anew or cleared: log_ctx_set("run=%s thread=%s", ...).
 */
void log_ctx_set(const char *fmt, ...) PRINTF(1, 2);
void log_ctx_clear(void);

/* Where lines go instead of standard error (tests); NULL for standard error */
typedef void log_sink_fn(const char *line, size_t len);
void log_sink_set(log_sink_fn *sink);

/* What the macros call. */
void log_write(enum log_level level, const char *event, const char *fmt, ...)
    PRINTF(3, 4);

#define LOG_AT_(level, event, ...)                                             \
    ((level) < log_level_get() ? (void)0                                       \
                               : log_write(level, event, " " __VA_ARGS__))

#endif
