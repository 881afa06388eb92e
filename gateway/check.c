/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c: the checks, from plain types to the parts of a run's request.
 */
#include "gateway/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/id.h"
#include "gateway/sse.h"

#define PATH_MAX_LEN 160
#define MINUTE_US 60e6
#define MINUTES_MAX 52596000.0 /* a hundred years */

bool gw_check_present(leat_view v)
{
    enum leat_type type = leat_type_of(v);
    return type != LEAT_MISSING && type != LEAT_NULL;
}

bool gw_check_wrong(struct err *err, const char *path, const char *must_be)
{
    return err_set(err, ERR_INVALID, "%s: must be %s", path, must_be);
}

static bool is(leat_view v, enum leat_type type, const char *path,
               const char *must_be, struct err *err)
{
    return leat_type_of(v) == type || gw_check_wrong(err, path, must_be);
}

/* "path[3]" or "path.key", cut to fit: it is for people. */
static const char *at_index(char out[PATH_MAX_LEN], const char *path, size_t i)
{
    (void)snprintf(out, PATH_MAX_LEN, "%.120s[%zu]", path, i);
    return out;
}

static const char *at_key(char out[PATH_MAX_LEN], const char *path,
                          const char *key)
{
    (void)snprintf(out, PATH_MAX_LEN, "%.100s%s%.50s", path,
                   *path == '\0' ? "" : ".", key);
    return out;
}

/* ---- plain types ------------------------------------------------------- */

bool gw_check_any(leat_view v, const char *path, struct err *err)
{
    (void)v;
    (void)path;
    (void)err;
    return true;
}

/* Names and the like are columns of the store, which end at a NUL or cannot
 * have one; bodies are bytes and may. */
static bool has_nul(leat_view v)
{
    leat_text text = leat_string(v);
    return text.ptr != NULL && memchr(text.ptr, '\0', text.len) != NULL;
}

bool gw_check_string(leat_view v, const char *path, struct err *err)
{
    return is(v, LEAT_STRING, path, "a string", err) &&
           (!has_nul(v) ||
            gw_check_wrong(err, path, "a string without NUL characters"));
}

bool gw_check_text(leat_view v, const char *path, struct err *err)
{
    return ((leat_type_of(v) == LEAT_STRING && leat_count(v) > 0) ||
            gw_check_wrong(err, path, "a string that is not empty")) &&
           gw_check_string(v, path, err);
}

bool gw_check_object(leat_view v, const char *path, struct err *err)
{
    return is(v, LEAT_OBJECT, path, "an object", err);
}

bool gw_check_bool(leat_view v, const char *path, struct err *err)
{
    return is(v, LEAT_BOOL, path, "true or false", err);
}

static bool list_of(leat_view v, gw_check_fn *check, const char *path,
                    struct err *err)
{
    if (!is(v, LEAT_LIST, path, "a list", err)) {
        return false;
    }
    leat_iter it = leat_iter_of(v);
    while (leat_next(&it)) {
        char place[PATH_MAX_LEN];
        if (!check(it.item, at_index(place, path, it.index), err)) {
            return false;
        }
    }
    return true;
}

bool gw_check_strings(leat_view v, const char *path, struct err *err)
{
    return list_of(v, gw_check_string, path, err);
}

bool gw_check_uuid(leat_view v, const char *path, struct err *err)
{
    struct id id;
    leat_text text = leat_string(v);
    return (text.ptr != NULL && id_parse_n(text.ptr, text.len, &id)) ||
           gw_check_wrong(err, path, "a UUID");
}

bool gw_check_uuids(leat_view v, const char *path, struct err *err)
{
    return list_of(v, gw_check_uuid, path, err);
}

bool gw_check_seconds(leat_view v, const char *path, struct err *err)
{
    enum leat_type type = leat_type_of(v);
    double n = leat_double(v, -1);
    /* a hundred years; beyond it milliseconds would not fit for ever */
    return ((type == LEAT_INT || type == LEAT_DOUBLE) && isfinite(n) &&
            n >= 0 && n <= 3.2e9) ||
           gw_check_wrong(err, path, "a number of seconds of at least 0");
}

bool gw_check_minutes(leat_view v, const char *path, struct err *err)
{
    enum leat_type type = leat_type_of(v);
    double n = leat_double(v, 0);
    return ((type == LEAT_INT || type == LEAT_DOUBLE) && isfinite(n) && n > 0 &&
            n <= MINUTES_MAX) ||
           gw_check_wrong(err, path, "a number of minutes above 0");
}

int64_t gw_check_minutes_us(leat_view minutes)
{
    return max_i64((int64_t)(leat_double(minutes, 0) * MINUTE_US), 1);
}

/* 5.0 is one too, as it is for JSON Schema. */
static bool whole_number(leat_view v, int64_t min, int64_t max)
{
    int64_t n = leat_int(v, min - 1);
    return n >= min && n <= max;
}

bool gw_check_limit(leat_view v, const char *path, struct err *err)
{
    return whole_number(v, 1, 1000) ||
           gw_check_wrong(err, path, "a whole number from 1 to 1000");
}

bool gw_check_offset(leat_view v, const char *path, struct err *err)
{
    return whole_number(v, 0, INT64_MAX) ||
           gw_check_wrong(err, path, "a whole number of at least 0");
}

bool gw_check_count(leat_view v, const char *path, struct err *err)
{
    return whole_number(v, 1, INT64_MAX) ||
           gw_check_wrong(err, path, "a whole number of at least 1");
}

static bool is_word(leat_text text, const char *words)
{
    while (*words != '\0') {
        size_t n = strcspn(words, "|");
        if (n == text.len && memcmp(words, text.ptr, n) == 0) {
            return true;
        }
        words += n + (words[n] == '|');
    }
    return false;
}

bool gw_check_word(leat_view v, const char *path, const char *words,
                   struct err *err)
{
    leat_text text = leat_string(v);
    return (text.ptr != NULL && is_word(text, words)) ||
           err_set(err, ERR_INVALID, "%s: must be one of %s", path, words);
}

bool gw_check_words(leat_view list, const char *path, const char *words,
                    struct err *err)
{
    leat_iter it = leat_iter_of(list);
    while (leat_next(&it)) {
        char place[PATH_MAX_LEN];
        if (!gw_check_word(it.item, at_index(place, path, it.index), words,
                           err)) {
            return false;
        }
    }
    return true;
}

bool gw_check_fields(leat_view body, const char *path,
                     const struct gw_check_field *rows, size_t n,
                     struct err *err)
{
    if (!is(body, LEAT_OBJECT, *path == '\0' ? "body" : path, "an object",
            err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct gw_check_field *row = &rows[i];
        leat_view v = leat_get(body, row->name);
        bool present = gw_check_present(v);
        if (!present && !row->required) {
            continue;
        }
        char place[PATH_MAX_LEN];
        (void)at_key(place, path, row->name);
        if (!present) {
            return err_set(err, ERR_INVALID, "%s: is required", place);
        }
        bool ok = row->check != NULL ? row->check(v, place, err)
                                     : gw_check_word(v, place, row->words, err);
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* ---- parts of a run's request ------------------------------------------ */

bool gw_check_nodes(leat_view v, const char *path, struct err *err)
{
    if (leat_is(v, "*")) {
        return true;
    }
    if (leat_type_of(v) != LEAT_LIST) {
        return gw_check_wrong(err, path, "\"*\" or a list of node names");
    }
    return list_of(v, gw_check_text, path, err);
}

static bool one_mode(leat_view v, const char *path, struct err *err)
{
    leat_text text = leat_string(v);
    return (text.ptr != NULL && gw_sse_mode(text) != 0) ||
           gw_check_wrong(err, path,
                          "one of values, updates, messages, messages-tuple, "
                          "tasks, checkpoints, events, debug, custom, tools");
}

bool gw_check_mode(leat_view v, const char *path, struct err *err)
{
    return leat_type_of(v) == LEAT_LIST ? list_of(v, one_mode, path, err)
                                        : one_mode(v, path, err);
}

static bool starts(leat_text text, const char *word)
{
    size_t n = strlen(word);
    return text.len >= n && memcmp(text.ptr, word, n) == 0;
}

bool gw_check_webhook(leat_view v, const char *path, struct err *err)
{
    leat_text text = leat_string(v);
    bool ok = text.ptr != NULL && text.len >= 1 && text.len <= 65536 &&
              (starts(text, "http://") || starts(text, "https://") ||
               text.ptr[0] == '/');
    return ok || gw_check_wrong(err, path,
                                "an http URL or a path, of 1 to 65536 bytes");
}

static bool update_pair(leat_view v, const char *path, struct err *err)
{
    return (leat_type_of(v) == LEAT_LIST && leat_count(v) == 2 &&
            leat_type_of(leat_at(v, 0)) == LEAT_STRING) ||
           gw_check_wrong(err, path, "a pair [key, value]");
}

static bool command_update(leat_view v, const char *path, struct err *err)
{
    if (leat_type_of(v) == LEAT_OBJECT) {
        return true;
    }
    if (leat_type_of(v) != LEAT_LIST) {
        return gw_check_wrong(err, path,
                              "an object or a list of pairs [key, value]");
    }
    return list_of(v, update_pair, path, err);
}

static bool one_goto(leat_view v, const char *path, struct err *err)
{
    if (leat_type_of(v) == LEAT_OBJECT) {
        static const struct gw_check_field send[] = {
            {"node", gw_check_text, NULL, true},
        };
        return gw_check_fields(v, path, send, COUNT_OF(send), err);
    }
    return (leat_type_of(v) == LEAT_STRING && leat_count(v) > 0) ||
           gw_check_wrong(err, path, "a node name or {node, input}");
}

static bool command_goto(leat_view v, const char *path, struct err *err)
{
    return leat_type_of(v) == LEAT_LIST ? list_of(v, one_goto, path, err)
                                        : one_goto(v, path, err);
}

bool gw_check_command(leat_view v, const char *path, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"update", command_update, NULL, false},
        {"goto", command_goto, NULL, false},
    };
    return gw_check_fields(v, path, rows, COUNT_OF(rows), err);
}

bool gw_check_checkpoint(leat_view v, const char *path, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"thread_id", gw_check_string, NULL, false},
        {"checkpoint_ns", gw_check_string, NULL, false},
        {"checkpoint_id", gw_check_string, NULL, false},
        {"checkpoint_map", gw_check_object, NULL, false},
    };
    return gw_check_fields(v, path, rows, COUNT_OF(rows), err);
}

static bool recursion_limit(leat_view v, const char *path, struct err *err)
{
    return whole_number(v, 1, INT32_MAX) ||
           gw_check_wrong(err, path, "a whole number of at least 1");
}

bool gw_check_config(leat_view v, const char *path, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"tags", gw_check_strings, NULL, false},
        {"recursion_limit", recursion_limit, NULL, false},
        {"configurable", gw_check_object, NULL, false},
        {"metadata", gw_check_object, NULL, false},
    };
    return gw_check_fields(v, path, rows, COUNT_OF(rows), err);
}

bool gw_check_tracer(leat_view v, const char *path, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"project_name", gw_check_string, NULL, false},
        {"example_id", gw_check_string, NULL, false},
    };
    return gw_check_fields(v, path, rows, COUNT_OF(rows), err);
}
