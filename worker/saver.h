/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saver.h: checkpoints and items of a run as the engine wants them
 * (worker/graph/engine.h): reads come straight from the store; writes go to
 * the broker's vault, or, where several processes may write, to this one's
 * scribe, and are acknowledged later. One saver per executor, bound to one
 * run after the other, for opening the database and a connection takes longer
 * than many a run.
 *
 * The engine may call saver and items from several threads; they take turns.
 */
#ifndef LEAT_WORKER_SAVER_H
#define LEAT_WORKER_SAVER_H

#include "common/err.h"
#include "common/id.h"
#include "worker/graph/engine.h"
#include "worker/pool.h"
#include "worker/uplink.h"

typedef struct wrk_saver wrk_saver_t;

struct wrk_saver_conf {
    const char *store;    /* --store */
    const struct wrk_brokers *brokers; /* outlives the saver */
    int64_t frame_bytes;  /* --frame-bytes */
    unsigned connections; /* --store-connections */
    int64_t item_ttl_ms;  /* --item-ttl */
    bool item_ttl_fixed;  /* not --item-refresh */
    wrk_pool_t *pool;     /* outlives the saver; NULL: its own connections */
};

/* Opens nothing yet. */
wrk_saver_t *wrk_saver_new(const struct wrk_saver_conf *conf) MUST_USE;
void wrk_saver_destroy(wrk_saver_t **p);

/*
 * The run whose checkpoints follow. `run` NULL and attempt 0: none (a state
 * update; not fenced). Opens what is not open yet: ERR_UNAVAILABLE when the
 * database is not there. What was not flushed before is given up.
 */
MUST_USE bool wrk_saver_bind(wrk_saver_t *s, const struct id *thread,
                             const struct id *run, uint16_t attempt,
                             struct err *err);
void wrk_saver_unbind(wrk_saver_t *s);
/* Whose items: the run's owner; NULL: nobody's. Until the next bind. */
void wrk_saver_own(wrk_saver_t *s, const char *owner);

/* Good while the saver lives and is bound. */
const struct graph_saver *wrk_saver_ops(wrk_saver_t *s);
const struct graph_items *wrk_saver_items(wrk_saver_t *s);

/*
 * Writes are held back to go with those that follow, until somebody waits for
 * them. For a run that takes long: sends what is held, and from now on
 * everything at once. False: the saver is at work, ask again. Any thread; does
 * not wait.
 */
bool wrk_saver_hurry(wrk_saver_t *s, const struct id *run);

/* Gives its connections to the pool if no call was made for so long and all
 * are answered; the next call takes others. True: it has none now. Any
 * thread. */
bool wrk_saver_rest(wrk_saver_t *s, int64_t idle_ms);

/* Ends every wait with ERR_CANCELLED, now and later. Any thread. */
void wrk_saver_stop(wrk_saver_t *s);

#endif
