/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_value: how long the small steps of every event take: packing,
 * reading, JSON both ways. Prints one line per step; for people who change
 * common/value*.c or json*.c, not part of `make bench`.
 */
#include "common/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void report(const char *name, double ns, double bytes)
{
    printf("%-28s %10.1f ns", name, ns);
    if (bytes > 0) {
        printf(" %8.0f MB/s", bytes / ns * 1e3);
    }
    printf("\n");
}

static void bench_pack(void)
{
    enum { ROUNDS = 1000000 };
    double start = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        leat_drop(leat_pack("{s:I, s:[s,s], s:{s:b}}", "n", (int64_t)i, "log",
                            "first", "second", "done", "yes", 1));
    }
    report("leat_pack, small object", (now_ns() - start) / ROUNDS, 0);

    leat_value *v = leat_pack("{s:s,s:i,s:s,s:n,s:i}", "type", "ai", "b", 2,
                              "content", "hello there", "name", "n", 7);
    int64_t sum = 0;
    start = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        sum += leat_int(leat_get(leat_view_of(v), "n"), 0);
    }
    report("leat_get, last of five", (now_ns() - start) / ROUNDS, 0);
    must(sum == 7 * (int64_t)ROUNDS);
    leat_drop(v);
}

static void bench_append(void)
{
    enum { ITEMS = 1000, ROUNDS = 2000 };
    leat_value *list = leat_new_list(0, NULL);
    for (int i = 0; i < ITEMS; i++) {
        leat_value *item = leat_pack("{s:s,s:i}", "content", "a message of "
                                     "some length, as they are", "n", i);
        leat_value *longer = leat_append(leat_view_of(list), 1, &item);
        leat_drop(list);
        list = longer;
    }
    double start = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        leat_value *item = leat_new_int(i);
        leat_drop(leat_append(leat_view_of(list), 1, &item));
    }
    report("leat_append to 1000", (now_ns() - start) / ROUNDS, 0);
    leat_drop(list);
}

static void bench_json(const char *name, const char *text, size_t len)
{
    int rounds = (int)(200000000 / (len + 200));
    struct err err = ERR_INIT;
    leat_value *v = NULL;
    char title[64];
    double start = now_ns();
    for (int i = 0; i < rounds; i++) {
        leat_drop(v);
        must(json_parse(text, len, NULL, &v, &err));
    }
    snprintf(title, sizeof(title), "parse %s", name);
    report(title, (now_ns() - start) / rounds, (double)len);

    struct buf out;
    buf_init(&out, SIZE_MAX - 1);
    start = now_ns();
    for (int i = 0; i < rounds; i++) {
        buf_reset(&out);
        must(json_write(leat_view_of(v), &out));
    }
    snprintf(title, sizeof(title), "write %s", name);
    report(title, (now_ns() - start) / rounds, (double)out.len);
    buf_fini(&out);
    leat_drop(v);
}

/* `piece`, `n` times, in a list. */
static void bench_repeated(const char *name, const char *piece, int n)
{
    struct buf b;
    buf_init(&b, SIZE_MAX - 1);
    must(buf_putc(&b, '['));
    for (int i = 0; i < n; i++) {
        must(buf_puts(&b, i > 0 ? "," : "") && buf_puts(&b, piece));
    }
    must(buf_putc(&b, ']'));
    bench_json(name, buf_text(&b), b.len);
    buf_fini(&b);
}

int main(void)
{
    const char *chunk =
        "{\"content\":\"Hello, how are you?\",\"additional_kwargs\":{},"
        "\"response_metadata\":{},\"type\":\"AIMessageChunk\",\"name\":null,"
        "\"id\":\"run-0b2f6c4e-5f0e-4ab1-9a30-0d6f4a3c1e55\",\"example\":false,"
        "\"tool_calls\":[],\"invalid_tool_calls\":[],\"usage_metadata\":"
        "{\"input_tokens\":12,\"output_tokens\":345,\"total_tokens\":357}}";
    bench_pack();
    bench_append();
    bench_json("one message", chunk, strlen(chunk));
    bench_repeated("1000 messages", chunk, 1000);
    bench_repeated("whole numbers", "1234567", 100000);
    bench_repeated("doubles", "0.1234567890123456", 100000);
    bench_repeated("short doubles", "-12.375", 100000);
    bench_repeated("long text",
                   "\"The quick brown fox jumps over the lazy dog, again and "
                   "again and again, until it is tired of jumping.\\n\"",
                   10000);
    bench_repeated("text beyond ASCII", "\"\u6c34\u8f66\u3068\u6c34\u8def "
                   "\u043c\u0435\u043b\u044c\u043d\u0438\u0446\u0430\"", 10000);
    return 0;
}
