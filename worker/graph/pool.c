/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/pool.c: batches of tasks and the threads that help with them
 * (pool.h). One lock for all: it is taken twice per task of a step that has
 * several, and never while a task runs.
 */
#include "worker/graph/pool.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HELP_AFTER_NS INT64_C(1000000)        /* a millisecond */
#define IDLE_NS (INT64_C(10) * 1000000000)    /* then a thread goes */
#define THREADS_DEFAULT 1024
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_BYTES (2 * 1024 * 1024)
#else
#define STACK_BYTES (256 * 1024)
#endif

struct batch {
    void (*run)(void *arg, size_t i);
    void *arg;
    size_t count, next, ended;
    int64_t help_at;           /* when others may take from it */
    pthread_cond_t all_ended;
    struct batch *before, *after; /* in the pool's list while next < count */
};

/* The batches this thread works for, innermost first. */
struct frame {
    struct batch *batch;
    struct frame *outer;
};
static __thread struct frame *frames;

struct thread {
    pthread_t id;
    struct thread *next; /* among those that have gone and must be joined */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;     /* for idle threads; takes a token */
    pthread_cond_t left;     /* a thread has gone */
    struct batch *first;     /* with tasks left, oldest first */
    struct batch *last;
    struct thread *gone;
    unsigned threads, idle, tokens, limit;
    int64_t watched_ns;      /* earliest time an idle thread wakes by itself */
    bool stopping;
    bool alone;              /* no threads */
    size_t (*pick)(size_t left); /* then: which task is next; or NULL */
} pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .left = PTHREAD_COND_INITIALIZER,
    .watched_ns = INT64_MAX,
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_pool(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool.wake, &attr);
    pthread_condattr_destroy(&attr);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void list_add(struct batch *b)
{
    b->before = pool.last;
    b->after = NULL;
    *(pool.last != NULL ? &pool.last->after : &pool.first) = b;
    pool.last = b;
}

static void list_remove(struct batch *b)
{
    *(b->before != NULL ? &b->before->after : &pool.first) = b->after;
    *(b->after != NULL ? &b->after->before : &pool.last) = b->before;
}

/* The next task of the batch; the last one taken leaves the list. */
static size_t take(struct batch *b)
{
    must(b->next < b->count);
    size_t i = b->next++;
    if (b->next == b->count) {
        list_remove(b);
    }
    return i;
}

/* Runs one task outside the lock. */
static void run_task(struct batch *b, size_t i)
{
    struct frame frame = {.batch = b, .outer = frames};
    pthread_mutex_unlock(&pool.lock);
    frames = &frame;
    b->run(b->arg, i);
    frames = frame.outer;
    pthread_mutex_lock(&pool.lock);
    b->ended++;
    if (b->ended == b->count) {
        pthread_cond_signal(&b->all_ended);
    }
}

/* ---- threads ------------------------------------------------------------ */

static void join_gone(void)
{
    while (pool.gone != NULL) {
        struct thread *t = pool.gone;
        pool.gone = t->next;
        pthread_join(t->id, NULL);
        free(t);
    }
}

static void *helper(void *arg);

static void spawn(void)
{
    unsigned limit = pool.limit > 0 ? pool.limit : THREADS_DEFAULT;
    if (pool.threads >= limit || pool.stopping || pool.alone) {
        return; /* the tasks run one after the other then */
    }
    join_gone();
    struct thread *t = base_zalloc(sizeof *t);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    if (pthread_create(&t->id, &attr, helper, t) == 0) {
        pool.threads++;
    } else {
        free(t);
    }
    pthread_attr_destroy(&attr);
}

/* One more thread looks at the list, now or at the time a batch opens. */
static void call_helper(int64_t at_ns)
{
    if (pool.watched_ns <= at_ns) {
        return;
    }
    if (pool.idle > 0) {
        pool.idle--;
        pool.tokens++;
        pthread_cond_signal(&pool.wake);
    } else {
        spawn();
    }
}

/* A batch that others may take from now, or when the next one opens. */
static struct batch *find_open(int64_t *opens_ns)
{
    int64_t now = now_ns();
    *opens_ns = INT64_MAX;
    for (struct batch *b = pool.first; b != NULL; b = b->after) {
        if (b->help_at <= now) {
            return b;
        }
        *opens_ns = min_i64(*opens_ns, b->help_at);
    }
    return NULL;
}

/* Waits as an idle thread; false: nothing came for so long that it may go. */
static bool idle_until(int64_t opens_ns)
{
    bool watches = opens_ns < pool.watched_ns;
    int64_t end = opens_ns == INT64_MAX ? now_ns() + IDLE_NS : opens_ns;
    struct timespec until = {
        .tv_sec = (time_t)(end / 1000000000),
        .tv_nsec = (long)(end % 1000000000),
    };
    int status = 0;
    if (watches) {
        pool.watched_ns = opens_ns;
    }
    pool.idle++;
    while (pool.tokens == 0 && status != ETIMEDOUT && !pool.stopping) {
        status = pthread_cond_timedwait(&pool.wake, &pool.lock, &until);
    }
    if (watches) {
        pool.watched_ns = INT64_MAX;
    }
    if (pool.tokens > 0) {
        pool.tokens--; /* whoever gave it took us off the idle count */
        return true;
    }
    pool.idle--;
    return opens_ns != INT64_MAX && !pool.stopping;
}

static void *helper(void *arg)
{
    struct thread *self = arg;
    bool stays = true;
    pthread_mutex_lock(&pool.lock);
    while (stays) {
        int64_t opens_ns;
        struct batch *b = find_open(&opens_ns);
        if (b == NULL) {
            stays = idle_until(opens_ns);
            continue;
        }
        size_t i = take(b);
        if (pool.first != NULL) {
            call_helper(pool.first->help_at);
        }
        run_task(b, i);
    }
    pool.threads--;
    self->next = pool.gone;
    pool.gone = self;
    pthread_cond_signal(&pool.left);
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* ---- batches ------------------------------------------------------------ */

/* Opens what this thread's batches have left, from `f` outwards. */
static void open_frames(const struct frame *f)
{
    for (; f != NULL; f = f->outer) {
        struct batch *b = f->batch;
        if (b->next < b->count && b->help_at != 0) {
            b->help_at = 0;
            call_helper(0);
        }
    }
}

void graph_pool_waiting(void)
{
    if (frames != NULL) {
        pthread_mutex_lock(&pool.lock);
        open_frames(frames);
        pthread_mutex_unlock(&pool.lock);
    }
}

static void run_batch(struct batch *b)
{
    pthread_mutex_lock(&pool.lock);
    list_add(b);
    call_helper(b->help_at);
    while (b->next < b->count) {
        run_task(b, take(b));
    }
    if (b->ended < b->count) {
        open_frames(frames);
    }
    while (b->ended < b->count) {
        pthread_cond_wait(&b->all_ended, &pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
}

/* One after the other, in an order of the test's. */
static void run_picked(void (*run)(void *arg, size_t i), void *arg,
                       size_t count)
{
    size_t *left = base_zalloc(count * sizeof *left);
    for (size_t i = 0; i < count; i++) {
        left[i] = i;
    }
    while (count > 0) {
        size_t at = pool.pick(count);
        must(at < count);
        size_t next = left[at];
        count--;
        memmove(left + at, left + at + 1, (count - at) * sizeof *left);
        run(arg, next);
    }
    free(left);
}

void graph_pool_run(void (*run)(void *arg, size_t i), void *arg, size_t count)
{
    must(run != NULL);
    if (pool.pick != NULL) {
        run_picked(run, arg, count);
        return;
    }
    if (count <= 1) {
        if (count == 1) {
            run(arg, 0);
        }
        return;
    }
    pthread_once(&once, init_pool);
    struct batch b = {
        .run = run,
        .arg = arg,
        .count = count,
        .help_at = now_ns() + HELP_AFTER_NS,
    };
    pthread_cond_init(&b.all_ended, NULL);
    run_batch(&b);
    pthread_cond_destroy(&b.all_ended);
}

/* ---- the process -------------------------------------------------------- */

void graph_pool_limit(unsigned threads)
{
    pthread_mutex_lock(&pool.lock);
    pool.limit = pool.limit > threads ? pool.limit : threads;
    pthread_mutex_unlock(&pool.lock);
}

void graph_pool_alone(bool alone)
{
    pthread_mutex_lock(&pool.lock);
    pool.alone = alone;
    pthread_mutex_unlock(&pool.lock);
}

void graph_pool_pick(size_t (*pick)(size_t left))
{
    must(pool.alone || pick == NULL);
    pool.pick = pick;
}

unsigned graph_pool_threads(void)
{
    pthread_mutex_lock(&pool.lock);
    unsigned n = pool.threads;
    pthread_mutex_unlock(&pool.lock);
    return n;
}

void graph_pool_stop(void)
{
    pthread_once(&once, init_pool);
    pthread_mutex_lock(&pool.lock);
    pool.stopping = true;
    pthread_cond_broadcast(&pool.wake);
    while (pool.threads > 0) {
        pthread_cond_wait(&pool.left, &pool.lock);
    }
    join_gone();
    pool.stopping = false;
    pthread_mutex_unlock(&pool.lock);
}
