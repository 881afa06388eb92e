/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/channel.c: one table row of behaviour per kind of channel
 * (channel.h, spec/engine.md 2).
 */
#include "worker/graph/channel.h"
#include "worker/graph/message.h"

#include <stdlib.h>
#include <string.h>

/* What is being updated, for the functions of the table. */
struct update {
    const struct graph *graph;
    const struct graph_channel *spec;
    struct channel *channel;
    const leat_value *const *values;
    size_t n;
    struct fault *fault;
};

/* ---- helpers ------------------------------------------------------------ */

static void set_value(struct channel *c, leat_value *v)
{
    leat_drop(c->value);
    c->value = v;
}

static bool clear_value(struct channel *c)
{
    bool had = c->value != NULL;
    set_value(c, NULL);
    return had;
}

static bool too_many(const struct update *u, const char *what)
{
    return graph_fault_set(
        u->fault, "InvalidUpdateError",
        "At key '%s': %s(guard=True) can receive only one value per step. "
        "Use guard=False if you want to store any one of multiple values.",
        u->spec->name, what);
}

/* ---- the kinds ---------------------------------------------------------- */

static bool update_last(const struct update *u, bool *changed)
{
    if (u->n == 0) {
        return true;
    }
    if (u->n > 1) {
        return graph_fault_set(
            u->fault, "InvalidUpdateError",
            "At key '%s': Can receive only one value per step. Use an "
            "Annotated key to handle multiple values.\nFor troubleshooting, "
            "visit: " GRAPH_DOCS "errors/INVALID_CONCURRENT_GRAPH_UPDATE",
            u->spec->name);
    }
    set_value(u->channel, leat_hold(u->values[0]));
    *changed = true;
    return true;
}

static bool update_untracked(const struct update *u, bool *changed)
{
    if (u->n == 0) {
        return true;
    }
    if (u->n > 1) {
        return too_many(u, "UntrackedValue");
    }
    set_value(u->channel, leat_hold(u->values[0]));
    *changed = true;
    return true;
}

static bool update_any(const struct update *u, bool *changed)
{
    if (u->n == 0) {
        *changed = clear_value(u->channel);
        return true;
    }
    set_value(u->channel, leat_hold(u->values[u->n - 1]));
    *changed = true;
    return true;
}

static bool update_ephemeral(const struct update *u, bool *changed)
{
    if (u->n > 1 && u->spec->guard) {
        return too_many(u, "EphemeralValue");
    }
    return update_any(u, changed);
}

static bool update_topic(const struct update *u, bool *changed)
{
    struct channel *c = u->channel;
    if (!u->spec->accumulate) {
        *changed = clear_value(c);
    }
    size_t most = 0;
    for (size_t i = 0; i < u->n; i++) {
        leat_view v = leat_view_of(u->values[i]);
        most += leat_type_of(v) == LEAT_LIST ? leat_count(v) : 1;
    }
    if (most == 0) {
        return true;
    }
    leat_value **items = base_zalloc(most * sizeof *items);
    size_t n = 0;
    for (size_t i = 0; i < u->n; i++) {
        leat_view v = leat_view_of(u->values[i]);
        if (leat_type_of(v) != LEAT_LIST) {
            items[n++] = leat_hold(u->values[i]);
            continue;
        }
        for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
            items[n++] = leat_value_of(it.item);
        }
    }
    set_value(c, leat_append(leat_view_of(c->value), n, items));
    free(items);
    *changed = true;
    return true;
}

/* ---- reducers ----------------------------------------------------------- */

static leat_value *reduce_append(leat_view current, leat_view update)
{
    leat_value *first = NULL;
    if (leat_type_of(current) != LEAT_LIST) {
        /* Without a default the first value is kept as it is. */
        leat_value *item = leat_value_of(current);
        first = leat_new_list(item != NULL ? 1 : 0, &item);
        current = leat_view_of(first);
    }
    size_t n = leat_type_of(update) == LEAT_LIST ? leat_count(update) : 1;
    leat_value **items = base_zalloc((n + 1) * sizeof *items);
    if (leat_type_of(update) == LEAT_LIST) {
        size_t at = 0;
        for (leat_iter it = leat_iter_of(update); leat_next(&it);) {
            items[at++] = leat_value_of(it.item);
        }
    } else {
        items[0] = leat_value_of(update);
    }
    leat_value *out = leat_append(current, n, items);
    free(items);
    leat_drop(first);
    return out;
}

static const char *python_type(leat_view v)
{
    switch (leat_type_of(v)) {
    case LEAT_BOOL:
        return "bool";
    case LEAT_INT:
        return "int";
    case LEAT_DOUBLE:
        return "float";
    case LEAT_STRING:
        return "str";
    case LEAT_BYTES:
        return "bytes";
    case LEAT_LIST:
        return "list";
    case LEAT_OBJECT:
        return "dict";
    default:
        return "NoneType";
    }
}

static bool is_number(leat_view v)
{
    enum leat_type t = leat_type_of(v);
    return t == LEAT_INT || t == LEAT_DOUBLE || t == LEAT_BOOL;
}

static int64_t whole(leat_view v)
{
    return leat_type_of(v) == LEAT_BOOL ? leat_bool(v, false) : leat_int(v, 0);
}

static leat_value *reduce_sum(const struct update *u, leat_view a, leat_view b)
{
    if (!is_number(a) || !is_number(b)) {
        graph_fault_set(u->fault, "TypeError",
                        "unsupported operand type(s) for +: '%s' and '%s'",
                        python_type(a), python_type(b));
        return NULL;
    }
    int64_t sum;
    bool doubles =
        leat_type_of(a) == LEAT_DOUBLE || leat_type_of(b) == LEAT_DOUBLE;
    if (!doubles && !__builtin_add_overflow(whole(a), whole(b), &sum)) {
        return leat_new_int(sum);
    }
    return leat_new_double(leat_double(a, (double)whole(a)) +
                           leat_double(b, (double)whole(b)));
}

/* The new value, or NULL with the fault set. */
static leat_value *reduce(const struct update *u, leat_view a, leat_view b)
{
    leat_value *out = NULL;
    switch (u->spec->kind) {
    case CHANNEL_APPEND:
        return reduce_append(a, b);
    case CHANNEL_SUM:
        return reduce_sum(u, a, b);
    case CHANNEL_MESSAGES:
        return graph_messages_add(a, b, &out, u->fault) ? out : NULL;
    default:
        out = u->spec->reduce(a, b);
        if (out == NULL) {
            graph_fault_set(u->fault, "InvalidUpdateError",
                            "The reducer of '%s' gave no value",
                            u->spec->name);
        }
        return out;
    }
}

/* {"__overwrite__": v} or {"type": "__overwrite__", "value": v}. */
static bool is_overwrite(leat_view v, leat_view *inner)
{
    if (leat_type_of(v) != LEAT_OBJECT) {
        return false;
    }
    if (leat_count(v) == 1) {
        *inner = leat_get(v, "__overwrite__");
        return leat_type_of(*inner) != LEAT_MISSING;
    }
    *inner = leat_get(v, "value");
    return leat_count(v) == 2 && leat_is(leat_get(v, "type"), "__overwrite__");
}

static bool update_reduce(const struct update *u, bool *changed)
{
    struct channel *c = u->channel;
    size_t i = 0;
    if (u->n == 0) {
        return true;
    }
    if (c->value == NULL) {
        c->value = leat_hold(u->values[i++]);
    }
    bool overwritten = false;
    for (; i < u->n; i++) {
        leat_view v = leat_view_of(u->values[i]);
        leat_view inner;
        if (is_overwrite(v, &inner)) {
            if (overwritten) {
                return graph_fault_set(
                    u->fault, "InvalidUpdateError",
                    "Can receive only one Overwrite value per super-step."
                    "\nFor troubleshooting, visit: " GRAPH_DOCS
                    "errors/INVALID_CONCURRENT_GRAPH_UPDATE");
            }
            set_value(c, leat_value_of(inner));
            overwritten = true;
        } else if (!overwritten) {
            leat_value *next = reduce(u, leat_view_of(c->value), v);
            if (next == NULL) {
                return false;
            }
            set_value(c, next);
        }
    }
    *changed = true;
    return true;
}

/* ---- barriers and after-finish ------------------------------------------ */

static bool waits_for(const struct update *u, leat_view name)
{
    for (size_t i = 0; i < u->spec->wait_count; i++) {
        if (leat_is(name, u->graph->nodes[u->spec->waits[i]].name)) {
            return true;
        }
    }
    return false;
}

static bool has_seen(const struct channel *c, leat_view name)
{
    for (leat_iter it = leat_iter_of(leat_view_of(c->value));
         leat_next(&it);) {
        if (leat_equal(it.item, name)) {
            return true;
        }
    }
    return false;
}

static bool update_barrier(const struct update *u, bool *changed)
{
    struct channel *c = u->channel;
    for (size_t i = 0; i < u->n; i++) {
        leat_view name = leat_view_of(u->values[i]);
        if (!waits_for(u, name)) {
            return graph_fault_set(u->fault, "InvalidUpdateError",
                                   "At key '%s': a value is none of those "
                                   "waited for", u->spec->name);
        }
        if (!has_seen(c, name)) {
            leat_value *item = leat_hold(u->values[i]);
            set_value(c, leat_append(leat_view_of(c->value), 1, &item));
            *changed = true;
        }
    }
    return true;
}

static bool update_last_finish(const struct update *u, bool *changed)
{
    if (u->n == 0) {
        return true;
    }
    u->channel->finished = false;
    set_value(u->channel, leat_hold(u->values[u->n - 1]));
    *changed = true;
    return true;
}

static bool barrier_full(const struct graph_channel *spec,
                         const struct channel *c)
{
    /* Names of one waiting edge may repeat; seen ones never do. */
    size_t distinct = 0;
    for (size_t i = 0; i < spec->wait_count; i++) {
        bool again = false;
        for (size_t j = 0; j < i; j++) {
            again = again || spec->waits[j] == spec->waits[i];
        }
        distinct += !again;
    }
    return leat_count(leat_view_of(c->value)) == distinct;
}

/* ---- the table ---------------------------------------------------------- */

static bool (*const updates[])(const struct update *, bool *) = {
    [CHANNEL_LAST] = update_last,
    [CHANNEL_APPEND] = update_reduce,
    [CHANNEL_SUM] = update_reduce,
    [CHANNEL_MESSAGES] = update_reduce,
    [CHANNEL_REDUCE] = update_reduce,
    [CHANNEL_TOPIC] = update_topic,
    [CHANNEL_EPHEMERAL] = update_ephemeral,
    [CHANNEL_ANY] = update_any,
    [CHANNEL_UNTRACKED] = update_untracked,
    [CHANNEL_BARRIER] = update_barrier,
    [CHANNEL_LAST_FINISH] = update_last_finish,
    [CHANNEL_BARRIER_FINISH] = update_barrier,
};

static const struct graph_channel *spec_of(const struct channels *c,
                                           uint32_t channel)
{
    must(channel < c->graph->channel_count);
    return &c->graph->channels[channel];
}

bool graph_channel_update(struct channels *c, uint32_t channel,
                          struct channel_values values, bool *changed,
                          struct fault *f)
{
    const struct update u = {
        .graph = c->graph,
        .spec = spec_of(c, channel),
        .channel = &c->at[channel],
        .values = values.at,
        .n = values.count,
        .fault = f,
    };
    *changed = false;
    return updates[u.spec->kind](&u, changed);
}

bool graph_channel_is_full(const struct channels *c, uint32_t channel)
{
    const struct graph_channel *spec = spec_of(c, channel);
    const struct channel *at = &c->at[channel];
    must(at->value != NULL);
    switch (spec->kind) {
    case CHANNEL_BARRIER:
        return barrier_full(spec, at);
    case CHANNEL_BARRIER_FINISH:
        return at->finished && barrier_full(spec, at);
    case CHANNEL_LAST_FINISH:
        return at->finished;
    default:
        return true;
    }
}

leat_view graph_channel_get(const struct channels *c, uint32_t channel)
{
    if (!graph_channel_available(c, channel)) {
        return (leat_view){0};
    }
    return leat_view_of(c->at[channel].value);
}

bool graph_channel_consume(struct channels *c, uint32_t channel)
{
    struct channel *at = &c->at[channel];
    switch (spec_of(c, channel)->kind) {
    case CHANNEL_BARRIER:
    case CHANNEL_BARRIER_FINISH:
    case CHANNEL_LAST_FINISH:
        if (!graph_channel_available(c, channel)) {
            return false;
        }
        at->finished = false;
        return clear_value(at);
    default:
        return false;
    }
}

bool graph_channel_finish(struct channels *c, uint32_t channel)
{
    const struct graph_channel *spec = spec_of(c, channel);
    struct channel *at = &c->at[channel];
    bool ready = false;
    if (spec->kind == CHANNEL_LAST_FINISH) {
        ready = at->value != NULL;
    } else if (spec->kind == CHANNEL_BARRIER_FINISH) {
        ready = barrier_full(spec, at);
    }
    if (!ready || at->finished) {
        return false;
    }
    at->finished = true;
    return true;
}

static bool keeps_finished(enum channel_kind kind)
{
    return kind == CHANNEL_LAST_FINISH || kind == CHANNEL_BARRIER_FINISH;
}

leat_value *graph_channel_dump(const struct channels *c, uint32_t channel)
{
    enum channel_kind kind = spec_of(c, channel)->kind;
    const struct channel *at = &c->at[channel];
    if (at->value == NULL || kind == CHANNEL_UNTRACKED) {
        return NULL;
    }
    if (keeps_finished(kind)) {
        return leat_pack("[W,b]", at->value, (int)at->finished);
    }
    return leat_hold(at->value);
}

/* ---- sets --------------------------------------------------------------- */

static void load_one(struct channels *c, int number, leat_view stored)
{
    if (number < 0) {
        return; /* a channel of an older graph */
    }
    struct channel *at = &c->at[number];
    enum channel_kind kind = c->graph->channels[number].kind;
    if (keeps_finished(kind)) {
        at->finished = leat_bool(leat_at(stored, 1), false);
        stored = leat_at(stored, 0);
    }
    set_value(at, leat_value_of(stored));
}

void graph_channels_init(struct channels *c, const struct graph *g,
                         leat_view stored)
{
    c->graph = g;
    c->at = base_zalloc(g->channel_count * sizeof *c->at);
    for (size_t i = 0; i < g->channel_count; i++) {
        c->at[i].value = leat_hold(g->channels[i].initial);
    }
    for (leat_iter it = leat_iter_of(stored); leat_next(&it);) {
        load_one(c, graph_channel_number(g, it.key.ptr, it.key.len), it.item);
    }
}

void graph_channels_copy(struct channels *to, const struct channels *from)
{
    to->graph = from->graph;
    size_t count = from->graph->channel_count;
    to->at = base_realloc(NULL, count * sizeof *to->at);
    memcpy(to->at, from->at, count * sizeof *to->at);
    for (size_t i = 0; i < count; i++) {
        if (to->at[i].value != NULL) { /* most hold nothing most of the time */
            leat_hold(to->at[i].value);
        }
    }
}

void graph_channels_fini(struct channels *c)
{
    for (size_t i = 0; c->at != NULL && i < c->graph->channel_count; i++) {
        if (c->at[i].value != NULL) {
            leat_drop(c->at[i].value);
        }
    }
    free(c->at);
    c->at = NULL;
}

/* What becomes an object of at most so many keys. */
struct pairs {
    size_t count;
    const char **names;
    leat_value **items;
};

static struct pairs pairs_new(size_t most)
{
    struct pairs p = {0};
    p.names = base_realloc(
        NULL, (most + 1) * (sizeof *p.names + sizeof *p.items));
    p.items = (leat_value **)(void *)(p.names + most + 1);
    return p;
}

static void pairs_add(struct pairs *p, const char *name, leat_value *item)
{
    p->names[p->count] = name;
    p->items[p->count++] = item;
}

static leat_value *pairs_finish(struct pairs *p)
{
    leat_value *out = leat_new_object(p->count, p->names, p->items);
    free(p->names);
    return out;
}

leat_value *graph_channels_read(const struct channels *c,
                                const struct graph_keys *keys)
{
    struct pairs p = pairs_new(keys->count);
    for (size_t i = 0; i < keys->count; i++) {
        uint32_t channel = keys->at[i];
        if (graph_channel_available(c, channel)) {
            pairs_add(&p, c->graph->channels[channel].name,
                      leat_hold(c->at[channel].value));
        }
    }
    return pairs_finish(&p);
}

leat_value *graph_channels_dump(const struct channels *c)
{
    struct pairs p = pairs_new(c->graph->channel_count);
    for (size_t i = 0; i < c->graph->channel_count; i++) {
        leat_value *v = graph_channel_dump(c, (uint32_t)i);
        if (v != NULL) {
            pairs_add(&p, c->graph->channels[i].name, v);
        }
    }
    return pairs_finish(&p);
}
