/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads.h: what handlers of a thread's runs and state need of the thread.
 */
#ifndef GATEWAY_THREADS_H
#define GATEWAY_THREADS_H

#include "gateway/req.h"

/* The thread of the path; ERR_NOT_FOUND in the API's words. The caller frees
 * with store_thread_fini(). */
MUST_USE bool gw_threads_require(struct gw_req *r, struct store_thread *out,
                                 struct err *err);

/* Deletes the thread, or all but its latest checkpoints. ERR_NOT_FOUND,
 * ERR_CONFLICT while it has runs. */
MUST_USE bool gw_threads_prune_one(struct gw_app *app, store_t *store,
                                   const struct id *id, bool keep_latest,
                                   struct err *err);

#endif
