/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.c: the table is short, so it is walked row by row.
 */
#include "gateway/route.h"

#include <stdio.h>
#include <string.h>

#include "common/json_text.h"

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

static bool is_utf8(const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + len;
    while (at < end) {
        unsigned n = *at < 0x80 ? 1 : json_text_utf8(at, end);
        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}

bool gw_route_decode(char *text, bool plus)
{
    must(text != NULL);
    char *to = text;
    for (const char *at = text; *at != '\0'; at++) {
        char c = *at;
        if (c == '%') {
            int high = hex_of(at[1]);
            int low = high < 0 ? -1 : hex_of(at[2]);
            if (low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            c = (char)(high << 4 | low);
            at += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *to++ = c;
    }
    *to = '\0';
    return is_utf8(text, (size_t)(to - text));
}

bool gw_route_split(const char *path, const char *prefix, struct gw_path *out,
                    struct err *err)
{
    must(path != NULL && prefix != NULL && out != NULL);
    size_t n = strlen(prefix);
    out->count = 0;
    bool inside = strncmp(path, prefix, n) == 0 &&
                  (path[n] == '/' || (n > 0 && path[n] == '\0'));
    if (!inside || strlen(path + n) >= sizeof(out->text)) {
        return err_set(err, ERR_NOT_FOUND, "Not Found");
    }
    memcpy(out->text, path + n, strlen(path + n) + 1);
    char *at = out->text + (out->text[0] == '/');
    while (*at != '\0') {
        if (out->count == GW_SEGMENTS_MAX) {
            return err_set(err, ERR_NOT_FOUND, "Not Found");
        }
        char *end = at + strcspn(at, "/");
        bool last = *end == '\0';
        *end = '\0';
        if (!gw_route_decode(at, false)) {
            return err_set(err, ERR_BAD_REQUEST, "broken escape in the path");
        }
        out->segments[out->count++] = at;
        at = last ? end : end + 1;
    }
    return true;
}

/* Walks the row's path: its next segment, its length in *len; NULL at the
 * end. */
static const char *next_segment(const char **at, size_t *len)
{
    if (**at != '/' || (*at)[1] == '\0') {
        return NULL;
    }
    const char *start = *at + 1;
    *len = strcspn(start, "/");
    *at = start + *len;
    return start;
}

/* 0: no match; else how many fixed segments matched, plus 1. */
static unsigned match(const struct gw_route *route, const struct gw_path *path)
{
    const char *at = route->path;
    const char *segment;
    size_t len = 0;
    size_t i = 0;
    unsigned fixed = 1;
    while ((segment = next_segment(&at, &len)) != NULL) {
        if (i == path->count) {
            return 0;
        }
        const char *have = path->segments[i++];
        if (*segment == '{') {
            if (*have == '\0') {
                return 0;
            }
            continue;
        }
        if (strlen(have) != len || memcmp(have, segment, len) != 0) {
            return 0;
        }
        fixed++;
    }
    return i == path->count ? fixed : 0;
}

static void add_method(char allow[64], const char *method)
{
    if (strstr(allow, method) != NULL) {
        return;
    }
    size_t n = strlen(allow);
    (void)snprintf(allow + n, 64 - n, "%s%s", n > 0 ? ", " : "", method);
}

bool gw_route_find(const struct gw_route *table, const char *method,
                   const struct gw_path *path, struct gw_route_found *out,
                   struct err *err)
{
    must(table != NULL && method != NULL && path != NULL && out != NULL);
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    unsigned best = 0;
    *out = (struct gw_route_found){.route = NULL};
    for (; table->method != NULL; table++) {
        unsigned fixed = match(table, path);
        if (fixed == 0 || fixed < best) {
            continue;
        }
        if (fixed > best) { /* what was found so far is another path */
            *out = (struct gw_route_found){.route = NULL};
            best = fixed;
        }
        add_method(out->allow, table->method);
        if (strcmp(table->method, wanted) == 0) {
            out->route = table;
        }
    }
    if (out->route != NULL) {
        return true;
    }
    return out->allow[0] != '\0'
               ? err_set(err, ERR_METHOD, "Method Not Allowed")
               : err_set(err, ERR_NOT_FOUND, "Not Found");
}

const char *gw_route_param(const struct gw_route *route,
                           const struct gw_path *path, const char *name)
{
    must(route != NULL && path != NULL && name != NULL);
    const char *at = route->path;
    const char *segment;
    size_t len = 0;
    for (size_t i = 0; (segment = next_segment(&at, &len)) != NULL; i++) {
        if (*segment == '{' && strlen(name) == len - 2 &&
            memcmp(segment + 1, name, len - 2) == 0) {
            return i < path->count ? path->segments[i] : NULL;
        }
    }
    return NULL;
}
