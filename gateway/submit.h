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
    bool repeated;           /* its key's run was made before: send nothing */
    char *graph_id;
    char *owner;             /* of its thread, or who asks; "": nobody */
    char *key;               /* Idempotency-Key, this run's; NULL: none */
    char *webhook;           /* where its end is told; NULL: nowhere */
    leat_value *kwargs;
    leat_value *metadata;
    struct store_tick tick;  /* of the cron that makes it; nil id: none */
    char created_at[40];
};

/* Checks the body and finds assistant and thread; nothing is made yet, but an
 * Idempotency-Key is this run's from then on. */
MUST_USE bool gw_submit_prepare(struct gw_req *r, enum gw_run_answer answer,
                                struct gw_submit *s, struct err *err);
/* The same for one run of several that a request makes in the background. */
struct gw_submit_part {
    leat_value *body; /* its reference is taken */
    size_t index;
    const char *path; /* of the body, for errors */
};
MUST_USE bool gw_submit_prepare_part(struct gw_req *r,
                                     const struct gw_submit_part *part,
                                     struct gw_submit *s, struct err *err);
/* A cron's tick makes a run. `store` is borrowed for the call. */
MUST_USE bool gw_submit_prepare_tick(store_t *store, const struct store_cron *c,
                                     const struct store_tick *tick,
                                     struct gw_submit *s, struct err *err);
/* The run as it is answered to who made it; one reference. */
leat_value *gw_submit_run(const struct gw_submit *s) MUST_USE;
/* The run of a repeated submit as it is now, or as it was made when it is not
 * kept any more; one reference. NULL with err. */
leat_value *gw_submit_look_up(store_t *store, const struct gw_submit *s,
                           struct err *err) MUST_USE;
/* RUN_SUBMIT's body; one reference. */
leat_value *gw_submit_body(const struct gw_submit *s) MUST_USE;
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
/*
 * submit_key.c: the request's Idempotency-Key, if it has one, becomes this
 * run's; or the submit becomes that of the run which it is already
 * (`repeated` when that one was made for sure).
 */
MUST_USE bool gw_submit_claim(struct gw_req *r,
                              const struct gw_submit_part *part,
                              struct gw_submit *s, struct err *err);


#endif
