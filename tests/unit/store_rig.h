/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_rig.h: a fresh store for a test, written to directly or through a
 * transport within the process (arguments packed to bytes and back, as on the
 * wire). BOTH(name) makes two tests of one body.
 */
#ifndef TESTS_UNIT_STORE_RIG_H
#define TESTS_UNIT_STORE_RIG_H

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/store/inner.h"
#include "tests/harness/fake.h"
#include "tests/harness/harness.h"
#include "tests/unit/store_kind.h"

struct rig {
    store_t *owner;
    store_t *s;               /* the handle under test */
    store_t *client;          /* it, when remote */
    struct store_fence fence; /* what the transport's head would carry */
    struct err err;
    unsigned calls;
};

static inline bool rig_call(void *self, const char *op, const leat_value *args,
                            leat_value **result, struct err *err)
{
    struct rig *r = self;
    r->calls++;
    leat_value *packed = value_packed(args);
    struct value_bytes bytes = value_bytes_of(packed);
    leat_value *copy = NULL;
    bool ok = value_from_bytes(bytes.ptr, bytes.len, &copy, err);
    const struct store_request request = {
        {op, strlen(op)}, leat_view_of(copy), r->fence};
    ok = ok && store_ops_run(r->owner, &request, result, err);
    leat_drop(copy);
    leat_drop(packed);
    return ok;
}

static inline void rig_url(char out[512])
{
    (void)base_copy(out, 512, store_kind_url());
}

static inline store_t *rig_open(enum store_role role, struct rig *r)
{
    char url[512];
    rig_url(url);
    struct err err = ERR_INIT;
    const struct store_conf conf = {.url = url,
                                    .role = role,
                                    .call = rig_call,
                                    .call_self = r,
                                    .by_call = true};
    store_t *s = store_open(&conf, &err);
    EXPECT_MSG(s != NULL, "%s", err.text);
    return s;
}

static inline void rig_init(struct rig *r, bool remote)
{
    memset(r, 0, sizeof *r);
    r->owner = rig_open(STORE_OWNER, r);
    r->s = r->owner;
    if (remote) {
        r->client = rig_open(STORE_CLIENT, r);
        r->s = r->client;
    }
}

static inline void rig_fini(struct rig *r)
{
    store_destroy(&r->client);
    store_destroy(&r->owner);
}

#define BOTH(title)                                                            \
    static void both_##title(struct rig *r);                                   \
    TEST(title##_here)                                                         \
    {                                                                          \
        struct rig r;                                                          \
        rig_init(&r, false);                                                   \
        both_##title(&r);                                                      \
        rig_fini(&r);                                                          \
    }                                                                          \
    TEST(title##_remote)                                                       \
    {                                                                          \
        struct rig r;                                                          \
        rig_init(&r, true);                                                    \
        both_##title(&r);                                                      \
        rig_fini(&r);                                                          \
    }                                                                          \
    static void both_##title(struct rig *r)

/* A call that must succeed, or must fail with this code. */
#define OK(r, x) EXPECT_MSG((x), "%s: %s", #x, (r)->err.text)
#define FAILS(r, x, want)                                                      \
    do {                                                                       \
        EXPECT(!(x));                                                          \
        EXPECT_STR(err_name((r)->err.code), err_name(want));                   \
    } while (0)

/* Is the value this JSON? Whatever the order of keys. */
static inline void rig_json(const char *file, int line, leat_view got,
                            const char *want)
{
    leat_value *w = leat_from_json(want, strlen(want), NULL, 0);
    if (!leat_equal(got, leat_view_of(w))) {
        char *text = leat_to_json(got);
        test_failed(file, line, "is %s, not %s", text, want);
    }
    leat_drop(w);
}
#define EXPECT_JSON(got, want) rig_json(__FILE__, __LINE__, (got), (want))
#define EXPECT_VALUE(got, want) EXPECT_JSON(leat_view_of(got), (want))

/* A value that lives as long as the test's process. */
static inline leat_value *keep(leat_value *v)
{
    static struct store_rows kept;
    *(leat_value **)store_rows_add(&kept, sizeof v) = v;
    return v;
}

/* A value of JSON, kept. */
static inline leat_value *J(const char *json)
{
    leat_value *v = leat_from_json(json, strlen(json), NULL, 0);
    EXPECT_MSG(v != NULL, "not JSON: %s", json);
    return keep(v);
}
#define JV(json) leat_view_of(J(json))

/* Predictable ids: a letter and a number. */
static inline struct id rig_id(char kind, unsigned n)
{
    struct id id = {{(uint8_t)kind}};
    id.bytes[14] = (uint8_t)(n >> 8);
    id.bytes[15] = (uint8_t)n;
    return id;
}

/* A thread and a run on it, which runs in this attempt. */
static inline struct id rig_thread(struct rig *r, unsigned n)
{
    struct store_thread t = {.thread_id = rig_id('t', n)};
    bool created = false;
    OK(r, store_threads_create(r->owner, &t, &created, &r->err));
    return t.thread_id;
}

static inline struct id rig_pending(struct rig *r, unsigned n,
                                    const struct id *thread)
{
    struct store_run run = {.run_id = rig_id('r', n),
                            .thread_id = *thread,
                            .assistant_id = rig_id('a', 1),
                            .graph_id = (char *)(uintptr_t) "agent",
                            .created_us = 1000 + n};
    struct store_run_thread how = {.make = false};
    struct store_run_inserted out;
    OK(r, store_runs_insert(r->owner, &run, &how, &out, &r->err));
    EXPECT(out.inserted);
    return run.run_id;
}

static inline struct id rig_running(struct rig *r, unsigned n,
                                    const struct id *thread)
{
    struct id run = rig_pending(r, n, thread);
    struct store_run_start start = {.run_id = run, .attempt = 1, .ms = 100};
    OK(r, store_runs_start(r->owner, &start, &r->err));
    r->fence = (struct store_fence){run, 1};
    return run;
}

static inline void rig_finish(struct rig *r, const struct id *run,
                              const char *thread_status)
{
    struct store_run_end end = {.run_id = *run,
                                .attempt = 1,
                                .status = "success",
                                .thread_status = thread_status};
    OK(r, store_runs_finish(r->owner, &end, &r->err));
}

#endif
