/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen.c: see listen.h.
 */
#include "tests/property/listen.h"

#include "common/wire.h"
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word, *name; /* asked for, and of the events */
} modes_known[] = {
    {"values", "values"},         {"updates", "updates"},
    {"messages-tuple", "messages"}, {"custom", "custom"},
    {"tasks", "tasks"},           {"checkpoints", "checkpoints"},
    {"debug", "debug"},           {"events", "events"},
};

static struct outbox_budget budget = {.max = INT64_MAX};

static void on_ready(void *arg, outbox_t *o)
{
    (void)arg;
    wrk_outbox_drop(&o);
}

static leat_value *words_of(unsigned modes)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    for (size_t i = 0; i < COUNT_OF(modes_known); i++) {
        if ((modes & 1u << i) != 0) {
            leat_write_string(w, modes_known[i].word);
        }
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

void listen_begin(struct listener *l, struct world *w, unsigned modes,
                  uint64_t first)
{
    const struct outbox_conf conf = {
        .attempt = 1,
        .first_seq = first,
        .window = UINT32_MAX,
        .budget = &budget,
        .ready = on_ready,
    };
    *l = (struct listener){.words = words_of(modes), .first = first};
    l->out = wrk_outbox_new(&conf);
    l->emit = wrk_emit_new(l->out, leat_view_of(l->words));
    w->modes = wrk_emit_modes(leat_view_of(l->words));
    w->emit = wrk_emit_event;
    w->arg = l->emit;
}

static tree *entry_of(uint64_t seq, const struct wire_event *ev)
{
    char *name = base_memdup(ev->name.ptr, ev->name.len);
    char *ns = base_memdup(ev->ns.ptr, ev->ns.len);
    leat_value *number = leat_new_int((int64_t)seq);
    tree *t = tree_object();
    tree_set(t, "seq", tree_from_view(leat_view_of(number)));
    tree_set(t, "name", tree_text(name));
    tree_set(t, "ns", tree_text(ns));
    tree_set(t, "payload", tree_from_view(ev->payload));
    leat_drop(number);
    free(name);
    free(ns);
    return t;
}

/* What a publisher would send, in batches that say their first number. */
static tree *read_out(outbox_t *o)
{
    tree *log = tree_list();
    struct outbox_batch b;
    while (wrk_outbox_next(o, &b)) {
        const unsigned char *at = b.bytes;
        struct wire_event ev;
        for (uint64_t seq = b.seq;
             wire_event_next(&at, (const unsigned char *)b.bytes + b.len, &ev);
             seq++) {
            tree_push(log, entry_of(seq, &ev));
        }
        wrk_outbox_sent(o);
    }
    return log;
}

tree *listen_run(struct listener *l, struct world *w, const struct ask *a,
                 int attempt)
{
    struct id run = {{0}};
    wrk_emit_metadata(l->emit, &run, (unsigned)attempt);
    world_run(w, a, attempt);
    if (w->result.status == GRAPH_FAILED) {
        wrk_emit_error(l->emit, w->result.error_type, w->result.error_text);
    }
    wrk_emit_end(l->emit, "over");
    tree *log = read_out(l->out);
    w->modes = 0;
    w->emit = NULL;
    wrk_emit_destroy(&l->emit);
    wrk_outbox_drop(&l->out);
    leat_drop(l->words);
    l->words = NULL;
    return log;
}

static bool is_wanted(const tree *entry, unsigned modes)
{
    const tree *name = tree_get(entry, "name");
    for (size_t i = 0; i < COUNT_OF(modes_known); i++) {
        if (tree_is(name, modes_known[i].name)) {
            return (modes & 1u << i) != 0;
        }
    }
    return true; /* metadata, error, end: everybody's */
}

tree *listen_project(const tree *log, unsigned modes)
{
    tree *out = tree_list();
    for (size_t i = 0; i < tree_count(log); i++) {
        if (is_wanted(tree_at(log, i), modes)) {
            tree *t = tree_copy(tree_at(log, i));
            tree_drop(t, "seq");
            tree_push(out, t);
        }
    }
    return out;
}
