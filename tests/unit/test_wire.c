/* SPDX-License-Identifier: Apache-2.0 */
/* Heads and bodies: the goldens both ways, and everything that is wrong. */
#include "common/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/harness.h"

struct row {
    uint8_t number;
    const char *name;
    unsigned from;
    enum wire_body body;
};
static const struct row rows[] = {
#define WIRE_MSG(number, name, from, to, body, text)                           \
    {number, #name, (unsigned)(from), body},
#define WIRE_FIELD(name, key, type, required, text)
#include "common/wire.tbl.h"
#undef WIRE_MSG
#undef WIRE_FIELD
};

/* ---- goldens
 * -------------------------------------------------------------------- */

struct golden {
    leat_value *fields; /* of the head */
    leat_value *json;   /* the body; raw: a list of events; NULL: none */
    unsigned char head[256];
    size_t head_len;
    unsigned char body[4096];
    size_t body_len;
};

static int nibble(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static size_t unhex(const char *hex, unsigned char *out, size_t cap)
{
    size_t n = 0;
    for (; hex[0] >= '0' && hex[1] >= '0'; hex += 2) {
        EXPECT(n < cap);
        out[n++] = (unsigned char)(nibble(hex[0]) << 4 | nibble(hex[1]));
    }
    return n;
}

/* What stands behind "key " in the file; NULL: no such line. */
static char *line_of(const char *text, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, key, len) == 0 && (at[len] == ' ' || at[len] == '\n')) {
            size_t n = strcspn(at + len + (at[len] == ' '), "\n");
            return base_memdup(at + len + (at[len] == ' '), n);
        }
    }
    return NULL;
}

static leat_value *json_of(const char *text)
{
    char why[128] = "";
    leat_value *v = leat_from_json(text, strlen(text), why, sizeof why);
    EXPECT_MSG(v != NULL, "%s", why);
    return v;
}

static void load(const char *name, struct golden *g)
{
    char path[128];
    size_t size = 0;
    (void)snprintf(path, sizeof path, "golden/wire/%s.txt", name);
    char *text = test_read_file(test_path(path), &size);
    EXPECT_MSG(text != NULL, "there is no tests/%s", path);
    char *fields = line_of(text, "fields");
    char *head = line_of(text, "head");
    char *body = line_of(text, "body");
    char *json = line_of(text, "json");
    memset(g, 0, sizeof *g);
    g->fields = json_of(fields);
    g->head_len = unhex(head, g->head, sizeof g->head);
    g->body_len = unhex(body, g->body, sizeof g->body);
    g->json = json == NULL ? NULL : json_of(json);
    free(fields);
    free(head);
    free(body);
    free(json);
    free(text);
}

static void unload(struct golden *g)
{
    leat_drop(g->fields);
    leat_drop(g->json);
}

static uint64_t field(const struct golden *g, const char *key)
{
    return leat_uint(leat_get(leat_view_of(g->fields), key), 0);
}

static void expect_id(const struct golden *g, const char *key,
                      const struct id *id)
{
    char *text = value_strdup(leat_get(leat_view_of(g->fields), key));
    EXPECT_STR(ID_TEXT(id), text);
    free(text);
}

static void check_head(const struct golden *g, const struct wire_head *h)
{
    EXPECT_EQ(h->type, field(g, "type"));
    EXPECT_EQ(h->flags, field(g, "flags"));
    EXPECT_EQ(h->attempt, field(g, "attempt"));
    EXPECT_EQ(h->epoch, field(g, "epoch"));
    EXPECT_EQ(h->tag, field(g, "tag"));
    EXPECT_EQ(h->seq, field(g, "seq"));
    EXPECT_EQ(h->ms, field(g, "ms"));
    expect_id(g, "run", &h->run);
    expect_id(g, "thread", &h->thread);
    unsigned char again[WIRE_HEAD_BYTES];
    wire_head_put(h, again);
    EXPECT_MEM(again, g->head, sizeof again);
}

static void check_map(const struct golden *g, const leat_value *body)
{
    EXPECT(leat_equal(leat_view_of(body), leat_view_of(g->json)));
    struct buf packed;
    buf_init(&packed, sizeof g->body);
    EXPECT(value_pack_into(leat_view_of(g->json), &packed));
    EXPECT_EQ(packed.len, g->body_len);
    EXPECT_MEM(packed.data, g->body, g->body_len);
    buf_fini(&packed);
}

static void check_raw(const struct golden *g)
{
    const unsigned char *at = g->body;
    const unsigned char *end = at + g->body_len;
    struct wire_event event;
    struct buf packed;
    size_t n = 0;
    buf_init(&packed, sizeof g->body);
    while (wire_event_next(&at, end, &event)) {
        leat_view want = leat_at(leat_view_of(g->json), (long)n++);
        char *name = value_strdup(leat_at(want, 0));
        char *ns = value_strdup(leat_at(want, 1));
        EXPECT_EQ(event.name.len, strlen(name));
        EXPECT_MEM(event.name.ptr, name, event.name.len);
        EXPECT_MEM(event.ns.ptr, ns, event.ns.len);
        EXPECT(leat_equal(event.payload, leat_at(want, 2)));
        EXPECT(wire_event_put(&packed, name, ns, leat_at(want, 2)));
        free(name);
        free(ns);
    }
    EXPECT(at == end);
    EXPECT_EQ(n, leat_count(leat_view_of(g->json)));
    EXPECT_EQ(wire_raw_count(g->body, g->body_len), n);
    EXPECT_EQ(packed.len, g->body_len);
    EXPECT_MEM(packed.data, g->body, g->body_len);
    buf_fini(&packed);
}

static unsigned one_side(unsigned sides)
{
    return sides & (~sides + 1);
}

TEST(wire_speaks_every_golden)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct golden g;
        struct wire_head h;
        struct err err = ERR_INIT;
        leat_value *body = NULL;
        load(rows[i].name, &g);
        EXPECT_EQ(wire_head_get(g.head, g.head_len, &h, &err), WIRE_OK);
        EXPECT_EQ(h.type, rows[i].number);
        EXPECT_STR(wire_name(h.type), rows[i].name);
        check_head(&g, &h);
        EXPECT_MSG(wire_body_get(&h, (enum wire_side)one_side(rows[i].from),
                                 (struct value_bytes){g.body, g.body_len},
                                 &body, &err) == WIRE_OK,
                   "%s", err.text);
        EXPECT_EQ(body != NULL, rows[i].body == WIRE_MAP);
        if (rows[i].body == WIRE_MAP) {
            check_map(&g, body);
        } else if (rows[i].body == WIRE_RAW) {
            check_raw(&g);
        }
        leat_drop(body);
        unload(&g);
    }
}

/* ---- what is wrong
 * ----------------------------------------------------------------- */

static enum wire_verdict head_verdict(const unsigned char *bytes, size_t len)
{
    struct wire_head h;
    struct err err = ERR_INIT;
    enum wire_verdict v = wire_head_get(bytes, len, &h, &err);
    EXPECT_EQ(v == WIRE_OK, err.code == ERR_NONE);
    return v;
}

TEST(wire_refuses_what_is_no_head)
{
    struct golden g;
    load("RUN_START", &g);
    for (size_t len = 0; len < WIRE_HEAD_BYTES; len++) {
        EXPECT_EQ(head_verdict(g.head, len), WIRE_MALFORMED);
    }
    EXPECT_EQ(head_verdict(g.head, WIRE_HEAD_BYTES), WIRE_OK);
    EXPECT_EQ(head_verdict(g.head, WIRE_HEAD_BYTES + 1), WIRE_MALFORMED);
    g.head[0] = 'X';
    EXPECT_EQ(head_verdict(g.head, WIRE_HEAD_BYTES), WIRE_MALFORMED);
    g.head[0] = 'L';
    g.head[3] = 9; /* a newer minor is fine */
    EXPECT_EQ(head_verdict(g.head, WIRE_HEAD_BYTES), WIRE_OK);
    g.head[4] = 255;
    EXPECT_EQ(head_verdict(g.head, WIRE_HEAD_BYTES), WIRE_UNKNOWN);
    EXPECT_STR(wire_name(255), "?");
    g.head[2] = 2;
    EXPECT_EQ(head_verdict(g.head, WIRE_HEAD_BYTES), WIRE_VERSION);
    EXPECT_EQ(head_verdict(g.head, 5), WIRE_VERSION); /* whatever its size */
    unload(&g);
}

/* The verdict on a body given as JSON. */
static enum wire_verdict verdict(uint8_t type, unsigned from, const char *json)
{
    struct wire_head h = {.type = type};
    struct err err = ERR_INIT;
    struct buf packed;
    leat_value *body = NULL;
    leat_value *v = json_of(json);
    buf_init(&packed, 65536);
    EXPECT(value_pack_into(leat_view_of(v), &packed));
    struct value_bytes bytes = {(unsigned char *)packed.data, packed.len};
    enum wire_verdict found =
        wire_body_get(&h, (enum wire_side)from, bytes, &body, &err);
    EXPECT_EQ(found == WIRE_OK, err.code == ERR_NONE);
    EXPECT_EQ(found == WIRE_OK, body != NULL);
    leat_drop(body);
    leat_drop(v);
    buf_fini(&packed);
    return found;
}

TEST(wire_holds_bodies_against_the_table)
{
    EXPECT_EQ(verdict(WIRE_RUN_CANCEL, WIRE_G, "{\"action\":\"interrupt\"}"),
              WIRE_OK);
    EXPECT_EQ(verdict(WIRE_RUN_CANCEL, WIRE_W, "{\"action\":\"interrupt\"}"),
              WIRE_MALFORMED); /* not from there */
    EXPECT_EQ(verdict(WIRE_RUN_CANCEL, WIRE_G, "{}"), WIRE_MALFORMED);
    EXPECT_EQ(verdict(WIRE_RUN_CANCEL, WIRE_G, "{\"action\":1}"),
              WIRE_MALFORMED);
    EXPECT_EQ(verdict(WIRE_RUN_CANCEL, WIRE_G, "{\"action\":null}"),
              WIRE_MALFORMED);
    EXPECT_EQ(verdict(WIRE_RUN_CANCEL, WIRE_G, "[\"interrupt\"]"),
              WIRE_MALFORMED);
    EXPECT_EQ(verdict(WIRE_RUN_CANCEL, WIRE_G,
                      "{\"action\":\"rollback\",\"new\":[1]}"),
              WIRE_OK); /* unknown fields are ignored */
    EXPECT_EQ(verdict(WIRE_RUN_ENDED, WIRE_D,
                      "{\"status\":\"success\",\"error\":null}"),
              WIRE_OK); /* an optional field may be null */
    EXPECT_EQ(verdict(WIRE_RUN_ENDED, WIRE_D,
                      "{\"status\":\"success\",\"error\":\"no\"}"),
              WIRE_MALFORMED);
    EXPECT_EQ(verdict(WIRE_STORE_DONE, WIRE_V, "{\"result\":[1]}"), WIRE_OK);
    EXPECT_EQ(verdict(WIRE_HEARTBEAT, WIRE_W, "{}"), WIRE_MALFORMED);
}

TEST(wire_refuses_broken_bodies)
{
    struct wire_head h = {.type = WIRE_RUN_STATE};
    struct err err = ERR_INIT;
    leat_value *body = NULL;
    const unsigned char cut[] = {0x81, 0xa6, 's', 't', 'a'};
    const unsigned char more[] = {0x80, 0x80};
    const struct value_bytes broken[] = {
        {cut, 0}, {cut, sizeof cut}, {more, sizeof more}};
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        EXPECT_EQ(wire_body_get(&h, WIRE_D, broken[i], &body, &err),
                  WIRE_MALFORMED);
        EXPECT_HAS(err.text, "RUN_STATE");
    }
    EXPECT(body == NULL);
}

TEST(wire_stops_at_what_is_no_event)
{
    struct buf b;
    struct wire_event event;
    leat_value *v = leat_pack("[i,{s:s}]", 1, "k", "v");
    buf_init(&b, 4096);
    EXPECT(wire_event_put(&b, "values", "", leat_view_of(v)));
    size_t one = b.len;
    EXPECT(buf_append(&b, "\x92\xa1x\xa0", 4)); /* two in place of three */
    const unsigned char *at = (const unsigned char *)b.data;
    const unsigned char *end = at + b.len;
    EXPECT(wire_event_next(&at, end, &event));
    EXPECT(at == (const unsigned char *)b.data + one);
    EXPECT(!wire_event_next(&at, end, &event));
    EXPECT(at == NULL);
    EXPECT_EQ(wire_raw_count(b.data, b.len), 2);
    EXPECT_EQ(wire_raw_count(b.data, b.len - 1), -1);
    leat_drop(v);
    buf_fini(&b);
}

TEST(wire_puts_a_whole_event_or_nothing)
{
    char ns[70000];
    struct buf b;
    struct wire_event event;
    leat_value *v = leat_new_string("payload");
    const size_t sizes[] = {0, 31, 32, 255, 256, 65535, 65536};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        memset(ns, 'n', sizes[i]);
        ns[sizes[i]] = '\0';
        buf_init(&b, 80000);
        EXPECT(wire_event_put(&b, "custom", ns, leat_view_of(v)));
        const unsigned char *at = (const unsigned char *)b.data;
        EXPECT(wire_event_next(&at, at + b.len, &event));
        EXPECT_EQ(event.ns.len, sizes[i]);
        b.max = b.len + 12; /* the header fits, the payload does not */
        size_t len = b.len;
        EXPECT(!wire_event_put(&b, "custom", "", leat_view_of(v)));
        EXPECT_EQ(b.len, len);
        buf_fini(&b);
    }
    leat_drop(v);
}

TEST(wire_makes_topics_that_begin_with_the_thread)
{
    unsigned char topic[WIRE_TOPIC_BYTES];
    struct id thread = id_uuid7();
    struct id run = id_uuid7();
    wire_topic(&thread, &run, topic);
    EXPECT_MEM(topic, thread.bytes, 16);
    EXPECT_MEM(topic + 16, run.bytes, 16);
}

TEST(wire_knows_a_home)
{
    struct id run = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    struct id thread = {{13, 14, 15, 16, 1}};
    EXPECT(wire_is_home(&run, &thread));
    thread.bytes[3] = 0;
    EXPECT(!wire_is_home(&run, &thread));
    wire_home(&run, &thread);
    EXPECT(wire_is_home(&run, &thread));
}

TEST(wire_gives_a_thread_its_runs_home)
{
    struct id run;
    EXPECT(id_parse("019a0000-0000-7000-8000-0123deadbeef", &run));
    struct id thread = id_uuid4();
    struct id before = thread;
    wire_home(&run, &thread);
    EXPECT_MEM(thread.bytes, "\xde\xad\xbe\xef", WIRE_HOME_BYTES);
    EXPECT_MEM(thread.bytes + 4, before.bytes + 4, 12);
}
