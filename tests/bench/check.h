/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be in the answer of each assistant, and the count of everything
 * that was not: a number is worth nothing when events got lost on the way.
 * Knows the assistants' events; knows nothing about connections or time.
 */
#ifndef LEAT_BENCH_CHECK_H
#define LEAT_BENCH_CHECK_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/sse.h"

/* What went wrong, over all answers of a test. X(field, meaning) */
#define TALLY_FAULTS(X)                                                        \
    X(lost, "expected events that did not come")                               \
    X(duplicated, "events that came twice, by content or by id")               \
    X(reordered, "events that came after a later one, by content or by id")    \
    X(wrong, "events of an unexpected kind or with a wrong value")             \
    X(malformed, "lines or data that cannot be read")                          \
    X(error_events, "events named error or gap")                               \
    X(bad_status, "answers with a status other than 200")                      \
    X(truncated, "answers that ended before their last chunk or event")        \
    X(unfinished, "answers that had not ended when the test gave up")          \
    X(connect_failed, "connections that could not be opened")

struct tally {
#define X(field, meaning) uint64_t field;
    TALLY_FAULTS(X)
#undef X
    uint64_t answers; /* complete ones */
    uint64_t events;
    uint64_t comments; /* heartbeats */
};

static uint64_t tally_faults(const struct tally *tally)
{
    uint64_t sum = 0;
#define X(field, meaning) sum += tally->field;
    TALLY_FAULTS(X)
#undef X
    return sum;
}

enum check_kind {
    CHECK_COUNT,  /* values events x, x+1, ... x+steps: trivial, chain10 */
    CHECK_EMIT,   /* custom events with i from 0 to n-1 */
    CHECK_TOKENS, /* messages events with n characters of content in all */
    CHECK_READER  /* a join of a sleeper: nothing particular */
};

struct check {
    enum check_kind kind;
    bool metadata;     /* the first event has been seen */
    bool has_id;       /* an id has been seen */
    int64_t x;         /* CHECK_COUNT: the input */
    uint64_t expected; /* events (CHECK_TOKENS: characters) to come */
    uint64_t got;
    uint64_t next; /* CHECK_EMIT: the i that is due */
    uint64_t events;
    uint64_t id_ms, id_seq; /* of the last event with an id */
    uint8_t *seen;          /* CHECK_EMIT: a bit per event */
};

static void check_fini(struct check *check)
{
    free(check->seen);
    check->seen = NULL;
}

/* False only when memory ran out. */
static bool check_begin(struct check *check, enum check_kind kind,
                        uint64_t expected)
{
    check_fini(check);
    *check = (struct check){.kind = kind, .expected = expected};
    if (kind == CHECK_EMIT) {
        check->seen = calloc((size_t)expected / 8 + 1, 1);
        return check->seen != NULL;
    }
    return true;
}

/* ---- reading a little JSON ---- */

/* The text after `"key":` in the data, up to the data's end. */
static struct sse_text check_after_key(struct sse_text data, const char *key)
{
    struct sse_text none = {NULL, 0};
    size_t key_len = strlen(key);
    const char *at =
        data.at != NULL ? memmem(data.at, data.len, key, key_len) : NULL;
    if (at == NULL) {
        return none;
    }
    at += key_len;
    const char *end = data.at + data.len;
    while (at < end && *at == ' ') {
        at++;
    }
    return (struct sse_text){at, (size_t)(end - at)};
}

/* Reads digits at the start of `text`. False if there are none. */
static bool check_take_u64(struct sse_text *text, uint64_t *value)
{
    size_t at = 0;
    uint64_t sum = 0;
    while (at < text->len && at < 19 && text->at[at] >= '0' &&
           text->at[at] <= '9') {
        sum = sum * 10 + (uint64_t)(text->at[at] - '0');
        at++;
    }
    text->at += at;
    text->len -= at;
    *value = sum;
    return at > 0;
}

/* ---- events ---- */

static bool check_is(struct sse_text text, const char *word)
{
    size_t len = strlen(word);
    return text.len == len && memcmp(text.at, word, len) == 0;
}

/* Ids rise strictly: `N` or `MS-SEQ`. Others are not judged. */
static void check_id(struct check *check, struct sse_text id,
                     struct tally *tally)
{
    uint64_t ms = 0;
    uint64_t seq = 0;
    if (!check_take_u64(&id, &ms)) {
        return;
    }
    if (id.len > 0 && id.at[0] == '-') {
        struct sse_text rest = {id.at + 1, id.len - 1};
        check_take_u64(&rest, &seq);
    }
    if (check->has_id) {
        bool same = ms == check->id_ms && seq == check->id_seq;
        bool before =
            ms < check->id_ms || (ms == check->id_ms && seq < check->id_seq);
        tally->duplicated += same ? 1 : 0;
        tally->reordered += before ? 1 : 0;
    }
    check->has_id = true;
    check->id_ms = ms;
    check->id_seq = seq;
}

static void check_values(struct check *check, struct sse_text data,
                         struct tally *tally)
{
    struct sse_text text = check_after_key(data, "\"x\":");
    uint64_t value = 0;
    bool readable = text.at != NULL && check_take_u64(&text, &value);
    if (check->got >= check->expected) {
        tally->duplicated++;
    } else if (!readable) {
        tally->malformed++;
    } else if (value != (uint64_t)check->x + check->got) {
        tally->wrong++;
    }
    check->got++;
}

static void check_emit(struct check *check, struct sse_text data,
                       struct tally *tally)
{
    struct sse_text text = check_after_key(data, "\"i\":");
    uint64_t i = 0;
    if (text.at == NULL || !check_take_u64(&text, &i) || i >= check->expected) {
        tally->malformed++;
        return;
    }
    uint8_t bit = (uint8_t)(1u << (i % 8));
    if ((check->seen[i / 8] & bit) != 0) {
        tally->duplicated++;
        return;
    }
    tally->reordered += i < check->next ? 1 : 0;
    check->seen[i / 8] |= bit;
    check->next = i + 1;
    check->got++;
}

/* The message comes first in the pair, and its content is plain letters. */
static void check_tokens(struct check *check, struct sse_text data,
                         struct tally *tally)
{
    struct sse_text text = check_after_key(data, "\"content\":");
    if (text.at == NULL || text.len < 2 || text.at[0] != '"') {
        tally->malformed++;
        return;
    }
    const char *end = memchr(text.at + 1, '"', text.len - 1);
    if (end == NULL) {
        tally->malformed++;
        return;
    }
    check->got += (uint64_t)(end - text.at - 1);
}

/* True if the event is one that its assistant's answer is made of. */
static bool check_event(struct check *check, const struct sse_event *event,
                        struct tally *tally)
{
    check->events++;
    tally->events++;
    if (event->id.at != NULL) {
        check_id(check, event->id, tally);
    }
    if (check_is(event->name, "metadata")) {
        tally->duplicated += check->metadata ? 1 : 0;
        tally->reordered += check->events > 1 && !check->metadata ? 1 : 0;
        check->metadata = true;
        return false;
    }
    if (check_is(event->name, "error") || check_is(event->name, "gap")) {
        tally->error_events++;
        return false;
    }
    if (check->kind == CHECK_COUNT && check_is(event->name, "values")) {
        check_values(check, event->data, tally);
    } else if (check->kind == CHECK_EMIT && check_is(event->name, "custom")) {
        check_emit(check, event->data, tally);
    } else if (check->kind == CHECK_TOKENS &&
               check_is(event->name, "messages")) {
        check_tokens(check, event->data, tally);
    } else if (check->kind != CHECK_READER) {
        tally->wrong++;
        return false;
    }
    return true;
}

/* The answer is complete: what is missing? */
static void check_end(struct check *check, const struct sse *sse,
                      struct tally *tally)
{
    tally->comments += sse->comments;
    tally->malformed += sse->malformed;
    tally->truncated += sse_at_rest(sse) ? 0 : 1;
    if (check->kind == CHECK_READER) {
        return;
    }
    tally->lost += check->metadata ? 0 : 1;
    if (check->got < check->expected) {
        tally->lost += check->expected - check->got;
    } else if (check->kind == CHECK_TOKENS) {
        tally->duplicated += check->got - check->expected;
    }
}

#endif
