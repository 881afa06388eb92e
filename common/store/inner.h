/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inner.h: what the files of common/store share and nobody else sees: the
 * handle, transactions around calls, statements with bound arguments, and the
 * counterparts of the calls that send them to the vault.
 */
#ifndef COMMON_STORE_INNER_H
#define COMMON_STORE_INNER_H

#include "common/store/sql.h"
#include "common/store/store.h"

#define STORE_MAGIC LEAT_MAGIC(0x570e0001)

struct store {
    uint32_t magic;
    const struct sql_ops *sql;
    struct sql_db *db;
    bool owner;
    bool remote; /* writes go through `call` */
    store_call_fn *call;
    void *call_self;
    int64_t item_ttl_us;
    bool item_ttl_fixed;
    char acts_as[STORE_OWNER_MAX + 1]; /* "": sees everything */
    bool group;           /* between store_begin and store_commit */
    uint64_t writes;      /* of the database when the group's call began */
    /* The attempt that was seen to hold its run in this transaction. */
    struct store_fence fence;
    struct id fence_thread;
    int64_t events_bytes; /* grown in this transaction, not written yet */
    int64_t events_before; /* the same, when the group's call began */
    struct store_expected *expected; /* threads that were read ahead */
    bool group_fast;      /* store_begin_fast() */
    bool group_broken;    /* the database ended the group's transaction */
    struct err group_err; /* why */
};

/* ---- owners (store.c): who may see what, nowhere else ---------------------
 */

/* The owner to filter by; NULL: no filter. */
const char *store_viewer(const store_t *s, const char *asked);
/* May this handle see a row of that owner? */
bool store_sees(const store_t *s, const char *owner);
/* The owner of a new row that is to be `asked`'s (NULL: the handle's). */
const char *store_maker(const store_t *s, const char *asked);

/* Writes how much the log has grown (events.c): the last statement of a
 * transaction, for all of them change that row, and who waits for it must not
 * have what its holder waits for. */
MUST_USE bool store_events_settle(store_t *s, struct err *err);
/* Forgets what was read ahead, at the end of a group (threads.c). */
void store_threads_expect_none(store_t *s);

/* ---- transactions (store.c) ---------------------------------------------- */

/*
 * Around every call that writes here: a transaction of its own, or a savepoint
 * within the group. `ok` is whether the call's work was done; gives whether it
 * stands. Not nested.
 */
MUST_USE bool store_write_begin(store_t *s, struct err *err);
MUST_USE bool store_write_end(store_t *s, bool ok, struct err *err);
/* Around reads of several statements that must see one state. */
MUST_USE bool store_read_begin(store_t *s, struct err *err);
void store_read_end(store_t *s);

/* ---- statements (query.c) -------------------------------------------------
 */

/*
 * One statement being run. Arguments are named by letters, in the order of
 * $1..$n: i int64_t, d const struct id *, s const char * (NULL: SQL NULL),
 * v const leat_value * (NULL or null: SQL NULL), o the same but {} instead of
 * SQL NULL, p the same but a packed null instead, x const void * and size_t
 * (bytes). They must stay good until the close.
 */
#define STORE_LIST_MAX 16
struct store_query {
    store_t *s; /* these two are set by the user */
    struct err *err;
    struct err unless; /* by users of guards: what a missing row means */
    bool refused;      /* a guard's row is missing, and err says so */
    struct sql_stmt *stmt;
    bool failed;
    char types[STORE_LIST_MAX + 1]; /* of a statement that is put together */
};
#define STORE_QUERY(store, error)                                              \
    (&(struct store_query){.s = (store), .err = (error)})

MUST_USE bool store_query_open(struct store_query *q, const char *sql,
                               const char *types, ...);
/* The same for a statement that is put together: a letter and its value. */
struct store_arg {
    char type; /* i, d, s */
    int64_t number;
    const void *ptr;
};
MUST_USE bool store_query_open_list(struct store_query *q, const char *sql,
                                    const struct store_arg *args, size_t n);
/* The next row; false at the end and on failure (close tells which). */
MUST_USE bool store_query_next(struct store_query *q);
MUST_USE bool store_query_close(struct store_query *q);
/*
 * Open, run to the end, close. A driver may send it on its way and tell of a
 * failure later, at the commit at the latest. store_query_changes(): waits,
 * then rows changed.
 */
MUST_USE bool store_query_run(store_t *s, struct err *err, const char *sql,
                              const char *types, ...);
int64_t store_query_changes(const store_t *s);
/* The same, but does not wait: *changes is filled in by the next settle. */
MUST_USE bool store_query_send(struct store_query *q, int64_t *changes,
                               const char *sql, const char *types, ...);
MUST_USE bool store_query_settle(store_t *s, struct err *err);
/*
 * A statement that gives a row if it could do what it should (RETURNING 1);
 * else q->unless is the error and q->refused is set. In a group begun with
 * store_begin_fast() it may be the commit that tells.
 */
MUST_USE bool store_query_guard(struct store_query *q, const char *sql,
                                const char *types, ...);
/* All at once: the first column of the first row; *out is left as it is when
 * there is no row. store_query_number(STORE_QUERY(s, err), &n, ...) */
MUST_USE bool store_query_number(struct store_query *q, int64_t *out,
                                 const char *sql, const char *types, ...);

int64_t store_query_int(const struct store_query *q, int column);
uint64_t store_query_uint(const struct store_query *q, int column);
void store_query_id(struct store_query *q, int column, struct id *out);
/* A copy; NULL for SQL NULL. */
char *store_query_text(const struct store_query *q, int column);
void store_query_copy(const struct store_query *q, int column, char *out,
                      size_t cap);
/* One reference; NULL for SQL NULL, and for bytes that are no value (then the
 * query has failed). */
leat_value *store_query_value(struct store_query *q, int column);

/* ---- between the tables ---------------------------------------------------
 */

/* A growing list of rows. */
struct store_rows {
    void *rows;
    size_t n;
    size_t room;
};
/* A zeroed row of `size` bytes at the end. */
void *store_rows_add(struct store_rows *rows, size_t size);

/* How many rows to ask for so that `limit` (0: all) can be shown behind
 * `offset`: all when `metadata` has to be looked at. A driver may bring every
 * row that is asked for. */
int64_t store_rows_wanted(leat_view metadata, size_t limit, size_t offset);

/* Keys of `more` over those of `base`; one reference. Missing: nothing. */
leat_value *store_merge(leat_view base, leat_view more);
/* The same for configs: "configurable" is merged key by key. */
leat_value *store_merge_config(leat_view base, leat_view more);

/* The following run inside a transaction of their caller. */

/* lanes.c: the columns of a thread that follow its runs. */
MUST_USE bool store_lanes_busy(store_t *s, const struct id *run_id,
                               uint64_t last_ms, struct err *err);
struct store_lane_end {
    struct id run_id; /* its thread's */
    const char *status;
    uint64_t last_ms; /* 0: unchanged */
    leat_view error;
    leat_view values;     /* missing: unchanged */
    leat_view interrupts; /* missing: unchanged */
};
MUST_USE bool store_lanes_end(store_t *s, const struct store_lane_end *e,
                              struct err *err);
/* Status, values and interrupts as the latest checkpoint has them. */
MUST_USE bool store_lanes_restore(store_t *s, const struct id *thread_id,
                                  bool busy, struct err *err);
/* Values and interrupts only. */
MUST_USE bool store_lanes_refresh(store_t *s, const struct id *thread_id,
                                  struct err *err);
MUST_USE bool store_lanes_has_open(store_t *s, const struct id *thread_id,
                                   bool *open, struct err *err);
/* events.c: the log of one run, of all runs of a thread; *freed may be NULL */
MUST_USE bool store_events_drop(store_t *s, const struct id *run_id,
                                uint64_t *freed, struct err *err);
MUST_USE bool store_events_drop_thread(store_t *s, const struct id *thread_id,
                                       struct err *err);
/* crons.c: the tick that makes a run; crons go with what they belong to */
MUST_USE bool store_crons_tick(store_t *s, const struct store_tick *t,
                               struct err *err);
MUST_USE bool store_crons_drop_of_thread(store_t *s, const struct id *thread_id,
                                         struct err *err);
MUST_USE bool store_crons_drop_of_assistant(store_t *s,
                                            const struct id *assistant_id,
                                            struct err *err);
/* hooks.c: made with the run, complete when it has ended, gone with it before
 * that. `end`: how it ended, or NULL for a run that is taken back. */
MUST_USE bool store_hooks_make(store_t *s, const struct id *run_id,
                               const char *url, struct err *err);
MUST_USE bool store_hooks_complete(store_t *s, const struct id *run_id,
                                   const struct store_run_end *end,
                                   struct err *err);
MUST_USE bool store_hooks_drop(store_t *s, const struct id *run_id,
                               struct err *err);
MUST_USE bool store_hooks_drop_of_thread(store_t *s, const struct id *thread_id,
                                         struct err *err);
/* keys.c: the key's run is made. */
MUST_USE bool store_keys_accept(store_t *s, const struct store_key *k,
                                const struct id *run_id, struct err *err);
/* ---- schema.c -------------------------------------------------------------
 */

#define STORE_SCHEMA_VERSION 5
/* Owner: brings the database to STORE_SCHEMA_VERSION. Client: checks. */
MUST_USE bool store_schema_ready(store_t *s, struct err *err);

/* ---- remote.c: the same calls, sent to the vault --------------------------
 */

bool store_remote_assistants_create(store_t *s, const struct store_assistant *a,
                                    bool *created, struct err *err);
bool store_remote_assistants_delete(store_t *s, const struct id *assistant_id,
                                    struct err *err);
bool store_remote_assistants_patch(store_t *s,
                                   const struct store_assistant_patch *p,
                                   struct store_assistant *out,
                                   struct err *err);
bool store_remote_assistants_set_latest(store_t *s,
                                        const struct id *assistant_id,
                                        int64_t version,
                                        struct store_assistant *out,
                                        struct err *err);
bool store_remote_assistants_drop_runs(store_t *s,
                                       const struct id *assistant_id,
                                       size_t limit, size_t *dropped,
                                       struct err *err);
bool store_remote_threads_create(store_t *s, const struct store_thread *t,
                                 bool *created, struct err *err);
bool store_remote_threads_patch(store_t *s, const struct id *thread_id,
                                leat_view metadata, leat_view config,
                                struct err *err);
bool store_remote_threads_set(store_t *s, const struct id *thread_id,
                              const struct store_thread_state *state,
                              struct err *err);
bool store_remote_threads_delete(store_t *s, const struct id *thread_id,
                                 struct err *err);
bool store_remote_threads_copy(store_t *s, const struct id *from,
                               const struct id *to, struct err *err);
bool store_remote_threads_prune(store_t *s, const struct id *thread_id,
                                struct err *err);
bool store_remote_threads_refresh(store_t *s, const struct id *thread_id,
                                  struct err *err);
bool store_remote_threads_set_ttl(store_t *s, const struct id *thread_id,
                                  const struct store_ttl *ttl,
                                  struct err *err);
bool store_remote_runs_delete(store_t *s, const struct id *run_id,
                              struct err *err);
bool store_remote_checkpoints_put(store_t *s, const struct store_place *at,
                                  const struct store_checkpoint *c,
                                  struct err *err);
bool store_remote_checkpoints_put_writes(store_t *s,
                                         const struct store_place *at,
                                         const char *checkpoint_id,
                                         const struct store_writes *writes,
                                         struct err *err);
bool store_remote_checkpoints_put_view(store_t *s, const struct store_place *at,
                                       const char *checkpoint_id,
                                       const leat_value *view, struct err *err);
bool store_remote_items_put(store_t *s, const struct store_item_key *k,
                            const leat_value *value, int64_t ttl_us,
                            struct err *err);
bool store_remote_items_refresh(store_t *s, const struct store_item *list,
                                size_t n, struct err *err);
bool store_remote_items_delete(store_t *s, const struct store_item_key *k,
                               struct err *err);
bool store_remote_crons_put(store_t *s, const char *op,
                            const struct store_cron *c, struct err *err);
bool store_remote_crons_delete(store_t *s, const struct id *cron_id,
                               struct err *err);
bool store_remote_crons_advance(store_t *s, const struct store_tick *t,
                                struct err *err);
bool store_remote_hooks_claim(store_t *s, const struct store_hooks_claim *c,
                              struct store_hook **list, size_t *n,
                              struct err *err);
bool store_remote_hooks_tried(store_t *s, const struct id *run_id,
                              int64_t again_us, struct err *err);
bool store_remote_keys_claim(store_t *s, const struct store_key_claim *c,
                             struct store_key_owner *out, struct err *err);
bool store_remote_keys_release(store_t *s, const struct store_key *k,
                               const struct id *run_id, struct err *err);
bool store_remote_keys_expire(store_t *s, int64_t before_us, struct err *err);
bool store_remote_truncate(store_t *s, unsigned what, struct err *err);

#endif
