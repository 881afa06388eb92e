/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h: the shapes that fields of request bodies must have. Each check
 * either passes or says in one sentence which place of the body is wrong and
 * what must stand there (422). Null counts as absent, so checks never see it.
 */
#ifndef GATEWAY_CHECK_H
#define GATEWAY_CHECK_H

#include "common/err.h"
#include "common/value.h"

typedef bool gw_check_fn(leat_view v, const char *path, struct err *err);

/* Given and not null. */
bool gw_check_present(leat_view v);
/* The 422 for `path`; returns false. */
bool gw_check_wrong(struct err *err, const char *path, const char *must_be);

gw_check_fn gw_check_any;
gw_check_fn gw_check_text;       /* a non-empty string */
gw_check_fn gw_check_string;
gw_check_fn gw_check_strings;    /* a list of strings */
gw_check_fn gw_check_object;
gw_check_fn gw_check_bool;
gw_check_fn gw_check_uuid;
gw_check_fn gw_check_uuids;      /* a list of them */
gw_check_fn gw_check_seconds;    /* a number of at least 0 */
gw_check_fn gw_check_minutes;    /* a number above 0 */
gw_check_fn gw_check_limit;      /* 1 to 1000 */
gw_check_fn gw_check_offset;     /* at least 0 */
gw_check_fn gw_check_count;      /* at least 1 */
gw_check_fn gw_check_nodes;      /* "*" or a list of node names */
gw_check_fn gw_check_mode;       /* a stream mode or a list of them */
gw_check_fn gw_check_webhook;
gw_check_fn gw_check_command;
gw_check_fn gw_check_checkpoint;
gw_check_fn gw_check_config;
gw_check_fn gw_check_tracer;

/* The time that so many minutes are, at least a microsecond. */
int64_t gw_check_minutes_us(leat_view minutes);

/* One of the words in "a|b|c". */
bool gw_check_word(leat_view v, const char *path, const char *words,
                   struct err *err);
/* The same for each element of a list; anything but a list has none. */
bool gw_check_words(leat_view list, const char *path, const char *words,
                    struct err *err);

/* A row of what a body may hold: a name and its check, or its words. */
struct gw_check_field {
    const char *name;
    gw_check_fn *check; /* NULL: words */
    const char *words;
    bool required;
};
/* The body is an object and all its fields are as the rows say; unknown keys
 * are ignored. `path` is put before the names ("" for the body itself). */
MUST_USE bool gw_check_fields(leat_view body, const char *path,
                              const struct gw_check_field *rows, size_t n,
                              struct err *err);

#endif
