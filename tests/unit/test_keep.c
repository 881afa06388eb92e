/* SPDX-License-Identifier: Apache-2.0 */
/* One connection, many requests: which connections stay open after an answer,
 * and which do not. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/harness.h"
#include "tests/unit/gateway_rig.h"

#define GET_OK "GET /ok HTTP/1.1\r\nHost: test\r\n\r\n"
#define STAYS "\r\nConnection: keep-alive\r\nKeep-Alive: timeout=60\r\n"
#define STREAM_END "\r\n0\r\n\r\n"

static void say(int fd, const char *text)
{
    EXPECT_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);
    return len >= n && memcmp(text + len - n, end, n) == 0;
}

/* Reads until what came ends so; the connection is still open then. */
static char *hear(int fd, const char *end)
{
    struct buf b;
    size_t len;
    buf_init(&b, 1 << 20);
    while (!ends_with(b.data, b.len, end)) {
        ssize_t n = recvfrom(fd, buf_reserve(&b, 4096), 4096, 0, NULL, NULL);
        EXPECT_MSG(n > 0, "closed after: %s", buf_text(&b));
        buf_added(&b, (size_t)n);
    }
    return buf_take(&b, &len);
}

static void expect_kept(int fd, const char *end, const char *part)
{
    char *answer = hear(fd, end);
    EXPECT_HAS(answer, STAYS);
    EXPECT_HAS(answer, part);
    free(answer);
}

static void put_post(char *out, size_t size, const char *path, const char *body)
{
    (void)snprintf(out, size,
                   "POST %s HTTP/1.1\r\nHost: test\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   path, strlen(body), body);
}

static struct rig *start(void)
{
    return rig_start(CONF_KEEP_ALIVE, "60s", CONF_COUNT);
}

TEST(keep_serves_plain_answers_and_streams_on_one_connection)
{
    char post[300];
    struct rig *r = start();
    int fd = rig_send(r, GET_OK);
    expect_kept(fd, "{\"ok\":true}", "HTTP/1.1 200 OK\r\n");
    put_post(post, sizeof(post), "/runs/stream",
             "{\"assistant_id\":\"echo\",\"input\":{\"events\":3}}");
    for (int i = 0; i < 3; i++) {
        say(fd, post);
        expect_kept(fd, STREAM_END, "\r\nTransfer-Encoding: chunked\r\n");
        say(fd, GET_OK);
        expect_kept(fd, "{\"ok\":true}", "HTTP/1.1 200 OK\r\n");
    }
    say(fd, "GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n");
    expect_kept(fd, "\"Not Found\"}", "HTTP/1.1 404 ");
    put_post(post, sizeof(post), "/runs/stream", "{\"assistant_id\":");
    say(fd, post);
    expect_kept(fd, "\"}", "HTTP/1.1 400 ");
    put_post(post, sizeof(post), "/runs/stream",
             "{\"assistant_id\":\"echo\",\"input\":{\"refuse\":\"conflict\"}}");
    say(fd, post);
    expect_kept(fd, "\"}", "HTTP/1.1 409 ");
    say(fd, GET_OK);
    expect_kept(fd, "{\"ok\":true}", "HTTP/1.1 200 OK\r\n");
    (void)close(fd);
    rig_stop(r);
}

TEST(keep_takes_a_request_in_pieces)
{
    struct rig *r = start();
    int fd = rig_send(r, GET_OK);
    expect_kept(fd, "{\"ok\":true}", "200 OK");
    say(fd, "GET /o");
    say(fd, "k HTTP/1.1\r\nHost: te");
    say(fd, "st\r\n\r\n");
    expect_kept(fd, "{\"ok\":true}", "200 OK");
    (void)close(fd);
    rig_stop(r);
}

static void expect_closed(const struct rig *r, const char *request)
{
    char *answer = rig_read(rig_send(r, request));
    EXPECT_HAS(answer, "HTTP/1.1 ");
    EXPECT_HAS(answer, "\r\nConnection: close\r\n");
    free(answer);
}

TEST(keep_closes_where_another_request_could_be_lost)
{
    struct rig *r = start();
    expect_closed(r,
                  "GET /ok HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n");
    expect_closed(r, "GET /ok HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect_closed(r, GET_OK GET_OK); /* the second one was read with it */
    expect_closed(r, "POST /runs HTTP/1.1\r\nHost: x\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n"
                     "2\r\n{}\r\n0\r\n\r\n");
    expect_closed(r, "POST /runs HTTP/1.1\r\nHost: x\r\n"
                     "Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}1234567");
    rig_stop(r);
}

TEST(keep_gives_idle_connections_up)
{
    struct rig *r = rig_start(CONF_KEEP_ALIVE, "1ms", CONF_COUNT);
    char *answer = rig_read(rig_send(r, GET_OK)); /* until it is closed */
    EXPECT_HAS(answer, "\r\nConnection: keep-alive\r\nKeep-Alive: timeout=1");
    free(answer);
    rig_stop(r);
}

TEST(keep_idle_connections_hold_no_thread)
{
    int fds[40]; /* ten times the threads */
    struct rig *r = start();
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = rig_send(r, GET_OK);
        expect_kept(fds[i], "{\"ok\":true}", "200 OK");
    }
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        say(fds[i], GET_OK);
        expect_kept(fds[i], "{\"ok\":true}", "200 OK");
    }
    rig_stop(r);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        char byte;
        EXPECT_EQ(recvfrom(fds[i], &byte, 1, 0, NULL, NULL), 0);
        (void)close(fds[i]);
    }
}
