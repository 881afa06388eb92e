/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole worker against a broker that is played by the test: the desk's and
 * the relay's sockets are real, what is said on them is written down here.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/link.h"
#include "common/log.h"
#include "common/proc.h"
#include "tests/harness/harness.h"
#include "worker/desk.h"

static struct {
    conf_t *conf;
    char base[200];
    registry_t *graphs;
    link_t *desk;  /* we are the broker's desk */
    link_t *relay; /* and its relay */
    struct link_route worker;
    pthread_t thread;
    bool ok;
    struct id run;
    struct id at;
} g;

static const char *const graph_text =
    "{\"main\":{\"state\":{\"x\":\"last\"},\"nodes\":{\"a\":{\"do\":["
    "{\"op\":\"custom\",\"value\":\"hello\"},"
    "{\"op\":\"sleep\",\"ms\":{\"$state\":\"ms\"}},"
    "{\"op\":\"return\",\"value\":{\"x\":2}}]}},"
    "\"edges\":[[\"__start__\",\"a\"],[\"a\",\"__end__\"]]}}";

static void write_graph(char *path, size_t cap)
{
    snprintf(path, cap, "%s/demo.json", test_dir());
    FILE *f = fopen(path, "we");
    EXPECT(f != NULL);
    char text[1000];
    snprintf(text, sizeof text, "%s", graph_text);
    char *last = strstr(text, "\"last\"");
    EXPECT(last != NULL);
    EXPECT(fprintf(f, "%.*s\"last\",\"ms\":\"last\"%s", (int)(last - text),
                   text, last + 6) > 0);
    EXPECT_EQ(fclose(f), 0);
}

static void *worker_main(void *arg)
{
    (void)arg;
    struct err err = ERR_INIT;
    const char *const bases[] = {g.base};
    struct wrk_brokers brokers = {.bases = bases, .n = 1};
    const struct desk_conf conf = {.conf = g.conf,
                                   .registry = g.graphs,
                                   .brokers = &brokers,
                                   .worker_id = "w1"};
    g.ok = wrk_desk_run(&conf, &err);
    return NULL;
}

static void hear(link_t *l, enum wire_type type, struct link_in *in)
{
    for (;;) {
        zmq_pollitem_t items[2];
        link_items(l, items);
        (void)link_pump(l);
        EXPECT(zmq_poll(items, 2, 8000) >= 1);
        (void)link_changes(l);
        while (link_recv(l, in)) {
            if (in->head.type == type) {
                return;
            }
        }
    }
}

static void say(enum wire_type type, uint16_t attempt, leat_value *body)
{
    const struct wire_head head = {.type = (uint8_t)type,
                                   .attempt = attempt,
                                   .epoch = 5,
                                   .run = g.run,
                                   .thread = g.at,
                                   .seq = 1,
                                   .ms = 1000};
    EXPECT(link_send(g.desk, &g.worker, &head, body) <= LINK_QUEUED);
}

static void open_links(void)
{
    struct err err = ERR_INIT;
    struct link_spec spec = {.base = g.base,
                             .port = WIRE_PORT_WORKER,
                             .from = WIRE_W,
                             .frame_bytes = 1 << 20};
    g.desk = link_router(&spec, &err);
    spec.port = WIRE_PORT_EVENTS;
    g.relay = link_router(&spec, &err);
    EXPECT_MSG(g.desk != NULL && g.relay != NULL, "%s", err.text);
}

static void welcome(void)
{
    struct link_in in;
    link_in_init(&in);
    hear(g.desk, WIRE_HELLO, &in);
    g.worker = in.from;
    leat_view graphs = leat_get(leat_view_of(in.body), "graphs");
    EXPECT(leat_is(leat_get(leat_at(graphs, 0), "id"), "demo"));
    link_in_fini(&in);
    say(WIRE_WELCOME, 0,
        leat_pack("{s:i,s:i}", "lease_ms", 5000, "window", 100));
}

static void start(void)
{
    static char *argv[] = {"leat-worker", "--slots=2", "--log-level=error",
                           "--drain=50ms", "--cancel-deadline=60s",
                           "--store=sqlite:/nowhere/leat.db", NULL};
    static const struct proc_spec spec = {"leat-worker", PROC_WORKER, "x"};
    int code = 0;
    struct err err = ERR_INIT;
    char path[300];
    g.conf = proc_start(&spec, 6, argv, &code);
    EXPECT(g.conf != NULL);
    snprintf(g.base, sizeof g.base, "ipc://%s/b", test_dir());
    write_graph(path, sizeof path);
    g.graphs = wrk_load_new();
    EXPECT_MSG(wrk_load_path(g.graphs, path, &err), "%s", err.text);
    g.run = id_uuid7();
    g.at = id_uuid7();
    open_links();
    EXPECT_EQ(pthread_create(&g.thread, NULL, worker_main, NULL), 0);
    welcome();
}

static void stop(void)
{
    if (!proc_term_asked()) {
        proc_term_ask();
    }
    EXPECT_EQ(pthread_join(g.thread, NULL), 0);
    EXPECT(g.ok);
    link_destroy(&g.desk);
    link_destroy(&g.relay);
    wrk_load_destroy(&g.graphs);
    conf_destroy(&g.conf);
}

static leat_value *start_body(const char *graph, int ms)
{
    return leat_pack(
        "{s:s,s:s,s:b,s:{s:{s:i},s:[s,s],s:{}},s:{}}", "graph_id", graph,
        "assistant_id", "00000000-0000-0000-0000-000000000001", "stored", 0,
        "kwargs", "input", "ms", ms, "stream_mode", "custom", "updates",
        "config", "metadata");
}

/* Asks, and gives the answer's body as text. */
static char *call(const char *graph, const char *op, const char *args)
{
    leat_value *given = leat_from_json(args, strlen(args), NULL, 0);
    EXPECT(given != NULL);
    say(WIRE_CALL, 0,
        leat_pack("{s:s,s:s,s:V}", "graph_id", graph, "op", op, "args",
                  given));
    struct link_in in;
    link_in_init(&in);
    hear(g.desk, WIRE_CALL_DONE, &in);
    char *text = leat_to_json(leat_view_of(in.body));
    link_in_fini(&in);
    return text;
}

static void expect_call(const char *op, const char *args, const char *want)
{
    char *got = call("demo", op, args);
    EXPECT_STR(got, want);
    leat_free_text(got);
}

TEST(worker_answers_calls)
{
    start();
    expect_call("draw", "{\"xray\":true}",
                "{\"result\":{\"nodes\":[{\"id\":\"__start__\",\"type\":"
                "\"schema\",\"data\":\"__start__\"},{\"id\":\"a\",\"type\":"
                "\"runnable\",\"data\":{\"id\":[\"langgraph\","
                "\"RunnableCallable\"],\"name\":\"a\"}},{\"id\":"
                "\"__end__\",\"type\":\"schema\",\"data\":\"__end__\"}],"
                "\"edges\":[{\"source\":\"__start__\",\"target\":\"a\","
                "\"conditional\":false},{\"source\":\"a\",\"target\":"
                "\"__end__\",\"conditional\":false}]}}");
    expect_call("draw", "{\"xray\":-1}",
                "{\"code\":\"invalid\",\"text\":\"xray: -1 is below 0\"}");
    expect_call("subgraphs", "{}", "{\"result\":{}}");
    expect_call("dance", "{}",
                "{\"code\":\"unsupported\",\"text\":\"This worker does not "
                "know the op.\"}");
    char *got = call("demo", "schemas", "{}");
    EXPECT(strstr(got, "{\"result\":{\"graph_id\":\"demo\","
                       "\"input_schema\":{") == got);
    leat_free_text(got);
    got = call("other", "draw", "{}");
    EXPECT(strstr(got, "\"code\":\"not_found\"") != NULL);
    leat_free_text(got);
    stop();
}

static uint64_t hear_end(enum wire_type type, const char *key,
                         const char *want)
{
    struct link_in in;
    link_in_init(&in);
    hear(g.desk, type, &in);
    char *got = leat_to_json(leat_get(leat_view_of(in.body), key));
    EXPECT_STR(got, want);
    leat_free_text(got);
    EXPECT(id_eq(&in.head.run, &g.run));
    uint64_t seq = in.head.seq;
    link_in_fini(&in);
    return seq;
}

/* Reads events up to the `end` and confirms them; names laid end to end. */
static void hear_events(char *names, size_t cap)
{
    struct link_in in;
    link_in_init(&in);
    uint64_t next = 1;
    names[0] = '\0';
    while (strstr(names, "end") == NULL) {
        hear(g.relay, WIRE_EVENTS, &in);
        EXPECT_EQ(in.head.seq, next);
        EXPECT_EQ(in.head.ms, 1000);
        const unsigned char *at = zmq_msg_data(&in.raw);
        const unsigned char *end = at + zmq_msg_size(&in.raw);
        struct wire_event ev;
        while (wire_event_next(&at, end, &ev)) {
            size_t len = strlen(names);
            snprintf(names + len, cap - len, "%.*s ", (int)ev.name.len,
                     ev.name.ptr);
            next++;
        }
        const struct wire_head mark = {.type = WIRE_EVENTS_DURABLE,
                                       .attempt = in.head.attempt,
                                       .epoch = 5,
                                       .run = in.head.run,
                                       .thread = in.head.thread,
                                       .seq = next - 1};
        EXPECT(link_send(g.relay, &in.from, &mark, NULL) <= LINK_QUEUED);
    }
    link_in_fini(&in);
}

TEST(worker_runs_a_run_and_says_so_until_it_is_kept)
{
    char names[200];
    start();
    say(WIRE_RUN_START, 1, start_body("demo", 0));
    hear_events(names, sizeof names);
    EXPECT_STR(names, "metadata custom updates end ");
    EXPECT_EQ(hear_end(WIRE_RUN_DONE, "status", "\"success\""), 4);
    EXPECT_EQ(hear_end(WIRE_RUN_DONE, "status", "\"success\""), 4);
    say(WIRE_RUN_KEPT, 1, NULL);
    stop();
}

TEST(worker_hands_back_what_it_cannot_run)
{
    start();
    say(WIRE_RUN_START, 1, start_body("nosuch", 0));
    EXPECT_EQ(hear_end(WIRE_RUN_YIELD, "why", "\"no graph\""), 0);
    stop();
}

TEST(worker_ends_a_cancelled_run_as_interrupted)
{
    char names[200];
    start();
    say(WIRE_RUN_START, 1, start_body("demo", 600000));
    struct link_in in;
    link_in_init(&in);
    hear(g.desk, WIRE_RUN_STARTED, &in);
    link_in_fini(&in);
    say(WIRE_RUN_CANCEL, 1, leat_pack("{s:s}", "action", "interrupt"));
    hear_events(names, sizeof names);
    EXPECT_HAS(names, "end ");
    hear_end(WIRE_RUN_DONE, "status", "\"interrupted\"");
    say(WIRE_RUN_KEPT, 1, NULL);
    stop();
}

TEST(worker_says_nothing_more_of_a_run_it_lost)
{
    start();
    say(WIRE_RUN_START, 1, start_body("demo", 600000));
    struct link_in in;
    link_in_init(&in);
    hear(g.desk, WIRE_RUN_STARTED, &in);
    say(WIRE_RUN_STOP, 1, NULL);
    say(WIRE_WHO, 0, NULL); /* what comes back shows what it still holds */
    for (;;) {
        hear(g.desk, WIRE_HELLO, &in);
        leat_view body = leat_view_of(in.body);
        if (leat_count(leat_get(body, "runs")) == 0) {
            break;
        }
        say(WIRE_WHO, 0, NULL);
    }
    link_in_fini(&in);
    stop();
}

TEST(worker_tells_a_new_broker_what_it_holds)
{
    start();
    say(WIRE_RUN_START, 1, start_body("demo", 600000));
    struct link_in in;
    link_in_init(&in);
    hear(g.desk, WIRE_RUN_STARTED, &in);
    say(WIRE_WHO, 0, NULL);
    hear(g.desk, WIRE_HELLO, &in);
    leat_view run = leat_at(leat_get(leat_view_of(in.body), "runs"), 0);
    EXPECT(leat_is(leat_get(run, "run"), ID_TEXT(&g.run)));
    EXPECT_EQ(leat_int(leat_get(run, "attempt"), 0), 1);
    link_in_fini(&in);
    say(WIRE_RUN_CANCEL, 1, leat_pack("{s:s}", "action", "interrupt"));
    hear_end(WIRE_RUN_DONE, "status", "\"interrupted\"");
    say(WIRE_RUN_KEPT, 1, NULL);
    char names[200];
    hear_events(names, sizeof names);
    stop();
}

TEST(worker_hands_back_what_runs_when_it_has_to_go)
{
    start();
    say(WIRE_RUN_START, 1, start_body("demo", 600000));
    struct link_in in;
    link_in_init(&in);
    hear(g.desk, WIRE_RUN_STARTED, &in);
    proc_term_ask();
    hear(g.desk, WIRE_GOODBYE, &in);
    link_in_fini(&in);
    uint64_t last = hear_end(WIRE_RUN_YIELD, "why", "\"drain\"");
    EXPECT(last >= 1);
    say(WIRE_RUN_KEPT, 1, NULL);
    hear(g.relay, WIRE_EVENTS, &in);
    const struct wire_head mark = {.type = WIRE_EVENTS_DURABLE,
                                   .attempt = 1,
                                   .epoch = 5,
                                   .run = g.run,
                                   .thread = g.at,
                                   .seq = last};
    EXPECT(link_send(g.relay, &in.from, &mark, NULL) <= LINK_QUEUED);
    link_in_fini(&in);
    stop();
}
