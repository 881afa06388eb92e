/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runs_target.h: the run that a request is about, and its client as a reader
 * of it: what the handlers of runs share.
 */
#ifndef GATEWAY_RUNS_TARGET_H
#define GATEWAY_RUNS_TARGET_H

#include "gateway/req.h"

struct gw_runs_target {
    struct id run_id;
    struct id thread_id;
    bool stateless; /* the path names no thread */
    bool stored;
};

#define GW_RUNS_PATH_SIZE 128
/* "/threads/{t}/runs/{r}" or "/runs/{r}" */
const char *gw_runs_target_path(const struct gw_runs_target *t,
                                char out[GW_RUNS_PATH_SIZE]);

/* The run of the path, as the store has it; the caller frees the row. */
MUST_USE bool gw_runs_target_row(struct gw_req *r, struct gw_runs_target *t,
                                 struct store_run *row, struct err *err);
/* A run to listen to: in the store, or one that lives in memory. */
MUST_USE bool gw_runs_target_find(struct gw_req *r, struct gw_runs_target *t,
                                  struct err *err);
bool gw_runs_target_is_open(const struct store_run *row);

/* What the query says that a cancel is to do: interrupt or rollback. */
MUST_USE bool gw_runs_target_action(struct gw_req *r, const char **action,
                                    struct err *err);

struct gw_stream *gw_runs_target_reader(struct gw_req *r,
                                        enum gw_stream_kind kind,
                                        const struct gw_runs_target *t);
/* The response head of a stream or a wait, with the headers added so far. */
struct gw_chunk *gw_runs_target_head(struct gw_req *r,
                                     const struct gw_stream *s);
/* Joins the run; the head goes out at once. Takes the reader. */
MUST_USE bool gw_runs_target_listen(struct gw_req *r, struct gw_stream *s,
                                    struct err *err);

/* From where the reader wants it: the header wins over the query; absent: live
 * only. *cursor is the text for where to go on; NULL when it is live only. */
void gw_runs_target_cursor(struct gw_req *r, struct gw_stream *s,
                           const char **cursor);

/* Where to go on after a broken connection, the cursor included: a client
 * that saw no id has none to send, and Python sends no query of its own. */
void gw_runs_target_locate_stream(struct gw_req *r,
                                  const struct gw_runs_target *t,
                                  const char *cursor, unsigned modes);
void gw_runs_target_locate_join(struct gw_req *r,
                                const struct gw_runs_target *t);

#endif
