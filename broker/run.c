/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run's own affairs: being made and freed, and moving from state to state
 * along the edges of run.tbl.h.
 */
#include "broker/run.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/stat.h"

#define BIT(state) (1u << (state))
#define TO_PENDING BIT(BRK_RUN_PENDING)
#define TO_FENCING BIT(BRK_RUN_FENCING)
#define TO_RUNNING BIT(BRK_RUN_RUNNING)
#define TO_ADOPTING BIT(BRK_RUN_ADOPTING)
#define TO_CLOSING BIT(BRK_RUN_CLOSING)
#define TO_ENDING BIT(BRK_RUN_ENDING)
#define TO_ENDED BIT(BRK_RUN_ENDED)

struct state {
    const char *name;
    const char *shown;
    unsigned next; /* set of states */
};

static const struct state states[] = {
#define RUN_STATE(NAME, name, shown, next, text)                               \
    [BRK_RUN_##NAME] = {name, shown, next},
#include "broker/run.tbl.h"
#undef RUN_STATE
};

static const char *const strategies[] = {
    [BRK_REJECT] = "reject",
    [BRK_INTERRUPT] = "interrupt",
    [BRK_ROLLBACK] = "rollback",
    [BRK_ENQUEUE] = "enqueue",
};

static void count_state(enum brk_run_state state, int64_t by);

struct brk_run *brk_run_new(const struct id *id, const struct id *thread)
{
    must(!id_is_nil(id) && !id_is_nil(thread));
    struct brk_run *run = base_zalloc(sizeof *run);
    run->magic = BRK_RUN_MAGIC;
    run->id = *id;
    run->thread = *thread;
    run->state = BRK_RUN_PENDING;
    count_state(run->state, 1);
    return run;
}

void brk_run_destroy(struct brk_run **p)
{
    struct brk_run *run = *p;
    if (run == NULL) {
        return;
    }
    check_magic(run, BRK_RUN_MAGIC);
    must(run->lane == NULL && run->worker == NULL && !run->in_last);
    must(run->ready.at == 0 && run->timer.at == 0);
    count_state(run->state, -1);
    leat_drop(run->kwargs);
    leat_drop(run->metadata);
    brk_run_end_fini(&run->end);
    run->magic = 0;
    free(run);
    *p = NULL;
}

void brk_run_end_fini(struct brk_end *end)
{
    leat_drop(end->error);
    leat_drop(end->values);
    leat_drop(end->interrupts);
    *end = (struct brk_end){0};
}

void brk_run_move(struct brk_run *run, enum brk_run_state to, const char *why)
{
    check_magic(run, BRK_RUN_MAGIC);
    must(to < BRK_RUN_STATES && (states[run->state].next & BIT(to)) != 0);
    enum brk_run_state from = run->state;
    run->state = to;
    count_state(from, -1);
    count_state(to, 1);
    enum log_level level = run->stored ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
    LOG_AT_(level, "run.moved",
            "run=%s thread=%s from=%s to=%s attempt=%u why=%s",
            ID_TEXT(&run->id), ID_TEXT(&run->thread), states[from].name,
            states[to].name, run->attempt, LOG_Q(why));
}

const char *brk_run_state_name(enum brk_run_state state)
{
    must(state < BRK_RUN_STATES);
    return states[state].name;
}

const char *brk_run_status(const struct brk_run *run)
{
    /* A run whose worker was lost waits again, but its row says running until
     * another attempt begins or ends it. */
    if (run->state == BRK_RUN_CLOSING && run->began_ms == 0) {
        return "pending";
    }
    return states[run->state].shown;
}

bool brk_run_needs_worker_alone(const struct brk_run *run,
                                unsigned max_attempts)
{
    return run->failures > 0 && run->failures + 1u >= max_attempts;
}

bool brk_run_strategy_parse(leat_view word, enum brk_strategy *out)
{
    for (size_t i = 0; i < COUNT_OF(strategies); i++) {
        if (leat_is(word, strategies[i])) {
            *out = (enum brk_strategy)i;
            return true;
        }
    }
    return false;
}

const char *brk_run_strategy_name(enum brk_strategy s)
{
    must((size_t)s < COUNT_OF(strategies));
    return strategies[s];
}

bool brk_run_cancel_parse(leat_view word, enum brk_cancel *out)
{
    bool rollback = leat_is(word, "rollback");
    *out = rollback ? BRK_CANCEL_ROLLBACK : BRK_CANCEL_INTERRUPT;
    return rollback || leat_is(word, "interrupt");
}

const char *brk_run_cancel_name(enum brk_cancel c)
{
    must(c != BRK_CANCEL_NONE);
    return c == BRK_CANCEL_ROLLBACK ? "rollback" : "interrupt";
}

/* The two gauges that operators watch. */
static void count_state(enum brk_run_state state, int64_t by)
{
    if (state == BRK_RUN_PENDING || state == BRK_RUN_FENCING) {
        stat_add(STAT_RUNS_PENDING, by);
    } else if (state == BRK_RUN_RUNNING || state == BRK_RUN_ADOPTING) {
        stat_add(STAT_RUNS_RUNNING, by);
    }
}
