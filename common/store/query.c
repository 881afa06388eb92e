/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a statement: arguments by a pattern of letters, rows one at a time,
 * columns as our own types. Every failure is kept until the close, so that
 * callers check once. Knows no table and no database.
 */
#include "common/store/inner.h"

#include <stdlib.h>
#include <string.h>

#define EMPTY_OBJECT "\x80" /* msgpack {} */
#define PACKED_NULL "\xc0"

static void bind_value(store_t *s, struct sql_stmt *q, int n,
                       const leat_value *v, const char *instead)
{
    leat_view view = leat_view_of(v);
    enum leat_type type = leat_type_of(view);
    if (type == LEAT_MISSING || type == LEAT_NULL) {
        if (instead == NULL) {
            s->sql->bind_null(q, n);
        } else {
            s->sql->bind_bytes(q, n, instead, 1, false);
        }
        return;
    }
    leat_value *packed = value_packed(v);
    if (packed == v) { /* the caller keeps it: nothing to copy */
        struct value_bytes bytes = value_bytes_of(packed);
        s->sql->bind_bytes(q, n, bytes.ptr, bytes.len, false);
    } else {
        struct value_bytes bytes = value_bytes_of(packed);
        s->sql->bind_bytes(q, n, base_memdup(bytes.ptr, bytes.len), bytes.len,
                           true);
    }
    leat_drop(packed);
}

static void bind_text(store_t *s, struct sql_stmt *q, int n, const char *text)
{
    if (text == NULL) {
        s->sql->bind_null(q, n);
    } else {
        s->sql->bind_text(q, n, text);
    }
}

static void bind_one(store_t *s, struct sql_stmt *q, int n, char type,
                     va_list *ap)
{
    switch (type) {
    case 'i':
        s->sql->bind_int(q, n, va_arg(*ap, int64_t));
        break;
    case 'd':
        s->sql->bind_bytes(q, n, va_arg(*ap, const struct id *)->bytes,
                           sizeof(struct id), false);
        break;
    case 's':
        bind_text(s, q, n, va_arg(*ap, const char *));
        break;
    case 'v':
        bind_value(s, q, n, va_arg(*ap, const leat_value *), NULL);
        break;
    case 'o':
        bind_value(s, q, n, va_arg(*ap, const leat_value *), EMPTY_OBJECT);
        break;
    case 'p':
        bind_value(s, q, n, va_arg(*ap, const leat_value *), PACKED_NULL);
        break;
    default:
        must(type == 'x');
        const void *bytes = va_arg(*ap, const void *);
        s->sql->bind_bytes(q, n, bytes, va_arg(*ap, size_t), false);
        break;
    }
}

static bool open_text(struct store_query *q, const struct sql_text *text,
                      va_list *ap)
{
    q->stmt = NULL;
    q->failed = !q->s->sql->prepare(q->s->db, text, &q->stmt, q->err);
    if (q->failed) {
        return false;
    }
    for (int n = 0; text->types[n] != '\0'; n++) {
        bind_one(q->s, q->stmt, n + 1, text->types[n], ap);
    }
    return true;
}

static bool openv(struct store_query *q, const char *sql, const char *types,
                  va_list *ap)
{
    const struct sql_text text = {.sql = sql, .types = types};
    return open_text(q, &text, ap);
}

bool store_query_open(struct store_query *q, const char *sql, const char *types,
                      ...)
{
    check_magic(q->s, STORE_MAGIC);
    va_list ap;
    va_start(ap, types);
    bool ok = openv(q, sql, types, &ap);
    va_end(ap);
    return ok;
}

bool store_query_open_list(struct store_query *q, const char *sql,
                           const struct store_arg *args, size_t n)
{
    check_magic(q->s, STORE_MAGIC);
    must(n <= STORE_LIST_MAX);
    for (size_t i = 0; i < n; i++) {
        q->types[i] = args[i].type;
    }
    q->types[n] = '\0';
    const struct sql_text text = {.sql = sql, .types = q->types};
    q->stmt = NULL;
    q->failed = !q->s->sql->prepare(q->s->db, &text, &q->stmt, q->err);
    for (size_t i = 0; !q->failed && i < n; i++) {
        int at = (int)i + 1;
        switch (args[i].type) {
        case 'i':
            q->s->sql->bind_int(q->stmt, at, args[i].number);
            break;
        case 'd':
            q->s->sql->bind_bytes(q->stmt, at, args[i].ptr, sizeof(struct id),
                                  false);
            break;
        default:
            must(args[i].type == 's');
            bind_text(q->s, q->stmt, at, args[i].ptr);
            break;
        }
    }
    return !q->failed;
}

bool store_query_next(struct store_query *q)
{
    if (q->failed) {
        return false;
    }
    enum sql_step step = q->s->sql->step(q->stmt, q->err);
    q->failed = step == SQL_FAILED;
    return step == SQL_ROW;
}

bool store_query_close(struct store_query *q)
{
    if (q->stmt != NULL) {
        q->s->sql->reset(q->stmt);
        q->stmt = NULL;
    }
    return !q->failed;
}

bool store_query_run(store_t *s, struct err *err, const char *sql,
                     const char *types, ...)
{
    struct store_query q = {.s = s, .err = err};
    va_list ap;
    va_start(ap, types);
    bool ok = openv(&q, sql, types, &ap);
    va_end(ap);
    q.failed = !ok || !s->sql->run(q.stmt, NULL, err);
    return store_query_close(&q);
}

int64_t store_query_changes(const store_t *s)
{
    return s->sql->changes(s->db);
}

bool store_query_send(struct store_query *q, int64_t *changes, const char *sql,
                      const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    bool ok = openv(q, sql, types, &ap);
    va_end(ap);
    q->failed = !ok || !q->s->sql->run(q->stmt, changes, q->err);
    return store_query_close(q);
}

bool store_query_settle(store_t *s, struct err *err)
{
    return s->sql->settle(s->db, err);
}

bool store_query_guard(struct store_query *q, const char *sql,
                       const char *types, ...)
{
    must(q->unless.code != ERR_NONE);
    const struct sql_text text = {.sql = sql, .types = types, .guard = true};
    va_list ap;
    va_start(ap, types);
    bool ok = open_text(q, &text, &ap);
    va_end(ap);
    bool held = false;
    q->failed = !ok || !q->s->sql->guard(q->stmt, &q->unless, &held, q->err);
    q->refused = ok && q->failed && !held && q->err->code == q->unless.code;
    return store_query_close(q);
}

bool store_query_number(struct store_query *q, int64_t *out, const char *sql,
                        const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    bool ok = openv(q, sql, types, &ap);
    va_end(ap);
    if (ok && store_query_next(q)) {
        *out = store_query_int(q, 0);
    }
    return store_query_close(q);
}

/* ---- columns --------------------------------------------------------------
 */

int64_t store_query_int(const struct store_query *q, int column)
{
    return q->s->sql->get_int(q->stmt, column);
}

uint64_t store_query_uint(const struct store_query *q, int column)
{
    return (uint64_t)store_query_int(q, column);
}

void store_query_id(struct store_query *q, int column, struct id *out)
{
    size_t len = 0;
    const void *bytes = q->s->sql->get_bytes(q->stmt, column, &len);
    memset(out, 0, sizeof *out);
    if (len != sizeof *out) {
        q->failed = true;
        (void)err_set(q->err, ERR_STORE, "a stored id has %zu bytes", len);
        return;
    }
    memcpy(out, bytes, sizeof *out);
}

char *store_query_text(const struct store_query *q, int column)
{
    const char *text = q->s->sql->get_text(q->stmt, column);
    return text == NULL ? NULL : base_strdup(text);
}

void store_query_copy(const struct store_query *q, int column, char *out,
                      size_t cap)
{
    const char *text = q->s->sql->get_text(q->stmt, column);
    (void)base_copy(out, cap, text == NULL ? "" : text);
}

leat_value *store_query_value(struct store_query *q, int column)
{
    if (q->s->sql->is_null(q->stmt, column)) {
        return NULL;
    }
    size_t len = 0;
    const void *bytes = q->s->sql->get_bytes(q->stmt, column, &len);
    leat_value *value = NULL;
    if (!value_from_bytes(bytes, len, &value, q->err)) {
        q->failed = true;
        (void)err_set(q->err, ERR_STORE, "a stored value cannot be read");
        return NULL;
    }
    return value;
}
