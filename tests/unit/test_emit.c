/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine says, as the log of a run holds it. */
#include "worker/emit.h"

#include <stdio.h>
#include <string.h>

#include "common/wire.h"
#include "tests/harness/harness.h"
#include "worker/graph/message.h"

static struct outbox_budget budget = {.max = 1 << 20};

static void on_ready(void *arg, outbox_t *o)
{
    (void)arg;
    wrk_outbox_drop(&o);
}

static outbox_t *make(void)
{
    const struct outbox_conf conf = {.run = id_uuid7(),
                                     .thread = id_uuid7(),
                                     .attempt = 1,
                                     .first_seq = 1,
                                     .window = 1000,
                                     .budget = &budget,
                                     .ready = on_ready};
    return wrk_outbox_new(&conf);
}

/* The log as lines "name|ns payload". */
static char *lines_of(outbox_t *o, struct buf *out)
{
    struct outbox_batch b;
    buf_init(out, 1 << 20);
    while (wrk_outbox_next(o, &b)) {
        const unsigned char *at = b.bytes;
        const unsigned char *end = at + b.len;
        struct wire_event ev;
        while (wire_event_next(&at, end, &ev)) {
            char *json = leat_to_json(ev.payload);
            EXPECT(buf_printf(out, "%.*s|%.*s %s\n", (int)ev.name.len,
                              ev.name.ptr, (int)ev.ns.len, ev.ns.ptr, json));
            leat_free_text(json);
        }
        wrk_outbox_sent(o);
    }
    return out->data;
}

static void expect_lines(outbox_t **o, emit_t **e, const char *want)
{
    struct buf text;
    lines_of(*o, &text);
    EXPECT_STR(buf_text(&text), want);
    buf_fini(&text);
    wrk_emit_destroy(e);
    wrk_outbox_drop(o);
}

static void say(emit_t *e, enum graph_mode mode, const char *ns,
                leat_value *payload)
{
    const struct graph_event ev = {.mode = mode, .ns = ns, .payload = payload};
    wrk_emit_event(e, &ev);
    leat_drop(payload);
}

TEST(emit_knows_the_words_of_clients)
{
    leat_value *m = leat_pack("[s,s,s]", "messages-tuple", "updates", "what");
    EXPECT_EQ(wrk_emit_modes(leat_view_of(m)),
              GRAPH_MODE_MESSAGES | GRAPH_MODE_UPDATES);
    leat_drop(m);
    EXPECT_EQ(wrk_emit_modes((leat_view){0}), 0);
}

TEST(emit_frames_a_run_with_metadata_error_and_end)
{
    outbox_t *o = make();
    emit_t *e = wrk_emit_new(o, (leat_view){0});
    struct id run = {{0}};
    wrk_emit_metadata(e, &run, 2);
    say(e, GRAPH_MODE_VALUES, "", leat_pack("{s:i}", "x", 1));
    say(e, GRAPH_MODE_UPDATES, "a:1|b:2", leat_pack("{}"));
    say(e, GRAPH_MODE_CUSTOM, "", leat_new_null());
    wrk_emit_error(e, "ValueError", "no");
    wrk_emit_end(e, "error");
    expect_lines(&o, &e,
                 "metadata| {\"run_id\":\"00000000-0000-0000-0000-"
                 "000000000000\",\"attempt\":2}\n"
                 "values| {\"x\":1}\n"
                 "updates|a:1|b:2 {}\n"
                 "custom| null\n"
                 "error| {\"error\":\"ValueError\",\"message\":\"no\"}\n"
                 "end| {\"status\":\"error\"}\n");
}

TEST(emit_adds_references_to_checkpoints)
{
    outbox_t *o = make();
    emit_t *e = wrk_emit_new(o, (leat_view){0});
    say(e, GRAPH_MODE_CHECKPOINTS, "",
        leat_pack("{s:n,s:[]}", "config", "tasks"));
    say(e, GRAPH_MODE_DEBUG, "",
        leat_pack("{s:s,s:{}}", "type", "task_result", "payload"));
    expect_lines(&o, &e,
                 "checkpoints| {\"config\":null,\"tasks\":[],\"checkpoint\":"
                 "null,\"parent_checkpoint\":null}\n"
                 "debug| {\"type\":\"task_result\",\"payload\":{}}\n");
}

/* ---- messages ---------------------------------------------------------------- */

static void chunk(emit_t *e, const char *text, bool last)
{
    const struct graph_message_piece piece = {
        .id = "m1", .content = {text, strlen(text)}, .last = last};
    leat_value *both = leat_pack("[V,{s:i}]", graph_message_chunk(&piece),
                                 "langgraph_step", 1);
    say(e, GRAPH_MODE_MESSAGES, "", both);
}

/* The model's answer is whole. */
static void ends(emit_t *e, const char *text)
{
    leat_value *m = leat_pack("{s:s,s:s,s:s}", "type", "ai", "content", text,
                              "id", "m1");
    leat_value *both = leat_pack("[V,{s:i}]", m, "langgraph_step", 1);
    const struct graph_event ev = {.mode = GRAPH_MODE_MESSAGE_ENDS,
                                   .ns = "",
                                   .payload = both,
                                   .message_final = true};
    wrk_emit_event(e, &ev);
    leat_drop(both);
}

/* name, and of the message in it type and content. */
static void expect_messages(outbox_t **o, emit_t **e, const char *want)
{
    struct buf text;
    struct outbox_batch b;
    buf_init(&text, 1 << 20);
    while (wrk_outbox_next(*o, &b)) {
        const unsigned char *at = b.bytes;
        const unsigned char *end = at + b.len;
        struct wire_event ev;
        while (wire_event_next(&at, end, &ev)) {
            leat_view m = leat_at(ev.payload, 0);
            leat_text type = leat_string(leat_get(m, "type"));
            leat_text content = leat_string(leat_get(m, "content"));
            EXPECT(buf_printf(&text, "%.*s %.*s %.*s\n", (int)ev.name.len,
                              ev.name.ptr, (int)type.len,
                              type.ptr != NULL ? type.ptr : "",
                              (int)content.len,
                              content.ptr != NULL ? content.ptr : ""));
        }
        wrk_outbox_sent(*o);
    }
    EXPECT_STR(buf_text(&text), want);
    buf_fini(&text);
    wrk_emit_destroy(e);
    wrk_outbox_drop(o);
}

TEST(emit_sends_tuples_as_messages)
{
    leat_value *modes = leat_pack("[s]", "messages-tuple");
    outbox_t *o = make();
    emit_t *e = wrk_emit_new(o, leat_view_of(modes));
    chunk(e, "he", false);
    chunk(e, "llo", true);
    ends(e, "hello");
    expect_messages(&o, &e,
                    "messages AIMessageChunk he\n"
                    "messages AIMessageChunk llo\n");
    leat_drop(modes);
}

TEST(emit_sums_up_for_the_legacy_mode_and_completes_once)
{
    leat_value *modes = leat_pack("[s]", "messages");
    outbox_t *o = make();
    emit_t *e = wrk_emit_new(o, leat_view_of(modes));
    chunk(e, "he", false);
    chunk(e, "llo", true);
    ends(e, "hello");
    chunk(e, "again", true); /* the id is complete already */
    leat_value *tool = leat_pack(
        "[V,{}]", graph_message_identify(
                      graph_message_tool("4", "call", "add")));
    say(e, GRAPH_MODE_MESSAGES, "", tool);
    expect_messages(&o, &e,
                    "messages/metadata  \n"
                    "messages/partial ai he\n"
                    "messages/partial ai hello\n"
                    "messages/complete ai hello\n"
                    "messages/metadata  \n"
                    "messages/complete tool 4\n");
    leat_drop(modes);
}

TEST(emit_sends_both_when_both_are_asked_for)
{
    leat_value *modes = leat_pack("[s,s]", "messages", "messages-tuple");
    outbox_t *o = make();
    emit_t *e = wrk_emit_new(o, leat_view_of(modes));
    chunk(e, "hi", true);
    ends(e, "hi");
    expect_messages(&o, &e,
                    "messages AIMessageChunk hi\n"
                    "messages/metadata  \n"
                    "messages/partial ai hi\n"
                    "messages/complete ai hi\n");
    leat_drop(modes);
}
