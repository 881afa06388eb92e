/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine: what a super-step costs in the engine alone, without store, wire
 * and worker. Reads lines "<row> <seconds>" and answers each with one line of
 * JSON: {"row", "us", "wall_us", "steps"}; `us` is processor time of all
 * threads per step. engine_graphs.py and js/engine.mts do the same with the
 * two LangGraphs, engine.py asks all three and prints them beside each other.
 *
 *     build/bench/engine [ROW SECONDS]...   without: from standard input
 */
#include "worker/graph/engine.h"
#include "worker/graph/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHAIN 10
#define FAN 100
#define SENDS 1000
#define MESSAGES 1000
#define WARM 10         /* steps of a long chain before its clock starts */
#define STEPS 50        /* between its two clocks */
#define ITEM_BYTES 100 /* of what fills a large state */

struct cost {
    double cpu_us, wall_us;
};

static double clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct cost cost_now(void)
{
    return (struct cost){clock_us(CLOCK_PROCESS_CPUTIME_ID),
                         clock_us(CLOCK_MONOTONIC)};
}

static void cost_add(struct cost *sum, struct cost since)
{
    struct cost now = cost_now();
    sum->cpu_us += now.cpu_us - since.cpu_us;
    sum->wall_us += now.wall_us - since.wall_us;
}

/* ---- graphs ------------------------------------------------------------- */

static leat_value *increment(leat_context *ctx, leat_view state)
{
    (void)ctx;
    return leat_pack("{s:I}", "x", leat_int(leat_get(state, "x"), 0) + 1);
}

static void build_chain(leat_graph *g)
{
    char name[16], before[16] = LEAT_START;
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    for (int i = 0; i < CHAIN; i++) {
        snprintf(name, sizeof name, "n%d", i);
        leat_add_node(g, name, increment);
        leat_add_edge(g, before, name);
        memcpy(before, name, sizeof name);
    }
    leat_add_edge(g, before, LEAT_END);
}

static leat_value *add_one(leat_context *ctx, leat_view state)
{
    (void)ctx;
    return leat_pack("{s:[I]}", "out", leat_int(leat_get(state, "x"), 0));
}

static void build_fan(leat_graph *g)
{
    char name[16];
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    leat_add_channel(g, "out", LEAT_APPEND);
    for (int i = 0; i < FAN; i++) {
        snprintf(name, sizeof name, "n%d", i);
        leat_add_node(g, name, add_one);
        leat_add_edge(g, LEAT_START, name);
    }
}

static leat_value *spread(leat_context *ctx, leat_view state)
{
    leat_value *sends[SENDS];
    (void)ctx;
    (void)state;
    for (int i = 0; i < SENDS; i++) {
        sends[i] = leat_send("work", leat_pack("{s:i}", "x", i));
    }
    return leat_new_list(SENDS, sends);
}

static void build_sends(leat_graph *g)
{
    static const char *const targets[] = {"work", NULL};
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    leat_add_channel(g, "out", LEAT_APPEND);
    leat_add_node(g, "work", add_one);
    leat_add_branch(g, LEAT_START, spread, targets);
}

/* A chain whose first node starts the clock and whose last one stops it. */
static struct cost began, between;

static void clock_node(leat_view state, leat_context *ctx)
{
    (void)state;
    intptr_t place = (intptr_t)leat_node_data(ctx);
    if (place == WARM) {
        began = cost_now();
    } else if (place == WARM + STEPS) {
        cost_add(&between, began);
    }
}

static leat_value *touch(leat_context *ctx, leat_view state)
{
    clock_node(state, ctx);
    return leat_pack("{s:s}", "byte",
                     leat_is(leat_get(state, "byte"), "a") ? "b" : "a");
}

static leat_value *say(leat_context *ctx, leat_view state)
{
    clock_node(state, ctx);
    return leat_pack("{s:[V]}", "messages", leat_ai_message("and one more"));
}

static void build_clocked(leat_graph *g, leat_node_fn run)
{
    char name[16], before[16] = LEAT_START;
    for (intptr_t i = 0; i <= WARM + STEPS; i++) {
        snprintf(name, sizeof name, "n%d", (int)i);
        leat_add_node_with(g, name, &(struct leat_node){
                                        .run = run, .data = (void *)i});
        leat_add_edge(g, before, name);
        memcpy(before, name, sizeof name);
    }
}

static void build_touch(leat_graph *g)
{
    leat_add_channel(g, "big", LEAT_LAST_VALUE);
    leat_add_channel(g, "byte", LEAT_LAST_VALUE);
    build_clocked(g, touch);
}

static void build_say(leat_graph *g)
{
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    build_clocked(g, say);
}

static void build_say_once(leat_graph *g)
{
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_node(g, "say", say);
    leat_add_edge(g, LEAT_START, "say");
}

/* ---- inputs ------------------------------------------------------------- */

static leat_value *count_input(size_t n)
{
    return leat_pack("{s:I}", "x", (int64_t)n);
}

/* `n` bytes in small objects, as a state that is a document has them. */
static leat_value *big_input(size_t n)
{
    char text[ITEM_BYTES];
    leat_writer *w = leat_writer_new();
    memset(text, 'x', sizeof text);
    leat_write_object(w);
    leat_write_key(w, "byte");
    leat_write_string(w, "a");
    leat_write_key(w, "big");
    leat_write_list(w);
    for (size_t i = 0; i < n / ITEM_BYTES; i++) {
        leat_write_object(w);
        leat_write_key(w, "text");
        leat_write_string_n(w, text, sizeof text - 16);
        leat_write_key(w, "number");
        leat_write_int(w, (int64_t)i);
        leat_write_end(w);
    }
    leat_write_end(w);
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static leat_value *message_input(size_t n)
{
    char id[32];
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    leat_write_key(w, "messages");
    leat_write_list(w);
    for (size_t i = 0; i < n; i++) {
        snprintf(id, sizeof id, "m%zu", i);
        leat_write_object(w);
        leat_write_key(w, "type");
        leat_write_string(w, i % 2 == 0 ? "human" : "ai");
        leat_write_key(w, "content");
        leat_write_string(w, "a message of some length, as they are");
        leat_write_key(w, "id");
        leat_write_string(w, id);
        leat_write_end(w);
    }
    leat_write_end(w);
    leat_write_end(w);
    return leat_writer_finish(&w);
}

/* ---- rows --------------------------------------------------------------- */

struct row {
    const char *name;
    void (*build)(leat_graph *g);
    leat_value *(*input)(size_t n);
    size_t size;
    int steps;    /* that the cost is divided by */
    bool clocked; /* by its nodes; else the whole run counts */
    bool saved;   /* with checkpoints in memory */
};

static const struct row rows[] = {
    {"chain10", build_chain, count_input, 0, CHAIN, false, false},
    {"chain10_saved", build_chain, count_input, 0, CHAIN, false, true},
    {"fanout100", build_fan, count_input, 1, 1, false, false},
    {"send1000", build_sends, count_input, 1, 1, false, false},
    {"state1mb", build_touch, big_input, 1000000, STEPS, true, false},
    {"state1mb_saved", build_touch, big_input, 1000000, STEPS, true, true},
    {"messages1000", build_say, message_input, MESSAGES, STEPS, true, false},
    {"messages1000_run", build_say_once, message_input, MESSAGES, 1, false,
     false},
    {"untouched0", build_touch, big_input, 0, STEPS, true, false},
    {"untouched1", build_touch, big_input, 1000000, STEPS, true, false},
    {"untouched10", build_touch, big_input, 10000000, STEPS, true, false},
};

static void ignore(void *arg, const struct graph_event *ev)
{
    (void)ev;
    ++*(size_t *)arg;
}

static void run_once(const struct row *row, const struct graph *g,
                     const leat_value *input)
{
    size_t events = 0;
    struct graph_memory *memory = row->saved ? graph_memory_new() : NULL;
    const struct graph_host host = {
        .arg = &events,
        .emit = ignore,
        .saver = memory != NULL ? graph_memory_saver(memory) : NULL,
    };
    /* `values`, since that is what invoke() listens to in Python. */
    const struct graph_request req = {
        .thread_id = row->saved ? "5b6f6f5e-0000-4000-8000-000000000001" : "",
        .run_id = "5b6f6f5e-0000-4000-8000-000000000002",
        .attempt = 1,
        .input = leat_view_of(input),
        .modes = GRAPH_MODE_VALUES,
        .recursion_limit = 100,
    };
    struct graph_result result;
    graph_run(g, &req, &host, &result);
    must(result.status == GRAPH_DONE && result.output != NULL && events > 0);
    graph_result_fini(&result);
    graph_memory_destroy(&memory);
}

static void measure(const struct row *row, double seconds)
{
    struct err err = ERR_INIT;
    struct graph *g;
    leat_graph *b = graph_builder_new();
    row->build(b);
    must(graph_compile(&b, &g, &err));
    leat_value *input = row->input(row->size);
    struct cost whole = {0};
    double end = clock_us(CLOCK_MONOTONIC) + seconds * 1e6;
    size_t runs = 0;
    run_once(row, g, input); /* the first one is no part of it */
    between = (struct cost){0};
    do {
        struct cost start = cost_now();
        run_once(row, g, input);
        cost_add(&whole, start);
        runs++;
    } while (clock_us(CLOCK_MONOTONIC) < end);
    struct cost sum = row->clocked ? between : whole;
    double steps = (double)runs * row->steps;
    printf("{\"row\": \"%s\", \"us\": %.3f, \"wall_us\": %.3f, "
           "\"steps\": %.0f}\n",
           row->name, sum.cpu_us / steps, sum.wall_us / steps, steps);
    fflush(stdout);
    leat_drop(input);
    graph_drop(&g);
}

static bool answer(const char *name, double seconds)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            measure(&rows[i], seconds);
            return true;
        }
    }
    fprintf(stderr, "engine: no row %s\n", name);
    return false;
}

int main(int argc, char **argv)
{
    char name[32];
    double seconds;
    bool fine = true;
    for (int i = 1; fine && i + 1 < argc; i += 2) {
        fine = answer(argv[i], strtod(argv[i + 1], NULL));
    }
    while (fine && argc == 1 && scanf("%31s %lf", name, &seconds) == 2) {
        fine = answer(name, seconds);
    }
    graph_pool_stop();
    return fine ? 0 : 1;
}
