/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/task.c: who a task is (task.h, spec/engine.md 3). Running nodes is
 * work.c's, what becomes of their results writer.c's.
 */
#include "worker/graph/task.h"
#include "common/id.h"
#include "common/value.h"

#include <stdlib.h>
#include <string.h>

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

/* ---- the id ------------------------------------------------------------- */

/* Written by hand: each task of each step has one. */
static char *put(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}

static char *put_text(char *to, const char *text)
{
    return put(to, text, strlen(text));
}

static char *put_int(char *to, int64_t n)
{
    char digits[24];
    char *at = digits + sizeof digits;
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (n < 0) {
        *--at = '-';
    }
    return put(to, at, (size_t)(digits + sizeof digits - at));
}

static char *put_triggers(char *to, const struct graph_node *n)
{
    for (leat_iter it = leat_iter_of(leat_view_of(n->triggers_shown));
         leat_next(&it);) {
        leat_text name = leat_string(it.item);
        to = put(to, name.ptr, name.len);
    }
    return to;
}

/* What the id is the hash of; the room is key_size(). */
static char *put_key(char *to, const struct task_key *k)
{
    struct id id;
    bool parsed = id_parse(k->checkpoint_id, &id);
    must(parsed); /* every checkpoint id is one of ours or was checked */
    to = put(to, (const char *)id.bytes, sizeof id.bytes);
    to = put_text(to, k->ns);
    to = put_text(to, k->ns[0] != '\0' ? "|" : "");
    to = put_text(to, k->node->name);
    to = put_int(to, k->step);
    to = put_text(to, k->node->name);
    if (k->push) {
        to = put_text(to, "__pregel_push");
        return put_int(to, k->index);
    }
    return put_triggers(put_text(to, "__pregel_pull"), k->node);
}

static size_t key_size(const struct task_key *k)
{
    size_t triggers = value_packed_size(leat_view_of(k->node->triggers_shown));
    return strlen(k->ns) + 2 * strlen(k->node->name) + triggers + 128;
}

void graph_task_id(const struct task_key *k, char out[37])
{
    static const size_t groups[] = {8, 4, 4, 4, 12};
    char near[1024], hex[ID_HEX_SIZE];
    size_t size = key_size(k);
    char *key = size <= sizeof near ? near : base_realloc(NULL, size);
    char *end = put_key(key, k);
    must((size_t)(end - key) <= size);
    id_xxh3_hex(key, (size_t)(end - key), hex);
    const char *from = hex;
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        out = put(out, from, groups[i]);
        from += groups[i];
        *out++ = i + 1 < COUNT_OF(groups) ? '-' : '\0';
    }
    if (key != near) {
        free(key);
    }
}
