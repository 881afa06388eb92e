/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c: builds one line on the stack and writes it with one write(), so that
 * lines of many threads and processes never mix. Owns the level, the sink
 * and each thread's context; knows nothing of what is logged.
 */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug", [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARN] = "warn",   [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_OFF] = "off",
};

static atomic_int level_now = LOG_LEVEL_INFO;
static _Atomic(log_sink_fn *) sink_now;
static char who[64]; /* set once, before there are threads */
static _Thread_local char context[256];

/* A line being built; what does not fit is cut. */
struct line {
    char text[LOG_LINE_MAX];
    size_t len;
    bool cut;
};

static void line_put(struct line *line, const char *text, size_t size)
{
    size_t spare = sizeof(line->text) - line->len;
    size_t take = min_size(size, spare);
    memcpy(line->text + line->len, text, take);
    line->len += take;
    line->cut = line->cut || take < size;
}

static void line_puts(struct line *line, const char *text)
{
    line_put(line, text, strlen(text));
}

static void line_vprintf(struct line *line, const char *fmt, va_list ap)
{
    size_t spare = sizeof(line->text) - line->len;
    int n = vsnprintf(line->text + line->len, spare, fmt, ap);
    must(n >= 0);
    /* vsnprintf spends one byte on its NUL. */
    bool fits = (size_t)n < spare;
    line->len += fits ? (size_t)n : max_size(spare, 1) - 1;
    line->cut = line->cut || !fits;
}

/* Whatever came in as a value, the line stays one line. */
static void line_end(struct line *line)
{
    static const char dots[] = "...";
    size_t limit = sizeof(line->text) - sizeof(dots);
    if (line->cut) {
        line->len = min_size(line->len, limit);
        line_puts(line, dots);
    }
    for (size_t i = 0; i < line->len; i++) {
        unsigned char c = (unsigned char)line->text[i];
        if (c < 0x20 || c == 0x7f) {
            line->text[i] = ' ';
        }
    }
    line->len = min_size(line->len, sizeof(line->text) - 1);
    line->text[line->len++] = '\n';
}

static void line_write(const struct line *line)
{
    log_sink_fn *sink = atomic_load(&sink_now);
    if (sink != NULL) {
        sink(line->text, line->len);
        return;
    }
    int kept = errno;
    ssize_t n;
    do {
        n = write(STDERR_FILENO, line->text, line->len);
    } while (n < 0 && errno == EINTR);
    errno = kept;
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
    must(level < LOG_LEVEL_OFF);
    must(event != NULL && fmt != NULL);
    struct line line;
    line.len = 0;
    line.cut = false;
    char now[CLOCK_ISO_SIZE];
    clock_to_iso(clock_wall_us(), now);
    line_put(&line, now, strlen("2026-01-02T03:04:05.678901"));
    line_puts(&line, "Z ");
    line_puts(&line, level_names[level]);
    line_puts(&line, " ");
    line_puts(&line, event);
    va_list ap;
    va_start(ap, fmt);
    line_vprintf(&line, fmt, ap);
    va_end(ap);
    if (line.text[line.len - 1] == ' ') {
        line.len--;
    }
    line_puts(&line, context);
    line_puts(&line, who);
    line_end(&line);
    line_write(&line);
}

static bool is_plain(const char *s)
{
    if (s[0] == '\0') {
        return false;
    }
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* One byte of a quoted value, at most four characters; returns how many. */
static size_t escape(char c, char out[8])
{
    unsigned char byte = (unsigned char)c;
    int n;
    if (c == '"' || c == '\\') {
        n = snprintf(out, 8, "\\%c", c);
    } else if (c == '\n') {
        n = snprintf(out, 8, "\\n");
    } else if (byte < 0x20 || byte == 0x7f) {
        n = snprintf(out, 8, "\\x%02x", byte);
    } else {
        n = snprintf(out, 8, "%c", c);
    }
    must(n > 0 && n < 8);
    return (size_t)n;
}

const char *log_quote(char *out, size_t cap, const char *s)
{
    must(out != NULL && cap >= 8);
    if (s == NULL) {
        s = "-";
    }
    if (is_plain(s) && strlen(s) < cap) {
        base_copy(out, cap, s);
        return out;
    }
    size_t len = 0;
    out[len++] = '"';
    for (; *s != '\0'; s++) {
        char piece[8];
        size_t n = escape(*s, piece);
        /* Room for "..." of a cut value, the quote and the NUL. */
        if (len + n + 5 > cap) {
            memcpy(out + len, "...", 3);
            len += 3;
            break;
        }
        memcpy(out + len, piece, n);
        len += n;
    }
    out[len++] = '"';
    out[len] = '\0';
    return out;
}

void log_level_set(enum log_level level)
{
    must(level <= LOG_LEVEL_OFF);
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

enum log_level log_level_get(void)
{
    return (enum log_level)atomic_load_explicit(&level_now,
                                                memory_order_relaxed);
}

bool log_level_parse(const char *name, enum log_level *out)
{
    must(name != NULL && out != NULL);
    for (size_t i = 0; i < COUNT_OF(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_who_set(const char *name)
{
    must(name != NULL);
    who[0] = '\0';
    if (name[0] != '\0') {
        snprintf(who, sizeof(who), " who=%.40s/%d", name, (int)getpid());
    }
}

void log_ctx_set(const char *fmt, ...)
{
    must(fmt != NULL);
    context[0] = ' ';
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(context + 1, sizeof(context) - 1, fmt, ap);
    va_end(ap);
    must(n >= 0);
}

void log_ctx_clear(void)
{
    context[0] = '\0';
}

void log_sink_set(log_sink_fn *sink)
{
    atomic_store(&sink_now, sink);
}
