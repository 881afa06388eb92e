/* SPDX-License-Identifier: Apache-2.0 */
/*
 * items.c: the store of items over HTTP. Whose items they are the request's
 * store handle knows. Without an index there is nothing to search by meaning,
 * so a `query` lists and an `index` says nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/store/filter.h"
#include "gateway/check.h"
#include "gateway/handlers.h"

#define ISO(us) clock_to_iso((us), (char[CLOCK_ISO_SIZE]){0})

/* ---- fields ------------------------------------------------------------ */

static bool is_label(leat_view v)
{
    leat_text t = leat_string(v);
    return t.ptr != NULL && t.len > 0 && memchr(t.ptr, '.', t.len) == NULL &&
           memchr(t.ptr, '\0', t.len) == NULL;
}

static bool check_labels(leat_view v, const char *path, struct err *err)
{
    if (leat_type_of(v) != LEAT_LIST) {
        return gw_check_wrong(err, path, "a list of labels");
    }
    for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
        if (!is_label(it.item)) {
            return err_set(err, ERR_INVALID,
                           "%s[%zu]: must be a label, a string that is not "
                           "empty and has no \".\"",
                           path, it.index);
        }
    }
    return true;
}

/* A list of labels that has some; an empty one is a 400 of its own. */
static bool check_space(const struct gw_req *r, leat_view v, struct err *err)
{
    if (!check_labels(v, "namespace", err)) {
        return false;
    }
    size_t bytes = 0;
    for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
        bytes += leat_count(it.item) + 1;
    }
    int64_t most = conf_int(r->app->conf, CONF_NAME_BYTES);
    if (bytes == 0) {
        return err_set(err, ERR_BAD_REQUEST, "namespace: is required");
    }
    return bytes <= (size_t)most ||
           err_set(err, ERR_INVALID,
                   "namespace: must not be longer than %d bytes", (int)most);
}

static bool check_key(const struct gw_req *r, leat_view v, struct err *err)
{
    leat_text t = leat_string(v);
    int64_t most = conf_int(r->app->conf, CONF_NAME_BYTES);
    if (t.ptr == NULL || t.len == 0 || memchr(t.ptr, '\0', t.len) != NULL) {
        return gw_check_wrong(err, "key",
                              "a string that is not empty and has no NUL");
    }
    return t.len <= (size_t)most ||
           err_set(err, ERR_INVALID, "key: must not be longer than %d bytes",
                   (int)most);
}

static bool check_index(leat_view v, const char *path, struct err *err)
{
    if (leat_type_of(v) == LEAT_BOOL && !leat_bool(v, true)) {
        return true;
    }
    return leat_type_of(v) == LEAT_LIST
               ? gw_check_strings(v, path, err)
               : gw_check_wrong(err, path, "false or a list of paths");
}

static enum store_refresh refresh_of(bool given, bool yes)
{
    if (!given) {
        return STORE_REFRESH_DEFAULT;
    }
    return yes ? STORE_REFRESH_YES : STORE_REFRESH_NO;
}

/* ---- one item ---------------------------------------------------------- */

/* The key's text is to be freed. */
static struct store_item_key key_of(leat_view body, char **text)
{
    *text = value_strdup(leat_get(body, "key"));
    return (struct store_item_key){.space = leat_get(body, "namespace"),
                                   .key = *text};
}

static bool check_name(struct gw_req *r, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    return check_space(r, leat_get(body, "namespace"), err) &&
           check_key(r, leat_get(body, "key"), err) &&
           gw_req_store(r, err) != NULL;
}

bool gw_items_put(struct gw_req *r, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"namespace", gw_check_any, NULL, true},
        {"key", gw_check_any, NULL, true},
        {"value", gw_check_object, NULL, true},
        {"index", check_index, NULL, false},
        {"ttl", gw_check_minutes, NULL, false},
    };
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err) ||
        !check_name(r, err)) {
        return false;
    }
    char *text = NULL;
    const struct store_item_key k = key_of(body, &text);
    leat_value *value = leat_value_of(leat_get(body, "value"));
    leat_view ttl = leat_get(body, "ttl");
    int64_t us = gw_check_present(ttl) ? gw_check_minutes_us(ttl) : 0;
    bool ok = store_items_put(r->store, &k, value, us, err);
    leat_drop(value);
    free(text);
    return ok && gw_req_reply(r, 204, NULL, NULL, 0);
}

bool gw_items_delete(struct gw_req *r, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"namespace", gw_check_any, NULL, true},
        {"key", gw_check_any, NULL, true},
    };
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err) ||
        !check_name(r, err)) {
        return false;
    }
    char *text = NULL;
    const struct store_item_key k = key_of(body, &text);
    bool ok = store_items_delete(r->store, &k, err);
    free(text);
    return ok && gw_req_reply(r, 204, NULL, NULL, 0);
}

static leat_value *render(const struct store_item *i)
{
    return leat_pack("{s:W, s:s, s:W, s:s, s:s}", "namespace", i->space, "key",
                     i->key, "value", i->value, "created_at",
                     ISO(i->created_us), "updated_at", ISO(i->updated_us));
}

static void add_labels(leat_writer *w, const char *text)
{
    for (;;) {
        size_t n = strcspn(text, ".");
        leat_write_string_n(w, text, n);
        if (text[n] == '\0') {
            return;
        }
        text += n + 1;
    }
}

/* Labels joined by dots, as both SDKs send them, or one to a parameter. */
static leat_value *query_space(struct gw_req *r)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    const char *at = NULL;
    for (const char *text = gw_req_query_first(r, "namespace", &at);
         text != NULL; text = gw_req_query_next(r, "namespace", &at)) {
        add_labels(w, text);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static bool get(struct gw_req *r, leat_view space, bool refresh,
                struct err *err)
{
    struct store_item item;
    bool found = false;
    const struct store_item_key k = {
        .space = space,
        .key = gw_req_query(r, "key"),
        .refresh = refresh_of(gw_req_query(r, "refresh_ttl") != NULL, refresh),
    };
    if (!store_items_get(r->store, &k, &item, &found, err)) {
        return false;
    }
    leat_value *v = found ? render(&item) : leat_new_null();
    store_item_fini(&item);
    return gw_req_json_take(r, v);
}

bool gw_items_get(struct gw_req *r, struct err *err)
{
    bool refresh = false;
    const char *key = gw_req_query(r, "key");
    if (key == NULL) {
        return err_set(err, ERR_INVALID, "key: is required");
    }
    if (!gw_req_query_bool(r, "refresh_ttl", false, &refresh, err)) {
        return false;
    }
    leat_value *space = query_space(r);
    leat_value *name = leat_new_string(key);
    bool ok = check_space(r, leat_view_of(space), err) &&
              check_key(r, leat_view_of(name), err) &&
              gw_req_store(r, err) != NULL &&
              get(r, leat_view_of(space), refresh, err);
    leat_drop(name);
    leat_drop(space);
    return ok;
}

/* ---- many -------------------------------------------------------------- */

bool gw_items_search(struct gw_req *r, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"namespace_prefix", check_labels, NULL, false},
        {"filter", store_filter_check, NULL, false},
        {"limit", gw_check_limit, NULL, false},
        {"offset", gw_check_offset, NULL, false},
        {"query", gw_check_string, NULL, false},
        {"refresh_ttl", gw_check_bool, NULL, false},
    };
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    leat_view refresh = leat_get(body, "refresh_ttl");
    const struct store_items_query q = {
        .prefix = leat_get(body, "namespace_prefix"),
        .filter = leat_get(body, "filter"),
        .limit = (size_t)leat_int(leat_get(body, "limit"), 10),
        .offset = (size_t)leat_int(leat_get(body, "offset"), 0),
        .refresh =
            refresh_of(gw_check_present(refresh), leat_bool(refresh, false)),
    };
    struct store_item *list = NULL;
    size_t n = 0;
    if (!store_items_search(r->store, &q, &list, &n, err)) {
        return false;
    }
    leat_value **items = base_zalloc((n + 1) * sizeof(*items));
    for (size_t i = 0; i < n; i++) {
        items[i] = render(&list[i]);
    }
    leat_value *all = leat_new_list(n, items);
    free(items);
    store_items_free(&list, n);
    return gw_req_json_take(r, leat_pack("{s:V}", "items", all));
}

bool gw_items_spaces(struct gw_req *r, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"prefix", check_labels, NULL, false},
        {"suffix", check_labels, NULL, false},
        {"max_depth", gw_check_count, NULL, false},
        {"limit", gw_check_limit, NULL, false},
        {"offset", gw_check_offset, NULL, false},
    };
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    const struct store_spaces_query q = {
        .prefix = leat_get(body, "prefix"),
        .suffix = leat_get(body, "suffix"),
        .max_depth = (size_t)leat_int(leat_get(body, "max_depth"), 0),
        .limit = (size_t)leat_int(leat_get(body, "limit"), 100),
        .offset = (size_t)leat_int(leat_get(body, "offset"), 0),
    };
    leat_value *spaces = NULL;
    return store_items_spaces(r->store, &q, &spaces, err) &&
           gw_req_json_take(r, leat_pack("{s:V}", "namespaces", spaces));
}
