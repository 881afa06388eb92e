/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h: everything that outlives a process, as calls grouped by table.
 * Callers see rows as structs and bodies as values; SQL text lives in this
 * folder and nowhere else. Knows nothing of HTTP, graphs, queues or sockets.
 *
 * Who writes what (on SQLite all of it goes through the broker process: the
 * ledger and journal threads write themselves, gateways and workers send
 * their writes to the vault thread; on PostgreSQL everyone writes directly):
 *
 *   assistants               gateway
 *   threads                  gateway: create, patch, delete, copy, set
 *                            ledger: status, values, interrupts, last_ms
 *   runs                     ledger (gateway: delete of an ended run)
 *   crons                    gateway (ledger: the tick, with its run)
 *   hooks                    ledger: made and completed; gateway: claimed, sent
 *   idempotency              gateway: claimed, expired; ledger: accepted
 *   events                   journal
 *   checkpoints blobs writes saver of the worker, fenced by its attempt
 *   items                    gateway, nodes
 *   meta                     broker at its start
 *
 * A handle belongs to one thread. Every call is one transaction, or part of
 * the group opened by store_begin(). Writes are idempotent: repeating one
 * whose answer was lost does no harm.
 *
 * Errors: ERR_NOT_FOUND (no such row), ERR_CONFLICT, ERR_FENCED (the attempt
 * lost its lease; nothing was written), ERR_STORE_FULL (no room on the disk;
 * later calls work again once there is), ERR_STORE (anything else of the
 * database), ERR_UNAVAILABLE (the vault cannot be reached, or the database is
 * not there yet). After an error nothing of that call has been written.
 *
 * Times are microseconds since 1970 (_us), event id halves milliseconds (_ms).
 * In row structs strings and values are owned by the struct: x_fini() frees
 * them when the struct came out of a call; where a struct goes in, everything
 * is borrowed and values may be NULL. Statuses are the API's words.
 */
#ifndef COMMON_STORE_STORE_H
#define COMMON_STORE_STORE_H

#include "common/err.h"
#include "common/id.h"
#include "common/value.h"

typedef struct store store_t;

/* ---- opening ------------------------------------------------------------ */

enum store_role {
    STORE_OWNER,  /* broker: makes and migrates the database, writes itself */
    STORE_CLIENT, /* gateway, worker: reads; on SQLite writes with `call` */
};

/*
 * How a client's writes reach the vault: sends `op` (a name of ops.tbl.h)
 * with `args`, waits for the answer, gives its result (NULL when it has none)
 * or the error that was sent back. A transport that answers later may return
 * true at once with a NULL result for ops that have none.
 */
typedef bool store_call_fn(void *self, const char *op, const leat_value *args,
                           leat_value **result, struct err *err);

struct store_conf {
    const char *url; /* "sqlite:PATH" or "postgresql://..." */
    enum store_role role;
    bool fsync;      /* owner: --commit fsync; false: os */
    uint32_t epoch;  /* owner: the broker's; once a newer one is there, this
                        handle's calls fail (PostgreSQL); 0: not looked at */
    int64_t wait_ms; /* how long to wait for a ready database; clients on
                        PostgreSQL: also each call for a connection */
    unsigned connections; /* PostgreSQL: of all clients in this process that
                             use this database; 0: 16 */
    store_call_fn *call;  /* client on SQLite; NULL: it can only read */
    void *call_self;
    int64_t item_ttl_ms; /* of items put without one; 0: they stay */
    bool item_ttl_fixed; /* reading an item does not lengthen its life */
    bool by_call;        /* client: use `call` on PostgreSQL as well */
};

/* May several processes write to the database of this URL? Then a client's
 * handle does so itself, and needs no `call`. */
bool store_url_shared(const char *url);
store_t *store_open(const struct store_conf *conf, struct err *err) MUST_USE;
void store_destroy(store_t **s);

#define STORE_OWNER_MAX 128 /* bytes of an owner's name */
#define STORE_EVERYBODY "*" /* the owner of system assistants */

/*
 * Through whose eyes the handle looks, until told otherwise: with an owner,
 * what belongs to others is not found and not listed, and what is made is the
 * owner's. NULL or "": everything is seen, and what is made is nobody's. Every
 * read of a row by its id minds it; writes go by ids that were read before.
 */
void store_act_as(store_t *s, const char *owner);

/* One trivial read (GET /ok?check_db=1). */
MUST_USE bool store_ping(store_t *s, struct err *err);

/*
 * The lock of the active broker, held until the handle is destroyed.
 * *got is false when another process holds it; then try again later.
 */
MUST_USE bool store_broker_lock(store_t *s, bool *got, struct err *err);
/* Adds one to the epoch and gives it; once, right after taking the lock. */
MUST_USE bool store_epoch_raise(store_t *s, uint32_t *epoch, struct err *err);
/*
 * Is this still the active broker? On PostgreSQL the lock goes with its
 * connection; it is taken again when that was lost. *active is false when
 * another has it, or had it since (the epoch is not `epoch` any more).
 */
MUST_USE bool store_broker_check(store_t *s, uint32_t epoch, bool *active,
                                 struct err *err);

/*
 * A group: the calls between begin and commit are one transaction. A call
 * that fails leaves the others in place. When commit returns false nothing of
 * the group was written (a full disk may end a group early: calls after that
 * fail as well, and so does the commit). Not for handles with a transport.
 */
MUST_USE bool store_begin(store_t *s, struct err *err);
/* The same for less: a call that fails when it has written ends the group, and
 * on PostgreSQL what a call would refuse may come to light at the commit. That
 * then fails with it and has written nothing; the caller does its calls again,
 * one by one. */
MUST_USE bool store_begin_fast(store_t *s, struct err *err);
MUST_USE bool store_commit(store_t *s, struct err *err);
void store_rollback(store_t *s);

/*
 * Runs one call that came from a client: `op` and `args` as ops.tbl.h says.
 * For a fenced op the run and attempt of the message's head are given; a nil
 * run is no fence (state updates). *result may stay NULL.
 */
struct store_fence {
    struct id run;
    uint16_t attempt;
};
struct store_request {
    leat_text op;
    leat_view args;
    struct store_fence fence;
};
MUST_USE bool store_ops_run(store_t *s, const struct store_request *r,
                            leat_value **result, struct err *err);
/*
 * Several such calls in one transaction; when that fails as a whole (*whole
 * says why, else it is cleared), each in one of its own, so that one that
 * fails fails alone. Nothing is done, and every call has that error, when
 * *whole is ERR_UNAVAILABLE: then all of it may be tried again.
 */
struct store_call {
    struct store_request request;
    leat_value *result; /* NULL: none */
    struct err err;     /* code ERR_NONE: done */
};
void store_batch_run(store_t *s, struct store_call *calls, size_t n,
                     struct err *whole);

/*
 * Is `want` contained in `have`: every key of an object is there and contained
 * in turn, every element of a list is contained in some element, all else is
 * equal. A missing or null `want` is contained in everything. For metadata and
 * values filters.
 */
bool store_contains(leat_view have, leat_view want);

/* ---- assistants --------------------------------------------------------- */

struct store_assistant {
    struct id assistant_id;
    char *graph_id;
    char *owner; /* NULL going in: whom the handle acts as */
    char *name;
    char *description;    /* NULL: none */
    leat_value *metadata; /* objects; NULL going in: {} */
    leat_value *config;
    leat_value *context;
    int64_t version;    /* 0 going in: 1 */
    int64_t created_us; /* 0 going in: now */
    int64_t updated_us;
};
void store_assistant_fini(struct store_assistant *a);
void store_assistants_free(struct store_assistant **list, size_t n);

/* Also how system assistants are made at start: does nothing and tells
 * *created = false when the id is taken. */
MUST_USE bool store_assistants_create(store_t *s,
                                      const struct store_assistant *a,
                                      bool *created, struct err *err);
MUST_USE bool store_assistants_get(store_t *s, const struct id *assistant_id,
                                   struct store_assistant *out,
                                   struct err *err);
/* With its versions. ERR_CONFLICT while it has runs (see drop_runs). */
MUST_USE bool store_assistants_delete(store_t *s, const struct id *assistant_id,
                                      struct err *err);

/* A change of an assistant: what is NULL or missing stays. */
struct store_assistant_patch {
    struct id assistant_id;
    const char *graph_id;
    const char *name;
    const char *description;
    leat_view metadata; /* its keys over those there are */
    leat_view config;   /* these two replace */
    leat_view context;
};
/* Makes a new version, one above the highest there ever was, and it becomes
 * the active one; *out is the assistant as this call left it. */
MUST_USE bool store_assistants_patch(store_t *s,
                                     const struct store_assistant_patch *p,
                                     struct store_assistant *out,
                                     struct err *err);
/* Makes an older version the active one. ERR_NOT_FOUND also when there is no
 * such version. */
MUST_USE bool store_assistants_set_latest(store_t *s,
                                          const struct id *assistant_id,
                                          int64_t version,
                                          struct store_assistant *out,
                                          struct err *err);
struct store_versions_query {
    struct id assistant_id;
    leat_view metadata; /* containment; missing: any */
    size_t limit;       /* 0: all */
    size_t offset;
};
/* Newest first; created_us is the version's, updated_us the same. Freed with
 * store_assistants_free(). */
MUST_USE bool store_assistants_versions(store_t *s,
                                        const struct store_versions_query *q,
                                        struct store_assistant **list,
                                        size_t *n, struct err *err);
/* Drops runs of it that have ended (rows and logs, not checkpoints), at most
 * so many; *dropped: how many, 0: none is left. */
MUST_USE bool store_assistants_drop_runs(store_t *s,
                                         const struct id *assistant_id,
                                         size_t limit, size_t *dropped,
                                         struct err *err);
/* Its pending and running runs; *list is freed by the caller. */
MUST_USE bool store_assistants_open_runs(store_t *s,
                                         const struct id *assistant_id,
                                         struct id **list, size_t *n,
                                         struct err *err);

struct store_assistants_query {
    leat_view metadata;   /* containment; missing: any */
    const char *graph_id; /* NULL: any */
    const char *name;     /* part of the name, case ignored; NULL: any */
    const char *owner;    /* NULL: whom the handle acts as, or any; else this
                             owner's and everybody's */
    const char *sort_by;  /* assistant_id graph_id name created_at
                             updated_at; NULL: created_at */
    bool ascending;
    size_t limit; /* 0: no rows, only the count */
    size_t offset;
};
struct store_assistants_page {
    struct store_assistant *list; /* freed with store_assistants_free() */
    size_t n;
    size_t total; /* all that match */
};
MUST_USE bool store_assistants_search(store_t *s,
                                      const struct store_assistants_query *q,
                                      struct store_assistants_page *out,
                                      struct err *err);

/* ---- threads ------------------------------------------------------------ */

struct store_thread {
    struct id thread_id;
    char *owner;          /* NULL going in: whom the handle acts as */
    char status[16];      /* idle busy interrupted error; "" going in: idle */
    leat_value *metadata; /* objects; NULL going in: {} */
    leat_value *config;
    leat_value *values;     /* NULL: none yet */
    leat_value *interrupts; /* task id -> list; NULL going in: {} */
    leat_value *error;      /* NULL: none */
    int64_t created_us;     /* 0 going in: now */
    int64_t updated_us;
    int64_t state_updated_us;
    uint64_t last_ms; /* highest event id half ever given on it */
};
void store_thread_fini(struct store_thread *t);
void store_threads_free(struct store_thread **list, size_t n);

/* *created = false: the id is taken, nothing was changed. */
MUST_USE bool store_threads_create(store_t *s, const struct store_thread *t,
                                   bool *created, struct err *err);
MUST_USE bool store_threads_get(store_t *s, const struct id *thread_id,
                                struct store_thread *out, struct err *err);
/* The same without values, interrupts and error, which may be large. */
MUST_USE bool store_threads_look(store_t *s, const struct id *thread_id,
                                 struct store_thread *out, struct err *err);
/* Is the id in use, whoever's thread it is? */
MUST_USE bool store_threads_taken(store_t *s, const struct id *thread_id,
                                  bool *taken, struct err *err);
/* Merges the keys of `metadata` (missing: none) over the thread's own, and
 * those of `config`, its "configurable" key by key. */
MUST_USE bool store_threads_patch(store_t *s, const struct id *thread_id,
                                  leat_view metadata, leat_view config,
                                  struct err *err);

struct store_thread_state {
    const char *status; /* NULL: unchanged */
    leat_view values;   /* these three: missing unchanged, null none */
    leat_view interrupts;
    leat_view error;
};
/* Sets what is given; updated_at moves always (all missing: a touch),
 * state_updated_at when values are given. */
MUST_USE bool store_threads_set(store_t *s, const struct id *thread_id,
                                const struct store_thread_state *state,
                                struct err *err);
/* With runs, events, checkpoints. The broker must not hold a run of it. */
MUST_USE bool store_threads_delete(store_t *s, const struct id *thread_id,
                                   struct err *err);
/* Makes `to` (must not exist) with all checkpoints of `from` and metadata,
 * config and owner of it; thread ids inside metadata are rewritten, status,
 * values and interrupts derived from the latest checkpoint. No runs. */
MUST_USE bool store_threads_copy(store_t *s, const struct id *from,
                                 const struct id *to, struct err *err);
/* Keeps of every namespace the latest checkpoint (prune keep_latest).
 * ERR_CONFLICT while runs of it are open. */
MUST_USE bool store_threads_prune(store_t *s, const struct id *thread_id,
                                  struct err *err);
/* Values and interrupts as its latest checkpoint has them; the status stays.
 * After a change of its state from outside. */
MUST_USE bool store_threads_refresh(store_t *s, const struct id *thread_id,
                                    struct err *err);

/* How long a thread lives, and what is done with it then: it is deleted, or
 * its older checkpoints are, again and again. */
struct store_ttl {
    char strategy[16]; /* delete keep_latest; "": no end */
    int64_t ttl_us;
    int64_t expires_us; /* out only */
};
/* From now on; a strategy of "" takes it away. */
MUST_USE bool store_threads_set_ttl(store_t *s, const struct id *thread_id,
                                    const struct store_ttl *ttl,
                                    struct err *err);
MUST_USE bool store_threads_get_ttl(store_t *s, const struct id *thread_id,
                                    struct store_ttl *out, struct err *err);
/* Broker at its start: what threads made from now on have by default. */
MUST_USE bool store_threads_default_ttl(store_t *s, const struct store_ttl *ttl,
                                        struct err *err);
struct store_expired {
    struct id thread_id;
    bool keep_latest; /* else it is to be deleted */
};
/* Threads whose end has come, earliest first, but for those with open runs. */
struct store_expired_list {
    struct store_expired *list; /* freed by the caller */
    size_t n;
};
MUST_USE bool store_threads_expired(store_t *s, int64_t now_us, size_t limit,
                                    struct store_expired_list *out,
                                    struct err *err);

/* What a thread takes in the store, in bytes of rows' contents. */
struct store_channel_size {
    char *channel;
    uint64_t versions; /* stored values */
    uint64_t bytes;
};
struct store_thread_size {
    uint64_t checkpoints;
    uint64_t checkpoint_bytes; /* but for the channels' values */
    uint64_t value_count;
    uint64_t value_bytes;
    uint64_t write_count;
    uint64_t write_bytes;
    struct store_channel_size *channels; /* by name */
    size_t channel_count;
};
MUST_USE bool store_threads_size(store_t *s, const struct id *thread_id,
                                 struct store_thread_size *out,
                                 struct err *err);
void store_thread_size_fini(struct store_thread_size *t);

struct store_threads_query {
    const struct id *ids; /* of these only; NULL: any */
    size_t id_count;
    leat_view metadata; /* containment; missing: any */
    leat_view values;
    const char *status;  /* NULL: any */
    const char *owner;   /* NULL: whom the handle acts as, or any */
    const char *sort_by; /* thread_id status created_at updated_at
                            state_updated_at; NULL: created_at */
    bool ascending;
    size_t limit; /* 0: no rows, only the count */
    size_t offset;
};
struct store_threads_page {
    struct store_thread *list; /* freed with store_threads_free() */
    size_t n;
    size_t total; /* all that match */
};
MUST_USE bool store_threads_search(store_t *s,
                                   const struct store_threads_query *q,
                                   struct store_threads_page *out,
                                   struct err *err);

/* ---- runs --------------------------------------------------------------- */

struct store_run {
    struct id run_id;
    struct id thread_id;
    struct id assistant_id;
    char *graph_id;
    char status[16];      /* pending running success error interrupted ... */
    char strategy[16];    /* multitask strategy */
    char cancel[16];      /* accepted: interrupt or rollback; "" none */
    uint16_t attempt;     /* 0 before the first start */
    uint16_t failures;    /* attempts that count as failed */
    bool temporary;       /* its thread goes when it ends */
    uint64_t ms;          /* first half of this attempt's event ids */
    uint64_t first_seq;   /* first sequence of this attempt */
    uint64_t last_seq;    /* last one known to have been given */
    leat_value *kwargs;   /* opaque */
    leat_value *metadata; /* opaque */
    leat_value *error;    /* {"error","message"}; NULL: none */
    int64_t created_us;   /* 0 going in: now */
    int64_t updated_us;
    int64_t due_us;          /* wall time before which it must not start; 0 */
    int64_t started_us;      /* first start; 0 not yet */
    int64_t ended_us;        /* 0 not yet */
    uint64_t thread_last_ms; /* out only: the thread's last_ms */
};
void store_run_fini(struct store_run *r);
void store_runs_free(struct store_run **list, size_t n);

struct store_tick;
struct store_key;
/* What is written together with a run; each may be NULL. */
struct store_run_more {
    const char *webhook;           /* is told how the run ended */
    const struct store_key *key;   /* ERR_CONFLICT: it is not this run's */
    const struct store_tick *tick; /* ERR_CONFLICT: it made a run before */
};
/* What an insert does to the thread, beside making it busy and setting
 * metadata graph_id and assistant_id. */
struct store_run_thread {
    bool make;         /* make it if it is not there (else NOT_FOUND) */
    const char *owner; /* of the thread, which must not be another's; NULL:
                          whoever's, and nobody's if it is made */
    leat_view config;  /* merged as in store_threads_patch; missing: no */
    const struct store_run_more *more; /* NULL: nothing */
};
struct store_run_inserted {
    uint64_t last_seq;       /* of a run that was there: of its log */
    bool inserted;   /* false: the run was there already, as it is */
    char status[16]; /* its status now */
    uint64_t thread_last_ms;
};
/*
 * Ledger, within a group: runs are about to be inserted on these threads. A
 * database behind a network is asked once for what all of them look at.
 */
MUST_USE bool store_runs_expect(store_t *s, const struct id *threads, size_t n,
                                struct err *err);
/* Ledger. The status going in is "pending" (or "" for it), or "running" for a
 * run that starts at once: with attempt, ms and first_seq, as by a start. */
MUST_USE bool store_runs_insert(store_t *s, const struct store_run *r,
                                const struct store_run_thread *t,
                                struct store_run_inserted *out,
                                struct err *err);

/* Ledger. Status becomes running, the thread busy and its last_ms at least
 * `ms`. The attempt must be higher than the stored one, else ERR_CONFLICT. */
struct store_run_start {
    struct id run_id;
    uint16_t attempt;
    uint16_t failures;
    uint64_t ms;
    uint64_t first_seq; /* 0: unchanged */
};
MUST_USE bool store_runs_start(store_t *s, const struct store_run_start *r,
                               struct err *err);

/* Ledger. Back to pending; attempt and ms stay. `last_seq` 0: unchanged. */
MUST_USE bool store_runs_requeue(store_t *s, const struct id *run_id,
                                 uint64_t last_seq, struct err *err);

/* Ledger. A cancel was accepted: `action` is interrupt or rollback. */
MUST_USE bool store_runs_cancel(store_t *s, const struct id *run_id,
                                const char *action, struct err *err);

/* Ledger. The end of a run, and what its thread looks like afterwards. */
struct store_run_end {
    struct id run_id;
    uint16_t attempt;   /* must be the stored one (else ERR_FENCED);
                           0: whatever it is (a pending run, a dead one) */
    const char *status; /* success error interrupted timeout ... */
    leat_view error;    /* missing or null: none */
    uint64_t last_seq;  /* 0: unchanged */
    uint64_t ms;        /* first half of the last event's id; 0: unchanged */
    /* idle, interrupted, error or busy; "idle" becomes busy while other runs
     * of the thread are open. NULL or "": the thread is left alone. With
     * "error" the thread's error is the run's, with others it is cleared. */
    const char *thread_status;
    leat_view values; /* missing: unchanged */
    /* missing: none when `attempt` is given, else unchanged */
    leat_view interrupts;
    bool no_webhook; /* it is known that none was given */
};
/* Repeating the end of an ended run changes nothing and is true. */
MUST_USE bool store_runs_finish(store_t *s, const struct store_run_end *r,
                                struct err *err);

MUST_USE bool store_runs_get(store_t *s, const struct id *run_id,
                             struct store_run *out, struct err *err);

struct store_runs_query {
    const struct id *thread_id; /* NULL: all threads */
    const char *status;         /* NULL: any; "open": pending and running */
    leat_view metadata;         /* containment; missing: any */
    size_t limit;               /* 0: all */
    size_t offset;
};
/* Newest first; freed with store_runs_free(). */
MUST_USE bool store_runs_list(store_t *s, const struct store_runs_query *q,
                              struct store_run **list, size_t *n,
                              struct err *err);
/*
 * The runs of a thread whose event ids lie above `after_ms`, and the one that
 * is running, in the order of their ids; `list` has room for `limit`. Runs that
 * never began and were not closed have no ids.
 */
struct store_run_ids {
    struct id run_id;
    uint64_t ms;
    uint64_t first_seq;
};
struct store_ids_query {
    struct id thread_id;
    uint64_t after_ms;
    size_t limit;
};
MUST_USE bool store_runs_ids(store_t *s, const struct store_ids_query *q,
                             struct store_run_ids *list, size_t *n,
                             struct err *err);
/* Runs in this status ("open": pending and running). */
MUST_USE bool store_runs_count(store_t *s, const char *status, uint64_t *n,
                               struct err *err);
/* Broker at its start: pending and running, in the order they were made. */
MUST_USE bool store_runs_load_open(store_t *s, struct store_run **list,
                                   size_t *n, struct err *err);
/*
 * As if the run had never been: its checkpoints, writes, views, log and row
 * go, and the thread's status, values and interrupts are those of what is
 * the latest then (busy while other runs of it are open). rollback (ledger):
 * whatever its status, `busy` says that the thread is; delete (gateway):
 * ERR_CONFLICT while it is open. ERR_NOT_FOUND when there is no such run.
 */
MUST_USE bool store_runs_rollback(store_t *s, const struct id *run_id,
                                  bool busy, struct err *err);
MUST_USE bool store_runs_delete(store_t *s, const struct id *run_id,
                                struct err *err);

/* ---- crons -------------------------------------------------------------- */

struct store_cron {
    struct id cron_id;
    struct id assistant_id;
    struct id thread_id; /* nil: each run makes a thread */
    char *owner;         /* NULL going in: whom the handle acts as */
    char *schedule;
    char *timezone;     /* NULL: UTC */
    char *on_completed; /* delete or keep; NULL: of a thread */
    bool enabled;
    int64_t version; /* out; going in, replace: the one that was read */
    int64_t next_us; /* the tick that comes next; 0: none */
    int64_t end_us;  /* no tick from then on; 0: no end */
    int64_t created_us; /* 0 going in: now */
    int64_t updated_us;
    leat_value *metadata;
    leat_value *payload; /* the body of the runs that it makes */
};
void store_cron_fini(struct store_cron *c);
void store_crons_free(struct store_cron **list, size_t n);

/* Gateway. Repeating it is true and changes nothing. */
MUST_USE bool store_crons_create(store_t *s, const struct store_cron *c,
                                 struct err *err);
MUST_USE bool store_crons_get(store_t *s, const struct id *cron_id,
                              struct store_cron *out, struct err *err);
/* Gateway. Everything but assistant, thread, owner and creation as given.
 * ERR_CONFLICT when it was changed since it was read: read it again. */
MUST_USE bool store_crons_replace(store_t *s, const struct store_cron *c,
                                  struct err *err);
MUST_USE bool store_crons_delete(store_t *s, const struct id *cron_id,
                                 struct err *err);
/*
 * A tick is over: `next_us` comes next. ERR_CONFLICT when the cron is not
 * waiting for `due_us` (any more). Ledger, with the run that the tick makes;
 * gateway, for a tick that makes none.
 */
struct store_tick {
    struct id cron_id;
    int64_t due_us;
    int64_t next_us;
};
MUST_USE bool store_crons_advance(store_t *s, const struct store_tick *t,
                                  struct err *err);

struct store_crons_query {
    const char *owner;             /* NULL: whom the handle acts as, or any */
    const struct id *assistant_id; /* NULL: any */
    const struct id *thread_id;    /* NULL: any */
    const bool *enabled;           /* NULL: any */
    leat_view metadata;            /* containment; missing: any */
    const char *sort_by;           /* cron_id assistant_id thread_id
                                      next_run_date end_time created_at
                                      updated_at; NULL: created_at */
    bool ascending;
    size_t limit; /* 0: no rows, only the count */
    size_t offset;
};
struct store_crons_page {
    struct store_cron *list; /* freed with store_crons_free() */
    size_t n;
    size_t total; /* all that match */
};
MUST_USE bool store_crons_search(store_t *s, const struct store_crons_query *q,
                                 struct store_crons_page *out, struct err *err);
/* Enabled ones whose tick has come, the longest due first; at most `limit`. */
MUST_USE bool store_crons_due(store_t *s, int64_t now_us, size_t limit,
                              struct store_crons_page *out, struct err *err);

/* ---- webhooks ----------------------------------------------------------- */

/* What is still to be told, and where. */
struct store_hook {
    struct id run_id;
    char *url;
    int64_t tries;    /* before this one */
    leat_value *body; /* the run as the API shows it, and how it ended */
};
void store_hooks_free(struct store_hook **list, size_t n);

/*
 * The ledger makes a hook with its run and completes it with the run's end.
 * A gateway claims those that are due: they are its own until `until_us`.
 * `any`, without writing: is one due at all?
 */
MUST_USE bool store_hooks_any(store_t *s, int64_t now_us, bool *any,
                              struct err *err);
struct store_hooks_claim {
    int64_t now_us;
    int64_t until_us;
    size_t limit;
};
MUST_USE bool store_hooks_claim(store_t *s, const struct store_hooks_claim *c,
                                struct store_hook **list, size_t *n,
                                struct err *err);
/* It was told, or never will be (`again_us` 0), or is to be tried again. */
MUST_USE bool store_hooks_tried(store_t *s, const struct id *run_id,
                                int64_t again_us, struct err *err);

/* ---- Idempotency-Key ---------------------------------------------------- */

struct store_key {
    const char *owner; /* NULL or "": nobody's */
    const char *key;
};
struct store_key_claim {
    struct store_key key;
    struct id run_id;       /* the run that the request would make */
    const char *digest;     /* of what is asked for */
    int64_t now_us;
    int64_t expired_us;     /* keys from before then are forgotten */
    int64_t abandoned_us;   /* of what began before then nothing comes */
};
struct store_key_owner {
    bool fresh;         /* the run that was given is the key's */
    bool same;          /* the digest is the one that the key has */
    bool accepted;      /* the run was made */
    struct id run_id;   /* the key's */
    int64_t created_us; /* when it was claimed first */
};
/* Gateway. Gives the key to the run, or says whose it is. */
MUST_USE bool store_keys_claim(store_t *s, const struct store_key_claim *c,
                               struct store_key_owner *out, struct err *err);
/* Gateway. The run was refused: the key is free unless it was accepted. */
MUST_USE bool store_keys_release(store_t *s, const struct store_key *k,
                                 const struct id *run_id, struct err *err);
MUST_USE bool store_keys_expire(store_t *s, int64_t before_us, struct err *err);

/* ---- events: the log, one row per run and flush ------------------------- */

struct store_segment {
    struct id run_id;
    uint64_t first_seq;
    uint64_t last_seq;
    uint16_t attempt;
    bool ended; /* its last event is the log's last */
    uint64_t ms;
    const void *body; /* msgpack events laid end to end; opaque */
    size_t body_bytes;
};
/* Journal. A segment whose (run, first_seq) is there already is skipped. */
MUST_USE bool store_events_append(store_t *s, const struct store_segment *list,
                                  size_t n, struct err *err);
/* Journal. The stored log is complete: nothing comes after `last_seq`. */
MUST_USE bool store_events_end(store_t *s, const struct id *run_id,
                               uint64_t last_seq, struct err *err);
/*
 * Gives the segments of a run that hold `from_seq` or later, in order, until
 * `take` returns false. Bodies are valid during the call of take, which must
 * not use the store handle.
 */
struct store_reader {
    bool (*take)(void *arg, const struct store_segment *seg);
    void *arg;
};
MUST_USE bool store_events_read(store_t *s, const struct id *run_id,
                                uint64_t from_seq,
                                const struct store_reader *reader,
                                struct err *err);
struct store_log {
    uint64_t first_seq; /* lowest kept; 0 with last_seq 0: no log */
    uint64_t last_seq;
    uint64_t body_bytes;
    bool ended; /* the log has its end */
};
/*
 * Runs that ended before `before_us` and whose log has no end in the store:
 * of those, the ones of the last seconds before the last such end. run_id,
 * thread_id, attempt, ms, status and last_seq are set. Free with
 * store_runs_free.
 */
MUST_USE bool store_events_torn(store_t *s, int64_t before_us,
                                struct store_run **list, size_t *n,
                                struct err *err);
MUST_USE bool store_events_extent(store_t *s, const struct id *run_id,
                                  struct store_log *out, struct err *err);
MUST_USE bool store_events_total(store_t *s, uint64_t *bytes, struct err *err);
/* Drops the oldest segments of the run until at most `keep` bytes are left;
 * *freed: bytes dropped. The newest one goes only when `keep` is 0. */
MUST_USE bool store_events_trim(store_t *s, const struct id *run_id,
                                uint64_t keep, uint64_t *freed,
                                struct err *err);
/*
 * Drops the logs of runs that ended before `ended_us`, and, oldest end first,
 * of ended runs until `bytes` are freed; at most 64 runs per call. *freed:
 * bytes dropped, 0: nothing more for now.
 */
MUST_USE bool store_events_expire(store_t *s, int64_t ended_us, uint64_t bytes,
                                  uint64_t *freed, struct err *err);

/* ---- checkpoints -------------------------------------------------------- */

struct store_write {
    char task_id[37];
    int64_t index; /* special writes negative */
    char *channel;
    leat_value *value;
    struct id run_id; /* out: who wrote it */
};

/* A stored form larger than this is kept outside the row, once, and may be
 * referred to by later checkpoints. */
#define STORE_INLINE_BYTES 512

/*
 * One checkpoint. `values` is channel -> stored form. Channel versions repeat
 * on forks, so a stored form is known by (thread, namespace, channel, id of
 * the checkpoint that stored it): `refs` says for channels kept outside the
 * row which checkpoint that is. Going in, a channel that `refs` names is not
 * stored again and its value in `values` is ignored (null will do); it must
 * be there, else ERR_CONFLICT. Going out, all of `values` is filled in and
 * `refs` names every channel kept outside.
 */
struct store_checkpoint {
    char id[37];
    char parent_id[37]; /* "" none */
    char *ns;
    char *ts;         /* ISO-8601, as the engine made it */
    struct id run_id; /* nil: made by a state update */
    leat_value *values;
    leat_value *refs;     /* channel -> checkpoint id; NULL going in: none */
    leat_value *versions; /* channel -> integer */
    leat_value *seen;     /* node -> channel -> integer */
    leat_value *metadata;
    leat_value *view;           /* worker/graph/engine.h; NULL: none */
    struct store_write *writes; /* out only, by task and index */
    size_t write_count;
};
void store_checkpoint_fini(struct store_checkpoint *c);
void store_checkpoints_free(struct store_checkpoint **list, size_t n);

/* Where a saver writes, and by which right: a nil run is not fenced. */
struct store_place {
    struct id thread_id;
    const char *ns;
    struct store_fence fence;
};
MUST_USE bool store_checkpoints_put(store_t *s, const struct store_place *at,
                                    const struct store_checkpoint *c,
                                    struct err *err);
/* A negative index replaces what is there, others keep it (first wins). */
struct store_writes {
    const struct store_write *list;
    size_t n;
};
MUST_USE bool store_checkpoints_put_writes(store_t *s,
                                           const struct store_place *at,
                                           const char *checkpoint_id,
                                           const struct store_writes *writes,
                                           struct err *err);
MUST_USE bool store_checkpoints_put_view(store_t *s,
                                         const struct store_place *at,
                                         const char *checkpoint_id,
                                         const leat_value *view,
                                         struct err *err);
struct store_checkpoint_key {
    struct id thread_id;
    const char *ns; /* NULL: "" */
    const char *id; /* NULL or "": the latest of the namespace */
};
/* *found = false with true: there is none. */
MUST_USE bool store_checkpoints_load(store_t *s,
                                     const struct store_checkpoint_key *k,
                                     struct store_checkpoint *out, bool *found,
                                     struct err *err);

struct store_checkpoints_query {
    struct id thread_id;
    const char *ns;     /* NULL: "" */
    const char *id;     /* exactly this one; NULL or "": any */
    const char *before; /* smaller ids only; NULL or "": any */
    leat_view metadata; /* containment; missing: any */
    size_t limit;       /* 0: all */
};
/* Newest first, with writes; freed with store_checkpoints_free(). */
MUST_USE bool store_checkpoints_list(store_t *s,
                                     const struct store_checkpoints_query *q,
                                     struct store_checkpoint **list, size_t *n,
                                     struct err *err);

/*
 * What readers see of a checkpoint, by its view: the state (one reference),
 * whether something is to run next, and the interrupts as task id -> list
 * (one reference, {} for none).
 */
leat_value *store_checkpoint_values(const struct store_checkpoint *c);
bool store_checkpoint_has_next(const struct store_checkpoint *c);
leat_value *store_checkpoint_interrupts(const struct store_checkpoint *c);

/* ---- items -------------------------------------------------------------- */

struct store_item {
    char *owner;
    leat_value *space; /* list of labels */
    char *key;
    leat_value *value;
    int64_t created_us;
    int64_t updated_us;
    int64_t ttl_us;     /* 0: it does not expire */
    int64_t expires_us; /* 0: never */
};
void store_item_fini(struct store_item *i);
void store_items_free(struct store_item **list, size_t n);

/* Does a read count as a use, which begins the item's time to live anew? */
enum store_refresh {
    STORE_REFRESH_DEFAULT = 0, /* as the handle was opened */
    STORE_REFRESH_YES,
    STORE_REFRESH_NO,
};

/*
 * `space`: a non-empty list of labels, each non-empty and without "." (else
 * ERR_INVALID). `owner` "": nobody's items. NULL: the owner that the handle
 * acts as; if that is none, put makes nobody's, the others mean nobody's item,
 * or else the first owner's that has one.
 */
struct store_item_key {
    const char *owner;
    leat_view space;
    const char *key;
    enum store_refresh refresh; /* of a get */
};
/* What stands for a namespace and a key before it is looked up: ERR_INVALID
 * as every call gives it. */
MUST_USE bool store_items_check_space(leat_view space, struct err *err);

#define STORE_TTL_NONE (-1)
/* `ttl_us` 0: as the handle was opened; STORE_TTL_NONE: it never expires. */
MUST_USE bool store_items_put(store_t *s, const struct store_item_key *k,
                              const leat_value *value, int64_t ttl_us,
                              struct err *err);
/* *found = false with true: there is none. */
MUST_USE bool store_items_get(store_t *s, const struct store_item_key *k,
                              struct store_item *out, bool *found,
                              struct err *err);
/* Deleting what is not there is true. */
MUST_USE bool store_items_delete(store_t *s, const struct store_item_key *k,
                                 struct err *err);
/* Begins the time to live of those that have one anew. */
MUST_USE bool store_items_refresh(store_t *s, const struct store_item *list,
                                  size_t n, struct err *err);
/* Vault. Deletes what has expired, at most 1,000; *n: how many. */
MUST_USE bool store_items_sweep(store_t *s, int64_t now_us, size_t *n,
                                struct err *err);

struct store_items_query {
    const char *owner; /* "": nobody's; NULL: the handle's, or all */
    leat_view prefix;  /* list of labels; missing or []: all */
    leat_view filter;  /* store/filter.h, checked; missing: all */
    size_t limit;      /* 0: all */
    size_t offset;
    enum store_refresh refresh;
};
/* Last updated first; freed with store_items_free(). */
MUST_USE bool store_items_search(store_t *s, const struct store_items_query *q,
                                 struct store_item **list, size_t *n,
                                 struct err *err);

struct store_spaces_query {
    const char *owner; /* as in a search */
    leat_view prefix;  /* lists of labels, "*": any one; missing or []: all */
    leat_view suffix;
    size_t max_depth; /* cut to so many labels; 0: whole */
    size_t limit;     /* 0: all */
    size_t offset;
};
/* Each namespace once, in order: a list of lists. */
MUST_USE bool store_items_spaces(store_t *s, const struct store_spaces_query *q,
                                 leat_value **spaces, struct err *err);

/* ---- invariants --------------------------------------------------------- */

struct store_fault {
    const char *rule; /* what should hold, in words */
    uint64_t count;   /* how often it does not; counted up to 1,000 */
    struct id example; /* a thread or run of which it does not; may be nil */
};
/*
 * Whether what must always hold does: *n is 0, or the rules that are broken;
 * free(*list). For tests and doctors: it reads all of the database.
 */
MUST_USE bool store_check(store_t *s, struct store_fault **list, size_t *n,
                          struct err *err);

/* ---- tests and development ---------------------------------------------- */

enum {
    STORE_RUNS = 1,
    STORE_THREADS = 2,
    STORE_ASSISTANTS = 4,
    STORE_CHECKPOINTS = 8,
    STORE_ITEMS = 16,
};
/* Empties the named tables (POST /internal/truncate). */
MUST_USE bool store_truncate(store_t *s, unsigned what, struct err *err);

#endif
