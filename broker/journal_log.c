/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering events: what comes behind the last one of the same attempt is
 * appended to it, up to a size; everything else begins a new part.
 */
#include "broker/journal_log.h"

#include <stdlib.h>
#include <string.h>

#include "common/value.h"

#define PART_BYTES ((size_t)1 << 20) /* then a new one is begun */

void brk_journal_log_init(struct journal_logs *all)
{
    memset(all, 0, sizeof *all);
    idmap_init(&all->map);
}

void brk_journal_log_fini(struct journal_logs *all)
{
    size_t at = 0;
    struct journal_log *log;
    while ((log = idmap_next(&all->map, &at)) != NULL) {
        brk_journal_log_clear(all, log);
        free(log);
    }
    idmap_fini(&all->map);
    memset(all, 0, sizeof *all);
}

struct journal_log *brk_journal_log_get(const struct journal_logs *all,
                                        const struct id *run)
{
    return idmap_get(&all->map, run);
}

struct journal_log *brk_journal_log_require(struct journal_logs *all,
                                            const struct brk_log *m,
                                            int64_t now_ms)
{
    struct journal_log *log = idmap_get(&all->map, &m->run);
    if (log == NULL) {
        log = base_zalloc(sizeof *log);
        log->run = m->run;
        log->thread = m->thread;
        idmap_put(&all->map, &log->run, log);
    }
    log->used_ms = now_ms;
    return log;
}

void brk_journal_log_due(struct journal_logs *all, struct journal_log *log)
{
    if (log->due) {
        return;
    }
    log->due = true;
    log->next_due = NULL;
    if (all->due_last == NULL) {
        all->due = log;
    } else {
        all->due_last->next_due = log;
    }
    all->due_last = log;
}

/* Where event number `skip` of the body begins; NULL when there is none. */
static const unsigned char *skip_events(const unsigned char *at, size_t *len,
                                        uint64_t skip)
{
    for (; skip > 0; skip--) {
        size_t size = value_check(at, *len);
        if (size == 0) {
            return NULL;
        }
        at += size;
        *len -= size;
    }
    return at;
}

static struct journal_part *part_for(struct journal_log *log,
                                     const struct brk_log *m, uint64_t first)
{
    struct journal_part *p = log->last;
    if (p != NULL && p->attempt == m->attempt && p->ms == m->ms &&
        p->last + 1 == first && p->body.len < PART_BYTES && !p->tried) {
        return p;
    }
    p = base_zalloc(sizeof *p);
    p->attempt = m->attempt;
    p->ms = m->ms;
    p->first = first;
    buf_init(&p->body, SIZE_MAX - 1);
    if (log->last == NULL) {
        log->first = p;
    } else {
        log->last->next = p;
    }
    log->last = p;
    return p;
}

bool brk_journal_log_append(struct journal_logs *all, struct journal_log *log,
                            const struct brk_log *m)
{
    must(m->count > 0 && !log->forgotten);
    zmq_msg_t *body = (zmq_msg_t *)(uintptr_t)&m->body;
    const unsigned char *at = zmq_msg_data(body);
    size_t len = zmq_msg_size(body);
    uint64_t first = max_u64(m->first, log->next);
    uint64_t last = m->first + m->count - 1;
    if (first > last) {
        return true; /* all of it is here */
    }
    at = skip_events(at, &len, first - m->first);
    if (at == NULL || len == 0) {
        return false;
    }
    struct journal_part *p = part_for(log, m, first);
    bool fits = buf_append(&p->body, at, len);
    must(fits);
    p->last = last;
    log->next = last + 1;
    all->bytes += len;
    brk_journal_log_due(all, log);
    return true;
}

void brk_journal_log_seal(struct journal_log *log)
{
    for (struct journal_part *p = log->first; p != NULL; p = p->next) {
        p->tried = true;
    }
}

static void drop_first(struct journal_logs *all, struct journal_log *log)
{
    struct journal_part *p = log->first;
    log->first = p->next;
    if (log->first == NULL) {
        log->last = NULL;
    }
    must(all->bytes >= p->body.len);
    all->bytes -= p->body.len;
    buf_fini(&p->body);
    free(p);
}

void brk_journal_log_cut(struct journal_logs *all, struct journal_log *log,
                         uint64_t next)
{
    while (log->first != NULL && log->first->last < next) {
        drop_first(all, log);
    }
    struct journal_part *p = log->first;
    if (p == NULL || p->first >= next) {
        return;
    }
    size_t left = p->body.len;
    const unsigned char *at =
        skip_events((unsigned char *)p->body.data, &left, next - p->first);
    must(at != NULL && left > 0);
    all->bytes -= p->body.len - left;
    memmove(p->body.data, at, left);
    buf_cut(&p->body, left);
    p->first = next;
}

void brk_journal_log_clear(struct journal_logs *all, struct journal_log *log)
{
    while (log->first != NULL) {
        drop_first(all, log);
    }
}

void brk_journal_log_drop(struct journal_logs *all, struct journal_log **log)
{
    must(!(*log)->due && (*log)->first == NULL);
    struct journal_log *found = idmap_take(&all->map, &(*log)->run);
    must(found == *log);
    free(found);
    *log = NULL;
}
