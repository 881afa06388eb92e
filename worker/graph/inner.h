/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/inner.h: what the files that carry a run out share with each other: a
 * run, the loops of its graphs (one per graph being stepped, nested ones
 * inside a task of the one above), and the works of a step (one per task
 * being executed). Nobody outside worker/graph includes it.
 *
 * Locks: run->lock is held while something is emitted and while pending
 * writes or the ids already streamed are touched; run->saver_lock around the
 * saver. The first is never taken inside the second or twice. All else in a
 * loop belongs to the thread that steps it; all else in a work to the thread
 * that runs it.
 */
#ifndef GRAPH_INNER_H
#define GRAPH_INNER_H

#include "worker/graph/cancel.h"
#include "worker/graph/id_set.h"
#include "worker/graph/plan.h"
#include <pthread.h>

struct event_run;
struct work;
struct loop;
struct leat_context;

struct run {
    const struct graph_request *req;
    const struct graph_host *host;
    struct graph_cancel *cancel;
    bool own_cancel;
    pthread_mutex_t lock;
    pthread_mutex_t saver_lock;
    bool unflushed;              /* saver_lock: since the last flush */
    pthread_mutex_t exit_lock;   /* around graph_save_exit() */
    leat_value *stored_metadata; /* goes into every checkpoint */
    leat_value *metadata;        /* base of messages' and events' metadata */
    leat_value *task_metadata;   /* base of tasks' metadata */
    leat_value *resume_map;      /* {interrupt id: answer}, or NULL */
    struct id_set seen;          /* message ids streamed */
    struct id_set replayed;      /* namespaces that have begun a replay */
    struct id_set visited;       /* namespaces that this attempt has loaded;
                                    only of later attempts */
    char replay_before[37];      /* "" unless time travelling */
    atomic_bool answered;        /* a task has taken the answer that was
                                    for any of them */
    char *answered_by;           /* who had, in an earlier attempt; or NULL */
    struct event_run *event;     /* of the root graph, or NULL */
};

/* Whether a graph continues: unset, or told by the graph around it. */
enum resuming {
    RESUMING_UNSET = 0,
    RESUMING_NO,
    RESUMING_YES,
};

/* How a loop ended. */
enum loop_end {
    LOOP_DONE = 0,
    LOOP_INTERRUPTED, /* interrupts */
    LOOP_FAILED,      /* fault */
    LOOP_PARENT,      /* command */
    LOOP_CANCELLED,
};

enum loop_phase {
    PHASE_LOAD,
    PHASE_INPUT,
    PHASE_PLAN,
    PHASE_BEFORE,
    PHASE_EXECUTE,
    PHASE_APPLY,
    PHASE_AFTER,
    PHASE_ENDED,
};

struct loop {
    struct run *run;
    struct work *caller;         /* whose node runs this graph; NULL root */
    const struct graph *graph;
    char *ns;
    enum loop_phase phase;
    enum loop_end end;
    struct fault fault;          /* LOOP_FAILED */
    leat_value *interrupts;      /* list; LOOP_INTERRUPTED; empty: static */
    leat_value *command;         /* LOOP_PARENT */
    leat_view input;
    bool is_command;             /* input is a Command */
    const struct graph_saver *saver; /* NULL: keeps nothing */
    bool explicit_id;            /* a checkpoint was named */
    bool revisits;               /* the namespace was loaded before */
    bool own;                    /* an earlier attempt made the checkpoint */
    bool halted;                 /* the run stops behind this checkpoint */
    int noted_stop;              /* own: what `stop` was, and the next two */
    bool noted_spoke;
    leat_value *noted_told;
    bool at_exit;                /* durability exit */
    bool worked;                 /* a task other than the input's was run */
    bool unflushed;              /* the put of a step nobody waited for */
    bool skip_done;              /* tasks with kept writes are not run */
    enum resuming resuming;
    leat_value *parents;         /* metadata.parents of its checkpoints */
    struct channels channels;
    struct checkpoint cp;
    char prev_id[37];            /* parent of cp, as events show it */
    bool prev_loaded;            /* it is what the store said */
    struct pendings pending;
    leat_value *base_values;     /* after a Command's writes, for the view */
    struct tasks base_tasks;     /* those before them: what readers see */
    int step, stop;
    unsigned limit;              /* recursion limit, for the error's text */
    bool *updated;               /* by channel, from the last apply */
    bool updated_known;
    bool planned;                /* tasks are those of cp */
    bool ordered;                /* then: in the order of their names */
    struct tasks tasks;
    struct work *works;          /* of the tasks being executed */
    size_t work_count;
    atomic_bool abort;           /* a sibling failed: stop waiting */
    bool fleeting;               /* output has keys that go by themselves */
    leat_value *told;            /* then: the output as told last, or NULL */
    bool spoke;                  /* values were told */
    bool speaks;                 /* or are, of the newest checkpoint */
    bool answered;               /* run->answered, in here or below */
    leat_value *shown;           /* root, at the end: the last checkpoint's
                                    state, for the thread */
    struct event_run *event;
};

/* One task being executed. */
struct work {
    struct loop *loop;
    struct task *task;
    enum task_end end;
    struct fault fault;
    leat_value *interrupts;  /* list */
    leat_value *command;     /* TASK_PARENT */
    leat_value **resume;     /* answers of this task, in order */
    size_t resume_count;
    size_t answered;         /* questions, in this attempt */
    size_t asked;            /* interrupts so far, in all attempts */
    bool took_named;         /* the run's answer by its id is in `resume` */
    bool took_any;           /* and the one for any task */
    unsigned calls;          /* graphs run inside this execution */
    bool retried;            /* nested graphs continue */
    int attempt;
    struct event_run *event;
    leat_value *metadata;    /* of messages and events; made on first use */
};

/* Why a node has to return. */
enum context_stop {
    CONTEXT_GOES = 0,
    CONTEXT_FAILED,      /* fault */
    CONTEXT_INTERRUPTED, /* interrupts */
    CONTEXT_CANCELLED,
    CONTEXT_PARENT,      /* command: of a nested graph, for this one */
};

/* One attempt at a node; outside a run it only has the request. */
struct leat_context {
    uint32_t magic;
    struct work *work;       /* NULL outside a run */
    const struct graph_request *req;
    const struct graph_host *host;
    const char *node;
    void *data;
    enum context_stop stop;
    struct fault fault;
    leat_value *interrupts;
    leat_value *command;
    struct tool_turn *turn;  /* a tool among others; else NULL (turn.h) */
    leat_view tool_state;    /* in a tool: the state of its node */
    const char *tool_call_id; /* in a tool; else NULL */
};
void graph_context_init(struct leat_context *ctx, struct work *w);
void graph_context_fini(struct leat_context *ctx);

/* ---- run.c -------------------------------------------------------------- */

void graph_run_lock(struct run *r);
void graph_run_unlock(struct run *r);
/* Has the run been cancelled, or a step around the loop been given up? */
bool graph_run_stopped(const struct loop *l);

/* ---- step.c ------------------------------------------------------------- */

struct loop_spec {
    struct run *run;
    struct work *caller;
    const struct graph *graph;
    const char *ns;
    leat_view input;
    bool is_command;
    struct event_run *event; /* the graph's run in `events`, or NULL */
};
/* Runs the graph to its end on this thread; loop->end says how. */
void graph_step_run(struct loop *l, const struct loop_spec *spec);
/* The output keys as `values` told them last, null if there were none; one
 * reference. */
leat_value *graph_step_output(const struct loop *l);
void graph_step_fini(struct loop *l);

/* ---- start.c: how a loop takes up its input ----------------------------- */

enum loop_phase graph_start_load(struct loop *l);
enum loop_phase graph_start_input(struct loop *l);

/* ---- save.c: what a loop gives to the saver ----------------------------- */

/* A new checkpoint of what the loop has; plans the tasks that follow. */
MUST_USE bool graph_save_put(struct loop *l, const char *source);
/* Waits until all is durable. */
MUST_USE bool graph_save_flush(struct loop *l);
/* Keeps a task's writes with the checkpoint. Takes run->lock. */
MUST_USE bool graph_save_writes(struct loop *l, const char *task_id,
                                const struct writes *w, struct fault *f);
/* Keeps one mark of a task beside its other writes. */
MUST_USE bool graph_save_mark(struct loop *l, const char *task_id,
                              leat_value *mark, struct fault *f);
/* The ordinary ones as they are stored: [[channel, value]...]. */
leat_value *graph_save_listed(const struct graph *g, const struct writes *w);
/* Durability exit: the one checkpoint and what is pending on it; durable. */
MUST_USE bool graph_save_exit(struct loop *l, struct fault *f);
/* A question is durable before anybody can answer it. Any thread. */
MUST_USE bool graph_save_question(struct loop *l, struct fault *f);
/* What readers see of this checkpoint has changed: finished tasks. */
MUST_USE bool graph_save_view(struct loop *l, const leat_value *values);
/* Prepares the next tasks, if that was not done yet. */
void graph_save_plan(struct loop *l);

/* ---- again.c: what a later attempt has to know --------------------------- */

/* For the view of the loop's checkpoint; one reference. */
leat_value *graph_again_note(const struct loop *l);
/* Adds to the writes of a task what the run did to it. Takes run->lock. */
void graph_again_mark(const struct work *w, struct writes *to);
/* Adds to the writes of this run's command that they are its. */
void graph_again_command(const struct loop *l, struct writes *to);
/* May the task take the answer for any? Under run->lock, as the next. */
bool graph_again_may_take(const struct work *w);
/* Notes that it has, from that loop; the loop's NULL task is to be marked
 * with what is returned (one reference; or NULL). */
leat_value *graph_again_answer(struct work *w, const struct loop *from);
/* What a task among those pending is to be marked with at the run's exit:
 * `writes` (taken; or NULL) if the store has them otherwise, `whole` if all of
 * the task is there. One reference, or NULL. */
leat_value *graph_again_kept(const struct run *r, const struct pendings *p,
                             const char *task_id, leat_value *writes,
                             bool whole);
/* Notes that the loop loads its namespace. */
void graph_again_visit(struct loop *l);
/* Did an earlier attempt of this run make the checkpoint? */
bool graph_again_own(const struct loop *l, const struct graph_saved *saved);
/* And in this very task of the graph around? */
bool graph_again_began(const struct loop *l, const struct graph_saved *saved);
/* Did it die before a graph around was stored, so that this never was? Under
 * the saver's lock. */
bool graph_again_orphan(const struct loop *l, const struct graph_saved *saved);
/* Has its replay of this graph begun? */
bool graph_again_visited(const struct loop *l,
                         const struct graph_saved *saved);
/* Was this run's command stored by an earlier attempt? */
bool graph_again_commanded(const struct loop *l);
/* Has the task what this run's command gave it by its id? */
bool graph_again_taken(const struct loop *l, const char *task_id);
/* Did the task fail in an earlier attempt of this run? */
bool graph_again_failed(const struct loop *l, const char *task_id);
/* This run's command was stored by an earlier attempt: all but its answer is
 * pending. Takes run->lock. */
void graph_again_command_taken(struct loop *l, const struct writes *given);
/* Reads the note of what was loaded. */
void graph_again_take(struct loop *l, const struct graph_saved *saved);
/* Own: `values` were told anew; the output is still what was told then. */
void graph_again_told(struct loop *l);
/* Own: what nested graphs are told by the step behind the checkpoint. */
enum resuming graph_again_resuming(const struct loop *l);

/* ---- work.c: running the tasks of a step -------------------------------- */

/* Executes the tasks that have no writes yet; all have ended on return. */
void graph_work_run(struct loop *l);
bool graph_work_stopped(const struct work *w);
/* Frees the works of the last step. */
void graph_work_clear(struct loop *l);
/* A graph inside a task: a subgraph node's, or one that is called. The
 * output, or NULL: then ctx->stop says why. */
leat_value *graph_work_nested(struct leat_context *ctx,
                              const struct graph *child, leat_view input);

#endif
