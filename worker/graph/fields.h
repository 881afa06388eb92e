/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/fields.h: an object put together from parts that it shares. Payloads
 * hold whole states: they are built with this and never copied.
 */
#ifndef GRAPH_FIELDS_H
#define GRAPH_FIELDS_H

#include "common/base.h"
#include <leat/value.h>

#define FIELDS_MAX 16

struct fields {
    size_t count;
    const char *keys[FIELDS_MAX];
    leat_value *values[FIELDS_MAX];
};

/* Takes the value; NULL leaves the key out. */
static inline void graph_fields_add(struct fields *f, const char *key,
                                    leat_value *value)
{
    if (value != NULL) {
        must(f->count < FIELDS_MAX);
        f->keys[f->count] = key;
        f->values[f->count++] = value;
    }
}

static inline void graph_fields_text(struct fields *f, const char *key,
                                     const char *text)
{
    graph_fields_add(f, key, leat_new_string(text));
}

static inline leat_value *graph_fields_object(struct fields *f)
{
    return leat_new_object(f->count, f->keys, f->values);
}

/* {key: value}; takes the value. */
static inline leat_value *graph_field(const char *key, leat_value *value)
{
    return leat_new_object(1, &key, &value);
}

#endif
