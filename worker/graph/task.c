/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/task.c: who a task is (task.h, spec/engine.md 3). Running nodes is
 * work.c's, what becomes of their results writer.c's.
 */
#include "worker/graph/task.h"
#include "common/buf.h"
#include "common/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES_MAX (1 << 20)

/* ---- identity ----------------------------------------------------------- */

void graph_tasks_fini(struct tasks *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->at[i].ns);
        leat_drop(t->at[i].input);
        graph_writes_fini(&t->at[i].writes);
    }
    free(t->at);
    *t = (struct tasks){0};
}

struct task *graph_tasks_get(const struct tasks *t, const char *id)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->at[i].id, id) == 0) {
            return &t->at[i];
        }
    }
    return NULL;
}

leat_value *graph_task_path(const struct task *t)
{
    if (t->push) {
        return leat_pack("[s,I,b]", "__pregel_push", (int64_t)t->index, 0);
    }
    return leat_pack("[s,s]", "__pregel_pull", t->node->name);
}

static leat_value *push_triggers;

__attribute__((constructor)) static void make_push_triggers(void)
{
    push_triggers = leat_pack("[s]", "__pregel_push");
}

__attribute__((destructor)) static void drop_push_triggers(void)
{
    leat_drop(push_triggers);
}

const leat_value *graph_task_triggers(const struct task *t)
{
    return t->push ? push_triggers : t->node->triggers_shown;
}

static void hash_triggers(struct buf *b, const struct graph_node *n)
{
    bool room = true;
    for (leat_iter it = leat_iter_of(leat_view_of(n->triggers_shown));
         leat_next(&it);) {
        leat_text name = leat_string(it.item);
        room = room && buf_append(b, name.ptr, name.len);
    }
    must(room);
}

void graph_task_id(const struct task_key *k, char out[37])
{
    struct buf b;
    struct id id = {{0}};
    buf_init(&b, KEY_BYTES_MAX);
    bool parsed = id_parse(k->checkpoint_id, &id);
    must(parsed); /* every checkpoint id is one of ours or was checked */
    bool room = buf_append(&b, id.bytes, sizeof id.bytes) &&
                buf_printf(&b, "%s%s%s%d%s", k->ns,
                           k->ns[0] != '\0' ? "|" : "", k->node->name,
                           k->step, k->node->name);
    if (k->push) {
        room = room && buf_printf(&b, "__pregel_push%u", k->index);
        must(room);
    } else {
        room = room && buf_puts(&b, "__pregel_pull");
        must(room);
        hash_triggers(&b, k->node);
    }
    char hex[ID_HEX_SIZE];
    id_xxh3_hex(b.data, b.len, hex);
    buf_fini(&b);
    static const size_t widths[] = {8, 4, 4, 4, 12}; /* as a UUID is written */
    const char *from = hex;
    for (size_t i = 0; i < COUNT_OF(widths); i++) {
        memcpy(out, from, widths[i]);
        from += widths[i];
        out += widths[i];
        *out++ = i + 1 < COUNT_OF(widths) ? '-' : '\0';
    }
}
