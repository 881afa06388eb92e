/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue under a lock, and a thread that takes all there is, does it in one
 * transaction and answers. While that lasts the next group gathers, so that
 * groups grow with the load. A line that is bound anew or destroyed leaves
 * what it has in the queue: it is done, and nobody hears of it.
 */
#include "worker/scribe.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/stat.h"

#define WRK_LINE_MAGIC LEAT_MAGIC(0x3a7e0021)
#define GROUP_CALLS 512
#define GROUP_BYTES ((size_t)8 << 20)
#define UNANSWERED_MAX 256 /* of one line */
#define UNANSWERED_BYTES ((size_t)32 << 20)
#define STOP_MS 50  /* how soon a waiting line sees that it is stopped */
#define PAUSE_MS 50 /* between tries while the database is away */
#define PAUSE_MS_MAX 1000

struct call {
    struct call *next; /* later */
    wrk_line_t *line;
    uint64_t binding; /* the line's when it was made */
    struct store_fence fence;
    char op[32];
    leat_value *args;
    size_t bytes;
    bool wanted; /* somebody waits for the result */
};

struct scribe {
    struct scribe *next;
    unsigned lines;
    char *url;
    struct store_conf conf;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work; /* for the thread */
    bool stopping;
    bool away; /* told that the database is */
    store_t *store;
    struct call *first; /* not taken yet, oldest first */
    struct call *last;
    size_t n; /* taken */
    struct call *taken[GROUP_CALLS];
    struct store_call calls[GROUP_CALLS];
};

struct wrk_line {
    uint32_t magic;
    struct scribe *scribe;
    const atomic_bool *stopped;
    unsigned refs; /* the owner's and those of calls in the queue */
    pthread_cond_t answered;
    uint64_t binding;
    struct store_fence fence;
    size_t count; /* unanswered, of this binding */
    size_t bytes;
    bool done; /* the call that is waited for */
    leat_value *result;
    struct err result_err;
    struct err failed; /* the first failure of a call nobody waited for */
};

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct scribe *list;

static void *scribe_main(void *arg);

/* ---- scribes --------------------------------------------------------------
 */

static void init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
}

static void wait_ms(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    const struct timespec at = {.tv_sec = until / 1000,
                                .tv_nsec = (until % 1000) * 1000000};
    (void)pthread_cond_timedwait(cond, mutex, &at);
}

static struct scribe *start_scribe(const struct store_conf *conf)
{
    struct scribe *s = base_zalloc(sizeof *s);
    s->url = base_strdup(conf->url);
    s->conf = *conf;
    s->conf.url = s->url;
    (void)pthread_mutex_init(&s->mutex, NULL);
    init_cond(&s->work);
    int started = pthread_create(&s->thread, NULL, scribe_main, s);
    must(started == 0);
    s->next = list;
    list = s;
    return s;
}

static struct scribe *get_scribe(const struct store_conf *conf)
{
    (void)pthread_mutex_lock(&list_mutex);
    struct scribe *s = list;
    while (s != NULL && strcmp(s->url, conf->url) != 0) {
        s = s->next;
    }
    if (s == NULL) {
        s = start_scribe(conf);
    }
    s->lines++;
    (void)pthread_mutex_unlock(&list_mutex);
    return s;
}

static void end_scribe(struct scribe *s)
{
    (void)pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    (void)pthread_cond_signal(&s->work);
    (void)pthread_mutex_unlock(&s->mutex);
    (void)pthread_join(s->thread, NULL);
    must(s->first == NULL && s->n == 0);
    (void)pthread_cond_destroy(&s->work);
    (void)pthread_mutex_destroy(&s->mutex);
    free(s->url);
    free(s);
}

/* The thread ends outside the list's lock: it may be long in a transaction. */
static void put_scribe(struct scribe *s)
{
    (void)pthread_mutex_lock(&list_mutex);
    must(s->lines > 0);
    bool last = --s->lines == 0;
    if (last) {
        struct scribe **at = &list;
        while (*at != s) {
            at = &(*at)->next;
        }
        *at = s->next;
    }
    (void)pthread_mutex_unlock(&list_mutex);
    if (last) {
        end_scribe(s);
    }
}

/* ---- lines ----------------------------------------------------------------
 */

wrk_line_t *wrk_scribe_new(const struct wrk_line_conf *conf)
{
    must(conf->stopped != NULL && store_url_shared(conf->store.url));
    wrk_line_t *l = base_zalloc(sizeof *l);
    l->magic = WRK_LINE_MAGIC;
    l->stopped = conf->stopped;
    l->refs = 1;
    init_cond(&l->answered);
    l->scribe = get_scribe(&conf->store);
    return l;
}

/* Under the scribe's lock; true: it was the last, and the line is free. */
static bool unref(wrk_line_t *l)
{
    must(l->refs > 0);
    if (--l->refs > 0) {
        return false;
    }
    (void)pthread_cond_destroy(&l->answered);
    leat_drop(l->result);
    l->magic = 0;
    free(l);
    return true;
}

void wrk_scribe_destroy(wrk_line_t **p)
{
    wrk_line_t *l = *p;
    if (l == NULL) {
        return;
    }
    check_magic(l, WRK_LINE_MAGIC);
    struct scribe *s = l->scribe;
    (void)pthread_mutex_lock(&s->mutex);
    l->binding++;
    (void)unref(l);
    (void)pthread_mutex_unlock(&s->mutex);
    put_scribe(s);
    *p = NULL;
}

void wrk_scribe_bind(wrk_line_t *l, const struct id *run, uint16_t attempt)
{
    check_magic(l, WRK_LINE_MAGIC);
    (void)pthread_mutex_lock(&l->scribe->mutex);
    l->binding++;
    l->fence = (struct store_fence){*run, attempt};
    l->count = 0;
    l->bytes = 0;
    err_clear(&l->failed);
    (void)pthread_mutex_unlock(&l->scribe->mutex);
}

/* One turn of a wait, under the lock. */
static bool wait_turn(wrk_line_t *l, struct err *err)
{
    if (atomic_load(l->stopped)) {
        return err_set(err, ERR_CANCELLED, "the worker stops");
    }
    wait_ms(&l->answered, &l->scribe->mutex, STOP_MS);
    return true;
}

static bool so_far(const wrk_line_t *l, struct err *err)
{
    return l->failed.code == ERR_NONE ||
           err_set(err, l->failed.code, "%s", l->failed.text);
}

static bool wait_for_room(wrk_line_t *l, struct err *err)
{
    while (l->count >= UNANSWERED_MAX || l->bytes >= UNANSWERED_BYTES) {
        if (!wait_turn(l, err)) {
            return false;
        }
    }
    return so_far(l, err);
}

static bool wait_for_result(wrk_line_t *l, leat_value **result, struct err *err)
{
    while (!l->done) {
        if (!wait_turn(l, err)) {
            l->binding++; /* its answer is nobody's */
            return false;
        }
    }
    *result = l->result;
    l->result = NULL;
    return l->result_err.code == ERR_NONE ||
           err_set(err, l->result_err.code, "%s", l->result_err.text);
}

/* Puts a call at the end of the queue. */
static void add(wrk_line_t *l, const char *op, const leat_value *args,
                bool wanted)
{
    struct scribe *s = l->scribe;
    struct call *c = base_zalloc(sizeof *c);
    c->line = l;
    c->binding = l->binding;
    c->fence = l->fence;
    bool fits = base_copy(c->op, sizeof c->op, op);
    must(fits);
    c->args = leat_hold(args);
    c->bytes = value_weight(args);
    c->wanted = wanted;
    l->refs++;
    l->count++;
    l->bytes += c->bytes;
    if (s->first == NULL) {
        s->first = c;
        (void)pthread_cond_signal(&s->work);
    } else {
        s->last->next = c;
    }
    s->last = c;
}

bool wrk_scribe_call(void *self, const char *op, const leat_value *args,
                     leat_value **result, struct err *err)
{
    wrk_line_t *l = self;
    check_magic(l, WRK_LINE_MAGIC);
    bool later = strncmp(op, "checkpoints_put", 15) == 0;
    *result = NULL;
    (void)pthread_mutex_lock(&l->scribe->mutex);
    bool ok = !later || wait_for_room(l, err);
    if (ok) {
        l->done = false;
        err_clear(&l->result_err);
        add(l, op, args, !later);
        ok = later || wait_for_result(l, result, err);
    }
    (void)pthread_mutex_unlock(&l->scribe->mutex);
    return ok;
}

bool wrk_scribe_so_far(wrk_line_t *l, struct err *err)
{
    check_magic(l, WRK_LINE_MAGIC);
    (void)pthread_mutex_lock(&l->scribe->mutex);
    bool ok = so_far(l, err);
    (void)pthread_mutex_unlock(&l->scribe->mutex);
    return ok;
}

void wrk_scribe_push(wrk_line_t *l, const char *op, const leat_value *args)
{
    check_magic(l, WRK_LINE_MAGIC);
    (void)pthread_mutex_lock(&l->scribe->mutex);
    add(l, op, args, false);
    (void)pthread_mutex_unlock(&l->scribe->mutex);
}

bool wrk_scribe_flush(wrk_line_t *l, struct err *err)
{
    check_magic(l, WRK_LINE_MAGIC);
    (void)pthread_mutex_lock(&l->scribe->mutex);
    bool ok = true;
    while (ok && l->count > 0) {
        ok = wait_turn(l, err);
    }
    ok = ok && so_far(l, err);
    (void)pthread_mutex_unlock(&l->scribe->mutex);
    return ok;
}

/* ---- the thread -----------------------------------------------------------
 */

/* Under the lock: waits for calls and takes them; false at the end. */
static bool take_group(struct scribe *s)
{
    while (s->first == NULL && !s->stopping) {
        (void)pthread_cond_wait(&s->work, &s->mutex);
    }
    size_t bytes = 0;
    while (s->first != NULL && s->n < GROUP_CALLS && bytes < GROUP_BYTES) {
        struct call *c = s->first;
        s->first = c->next;
        bytes += c->bytes;
        s->calls[s->n] =
            (struct store_call){.request = {.op = {c->op, strlen(c->op)},
                                            .args = leat_view_of(c->args),
                                            .fence = c->fence}};
        s->taken[s->n++] = c;
    }
    return s->n > 0;
}

/* Under the lock: the line hears of it, if it is still the same run's. */
static void answer(struct call *c, struct store_call *did)
{
    wrk_line_t *l = c->line;
    if (c->binding == l->binding) {
        l->count--;
        l->bytes -= c->bytes;
        if (c->wanted) {
            l->done = true;
            l->result_err = did->err;
            leat_drop(l->result);
            l->result = did->result;
            did->result = NULL;
        } else if (did->err.code != ERR_NONE && l->failed.code == ERR_NONE) {
            l->failed = did->err;
        }
        (void)pthread_cond_signal(&l->answered);
    }
    (void)unref(l);
    leat_drop(did->result);
    leat_drop(c->args);
    free(c);
}

static void answer_all(struct scribe *s)
{
    for (size_t i = 0; i < s->n; i++) {
        answer(s->taken[i], &s->calls[i]);
    }
    s->n = 0;
}

static void say_away(struct scribe *s, bool away, const struct err *err)
{
    if (s->away != away) {
        s->away = away;
        log_warn("store.away", "away=%d error=%s", away, LOG_Q(err->text));
    }
}

/* Under the lock, which is free while the thread waits. */
static bool pause_for(struct scribe *s, int64_t *ms)
{
    (void)pthread_mutex_lock(&s->mutex);
    if (!s->stopping) {
        wait_ms(&s->work, &s->mutex, *ms);
    }
    bool go_on = !s->stopping;
    (void)pthread_mutex_unlock(&s->mutex);
    *ms = min_i64(*ms * 2, PAUSE_MS_MAX);
    return go_on;
}

static void try_group(struct scribe *s, struct err *whole)
{
    if (s->store == NULL) {
        s->store = store_open(&s->conf, whole);
    }
    if (s->store != NULL) {
        store_batch_run(s->store, s->calls, s->n, whole);
        return;
    }
    whole->code = ERR_UNAVAILABLE;
    for (size_t i = 0; i < s->n; i++) {
        s->calls[i].err = *whole;
    }
}

/* What cannot be written now is tried until it can. */
static void write_group(struct scribe *s)
{
    int64_t pause = PAUSE_MS;
    struct err whole = ERR_INIT;
    for (;;) {
        err_clear(&whole);
        try_group(s, &whole);
        if (whole.code != ERR_NONE) {
            stat_inc(STAT_STORE_ERRORS);
        }
        say_away(s, whole.code == ERR_UNAVAILABLE, &whole);
        if (whole.code != ERR_UNAVAILABLE || !pause_for(s, &pause)) {
            return;
        }
    }
}

static void *scribe_main(void *arg)
{
    struct scribe *s = arg;
    log_ctx_set("thread=scribe");
    (void)pthread_mutex_lock(&s->mutex);
    while (take_group(s)) {
        (void)pthread_mutex_unlock(&s->mutex);
        write_group(s);
        (void)pthread_mutex_lock(&s->mutex);
        answer_all(s);
    }
    (void)pthread_mutex_unlock(&s->mutex);
    store_destroy(&s->store);
    return NULL;
}
