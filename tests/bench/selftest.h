/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of the client itself: whatever way an answer is cut into pieces, the
 * same events come out, and each kind of fault in a stream is counted as what
 * it is. A load client that overlooks a lost event proves nothing.
 */
#ifndef LEAT_BENCH_SELFTEST_H
#define LEAT_BENCH_SELFTEST_H

#include "tests/bench/check.h"
#include "tests/bench/http.h"
#include "tests/bench/peer.h"
#include "tests/bench/sse.h"
#include "tests/bench/measure.h"

struct selftest {
    unsigned passed, failed;
};

static void selftest_is(struct selftest *test, bool good, const char *what)
{
    if (good) {
        test->passed++;
    } else {
        test->failed++;
        fprintf(stderr, "load: self-test failed: %s\n", what);
    }
}

/* ---- cutting ---- */

struct selftest_answer {
    const char *what;
    const char *head;
    const char *pieces[8]; /* of the body; each a chunk if `chunked` */
    bool chunked;
    enum http_state end;
    const char *events; /* <NAME|DATA|ID>..., a dash for no such field */
};

static const struct selftest_answer selftest_answers[] = {
    {"chunks cut inside words, line ends and events",
     "HTTP/1.1 100 Continue\r\n\r\n"
     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
     "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n",
     {"event: metadata\ndat", "a: {\"run_id\":\"r\"}\nid: 7-0\n\n",
      ": heartbeat\nid: 7-1\r", "\ndata:{\"x\":1}\r\nevent: values\r\n\r",
      "\n\n\nevent: values\ndata: null\n", "\n", NULL},
     true,
     HTTP_DONE,
     "<metadata|{\"run_id\":\"r\"}|7-0><values|{\"x\":1}|7-1>"
     "<values|null|->"},
    {"a counted body",
     "HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n",
     {"event: a\ndata: {}\n\n: h\n", NULL},
     false,
     HTTP_DONE,
     "<a|{}|->"},
    {"a body up to the close",
     "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
     {"event: a\ndata: {}\n\n", ": h\nevent: b\n: h\ndata: 2\n\n", NULL},
     false,
     HTTP_DONE,
     "<a|{}|-><b|2|->"},
    {"a chunk longer than it says",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     {"3\r\nabcd\r\n0\r\n\r\n", NULL},
     false,
     HTTP_BROKEN,
     ""},
};

/* The answer as it goes over the wire. */
static void selftest_wire(const struct selftest_answer *answer,
                          struct text *wire)
{
    char size[32];
    wire->len = 0;
    text_append(wire, answer->head, strlen(answer->head));
    for (size_t i = 0; answer->pieces[i] != NULL; i++) {
        size_t len = strlen(answer->pieces[i]);
        snprintf(size, sizeof(size), "%zX;note=1\r\n", len);
        text_append(wire, size, answer->chunked ? strlen(size) : 0);
        text_append(wire, answer->pieces[i], len);
        text_append(wire, "\r\n", answer->chunked ? 2 : 0);
    }
    if (answer->chunked) {
        static const char last[] = "0\r\nTrailer: t\r\n\r\n";
        text_append(wire, last, sizeof(last) - 1);
    }
}

struct selftest_reader {
    struct http http;
    struct sse sse;
    struct text seen; /* the events as text */
};

static void selftest_add(struct text *seen, const char *mark,
                         struct sse_text text)
{
    text_append(seen, mark, strlen(mark));
    if (text.at != NULL) {
        text_append(seen, text.at, text.len);
    } else {
        text_append(seen, "-", 1);
    }
}

/* sse_sink */
static void selftest_on_event(void *arg, const struct sse_event *event)
{
    struct selftest_reader *reader = arg;
    selftest_add(&reader->seen, "<", event->name);
    selftest_add(&reader->seen, "|", event->data);
    selftest_add(&reader->seen, "|", event->id);
    text_append(&reader->seen, ">", 1);
}

/* http_sink */
static void selftest_on_body(void *arg, const char *bytes, size_t len)
{
    struct selftest_reader *reader = arg;
    (void)sse_feed(&reader->sse, bytes, len, selftest_on_event, reader);
}

/* Feeds in pieces of `piece` bytes, the first of `first`. */
static void selftest_read(struct selftest_reader *reader, const char *answer,
                          size_t first, size_t piece)
{
    size_t len = strlen(answer);
    size_t at = 0;
    memset(reader, 0, sizeof(*reader));
    http_reset(&reader->http);
    while (at < len && !http_ended(&reader->http)) {
        size_t want = at == 0 ? first : piece;
        size_t part = want < len - at ? want : len - at;
        /* A copy of its own, so that a sanitizer sees a read past it. */
        char *copy = malloc(part);
        assert(copy != NULL);
        memcpy(copy, answer + at, part);
        size_t used =
            http_feed(&reader->http, copy, part, selftest_on_body, reader);
        free(copy);
        at += used;
    }
    (void)http_on_eof(&reader->http);
}

/* Whole, byte by byte, and cut in two at every place: the same events. */
static void selftest_cut(struct selftest *test,
                         const struct selftest_answer *answer)
{
    struct text wire;
    struct selftest_reader reader;
    bool good = true;
    selftest_wire(answer, &wire);
    for (size_t first = 0; first <= wire.len; first++) {
        size_t piece = first == 0 ? 1 : wire.len;
        selftest_read(&reader, wire.bytes, first == 0 ? 1 : first, piece);
        good = good && reader.http.state == answer->end &&
               strcmp(reader.seen.bytes, answer->events) == 0 &&
               (sse_at_rest(&reader.sse) || answer->end == HTTP_BROKEN);
        sse_fini(&reader.sse);
    }
    selftest_is(test, good, answer->what);
}

static void selftest_cuts(struct selftest *test)
{
    const size_t rows = sizeof(selftest_answers) / sizeof(selftest_answers[0]);
    for (size_t i = 0; i < rows; i++) {
        selftest_cut(test, &selftest_answers[i]);
    }
}

static void selftest_facts(struct selftest *test)
{
    struct selftest_reader reader;
    struct text wire;
    selftest_wire(&selftest_answers[0], &wire);
    selftest_read(&reader, wire.bytes, 1, 1);
    selftest_is(test, reader.sse.comments == 1, "one comment");
    selftest_is(test, reader.sse.malformed == 0, "nothing malformed");
    selftest_is(test, reader.http.status == 200, "status");
    selftest_is(test, !reader.http.closing, "kept alive");
    sse_fini(&reader.sse);
    selftest_read(&reader, "HTTP/1.0 404 Not Found\r\n\r\n", 1, 1);
    selftest_is(test, reader.http.status == 404, "status 404");
    selftest_is(test, reader.http.closing, "HTTP/1.0 closes");
    sse_fini(&reader.sse);
    /* The last chunk is missing: not complete. */
    selftest_read(&reader,
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\n: h\r\n",
                  1, 1);
    selftest_is(test, reader.http.state == HTTP_CHUNK_SIZE, "cut short");
    selftest_is(test, !sse_at_rest(&reader.sse), "inside a line");
    sse_fini(&reader.sse);
    selftest_read(&reader, "HTTP/1.1 200 OK\r\n\r\ndata: 1\ndata: 2\n\n", 1, 1);
    selftest_is(test, reader.sse.malformed == 1, "two data lines");
    sse_fini(&reader.sse);
}

/* ---- counting ---- */

/* One answer's events, as `NAME DATA ID` triples, and what they must count. */
struct selftest_case {
    const char *what;
    enum check_kind kind;
    uint64_t expected;
    const char *events[6][3]; /* NULL name ends; NULL id: none */
    struct tally wanted;      /* faults only */
};

#define META                                                                   \
    {                                                                          \
        "metadata", "{\"run_id\":\"r\",\"attempt\":1}", NULL                   \
    }

static const struct selftest_case selftest_rows[] = {
    {"a good count",
     CHECK_COUNT,
     2,
     {META, {"values", "{\"x\":5}", NULL}, {"values", "{\"x\": 6}", NULL}},
     {.lost = 0}},
    {"a lost values event",
     CHECK_COUNT,
     2,
     {META, {"values", "{\"x\":5}", NULL}},
     {.lost = 1}},
    {"a values event twice",
     CHECK_COUNT,
     2,
     {META,
      {"values", "{\"x\":5}", "1"},
      {"values", "{\"x\":6}", "2"},
      {"values", "{\"x\":6}", "3"}},
     {.duplicated = 1}},
    {"a wrong value",
     CHECK_COUNT,
     2,
     {META, {"values", "{\"x\":5}", NULL}, {"values", "{\"x\":7}", NULL}},
     {.wrong = 1}},
    {"no metadata",
     CHECK_COUNT,
     1,
     {{"values", "{\"x\":5}", NULL}},
     {.lost = 1}},
    {"metadata twice",
     CHECK_COUNT,
     1,
     {META, META, {"values", "{\"x\":5}", NULL}},
     {.duplicated = 1}},
    {"metadata late",
     CHECK_COUNT,
     1,
     {{"values", "{\"x\":5}", NULL}, META},
     {.reordered = 1}},
    {"an error",
     CHECK_COUNT,
     1,
     {META, {"error", "{\"error\":\"E\"}", NULL}},
     {.lost = 1, .error_events = 1}},
    {"an event nobody asked for",
     CHECK_COUNT,
     1,
     {META, {"updates", "{}", NULL}, {"values", "{\"x\":5}", NULL}},
     {.wrong = 1}},
    {"good numbers",
     CHECK_EMIT,
     3,
     {META,
      {"custom", "{\"i\":0}", "9-1"},
      {"custom", "{\"i\":1}", "9-2"},
      {"custom", "{\"pad\":\"\",\"i\":2}", "10-0"}},
     {.lost = 0}},
    {"a number lost at the end",
     CHECK_EMIT,
     3,
     {META, {"custom", "{\"i\":0}", NULL}, {"custom", "{\"i\":1}", NULL}},
     {.lost = 1}},
    {"a number twice",
     CHECK_EMIT,
     2,
     {META,
      {"custom", "{\"i\":0}", NULL},
      {"custom", "{\"i\":0}", NULL},
      {"custom", "{\"i\":1}", NULL}},
     {.duplicated = 1}},
    {"numbers in the wrong order",
     CHECK_EMIT,
     2,
     {META, {"custom", "{\"i\":1}", NULL}, {"custom", "{\"i\":0}", NULL}},
     {.reordered = 1}},
    {"a number too large, and none",
     CHECK_EMIT,
     1,
     {META,
      {"custom", "{\"i\":0}", NULL},
      {"custom", "{\"i\":1}", NULL},
      {"custom", "{}", NULL}},
     {.malformed = 2}},
    {"the same id twice, then an older one",
     CHECK_EMIT,
     3,
     {META,
      {"custom", "{\"i\":0}", "9-1"},
      {"custom", "{\"i\":1}", "9-1"},
      {"custom", "{\"i\":2}", "8-5"}},
     {.duplicated = 1, .reordered = 1}},
    {"good tokens",
     CHECK_TOKENS,
     3,
     {META,
      {"messages", "[{\"content\":\"xx\"},{}]", NULL},
      {"messages", "[{\"type\":\"ai\",\"content\": \"x\"},{}]", NULL},
      {"messages", "[{\"content\":\"\"},{}]", NULL}},
     {.lost = 0}},
    {"a lost token",
     CHECK_TOKENS,
     3,
     {META, {"messages", "[{\"content\":\"xx\"},{}]", NULL}},
     {.lost = 1}},
    {"tokens, then the whole message again",
     CHECK_TOKENS,
     2,
     {META,
      {"messages", "[{\"content\":\"xx\"},{}]", NULL},
      {"messages", "[{\"content\":\"xx\"},{}]", NULL}},
     {.duplicated = 2}},
};

#undef META

static struct sse_text selftest_text(const char *text)
{
    struct sse_text none = {NULL, 0};
    if (text == NULL) {
        return none;
    }
    return (struct sse_text){text, strlen(text)};
}

static void selftest_count(struct selftest *test)
{
    const size_t rows = sizeof(selftest_rows) / sizeof(selftest_rows[0]);
    for (size_t i = 0; i < rows; i++) {
        const struct selftest_case *row = &selftest_rows[i];
        struct check check = {.seen = NULL};
        struct tally tally = {.lost = 0};
        struct sse sse = {.rest = NULL};
        bool begun = check_begin(&check, row->kind, row->expected);
        assert(begun);
        (void)begun;
        check.x = 5;
        for (size_t k = 0; k < 6 && row->events[k][0] != NULL; k++) {
            struct sse_event event = {selftest_text(row->events[k][0]),
                                      selftest_text(row->events[k][1]),
                                      selftest_text(row->events[k][2])};
            (void)check_event(&check, &event, &tally);
        }
        check_end(&check, &sse, &tally);
        bool same = true;
#define X(field, meaning) same = same && tally.field == row->wanted.field;
        TALLY_FAULTS(X)
#undef X
        selftest_is(test, same, row->what);
        check_fini(&check);
    }
}

static void selftest_percentiles(struct selftest *test)
{
    uint64_t ns[100];
    struct samples samples = {ns, 100, 100};
    for (uint64_t i = 0; i < 100; i++) {
        ns[i] = (i + 1) * NS_PER_MS;
    }
    selftest_is(test, (int)measure_ms_at(&samples, 0.50) == 50, "p50");
    selftest_is(test, (int)measure_ms_at(&samples, 0.99) == 99, "p99");
    selftest_is(test, (int)measure_ms_at(&samples, 1.0) == 100, "max");
    samples.len = 1;
    selftest_is(test, (int)measure_ms_at(&samples, 0.50) == 1, "p50 of one");
}

/* Returns the exit status. */
static int selftest_run(void)
{
    struct selftest test = {0, 0};
    selftest_cuts(&test);
    selftest_facts(&test);
    selftest_count(&test);
    selftest_percentiles(&test);
    printf("%u passed, %u failed, 0 skipped\n", test.passed, test.failed);
    return test.failed == 0 ? 0 : 1;
}

#endif
