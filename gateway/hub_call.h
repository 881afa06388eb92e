/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_call.h: what the hub says to the broker and what it does with the
 * answers. Inner header of hub.c.
 */
#ifndef GATEWAY_HUB_CALL_H
#define GATEWAY_HUB_CALL_H

#include "gateway/hub_inner.h"

struct gw_follow_io gw_hub_call_follow_io(struct hub *hub);
struct gw_uplink_io gw_hub_call_uplink_io(struct hub *hub);
struct gw_hub_io gw_hub_call_run_io(struct hub *hub);

void gw_hub_call_on_ask(struct hub *hub, const struct gw_ask *ask,
                        struct gw_ticket *ticket);
/* The reader has its socket and is held. */
void gw_hub_call_on_submit(struct hub *hub, const struct gw_ask *ask,
                           struct gw_stream *reader);
/* The reader of this submit left: it is not answered any more. */
void gw_hub_call_reader_left(struct hub *hub, uint32_t tag);
/* And its run is not wanted any more either. */
void gw_hub_call_forget(struct hub *hub, uint32_t tag);
void gw_hub_call_on_timer(struct hub *hub, struct gw_call *c);
/* Interrupts the run; whether that works nobody waits to hear. */
void gw_hub_call_cancel(struct hub *hub, const struct id *run);
void gw_hub_call_fail_all(struct hub *hub, const char *why);

#endif
