/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mark.c: what the relay tells a worker about its log. Half the messages of a
 * short run would be marks, so its first one waits a little: most often the
 * last one has overtaken it.
 */
#include <stdlib.h>

#include "broker/relay_in.h"

#define SAFE_BYTES 4096 /* about what a worker keeps of a run not stored */
#define OWE_MS 5
#define OWED_MAX 65536

void brk_mark_send(struct relay *r, const struct ring_log *log,
                   enum wire_type type, uint64_t seq)
{
    must(r != NULL && log != NULL);
    if (log->worker.len == 0) {
        return;
    }
    const struct wire_head head = {
        .type = (uint8_t)type,
        .attempt = log->attempt,
        .epoch = r->env->epoch,
        .run = log->run,
        .thread = log->thread,
        .seq = seq,
    };
    (void)link_send(r->events, &log->worker, &head, NULL);
}

void brk_mark_received(struct relay *r, struct ring_log *log)
{
    must(log->next > 0);
    if (log->stored || log->safe < log->next - 1) {
        brk_mark_send(r, log, WIRE_EVENTS_RECEIVED, log->next - 1);
    }
    if (!log->stored && (log->safe > log->safe_told || log->complete)) {
        brk_mark_send(r, log, WIRE_EVENTS_DURABLE, log->safe);
        log->safe_told = log->safe;
    }
}

/* ---- later --------------------------------------------------------------- */

static void grow(struct relay_owed *o)
{
    size_t room = o->room == 0 ? 64 : o->room * 2;
    struct relay_debt *list = base_zalloc(room * sizeof *list);
    for (size_t i = 0; i < o->count; i++) {
        list[i] = o->list[(o->first + i) % o->room];
    }
    free(o->list);
    *o = (struct relay_owed){.list = list, .room = room, .count = o->count};
}

void brk_mark_owe(struct relay *r, const struct ring_log *log)
{
    struct relay_owed *o = &r->owed;
    if (o->count == OWED_MAX) { /* so far behind that it is due in any case */
        brk_mark_tick(r, INT64_MAX);
    }
    if (o->count == o->room) {
        grow(o);
    }
    o->list[(o->first + o->count++) % o->room] = (struct relay_debt){
        .run = log->run, .due_ms = r->now_ms + OWE_MS};
}

int64_t brk_mark_due(const struct relay *r)
{
    const struct relay_owed *o = &r->owed;
    return o->count == 0 ? INT64_MAX : o->list[o->first].due_ms;
}

void brk_mark_tick(struct relay *r, int64_t now_ms)
{
    struct relay_owed *o = &r->owed;
    while (brk_mark_due(r) <= now_ms && o->count > 0) {
        const struct relay_debt debt = o->list[o->first];
        o->first = (o->first + 1) % o->room;
        o->count--;
        struct ring_log *log = brk_ring_get(r->ring, &debt.run);
        if (log != NULL && !log->complete) {
            brk_mark_received(r, log);
        }
    }
}

void brk_mark_fini(struct relay *r)
{
    must(r != NULL);
    free(r->owed.list);
    r->owed = (struct relay_owed){0};
}

/* ---- what is safe --------------------------------------------------------- */

/*
 * Of a run that is not stored this memory is all there is, and the worker the
 * only one who can say it again. It keeps the last few kilobytes, which may be
 * lost on their way out when this process dies; not more, for its memory is
 * limited, and a run must not stand still for what will never be stored.
 */
void brk_mark_safe(struct ring_log *log, size_t bytes)
{
    must(log != NULL && log->next > 0);
    if (bytes > SAFE_BYTES || log->complete) {
        log->safe = log->safe_next = log->next - 1;
        log->safe_bytes = 0;
        return;
    }
    log->safe_bytes += bytes;
    if (log->safe_bytes > SAFE_BYTES) {
        log->safe = log->safe_next;
        log->safe_next = log->next - 1;
        log->safe_bytes = 0;
    }
}
