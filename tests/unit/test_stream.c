/* SPDX-License-Identifier: Apache-2.0 */
/* Streams and the hub's timers. */
#include "gateway/stream.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/timer.h"
#include "tests/harness/harness.h"

static int pair[2];

static struct gw_stream *open_stream(enum gw_stream_kind kind)
{
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct gw_stream *s = gw_stream_new(kind);
    s->fd = pair[0];
    gw_stream_move(s, GW_STREAM_OPEN);
    return s;
}

static void push(struct gw_stream *s, const char *text)
{
    struct gw_chunk *c = gw_chunk_of(true, text, strlen(text));
    gw_stream_push(s, c);
    gw_chunk_drop(&c);
    EXPECT(c == NULL);
}

static const char *read_all(void)
{
    static char text[65536];
    ssize_t n =
        recvfrom(pair[1], text, sizeof(text) - 1, MSG_DONTWAIT, NULL, NULL);
    EXPECT(n >= 0);
    text[n] = '\0';
    return text;
}

TEST(stream_chunks_have_their_frame)
{
    struct gw_stream *s = open_stream(GW_STREAM_SSE);
    push(s, "data: 1\n\n");
    push(s, "0123456789abcdefX");
    EXPECT_EQ(gw_stream_flush(s, 7), GW_FLUSH_DRAINED);
    EXPECT_EQ(s->moved_ms, 7);
    EXPECT_STR(read_all(), "00000009\r\ndata: 1\n\n\r\n"
                           "00000011\r\n0123456789abcdefX\r\n");
    EXPECT_EQ(s->out_bytes, 0);
    gw_stream_finish(s);
    EXPECT_EQ(s->state, GW_STREAM_FINISHING);
    EXPECT_EQ(gw_stream_flush(s, 8), GW_FLUSH_DRAINED);
    EXPECT_STR(read_all(), "0\r\n\r\n");
    gw_stream_destroy(&s);
    (void)close(pair[1]);
}

TEST(stream_head_goes_before_what_came_meanwhile)
{
    struct gw_stream *s = open_stream(GW_STREAM_SSE);
    s->held = true;
    s->head = gw_chunk_of(false, "HEAD\r\n\r\n", 8);
    s->headers = base_strdup("");
    push(s, "x");
    gw_stream_release(s);
    push(s, "y");
    EXPECT(!s->held);
    EXPECT_EQ(gw_stream_flush(s, 1), GW_FLUSH_DRAINED);
    EXPECT_STR(read_all(), "HEAD\r\n\r\n00000001\r\nx\r\n00000001\r\ny\r\n");
    gw_stream_destroy(&s);
    (void)close(pair[1]);
}

TEST(stream_refusal_replaces_everything)
{
    struct gw_stream *s = open_stream(GW_STREAM_SSE);
    s->held = true;
    s->head = gw_chunk_of(false, "HEAD", 4);
    s->headers = base_strdup("");
    push(s, "x");
    struct gw_chunk *c = gw_chunk_of(false, "NO", 2);
    gw_stream_refuse(s, c);
    gw_chunk_drop(&c);
    EXPECT_EQ(s->state, GW_STREAM_FINISHING);
    EXPECT_EQ(gw_stream_flush(s, 1), GW_FLUSH_DRAINED);
    EXPECT_STR(read_all(), "NO");
    gw_stream_destroy(&s);
    (void)close(pair[1]);
}

TEST(stream_blocked_goes_on_where_it_was)
{
    struct gw_stream *s = open_stream(GW_STREAM_SSE);
    char *big = base_zalloc(4 << 20);
    for (size_t i = 0; i < (4 << 20); i++) {
        big[i] = (char)('a' + i % 26);
    }
    struct gw_chunk *c = gw_chunk_of(false, big, 4 << 20);
    gw_stream_push(s, c);
    gw_chunk_drop(&c);
    EXPECT_EQ(gw_stream_flush(s, 1), GW_FLUSH_BLOCKED);
    EXPECT(s->out_bytes > 0 && s->out_bytes < (4 << 20));
    char *got = base_zalloc(4 << 20);
    size_t n = 0;
    while (n < (4 << 20)) {
        ssize_t more =
            recvfrom(pair[1], got + n, (4 << 20) - n, MSG_DONTWAIT, NULL, NULL);
        EXPECT(more > 0);
        n += (size_t)more;
        (void)gw_stream_flush(s, 2);
    }
    EXPECT_MEM(got, big, 4 << 20);
    EXPECT(s->out == NULL);
    free(got);
    free(big);
    gw_stream_destroy(&s);
    (void)close(pair[1]);
}

TEST(stream_tells_a_broken_reader)
{
    struct gw_stream *s = open_stream(GW_STREAM_WAIT);
    (void)close(pair[1]);
    push(s, "x");
    EXPECT_EQ(gw_stream_flush(s, 1), GW_FLUSH_BROKEN);
    gw_stream_move(s, GW_STREAM_LEFT);
    gw_stream_destroy(&s);
}

TEST(stream_heartbeats_are_of_its_kind)
{
    struct gw_stream *s = open_stream(GW_STREAM_SSE);
    gw_stream_push(s, gw_stream_heartbeat(s));
    s->kind = GW_STREAM_WAIT;
    gw_stream_push(s, gw_stream_heartbeat(s));
    s->kind = GW_STREAM_DONE;
    EXPECT(gw_stream_heartbeat(s) == NULL);
    EXPECT_EQ(gw_stream_flush(s, 1), GW_FLUSH_DRAINED);
    EXPECT_STR(read_all(), "0000000c\r\n: heartbeat\n\r\n00000001\r\n\n\r\n");
    gw_stream_destroy(&s);
    (void)close(pair[1]);
}

/* ---- timers ------------------------------------------------------------ */

#define TIMERS 500

TEST(timers_come_in_order_of_time)
{
    struct gw_timers t;
    struct gw_timer all[TIMERS] = {{0}};
    unsigned seed = 1;
    gw_timers_init(&t);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < TIMERS; i++) { /* set, and set anew */
            seed = seed * 1103515245U + 12345U;
            gw_timer_set(&t, &all[i], (seed >> 16) % 1000);
        }
    }
    for (int i = 0; i < TIMERS; i += 3) {
        gw_timer_clear(&t, &all[i]);
        gw_timer_clear(&t, &all[i]);
    }
    int64_t last = -1;
    size_t seen = 0;
    struct gw_timer *next;
    while ((next = gw_timers_take(&t, 1000)) != NULL) {
        EXPECT(next->due_ms >= last);
        EXPECT((next - all) % 3 != 0);
        EXPECT_EQ(next->place, 0);
        last = next->due_ms;
        seen++;
    }
    EXPECT_EQ(seen, TIMERS - (TIMERS + 2) / 3);
    gw_timers_fini(&t);
}

TEST(timers_wait_for_the_first)
{
    struct gw_timers t;
    struct gw_timer one = {0};
    gw_timers_init(&t);
    EXPECT_EQ(gw_timers_wait_ms(&t, 10, 500), 500);
    gw_timer_set(&t, &one, 100);
    EXPECT_EQ(gw_timers_wait_ms(&t, 10, 500), 90);
    EXPECT_EQ(gw_timers_wait_ms(&t, 10, 50), 50);
    EXPECT_EQ(gw_timers_wait_ms(&t, 200, 50), 0);
    EXPECT(gw_timers_take(&t, 99) == NULL);
    EXPECT(gw_timers_take(&t, 100) == &one);
    EXPECT(gw_timers_take(&t, 100) == NULL);
    gw_timers_fini(&t);
}
