/* SPDX-License-Identifier: Apache-2.0 */
/* graph/tool_text.c: see tool_text.h. */
#include "worker/graph/tool_text.h"

#include <string.h>

/* How a kind of text writes what differs. */
struct style {
    bool (*scalar)(struct buf *out, leat_view v);
    bool (*key)(struct buf *out, leat_text key);
};

static bool put_json_text(struct buf *out, leat_view v)
{
    char *text = leat_to_json(v);
    bool ok = buf_puts(out, text);
    leat_free_text(text);
    return ok;
}

static bool put_json_key(struct buf *out, leat_text key)
{
    leat_value *v = leat_new_string_n(key.ptr, key.len);
    bool ok = put_json_text(out, leat_view_of(v));
    leat_drop(v);
    return ok;
}

/* Single quotes unless only they are in it, as Python chooses. */
static bool put_quoted(struct buf *out, leat_text t)
{
    bool single = t.len > 0 && memchr(t.ptr, '\'', t.len) != NULL;
    bool both = single && memchr(t.ptr, '"', t.len) != NULL;
    char quote = single && !both ? '"' : '\'';
    bool ok = buf_putc(out, quote);
    for (size_t i = 0; ok && i < t.len; i++) {
        unsigned char c = (unsigned char)t.ptr[i];
        if (c == '\n' || c == '\r' || c == '\t') {
            const char *name = c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
            ok = buf_puts(out, name);
        } else if (c < 0x20 || c == 0x7f) {
            ok = buf_printf(out, "\\x%02x", c);
        } else {
            ok = (c != (unsigned char)quote && c != '\\') ||
                 buf_putc(out, '\\');
            ok = ok && buf_putc(out, (char)c);
        }
    }
    return ok && buf_putc(out, quote);
}

static bool put_repr_scalar(struct buf *out, leat_view v)
{
    switch (leat_type_of(v)) {
    case LEAT_MISSING:
    case LEAT_NULL:
        return buf_puts(out, "None");
    case LEAT_BOOL:
        return buf_puts(out, leat_bool(v, false) ? "True" : "False");
    case LEAT_STRING:
        return put_quoted(out, leat_string(v));
    default:
        return put_json_text(out, v);
    }
}

static bool put(struct buf *out, leat_view v, const struct style *s,
                unsigned depth)
{
    bool list = leat_type_of(v) == LEAT_LIST;
    if (!list && leat_type_of(v) != LEAT_OBJECT) {
        return s->scalar(out, v);
    }
    bool ok = depth < 2 * LEAT_DEPTH_MAX && buf_putc(out, list ? '[' : '{');
    for (leat_iter it = leat_iter_of(v); ok && leat_next(&it);) {
        ok = (it.index == 0 || buf_puts(out, ", ")) &&
             (list || (s->key(out, it.key) && buf_puts(out, ": "))) &&
             put(out, it.item, s, depth + 1);
    }
    return ok && buf_putc(out, list ? ']' : '}');
}

bool graph_tool_text_json(struct buf *out, leat_view v)
{
    static const struct style json = {put_json_text, put_json_key};
    return put(out, v, &json, 0);
}

bool graph_tool_text_repr(struct buf *out, leat_view v)
{
    static const struct style repr = {put_repr_scalar, put_quoted};
    return put(out, v, &repr, 0);
}
