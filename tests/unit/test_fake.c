/* SPDX-License-Identifier: Apache-2.0 */
/* The scripted chat model: which reply, in which pieces, and its failures. */
#include "tests/unit/rig_graph.h"

#include "tests/harness/harness.h"

#include <stdio.h>
#include <string.h>

static const struct leat_fake_reply replies[] = {
    {.text = "let me  see", .id = "m1",
     .calls = {{.name = "add", .args = "{\"a\":1}"}, {.name = "sub", .id = "s"}},
     .input_tokens = 5, .output_tokens = 2},
    {.text = "\xc3\xa4\xe2\x82\xac!", .id = "m2"},
    {.text = "one two three", .id = "m3", .error_type = "TimeoutError",
     .error_text = "too slow", .error_after = 2},
};
static struct leat_fake fake = {.replies = replies, .count = 3};

static leat_value *node(leat_context *ctx, leat_view state)
{
    leat_value *reply =
        leat_fake_answer(ctx, &fake, leat_get(state, "messages"));
    return reply == NULL ? NULL : leat_pack("{s:[V]}", "messages", reply);
}

static void build(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_node(g, "n", node);
    leat_add_edge(g, LEAT_START, "n");
}

/* Contents of the pieces that were streamed, each with a bar behind it. */
static char pieces[500];
static int calls_seen;

static void on_event(struct rig *r, const struct graph_event *ev)
{
    (void)r;
    leat_view message = leat_at(leat_view_of(ev->payload), 0);
    leat_text t = leat_string(leat_get(message, "content"));
    if (ev->mode != GRAPH_MODE_MESSAGES ||
        leat_is(leat_get(message, "type"), "human")) {
        return;
    }
    size_t n = strlen(pieces);
    snprintf(pieces + n, sizeof pieces - n, "%.*s|", (int)t.len, t.ptr);
    calls_seen += (int)leat_count(leat_get(message, "tool_call_chunks"));
}

/* Asks with so many AI messages before. */
static void run(struct rig *r, int before)
{
    char input[400] = "{\"messages\":[[\"human\",\"hi\"]";
    for (int i = 0; i < before; i++) {
        strncat(input, ",[\"ai\",\"x\"]", sizeof input - strlen(input) - 1);
    }
    strncat(input, "]}", sizeof input - strlen(input) - 1);
    pieces[0] = '\0';
    calls_seen = 0;
    rig_init(r, build, GRAPH_MODE_MESSAGES);
    r->on_event = on_event;
    rig_run(r, input);
}

static leat_view last(const struct rig *r)
{
    return leat_at(leat_get(leat_view_of(r->result.output), "messages"), -1);
}

TEST(fake_streams_words_calls_and_usage)
{
    struct rig r;
    run(&r, 0);
    EXPECT_STR(pieces, "let| |me| | |see||||||");
    EXPECT_EQ(calls_seen, 4); /* each call in two pieces */
    leat_value *calls = leat_value_of(leat_get(last(&r), "tool_calls"));
    EXPECT_STR(rig_json(calls),
               "[{\"name\":\"add\",\"args\":{\"a\":1},\"id\":\"call_1\","
               "\"type\":\"tool_call\"},{\"name\":\"sub\",\"args\":{},\"id\":"
               "\"s\",\"type\":\"tool_call\"}]");
    leat_drop(calls);
    leat_view usage = leat_get(last(&r), "usage_metadata");
    EXPECT_EQ(leat_int(leat_get(usage, "total_tokens"), 0), 7);
    EXPECT(leat_is(leat_get(last(&r), "id"), "m1"));
    rig_fini(&r);
}

TEST(fake_cuts_between_characters)
{
    struct rig r;
    fake.chunk = 2;
    run(&r, 1);
    EXPECT_STR(pieces, "\xc3\xa4\xe2\x82\xac|!|");
    rig_fini(&r);
}

TEST(fake_begins_again_after_the_last_reply)
{
    struct rig r;
    run(&r, 3);
    EXPECT(leat_is(leat_get(last(&r), "id"), "m1"));
    rig_fini(&r);
}

TEST(fake_fails_after_some_pieces)
{
    struct rig r;
    run(&r, 2);
    EXPECT_EQ(r.result.status, GRAPH_FAILED);
    EXPECT_STR(r.result.error_type, "TimeoutError");
    EXPECT_STR(r.result.error_text, "too slow");
    EXPECT_STR(pieces, "one| |");
    rig_fini(&r);
}

TEST(fake_gives_whole_answers)
{
    struct rig r;
    fake.no_stream = true;
    run(&r, 0);
    EXPECT_STR(pieces, "let me  see|");
    EXPECT_EQ(leat_count(leat_get(last(&r), "tool_calls")), 2);
    rig_fini(&r);
}

TEST(fake_stops_when_cancelled)
{
    struct rig r;
    fake.delay_ms = 3600 * 1000;
    rig_init(&r, build, GRAPH_MODE_MESSAGES);
    graph_cancel_set(r.cancel);
    rig_run(&r, "{\"messages\":[]}");
    EXPECT_EQ(r.result.status, GRAPH_CANCELLED);
    rig_fini(&r);
}
