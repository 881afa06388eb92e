/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_look.c: what came of a request so far, and whether it is all of it.
 * Pure. It reads no more of a head than that needs; whoever answers the
 * request reads it again, strictly.
 */
#include <string.h>
#include <strings.h>

#include "gateway/gate.h"

/* A longer head is passed on, to be refused; of a longer body so much must
 * have come: more does not surely fit into the socket. */
#define HEAD_MAX ((size_t)32 << 10)
#define ENOUGH ((size_t)48 << 10)

static const char *head_end(const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (end != NULL) {
        return end + 4;
    }
    end = memmem(bytes, len, "\n\n", 2);
    return end == NULL ? NULL : end + 2;
}

/* The value of the header in the head, NULL if it is not there. */
static const char *header(const char *head, const char *end, const char *name)
{
    size_t n = strlen(name);
    const char *at = memchr(head, '\n', (size_t)(end - head));
    while (at != NULL && ++at + n < end) {
        if (strncasecmp(at, name, n) == 0 && at[n] == ':') {
            at += n + 1;
            while (at < end && (*at == ' ' || *at == '\t')) {
                at++;
            }
            return at;
        }
        at = memchr(at, '\n', (size_t)(end - at));
    }
    return NULL;
}

/* Digits; what is larger than any body counts as the largest number. */
static int64_t number(const char *at, const char *end)
{
    int64_t n = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (n > INT64_MAX / 10 - 10) {
            return INT64_MAX;
        }
        n = n * 10 + (*at - '0');
    }
    return n;
}

static bool chunks_ended(const char *bytes, size_t len)
{
    return len >= 5 && memcmp(bytes + len - 5, "0\r\n\r\n", 5) == 0;
}

bool gw_gate_is_whole(const char *bytes, size_t len, int64_t body_bytes,
                      struct gw_gate_look *look)
{
    must(bytes != NULL && look != NULL);
    *look = (struct gw_gate_look){.want = 0};
    const char *body = head_end(bytes, len);
    if (body == NULL) {
        return len > HEAD_MAX;
    }
    const char *length = header(bytes, body, "content-length");
    const char *coding = header(bytes, body, "transfer-encoding");
    const char *expect = header(bytes, body, "expect");
    look->expects = expect != NULL && strncasecmp(expect, "100-", 4) == 0;
    size_t head = (size_t)(body - bytes);
    if (coding != NULL) {
        return len - head >= ENOUGH || chunks_ended(body, len - head);
    }
    int64_t announced = length == NULL ? 0 : number(length, body);
    if (announced > body_bytes) {
        look->expects = false; /* it need not send it */
        return true;
    }
    look->want = head + (size_t)announced;
    return len >= look->want || len - head >= ENOUGH;
}
