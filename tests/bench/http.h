/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An incremental reader of HTTP/1.1 responses: status line, the headers that
 * frame the body, and the body itself, chunked, counted or ended by the close
 * of the connection. It takes bytes in pieces of any size and hands body bytes
 * on without copying them. It knows nothing about sockets or about what the
 * body means.
 */
#ifndef LEAT_BENCH_HTTP_H
#define LEAT_BENCH_HTTP_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum http_state {
    HTTP_STATUS,     /* before or inside the status line */
    HTTP_HEADER,     /* inside the header lines */
    HTTP_COUNTED,    /* body of a known length */
    HTTP_TO_CLOSE,   /* body up to the end of the connection */
    HTTP_CHUNK_SIZE, /* line with the size of the next chunk */
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_END, /* the empty line after a chunk's bytes */
    HTTP_TRAILER,   /* after the last chunk */
    HTTP_DONE,
    HTTP_BROKEN
};

/* Longer lines are cut: no header that matters here comes near it. */
#define HTTP_LINE_BYTES 128

struct http {
    enum http_state state;
    int status;     /* 0 until the status line was read */
    bool chunked;   /* Transfer-Encoding: chunked */
    bool counted;   /* there was a Content-Length */
    bool closing;   /* the server closes after this answer */
    bool head_seen; /* all header lines were read */
    uint32_t line_len;
    uint64_t left; /* bytes of the chunk or body still to come */
    char line[HTTP_LINE_BYTES];
};

/* Takes body bytes, borrowed for the call. */
typedef void http_sink(void *arg, const char *bytes, size_t len);

static void http_reset(struct http *http)
{
    assert(http != NULL);
    memset(http, 0, offsetof(struct http, line));
    http->state = HTTP_STATUS;
}

static bool http_ended(const struct http *http)
{
    return http->state == HTTP_DONE || http->state == HTTP_BROKEN;
}

static bool http_in_body(const struct http *http)
{
    return http->state == HTTP_COUNTED || http->state == HTTP_TO_CLOSE ||
           http->state == HTTP_CHUNK_DATA;
}

static void http_on_status(struct http *http)
{
    const char *line = http->line;
    bool known = http->line_len >= 12 && strncmp(line, "HTTP/1.", 7) == 0;
    if (!known) {
        http->state = HTTP_BROKEN;
        return;
    }
    http->closing = line[7] == '0';
    http->status = (int)strtol(line + 9, NULL, 10);
    http->state = HTTP_HEADER;
}

/* The value of the header line if it is the named header, else NULL. */
static const char *http_value(const struct http *http, const char *name)
{
    size_t len = strlen(name);
    if (http->line_len <= len || http->line[len] != ':' ||
        strncasecmp(http->line, name, len) != 0) {
        return NULL;
    }
    const char *value = http->line + len + 1;
    return value + strspn(value, " \t");
}

static void http_on_header(struct http *http)
{
    const char *value = http_value(http, "transfer-encoding");
    if (value != NULL) {
        http->chunked = strcasecmp(value, "chunked") == 0;
    }
    value = http_value(http, "content-length");
    if (value != NULL) {
        http->counted = true;
        http->left = strtoull(value, NULL, 10);
    }
    value = http_value(http, "connection");
    if (value != NULL) {
        http->closing = strcasecmp(value, "close") == 0;
    }
}

/* The empty line after the headers: how does the body end? */
static void http_on_head_end(struct http *http)
{
    if (http->status >= 100 && http->status < 200) {
        http_reset(http);
        return;
    }
    http->head_seen = true;
    if (http->status == 204 || http->status == 304) {
        http->state = HTTP_DONE;
    } else if (http->chunked) {
        http->state = HTTP_CHUNK_SIZE;
    } else if (http->counted) {
        http->state = http->left > 0 ? HTTP_COUNTED : HTTP_DONE;
    } else {
        http->state = HTTP_TO_CLOSE;
        http->closing = true;
    }
}

static void http_on_chunk_size(struct http *http)
{
    char *end = NULL;
    http->left = strtoull(http->line, &end, 16);
    if (end == http->line || (*end != '\0' && *end != ';' && *end != ' ')) {
        http->state = HTTP_BROKEN;
    } else {
        http->state = http->left > 0 ? HTTP_CHUNK_DATA : HTTP_TRAILER;
    }
}

static void http_on_line(struct http *http)
{
    bool empty = http->line_len == 0;
    switch (http->state) {
    case HTTP_STATUS:
        http_on_status(http);
        break;
    case HTTP_HEADER:
        if (empty) {
            http_on_head_end(http);
        } else {
            http_on_header(http);
        }
        break;
    case HTTP_CHUNK_SIZE:
        http_on_chunk_size(http);
        break;
    case HTTP_CHUNK_END:
        http->state = empty ? HTTP_CHUNK_SIZE : HTTP_BROKEN;
        break;
    case HTTP_TRAILER:
        http->state = empty ? HTTP_DONE : HTTP_TRAILER;
        break;
    case HTTP_COUNTED:
    case HTTP_TO_CLOSE:
    case HTTP_CHUNK_DATA:
    case HTTP_DONE:
    case HTTP_BROKEN:
        http->state = HTTP_BROKEN;
        break;
    }
}

/* Takes bytes up to the end of the line. Returns how many. */
static size_t http_take_line(struct http *http, const char *bytes, size_t len)
{
    const char *end = memchr(bytes, '\n', len);
    size_t part = end != NULL ? (size_t)(end - bytes) : len;
    size_t room = HTTP_LINE_BYTES - 1 - http->line_len;
    size_t copied = part < room ? part : room;
    memcpy(http->line + http->line_len, bytes, copied);
    http->line_len += (uint32_t)copied;
    if (end == NULL) {
        return len;
    }
    if (http->line_len > 0 && http->line[http->line_len - 1] == '\r') {
        http->line_len--;
    }
    http->line[http->line_len] = '\0';
    http_on_line(http);
    http->line_len = 0;
    return part + 1;
}

/* How many of the next `len` bytes belong to the body, and moves past them. */
static size_t http_take_body(struct http *http, size_t len)
{
    if (http->state == HTTP_TO_CLOSE) {
        return len;
    }
    size_t part = http->left < len ? (size_t)http->left : len;
    http->left -= part;
    if (http->left == 0) {
        bool chunk = http->state == HTTP_CHUNK_DATA;
        http->state = chunk ? HTTP_CHUNK_END : HTTP_DONE;
    }
    return part;
}

/*
 * Reads `len` bytes, gives the body's to `sink`. Returns how many bytes were
 * used: fewer than `len` only when the answer ended (or broke) before them.
 */
static size_t http_feed(struct http *http, const char *bytes, size_t len,
                        http_sink *sink, void *arg)
{
    size_t at = 0;
    while (at < len && !http_ended(http)) {
        if (http_in_body(http)) {
            size_t part = http_take_body(http, len - at);
            sink(arg, bytes + at, part);
            at += part;
        } else {
            at += http_take_line(http, bytes + at, len - at);
        }
    }
    assert(at <= len);
    return at;
}

/* The connection ended. True if the answer is complete. */
static bool http_on_eof(struct http *http)
{
    if (http->state == HTTP_TO_CLOSE) {
        http->state = HTTP_DONE;
    }
    return http->state == HTTP_DONE;
}

#endif
