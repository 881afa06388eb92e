/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_log.c: the place of a run's log: how it moves, the questions to the
 * relay and when they are asked again, and the bounded stash of messages that
 * came while an answer was under way.
 */
#include "gateway/hub_log.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/stat.h"

#define STASH_BYTES ((size_t)4 << 20)

static const uint8_t next_places[] = {
#define RUN_PLACE(name, next, text) (uint8_t)(next),
#include "gateway/hub_run.tbl.h"
#undef RUN_PLACE
};

void gw_hub_log_move(struct gw_run *r, enum gw_run_place to)
{
    check_magic(r, GW_RUN_MAGIC);
    must((next_places[r->place] >> to) & 1U);
    r->place = (uint8_t)to;
    r->tag = 0;
}

void gw_hub_log_mark(struct gw_runs *rs, struct gw_run *r)
{
    check_magic(r, GW_RUN_MAGIC);
    if (!r->dirty) {
        r->dirty = true;
        r->dirty_next = rs->dirty;
        rs->dirty = r;
    }
}

void gw_hub_log_wake(struct gw_runs *rs, struct gw_run *r, int64_t ms)
{
    int64_t due = clock_mono_ms() + ms;
    if (r->timer.place == 0 || r->timer.due_ms > due) {
        gw_timer_set(rs->timers, &r->timer, due);
    }
}

static uint32_t ask(struct gw_runs *rs, struct gw_run *r, uint64_t seq)
{
    rs->last_tag = rs->last_tag == INT32_MAX ? 1 : rs->last_tag + 1;
    struct gw_replay_ask a = {
        .tag = rs->last_tag,
        .seq = seq,
        .bytes = max_size(rs->stream_bytes / 2, 65536),
    };
    rs->io.replay(rs->io.self, r, &a);
    stat_inc(STAT_REPLAYS);
    gw_hub_log_wake(rs, r, GW_ASK_AGAIN_MS);
    return a.tag;
}

void gw_hub_log_ask(struct gw_runs *rs, struct gw_run *r)
{
    must(r->place == GW_RUN_LOST || r->place == GW_RUN_GAP);
    r->tag = ask(rs, r, r->place == GW_RUN_LOST ? GW_SEQ_NONE : r->shown + 1);
    r->asked_ms = clock_mono_ms();
    r->asked_seq = r->shown + 1;
}

void gw_hub_log_ask_group(struct gw_runs *rs, struct gw_run *r,
                          struct gw_group *g)
{
    must(!g->live && !g->paused);
    g->tag = ask(rs, r, g->pos + 1);
    g->asked_ms = clock_mono_ms();
    g->asked_seq = g->pos + 1;
}

/* Live messages are worth keeping while an answer is under way. */
bool gw_hub_log_awaits(const struct gw_run *r)
{
    bool waits = r->place == GW_RUN_LOST || r->place == GW_RUN_GAP;
    for (struct gw_group *g = r->groups; g != NULL && !waits; g = g->next) {
        waits = !g->live && !g->paused && g->tag != 0;
    }
    return waits;
}

void gw_hub_log_forget(struct gw_run *r)
{
    while (r->stash != NULL) {
        struct gw_stash *gone = r->stash;
        r->stash = gone->next;
        free(gone);
    }
    r->stash_end = &r->stash;
    r->stash_bytes = 0;
}

void gw_hub_log_keep(struct gw_run *r, const struct wire_head *h,
                     const void *bytes, size_t len)
{
    while (r->stash != NULL && r->stash_bytes + len > STASH_BYTES) {
        struct gw_stash *gone = r->stash;
        r->stash = gone->next;
        r->stash_bytes -= gone->len;
        free(gone);
    }
    if (r->stash == NULL) {
        r->stash_end = &r->stash;
    }
    struct gw_stash *s = base_zalloc(sizeof(*s) + len);
    s->head = *h;
    s->len = len;
    memcpy(s->bytes, bytes, len);
    *r->stash_end = s;
    r->stash_end = &s->next;
    r->stash_bytes += len;
}
