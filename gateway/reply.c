/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.c: status line, headers, body.
 */
#include "gateway/reply.h"

#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/json.h"

#define DETAIL_MAX ((size_t)64 << 10)

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "Status";
}

/* The text changes once per second, and so is made. */
static const char *date(void)
{
    static _Thread_local char text[64];
    static _Thread_local time_t made;
    time_t now = (time_t)(clock_wall_us() / 1000000);
    struct tm tm;
    if (now != made && gmtime_r(&now, &tm) != NULL) {
        (void)strftime(text, sizeof(text),
                       "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
        made = now;
    }
    return text;
}

/*
 * The last answer in chunks ends its connection but must not say so: Node's
 * fetch takes the end of an announced close for the end of the body, so that
 * its user would never learn that a stream was cut. The time-out keeps it from
 * using the connection again.
 */
static bool put_connection(const struct gw_reply *r, struct buf *out)
{
    if (r->keep_s == 0 && !r->chunked) {
        return buf_puts(out, "Connection: close\r\n");
    }
    return buf_printf(out,
                      "Connection: keep-alive\r\nKeep-Alive: timeout=%d\r\n",
                      max_int(r->keep_s, 1));
}

bool gw_reply_write(const struct gw_reply *r, struct buf *out)
{
    must(r != NULL && out != NULL && r->headers != NULL);
    bool ok =
        buf_printf(out, "HTTP/1.1 %d %s\r\n", r->status, reason(r->status)) &&
        buf_puts(out, date()) && buf_puts(out, r->headers) &&
        put_connection(r, out);
    if (r->type != NULL) {
        ok = ok && buf_printf(out, "Content-Type: %s\r\n", r->type);
    }
    if (r->chunked) {
        ok = ok && buf_puts(out, "Cache-Control: no-store\r\n"
                                 "X-Accel-Buffering: no\r\n"
                                 "Transfer-Encoding: chunked\r\n");
    } else if (r->status != 204) {
        ok = ok && buf_printf(out, "Content-Length: %zu\r\n", r->len);
    }
    ok = ok && buf_append(out, "\r\n", 2);
    if (r->len > 0 && !r->head_only) {
        ok = ok && buf_append(out, r->body, r->len);
    }
    return ok;
}

bool gw_reply_error(const struct err *err, const char *headers, int keep_s,
                    struct buf *out)
{
    must(err != NULL && headers != NULL);
    struct buf text;
    struct buf all;
    buf_init(&text, DETAIL_MAX);
    buf_init(&all, DETAIL_MAX);
    int status = err_status((int)err->code);
    must(buf_puts(&text, "{\"detail\":") &&
         json_write_string(err->text, strlen(err->text), &text) &&
         buf_putc(&text, '}'));
    bool ok = buf_puts(&all, headers);
    if (status == 503 || status == 429) {
        ok = ok && buf_puts(&all, "Retry-After: 1\r\n");
    }
    struct gw_reply r = {.status = status,
                         .headers = buf_text(&all),
                         .type = "application/json",
                         .body = text.data,
                         .len = text.len,
                         .keep_s = keep_s};
    ok = ok && gw_reply_write(&r, out);
    buf_fini(&all);
    buf_fini(&text);
    return ok;
}
