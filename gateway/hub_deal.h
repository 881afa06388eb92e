/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_deal.h: dealing the events of one run to its groups of readers. Inner
 * header of hub_run.c.
 */
#ifndef GATEWAY_HUB_DEAL_H
#define GATEWAY_HUB_DEAL_H

#include "gateway/hub_log.h"

/* A message of events of one run, dense from head->seq on. */
struct gw_batch {
    const struct wire_head *head;
    const void *bytes;
    size_t len;
};

void gw_hub_deal_join_live(struct gw_runs *rs, struct gw_run *r,
                           struct gw_stream *s);
/* The reader wants what comes after its cursor: asks for it. */
void gw_hub_deal_join_behind(struct gw_runs *rs, struct gw_run *r,
                             struct gw_stream *s);
void gw_hub_deal_drop(struct gw_run *r, struct gw_group *g);

/* Events that follow what the run has shown (head->seq is at most the next
 * one): to the live groups, and to those that stand before it. */
void gw_hub_deal_run(struct gw_runs *rs, struct gw_run *r,
                     const struct gw_batch *b);
/* To one group that is behind or ahead, with its holes told. */
void gw_hub_deal_group(struct gw_runs *rs, struct gw_group *g,
                       const struct gw_batch *b);
/* Everything before `seq` is not kept any more: says so to the live groups. */
void gw_hub_deal_skip_to(struct gw_run *r, uint64_t seq, uint64_t ms);
void gw_hub_deal_open_gap(struct gw_runs *rs, struct gw_run *r);
/* What came while an answer was awaited follows it, as far as it connects. */
void gw_hub_deal_drain(struct gw_runs *rs, struct gw_run *r);
/* A group that is behind has all that was asked for: on to where it stands. */
void gw_hub_deal_settle(struct gw_runs *rs, struct gw_run *r,
                        struct gw_group *g);

/* Passes the group's open chunk on to its readers. */
void gw_hub_deal_push(struct gw_runs *rs, struct gw_run *r, struct gw_group *g);
/* Live readers for whom too much waits fall behind. */
void gw_hub_deal_limit(struct gw_runs *rs, struct gw_run *r);

#endif
