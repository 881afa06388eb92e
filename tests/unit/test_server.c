/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway as a whole against a played broker: HTTP in, HTTP out. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/stat.h"
#include "gateway/handover.h"
#include "tests/harness/harness.h"
#include "tests/unit/gateway_rig.h"

static void expect_answer(char *answer, const char *status, const char *part)
{
    char want[64];
    (void)snprintf(want, sizeof(want), "HTTP/1.1 %s ", status);
    EXPECT_MSG(strncmp(answer, want, strlen(want)) == 0, "%s", answer);
    EXPECT_HAS(answer, part);
    free(answer);
}

static void check(const struct rig *r, const char *method, const char *path,
                  const char *body, const char *want)
{
    char status[4];
    (void)base_copy(status, sizeof(status), want);
    expect_answer(rig_ask(r, method, path, body), status, want + 4);
}

TEST(server_answers_plain_requests)
{
    struct rig *r = rig_start(CONF_COUNT);
    EXPECT(gw_handover_works());
    check(r, "GET", "/ok", NULL, "200 {\"ok\":true}");
    check(r, "GET", "/ok?check_db=1", NULL, "200 {\"ok\":true}");
    check(r, "GET", "/ready", NULL, "200 ");
    check(r, "GET", "/info", NULL, "200 \"version\"");
    check(r, "GET", "/metrics", NULL, "200 leat_open_streams");
    check(r, "GET", "/metrics?format=json", NULL,
          "200 \"leat_open_streams\":0");
    check(r, "GET", "/nothing", NULL, "404 {\"detail\":\"Not Found\"}");
    check(r, "PUT", "/ok", NULL, "405 Allow: GET, OPTIONS");
    check(r, "OPTIONS", "/threads/x/runs/stream", NULL,
          "204 Access-Control-Allow-Methods: ");
    rig_stop(r);
}

TEST(server_says_what_is_wrong_with_a_body)
{
    struct rig *r =
        rig_start(CONF_BODY_BYTES, "2000", CONF_JSON_DEPTH, "20", CONF_COUNT);
    check(r, "POST", "/runs/stream", "{\"a\":", "400 {\"detail\":");
    check(r, "POST", "/runs/stream", "", "400 {\"detail\":");
    check(r, "POST", "/runs/stream", "[]", "422 body: must be an object");
    check(r, "POST", "/runs/wait", "{\"assistant_id\":\"echo\",\"config\":7}",
          "422 config: must be an object");
    check(r, "POST", "/runs", "{\"assistant_id\":\"nobody\"}",
          "404 No assistant found for \\\"nobody\\\"");
    check(r, "POST", "/runs",
          "{\"assistant_id\":\"echo\",\"input\":[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]"
          "]]]]]]]]]]]]]}",
          "422 {\"detail\":");
    char large[3001];
    memset(large, ' ', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    check(r, "POST", "/runs", large, "413 {\"detail\":");
    check(r, "POST", "/threads/x/runs", "{\"assistant_id\":\"echo\"}",
          "422 thread_id: must be a UUID");
    rig_stop(r);
}

TEST(server_wants_a_key_where_one_is_set)
{
    struct rig *r = rig_start(CONF_API_KEY, "one,two", CONF_COUNT);
    check(r, "GET", "/ok", NULL, "200 ");
    check(r, "GET", "/metrics", NULL, "401 {\"detail\":");
    check(r, "OPTIONS", "/threads", NULL, "204 ");
    expect_answer(rig_read(rig_send(r, "GET /metrics HTTP/1.1\r\nHost: x\r\n"
                                       "X-API-Key: two\r\n\r\n")),
                  "200", "leat_");
    expect_answer(rig_read(rig_send(r, "GET /metrics HTTP/1.1\r\nHost: x\r\n"
                                       "Authorization: bearer one\r\n\r\n")),
                  "200", "leat_");
    expect_answer(rig_read(rig_send(r, "GET /metrics HTTP/1.1\r\nHost: x\r\n"
                                       "X-API-Key: tw\r\n\r\n")),
                  "401", "wrong");
    rig_stop(r);
}

#define RUN "{\"assistant_id\":\"echo\",\"input\":"

static char *stream(const struct rig *r, const char *path, const char *body)
{
    bool clean = false;
    char *text = rig_unchunk(rig_ask(r, "POST", path, body), &clean);
    EXPECT(clean);
    return text;
}

/* ids 1 to last, once each, in order */
static void expect_ids(const char *text, int last)
{
    for (int i = 1; i <= last; i++) {
        char id[64];
        (void)snprintf(id, sizeof(id), "\nid: 1700000000000-%d\n\n", i);
        const char *at = strstr(text, "\nid: ");
        EXPECT_MSG(at != NULL && strncmp(at, id, strlen(id)) == 0,
                   "event %d of %d", i, last);
        text = at + strlen(id);
    }
    EXPECT(strstr(text, "\nid: ") == NULL);
}

TEST(server_streams_a_run)
{
    struct rig *r = rig_start(CONF_COUNT);
    char *answer = rig_ask(r, "POST", "/runs/stream", RUN "{\"events\":3}}");
    EXPECT_HAS(answer, "HTTP/1.1 200 OK\r\n");
    EXPECT_HAS(answer, "\r\nContent-Type: text/event-stream\r\n");
    EXPECT_HAS(answer, "\r\nTransfer-Encoding: chunked\r\n");
    EXPECT_HAS(answer, "\r\nContent-Location: /runs/");
    EXPECT_HAS(answer, "/stream?last_event_id=-1&stream_mode=values\r\n");
    bool clean = false;
    (void)rig_unchunk(answer, &clean);
    EXPECT(clean);
    EXPECT_HAS(answer, "event: metadata\ndata: {\"run_id\":\"");
    EXPECT_HAS(answer, "event: custom\ndata: 4\n");
    EXPECT(strstr(answer, "event: end") == NULL);
    expect_ids(answer, 4);
    free(answer);
    EXPECT_SOON(stat_get(STAT_OPEN_STREAMS) == 0);
    rig_stop(r);
}

TEST(server_fills_gaps_from_the_log)
{
    struct rig *r = rig_start(CONF_COUNT);
    char *text = stream(r, "/runs/stream", RUN "{\"events\":20,\"lose\":5}}");
    expect_ids(text, 21);
    free(text);
    EXPECT(atomic_load(&r->replays) > 0);
    text = stream(r, "/runs/stream", RUN "{\"events\":20,\"tail\":6}}");
    expect_ids(text, 21);
    free(text);
    rig_stop(r);
}

TEST(server_wait_gives_the_last_values)
{
    struct rig *r = rig_start(CONF_COUNT);
    char *text = stream(r, "/runs/wait",
                        RUN "{\"events\":2,\"values\":{\"x\":[1.0,2]}}}");
    EXPECT_STR(text, "{\"x\":[1.0,2]}");
    free(text);
    text = stream(r, "/runs/wait", RUN "{}}");
    EXPECT_STR(text, "null");
    free(text);
    rig_stop(r);
}

TEST(server_refusals_are_answers)
{
    struct rig *r = rig_start(CONF_COUNT);
    check(r, "POST", "/runs/stream", RUN "{\"refuse\":\"conflict\"}}",
          "409 {\"detail\":\"as the test wants it\"}");
    check(r, "POST", "/runs/wait", RUN "{\"refuse\":\"limit\"}}",
          "429 Retry-After: ");
    check(r, "POST", "/runs", RUN "{\"refuse\":\"store_full\"}}",
          "503 Retry-After: ");
    char *answer =
        rig_ask(r, "POST", "/runs", RUN "{\"refuse\":\"conflict\"}}");
    EXPECT(strstr(answer, "ocation: ") == NULL);
    free(answer);
    rig_stop(r);
}

TEST(server_gives_up_a_submit_that_is_not_answered)
{
    struct rig *r = rig_start(CONF_SUBMIT_WAIT, "1500ms", CONF_COUNT);
    atomic_store(&r->mute, true);
    check(r, "POST", "/runs/stream", RUN "{}}", "503 Retry-After: ");
    EXPECT(atomic_load(&r->submits) >= 2); /* it was repeated */
    EXPECT_SOON(atomic_load(&r->forgets) == 1);
    rig_stop(r);
}

TEST(server_waiting_submits_hold_no_thread)
{
    struct rig *r = rig_start(CONF_SUBMIT_WAIT, "30s", CONF_COUNT);
    int waiting[20];
    atomic_store(&r->mute, true);
    for (size_t i = 0; i < COUNT_OF(waiting); i++) {
        waiting[i] = rig_send(r, "POST /runs/wait HTTP/1.1\r\nHost: x\r\n"
                                 "Content-Length: 23\r\n\r\n"
                                 "{\"assistant_id\":\"echo\"}");
    }
    check(r, "GET", "/ok", NULL, "200 ");
    for (size_t i = 0; i < COUNT_OF(waiting); i++) {
        (void)close(waiting[i]);
    }
    rig_stop(r);
}

TEST(server_a_reader_that_leaves_may_cancel)
{
    struct rig *r = rig_start(CONF_COUNT);
    static const char body[] = RUN "{\"hold\":true},\"on_disconnect\":"
                                   "\"cancel\"}";
    char text[400];
    (void)snprintf(text, sizeof(text),
                   "POST /runs/stream HTTP/1.1\r\nHost: x\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    int fd = rig_send(r, text);
    EXPECT_SOON(stat_get(STAT_STREAM_EVENTS) > 0);
    (void)close(fd);
    EXPECT_SOON(atomic_load(&r->cancels) == 1);
    EXPECT_SOON(stat_get(STAT_OPEN_STREAMS) == 0);
    rig_stop(r);
}

TEST(server_cuts_streams_when_it_drains)
{
    struct rig *r = rig_start(CONF_COUNT);
    static const char body[] = RUN "{\"hold\":true,\"events\":2}}";
    char text[400];
    bool clean = true;
    (void)snprintf(text, sizeof(text),
                   "POST /runs/stream HTTP/1.1\r\nHost: x\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    int fd = rig_send(r, text);
    EXPECT_SOON(stat_get(STAT_STREAM_EVENTS) == 3);
    gw_hub_drain(r->app.hub);
    char *answer = rig_unchunk(rig_read(fd), &clean);
    EXPECT(!clean);
    expect_ids(answer, 3);
    free(answer);
    EXPECT_EQ(atomic_load(&r->cancels), 0);
    rig_stop(r);
}

TEST(server_stalled_clients_keep_nobody_waiting)
{
    struct rig *r = rig_start(CONF_COUNT);
    int stalled[100];
    for (size_t i = 0; i < COUNT_OF(stalled); i++) {
        stalled[i] =
            rig_send(r, i % 2 == 0 ? "POST /threads HTTP/1.1\r\nHost: x\r\n"
                                   : "POST /threads HTTP/1.1\r\nHost: x\r\n"
                                     "Content-Length: 9\r\n\r\n{");
    }
    check(r, "POST", "/threads", "{}", "200 \"status\":\"idle\"");
    EXPECT_EQ(send(stalled[1], "}       ", 8, MSG_NOSIGNAL), 8);
    expect_answer(rig_read(stalled[1]), "200", "thread_id");
    for (size_t i = 0; i < COUNT_OF(stalled); i++) {
        if (i != 1) {
            (void)close(stalled[i]);
        }
    }
    rig_stop(r);
}

TEST(server_heartbeats_while_nothing_happens)
{
    struct rig *r = rig_start(CONF_SSE_HEARTBEAT, "30ms", CONF_COUNT);
    static const char body[] = RUN "{\"hold\":true}}";
    char text[400];
    (void)snprintf(text, sizeof(text),
                   "POST /runs/stream HTTP/1.1\r\nHost: x\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    int fd = rig_send(r, text);
    struct buf got;
    buf_init(&got, 1 << 20);
    while (strstr(buf_text(&got), ": heartbeat\n\r\n0000000c\r\n: heartb") ==
           NULL) {
        char *to = buf_reserve(&got, 4096);
        ssize_t n = recvfrom(fd, to, 4096, 0, NULL, NULL);
        EXPECT(n > 0);
        buf_added(&got, (size_t)n);
    }
    buf_fini(&got);
    (void)close(fd);
    rig_stop(r);
}

/* ---- stored runs and joins --------------------------------------------- */

/* The part of the answer behind `key` up to the next quote. */
static void cut(const char *answer, const char *key, char out[64])
{
    const char *at = strstr(answer, key);
    EXPECT_MSG(at != NULL, "no %s in %s", key, answer);
    at += strlen(key);
    size_t n = strcspn(at, "\"\r\n?/");
    EXPECT(n < 64);
    memcpy(out, at, n);
    out[n] = '\0';
}

TEST(server_joins_a_run_that_lives_in_memory)
{
    struct rig *r = rig_start(CONF_COUNT);
    static const char body[] = RUN "{\"hold\":true,\"events\":4}}";
    char text[400];
    char id[64];
    char path[200];
    (void)snprintf(text, sizeof(text),
                   "POST /runs/stream HTTP/1.1\r\nHost: x\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    int fd = rig_send(r, text);
    char head[4096];
    ssize_t n = recvfrom(fd, head, sizeof(head) - 1, 0, NULL, NULL);
    EXPECT(n > 0);
    head[n] = '\0';
    cut(head, "Content-Location: /runs/", id);
    (void)snprintf(path, sizeof(path),
                   "GET /runs/%s/stream?last_event_id=1700000000000-2 "
                   "HTTP/1.1\r\nHost: x\r\n\r\n",
                   id);
    int join = rig_send(r, path);
    EXPECT_SOON(stat_get(STAT_STREAMS) == 2);
    EXPECT_SOON(stat_get(STAT_STREAM_EVENTS) == 5 + 3);
    gw_hub_drain(r->app.hub);
    bool clean = true;
    char *got = rig_unchunk(rig_read(join), &clean);
    EXPECT_HAS(got, "\nid: 1700000000000-3\n");
    EXPECT_HAS(got, "\nid: 1700000000000-5\n");
    EXPECT(strstr(got, "000-2\n") == NULL);
    free(got);
    (void)close(fd);
    rig_stop(r);
}

TEST(server_unknown_runs_and_threads_are_404)
{
    struct rig *r = rig_start(CONF_COUNT);
#define NIL "00000000-0000-4000-8000-000000000000"
    check(r, "GET", "/runs/" NIL "/stream", NULL, "404 Run not found");
    check(r, "GET", "/runs/" NIL "/join", NULL, "404 Run not found");
    check(r, "GET", "/threads/" NIL, NULL, "404 Thread with ID " NIL);
    check(r, "GET", "/threads/" NIL "/state", NULL, "404 Thread with ID");
    check(r, "POST", "/threads/" NIL "/history", NULL, "404 Thread with ID");
    check(r, "GET", "/threads/" NIL "/runs", NULL, "404 Thread with ID");
    check(r, "GET", "/threads/" NIL "/runs/" NIL, NULL, "404 Run not found");
    check(r, "POST", "/threads/" NIL "/runs/stream", RUN "{}}",
          "404 Thread with ID");
    check(r, "GET", "/assistants/" NIL, NULL, "404 No assistant found");
    check(r, "GET", "/assistants/echo", NULL, "200 \"name\":\"echo\"");
    check(r, "POST", "/assistants/count", "{\"graph_id\":\"echo\"}",
          "200 \r\n1");
    rig_stop(r);
}

TEST(server_state_of_a_new_thread_is_empty)
{
    struct rig *r = rig_start(CONF_COUNT);
    char id[64];
    char path[200];
    char *answer = rig_ask(r, "POST", "/threads", "{\"metadata\":{\"a\":1}}");
    cut(answer, "\"thread_id\":\"", id);
    free(answer);
    (void)snprintf(path, sizeof(path), "/threads/%s/state", id);
    check(r, "GET", path, NULL, "200 {\"values\":{},\"next\":[],\"tasks\":[]");
    (void)snprintf(path, sizeof(path), "/threads/%s/history", id);
    check(r, "GET", path, NULL, "200 \r\n[]");
    (void)snprintf(path, sizeof(path), "/threads/%s/history?limit=0", id);
    check(r, "GET", path, NULL, "422 limit: must be");
    (void)snprintf(path, sizeof(path), "/threads/%s/state/nothing", id);
    check(r, "GET", path, NULL, "404 Checkpoint nothing not found");
    (void)snprintf(path, sizeof(path), "{\"thread_id\":\"%s\"}", id);
    check(r, "POST", "/threads", path, "409 already exists");
    rig_stop(r);
}

/* ---- without taking sockets -------------------------------------------- */

static int hold_stream(const struct rig *r)
{
    static const char body[] = RUN "{\"hold\":true,\"events\":2}}";
    char text[400];
    (void)snprintf(text, sizeof(text),
                   "POST /runs/stream HTTP/1.1\r\nHost: x\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    return rig_send(r, text);
}

TEST(server_keeps_a_thread_where_sockets_cannot_be_taken)
{
    struct rig *r = rig_start(CONF_HTTP_THREADS, "4", CONF_COUNT);
    struct err err = ERR_INIT;
    EXPECT(!gw_handover_selftest("127.0.0.1", 1, &err)); /* nobody is there */
    EXPECT(!gw_handover_works());
    char *text = stream(r, "/runs/stream", RUN "{\"events\":50}}");
    expect_ids(text, 51);
    free(text);
    EXPECT_SOON(atomic_load(&r->app.kept_threads) == 0);
    int one = hold_stream(r);
    int two = hold_stream(r);
    EXPECT_SOON(atomic_load(&r->app.kept_threads) == 2);
    check(r, "POST", "/runs/stream", RUN "{}}", "503 Retry-After: ");
    check(r, "GET", "/ok", NULL, "200 ");
    (void)close(one);
    (void)close(two);
    rig_stop(r);
}

/* A handler that asks a database reads from its socket too. */
TEST(server_counts_what_its_client_sent_and_no_more)
{
    int client[2];
    int database[2];
    char byte = 0;
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client) == 0);
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, database) == 0);
    EXPECT(write(client[1], "ab", 2) == 2 && write(database[1], "x", 1) == 1);
    gw_handover_forget();
    EXPECT(recv(client[0], &byte, 1, 0) == 1);
    EXPECT_EQ(gw_handover_noted(), client[0]);
    gw_handover_hold(true);
    EXPECT(recv(database[0], &byte, 1, 0) == 1);
    EXPECT(recv(client[0], &byte, 1, 0) == 1);
    EXPECT_EQ(gw_handover_noted(), client[0]);
    EXPECT_EQ(gw_handover_bytes(), 2);
    gw_handover_hold(false);
    EXPECT(write(database[1], "x", 1) == 1);
    EXPECT(recv(database[0], &byte, 1, 0) == 1);
    EXPECT_EQ(gw_handover_noted(), database[0]);
    gw_handover_forget();
    for (int i = 0; i < 2; i++) {
        (void)close(client[i]);
        (void)close(database[i]);
    }
}
