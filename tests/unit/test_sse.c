/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sse.h"

#include <stdlib.h>

#include "common/json.h"
#include "tests/harness/harness.h"

static leat_text text(const char *s)
{
    return (leat_text){s, strlen(s)};
}

static leat_value *golden(void)
{
    size_t size = 0;
    char *bytes = test_read_file(test_path("golden/sse/events.json"), &size);
    leat_value *list = NULL;
    struct err err = ERR_INIT;
    EXPECT(bytes != NULL);
    EXPECT_MSG(json_parse(bytes, size, NULL, &list, &err), "%s", err.text);
    free(bytes);
    return list;
}

TEST(sse_events_are_the_golden_bytes)
{
    leat_value *list = golden();
    leat_iter it = leat_iter_of(leat_view_of(list));
    size_t seen = 0;
    while (leat_next(&it)) {
        struct wire_event event = {
            .name = leat_string(leat_get(it.item, "name")),
            .ns = leat_string(leat_get(it.item, "ns")),
            .payload = leat_get(it.item, "payload"),
        };
        struct sse_id id = {leat_uint(leat_get(it.item, "ms"), 0),
                            leat_uint(leat_get(it.item, "seq"), 0)};
        struct buf out;
        buf_init(&out, 1 << 16);
        EXPECT(gw_sse_encode(&event, id, &out));
        char *want = value_strdup(leat_get(it.item, "text"));
        EXPECT_STR(buf_text(&out), want);
        free(want);
        buf_fini(&out);
        seen++;
    }
    EXPECT_EQ(seen, 6);
    leat_drop(list);
}

TEST(sse_what_does_not_fit_leaves_nothing_behind)
{
    leat_value *v = leat_new_string("0123456789012345678901234567890123456789");
    struct wire_event event = {text("values"), text(""), leat_view_of(v)};
    struct buf out;
    buf_init(&out, 64);
    EXPECT(buf_puts(&out, "before"));
    EXPECT(!gw_sse_encode(&event, (struct sse_id){1, 1}, &out));
    EXPECT_STR(buf_text(&out), "before");
    buf_fini(&out);
    leat_drop(v);
}

TEST(sse_gap_has_its_end_as_id)
{
    struct buf out;
    buf_init(&out, 1 << 10);
    EXPECT(gw_sse_encode_gap((struct sse_id){8, 3}, (struct sse_id){8, 7},
                             &out));
    EXPECT_STR(buf_text(&out),
               "event: gap\ndata: {\"from\":\"8-3\",\"to\":\"8-7\","
               "\"checkpoint_id\":null}\nid: 8-7\n\n");
    buf_fini(&out);
}

static bool passes(unsigned modes, bool subgraphs, const char *name,
                   const char *ns)
{
    struct wire_event event = {text(name), text(ns), {NULL, NULL}};
    struct sse_filter filter = {(uint16_t)modes, subgraphs, 0};
    return gw_sse_wants(filter, &event);
}

TEST(sse_filter_knows_modes_by_their_events)
{
    EXPECT(passes(SSE_VALUES, true, "values", ""));
    EXPECT(!passes(SSE_VALUES, true, "updates", ""));
    EXPECT(passes(SSE_MESSAGES_TUPLE, true, "messages", ""));
    EXPECT(!passes(SSE_MESSAGES_TUPLE, true, "messages/partial", ""));
    EXPECT(passes(SSE_MESSAGES, true, "messages/partial", ""));
    EXPECT(passes(SSE_MESSAGES, true, "messages/metadata", ""));
    EXPECT(!passes(SSE_MESSAGES, true, "messages", ""));
}

TEST(sse_filter_of_nested_graphs)
{
    EXPECT(passes(SSE_VALUES, true, "values", "sub:1"));
    EXPECT(!passes(SSE_VALUES, false, "values", "sub:1"));
    EXPECT(passes(SSE_VALUES, false, "values", ""));
}

TEST(sse_some_events_reach_every_reader_and_one_none)
{
    EXPECT(passes(0, false, "metadata", ""));
    EXPECT(passes(SSE_DEBUG, false, "error", ""));
    EXPECT(passes(SSE_DEBUG, false, "gap", ""));
    EXPECT(passes(SSE_DEBUG, false, "feedback", ""));
    EXPECT(!passes(SSE_ALL_MODES, true, "end", ""));
}

TEST(sse_mode_names)
{
    for (unsigned bit = 1; bit < SSE_ALL_MODES; bit <<= 1) {
        EXPECT_EQ(gw_sse_mode(text(gw_sse_mode_name(bit))), bit);
    }
    EXPECT_EQ(gw_sse_mode(text("messages-tuple")), SSE_MESSAGES_TUPLE);
    EXPECT_EQ(gw_sse_mode(text("")), 0);
    EXPECT_EQ(gw_sse_mode(text("value")), 0);
}

TEST(sse_ids_are_two_numbers)
{
    struct sse_id id;
    EXPECT(gw_sse_id_parse("1757964413454-12", &id));
    EXPECT_EQ(id.ms, 1757964413454);
    EXPECT_EQ(id.seq, 12);
    static const char *const wrong[] = {
        "", "-", "-1", "0", "0-0", "5", "5-", "-5", "5-6x", " 5-6", "5--6",
        "99999999999999999999-1", "+5-6",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        EXPECT_MSG(!gw_sse_id_parse(wrong[i], &id), "%s", wrong[i]);
    }
}

TEST(sse_ids_compare_by_time_first)
{
    struct sse_id a = {5, 9};
    struct sse_id b = {6, 1};
    EXPECT(gw_sse_id_cmp(a, b) < 0);
    EXPECT(gw_sse_id_cmp(b, a) > 0);
    EXPECT_EQ(gw_sse_id_cmp(a, a), 0);
    EXPECT(gw_sse_id_cmp((struct sse_id){5, 10}, a) > 0);
}
