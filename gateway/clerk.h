/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clerk.h: one thread for what the hub notices but must not wait for: making
 * the system assistants of graphs that registered, and looking up what a
 * waiting client is told when the events of its run are gone.
 */
#ifndef GATEWAY_CLERK_H
#define GATEWAY_CLERK_H

#include "gateway/app.h"

typedef struct gw_clerk gw_clerk_t;

/* Reads LANGGRAPH_CONFIG; ERR_INVALID when it is not what it should be. */
gw_clerk_t *gw_clerk_new(struct err *err) MUST_USE;
/* Starts the thread, once app->hub and app->stores are there. */
void gw_clerk_start(gw_clerk_t *c, struct gw_app *app);
/* Ends the thread; what is still to be looked up is not. */
void gw_clerk_stop(gw_clerk_t *c);
void gw_clerk_destroy(gw_clerk_t **c);

/* For the hub. `self` is the gw_clerk_t. */
void gw_clerk_on_graphs(void *self, const leat_value *graphs);
void gw_clerk_look_up(void *self, struct gw_stream *s);
void gw_clerk_list(void *self, struct gw_stream *s, uint64_t after_ms);
void gw_clerk_state(void *self, struct gw_stream *s, const struct id *run,
                    struct sse_id id);
void gw_clerk_refused(void *self, const struct id *run, leat_view submit);

/* The id of a graph's system assistant. */
struct id gw_clerk_system_id(const char *graph_id);
/* Makes the system assistant of a graph if it is not there. Any thread, with
 * a store handle of its own. */
MUST_USE bool gw_clerk_ensure(const gw_clerk_t *c, store_t *store,
                              const char *graph_id, struct err *err);
/* Waits a moment for the assistants of graphs that have just registered, so
 * that who lists them right after a start sees all. Any thread. */
void gw_clerk_catch_up(gw_clerk_t *c);

#endif
