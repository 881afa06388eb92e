/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit.h: making a run, from a request to the broker's word that it has
 * it. The three ways to make one (stream, wait, in the background) differ
 * only in who listens.
 */
#ifndef GATEWAY_SUBMIT_H
#define GATEWAY_SUBMIT_H

#include "gateway/req.h"
#include "gateway/runspec.h"

struct gw_submit {
    enum gw_run_answer answer;
    struct gw_runspec spec;
    struct id run_id;
    struct id thread_id;
    struct id assistant_id;
    bool stateless;          /* no thread in the path */
    bool stored;             /* false: lives in memory only */
    bool make_thread;
    char *graph_id;
    char *owner;             /* of its thread, or who asks; "": nobody */
    leat_value *kwargs;
    leat_value *metadata;
    char created_at[40];
};

/* Checks the body and finds assistant and thread; nothing is made yet. */
MUST_USE bool gw_submit_prepare(struct gw_req *r, enum gw_run_answer answer,
                                struct gw_submit *s, struct err *err);
/*
 * Hands run and client to the hub, which answers from then on: with `head`
 * (whose reference is taken) once the run is committed, or with an error.
 */
MUST_USE bool gw_submit_send(struct gw_req *r, const struct gw_submit *s,
                             struct gw_stream *reader, struct gw_chunk *head,
                             struct err *err);
/* Also after a failed prepare. */
void gw_submit_fini(struct gw_submit *s);

/* The thread of a run that lives in memory only; ERR_NOT_FOUND when nobody
 * knows it, or it is another owner's. */
MUST_USE bool gw_submit_find(struct gw_req *r, const struct id *run,
                             struct id *thread, struct err *err);
/* The thread of a stateless run. Every gateway knows it from the run's id and
 * its owner; whoever names another owner names another thread. */
struct id gw_submit_thread_of(const struct id *run, const char *owner);

#endif
