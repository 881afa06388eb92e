/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/message_kit.h"

/* ---- the reducer --------------------------------------------------------- */

TEST(messages_add_appends_and_replaces_by_id)
{
    expect_added("[{\"type\":\"human\",\"content\":\"one\",\"id\":\"m1\"},"
                 "{\"type\":\"ai\",\"content\":\"two\",\"id\":\"m2\"}]",
                 "[{\"type\":\"human\",\"content\":\"edited\",\"id\":\"m1\"},"
                 "{\"type\":\"ai\",\"content\":\"new\",\"id\":\"m3\"}]",
                 "human:m1:edited ai:m2:two ai:m3:new");
    expect_added("[]", "[]", "");
    expect_added("[]", "\"plain\"", "human:*:plain");
    expect_added("\"left\"", "{\"role\":\"ai\",\"content\":\"right\"}",
                 "human:*:left ai:*:right");
    /* Duplicates among the new ones replace each other. */
    expect_added("[]",
                 "[{\"role\":\"ai\",\"content\":\"a\",\"id\":\"x\"},"
                 "{\"role\":\"ai\",\"content\":\"b\",\"id\":\"y\"},"
                 "{\"role\":\"ai\",\"content\":\"c\",\"id\":\"x\"}]",
                 "ai:x:c ai:y:b");
    /* A list of two texts is two messages, not a pair. */
    expect_added("[]", "[\"user\",\"hello\"]",
                 "human:*:user human:*:hello");
    expect_added("[]", "[[\"system\",\"tuple\"]]", "system:*:tuple");
}

TEST(messages_add_removes)
{
    static const char left[] =
        "[{\"type\":\"human\",\"content\":\"one\",\"id\":\"m1\"},"
        "{\"type\":\"ai\",\"content\":\"two\",\"id\":\"m2\"},"
        "{\"type\":\"ai\",\"content\":\"three\",\"id\":\"m3\"}]";
    expect_added(left, "[{\"type\":\"remove\",\"id\":\"m2\"}]",
                 "human:m1:one ai:m3:three");
    expect_added(left, "{\"type\":\"remove\",\"id\":\"m1\"}",
                 "ai:m2:two ai:m3:three");
    /* What comes again after its removal stays, in its place. */
    expect_added(left,
                 "[{\"type\":\"remove\",\"id\":\"m1\"},{\"type\":\"human\","
                 "\"content\":\"back\",\"id\":\"m1\"}]",
                 "human:m1:back ai:m2:two ai:m3:three");
    /* New and removed in one batch. */
    expect_added(left,
                 "[{\"type\":\"ai\",\"content\":\"x\",\"id\":\"n\"},"
                 "{\"type\":\"remove\",\"id\":\"n\"},"
                 "{\"type\":\"remove\",\"id\":\"m3\"}]",
                 "human:m1:one ai:m2:two");
    expect_add_fails(left, "[{\"type\":\"remove\",\"id\":\"zzz\"}]",
                     "Attempting to delete a message with an ID that doesn't "
                     "exist ('zzz')");
}

TEST(messages_add_remove_all)
{
    static const char left[] =
        "[{\"type\":\"human\",\"content\":\"one\",\"id\":\"m1\"}]";
    expect_added(left,
                 "[{\"type\":\"ai\",\"content\":\"dropped\",\"id\":\"m8\"},"
                 "{\"type\":\"remove\",\"id\":\"__remove_all__\"},"
                 "{\"type\":\"ai\",\"content\":\"kept\",\"id\":\"m9\"}]",
                 "ai:m9:kept");
    expect_added(left, "[{\"type\":\"remove\",\"id\":\"__remove_all__\"}]",
                 "");
    /* Only what stands behind the last one, and that as it is. */
    expect_added(left,
                 "[{\"type\":\"remove\",\"id\":\"__remove_all__\"},"
                 "{\"type\":\"ai\",\"content\":\"a\",\"id\":\"a\"},"
                 "{\"type\":\"remove\",\"id\":\"__remove_all__\"},"
                 "{\"type\":\"remove\",\"id\":\"none\"},\"text\"]",
                 "remove:none: human:*:text");
}

TEST(messages_add_needs_both_sides)
{
    expect_add_fails("[]", "null",
                     "Must specify non-null arguments for both 'left' and "
                     "'right'. Only received: 'right'.");
    expect_add_fails("[\"x\"]", "null", "Only received: 'left'.");
    expect_add_fails("null", "[\"x\"]", "Only received: 'right'.");
    leat_value *right = json("[\"x\"]");
    leat_value *out = add(leat_view_of(NULL), leat_view_of(right));
    expect_list(leat_view_of(out), "human:*:x");
    leat_drop(out);
    leat_drop(right);
}

TEST(messages_add_fails_for_bad_elements)
{
    expect_add_fails("[]", "[{\"role\":\"robot\",\"content\":\"\"}]",
                     "MESSAGE_COERCION_FAILURE");
    expect_add_fails("[{\"no\":1}]", "[]", "MESSAGE_COERCION_FAILURE");
}

TEST(messages_add_makes_chunks_whole)
{
    leat_value *chunk = graph_message_chunk(&(struct graph_message_piece){
        .id = "run-1",
        .content = {"text", 4},
        .has_tool_call = true,
        .name = "f",
        .args = "{\"a\":1}",
        .call_id = "c"});
    leat_value *out = add(leat_view_of(NULL), leat_view_of(chunk));
    expect_list(leat_view_of(out), "ai:run-1:text");
    leat_view m = leat_at(leat_view_of(out), 0);
    EXPECT_EQ(leat_count(m), 10);
    EXPECT_EQ(leat_count(leat_get(m, "tool_calls")), 1);
    leat_drop(out);
    leat_drop(chunk);
}

TEST(messages_add_shares_what_does_not_change)
{
    leat_value *left = leat_new_list(0, NULL);
    for (int i = 0; i < 1000; i++) {
        leat_value *m = leat_pack("{s:s,s:s,s:V}", "role", "user", "content",
                                  "some text", "id", leat_new_format("m%d", i));
        leat_value *more = add(leat_view_of(left), leat_view_of(m));
        leat_drop(left);
        leat_drop(m);
        left = more;
    }
    leat_value *new = graph_message_text(GRAPH_MESSAGE_AI, "new");
    leat_value *out = add(leat_view_of(left), leat_view_of(new));
    EXPECT_EQ(leat_count(leat_view_of(out)), 1001);
    for (long i = 0; i < 1000; i += 37) {
        leat_value *a = leat_value_of(leat_at(leat_view_of(left), i));
        leat_value *b = leat_value_of(leat_at(leat_view_of(out), i));
        EXPECT(a == b);
        leat_drop(a);
        leat_drop(b);
    }
    leat_drop(out);
    leat_drop(new);
    leat_drop(left);
}

TEST(messages_add_works_from_packed_bytes)
{
    leat_value *left =
        messages("[{\"type\":\"human\",\"content\":\"one\",\"id\":\"m1\"},"
                 "{\"type\":\"ai\",\"content\":\"two\",\"id\":\"m2\"}]");
    leat_value *packed = value_packed(left);
    leat_value *right = messages("[[\"ai\",\"three\"]]");
    leat_value *out = add(leat_view_of(packed), leat_view_of(right));
    leat_drop(packed);
    leat_drop(left);
    leat_drop(right);
    expect_list(leat_view_of(out), "human:m1:one ai:m2:two ai:*:three");
    leat_drop(out);
}

TEST(messages_add_with_many_ids)
{
    struct buf left, right;
    buf_init(&left, 1 << 20);
    buf_init(&right, 1 << 20);
    EXPECT(buf_putc(&left, '[') && buf_putc(&right, '['));
    for (int i = 0; i < 500; i++) {
        const char *comma = i > 0 ? "," : "";
        EXPECT(buf_printf(&left,
                          "%s{\"role\":\"user\",\"content\":\"%d\","
                          "\"id\":\"id-%d\"}",
                          comma, i, i));
        if (i % 2 == 0) {
            EXPECT(buf_printf(&right, "%s{\"type\":\"remove\",\"id\":\"id-%d\"}",
                              comma, i));
        } else {
            EXPECT(buf_printf(&right,
                              "%s{\"role\":\"ai\",\"content\":\"new %d\","
                              "\"id\":\"id-%d\"}",
                              comma, i, i));
        }
    }
    EXPECT(buf_putc(&left, ']') && buf_putc(&right, ']'));
    leat_value *a = json(buf_text(&left)), *b = json(buf_text(&right));
    leat_value *out = add(leat_view_of(a), leat_view_of(b));
    EXPECT_EQ(leat_count(leat_view_of(out)), 250);
    for (leat_iter it = leat_iter_of(leat_view_of(out)); leat_next(&it);) {
        char want[32];
        snprintf(want, sizeof(want), "new %zu", 2 * it.index + 1);
        EXPECT(leat_is(leat_get(it.item, "content"), want));
    }
    leat_drop(out);
    leat_drop(a);
    leat_drop(b);
    buf_fini(&left);
    buf_fini(&right);
}

/* ---- messages in outputs ------------------------------------------------- */

static void note(void *arg, leat_view message)
{
    struct buf *b = arg;
    leat_text id = leat_string(leat_get(message, "content"));
    EXPECT(buf_append(b, id.ptr, id.len));
    EXPECT(buf_putc(b, ' '));
}

/* Takes the reference; gives it back. */
static leat_value *expect_found(leat_value *output, const char *want)
{
    struct buf b;
    buf_init(&b, 1000);
    graph_messages_scan(leat_view_of(output), note, &b);
    EXPECT_STR(buf_text(&b), want);
    buf_fini(&b);
    return output;
}

static leat_value *human(const char *content)
{
    return graph_message_text(GRAPH_MESSAGE_HUMAN, content);
}

static leat_value *command(leat_value *update)
{
    return leat_tagged(leat_pack("{s:V,s:s}", "update", update, "goto", "x"),
                       LEAT_COMMAND);
}

TEST(messages_are_found_where_python_looks)
{
    leat_drop(expect_found(human("a"), "a "));
    leat_drop(expect_found(leat_pack("[V,s,V]", human("a"), "raw", human("b")),
                           "a b "));
    leat_drop(expect_found(
        leat_pack("{s:V,s:[V,{s:s},V],s:i,s:{s:V},s:[[V]]}", "one",
                  human("a"), "list", human("b"), "type", "human", human("c"),
                  "n", 1, "deeper", "x", human("not"), "lists", human("no")),
        "a b c "));
    leat_drop(expect_found(command(leat_pack("{s:[V]}", "m", human("a"))),
                           "a "));
    leat_drop(expect_found(command(human("a")), "a "));
    leat_drop(expect_found(command(leat_pack("[V]", human("a"))), "a "));
    leat_drop(expect_found(
        leat_pack("[V,{s:V},V]", command(leat_pack("{s:V}", "m", human("a"))),
                  "m", human("b"), human("c")),
        "a b c "));
    /* Without a command, objects in a list are not looked into. */
    leat_drop(expect_found(leat_pack("[{s:V}]", "m", human("a")), ""));
    leat_drop(expect_found(json("{\"messages\":[{\"type\":\"human\","
                                "\"content\":\"raw\"}]}"),
                           ""));
    leat_drop(expect_found(
        leat_tagged(leat_pack("{s:s,s:V}", "node", "n", "arg", human("a")),
                    LEAT_SEND),
        ""));
    leat_drop(expect_found(leat_tagged(leat_pack("{}"), LEAT_COMMAND), ""));
    leat_drop(expect_found(leat_new_null(), ""));
    EXPECT(expect_found(NULL, "") == NULL);
}

static void expect_identified(void *arg, leat_view message)
{
    EXPECT_EQ(leat_count(leat_get(message, "id")), 36);
    ++*(int *)arg;
}

TEST(messages_in_outputs_get_ids)
{
    leat_value *outputs[] = {
        human("a"),
        leat_pack("[V,s,V]", human("a"), "raw", human("b")),
        leat_pack("{s:V,s:[V,i],s:i}", "one", human("a"), "list", human("b"),
                  1, "n", 1),
        command(leat_pack("{s:[V,V]}", "m", human("a"), human("b"))),
        command(human("a")),
        leat_pack("[V,{s:V},V]", command(leat_pack("{s:V}", "m", human("a"))),
                  "m", human("b"), human("c")),
        leat_pack("[V,V]", leat_tagged(leat_pack("{}"), LEAT_COMMAND),
                  human("a")),
    };
    static const int counts[] = {1, 2, 2, 2, 1, 3, 1};
    for (size_t i = 0; i < COUNT_OF(outputs); i++) {
        leat_value *before = leat_hold(outputs[i]);
        leat_value *v = graph_messages_identify(outputs[i]);
        int found = 0;
        graph_messages_scan(leat_view_of(v), expect_identified, &found);
        EXPECT_EQ(found, counts[i]);
        EXPECT_EQ(leat_tag_of(leat_view_of(v)),
                  leat_tag_of(leat_view_of(before)));
        EXPECT_EQ(leat_count(leat_view_of(v)),
                  leat_count(leat_view_of(before)));
        leat_value *again = graph_messages_identify(leat_hold(v));
        EXPECT(again == v); /* all have ids: nothing is made */
        leat_drop(again);
        leat_drop(v);
        leat_drop(before);
    }
    EXPECT(graph_messages_identify(NULL) == NULL);
}

/* ---- lists that grow by a message at a time ------------------------------ */

static leat_value *conversation(int n)
{
    leat_value **items = base_zalloc((size_t)n * sizeof *items);
    for (int i = 0; i < n; i++) {
        items[i] = leat_pack("{s:s, s:s, s:V}", "type", "human", "content",
                             "some words", "id", leat_new_format("m%d", i));
    }
    leat_value *list = leat_new_list((size_t)n, items);
    free(items);
    return list;
}

/* Takes `list`. */
static leat_value *with_message(leat_value *list, const char *text)
{
    struct fault fault = FAULT_INIT;
    leat_value *more = json(text), *out;
    EXPECT_MSG(graph_messages_add(leat_view_of(list), leat_view_of(more), &out,
                                  &fault), "%s", fault.text);
    leat_drop(more);
    leat_drop(list);
    return out;
}

static leat_value *branch_of(const leat_value *list, const char *text)
{
    return with_message(leat_hold(list), text);
}

static void expect_message(const leat_value *list, long at, const char *id,
                           const char *content)
{
    leat_view message = leat_at(leat_view_of(list), at);
    EXPECT_EQ(leat_tag_of(message), LEAT_MESSAGE);
    EXPECT_MSG(leat_is(leat_get(message, "id"), id), "at %ld", at);
    EXPECT_MSG(leat_is(leat_get(message, "content"), content), "at %ld", at);
}

TEST(messages_added_to_many_copy_nothing)
{
    leat_value *list = with_message(conversation(1000),
        "{\"type\":\"ai\",\"content\":\"0\",\"id\":\"a0\"}");
    struct value_note *note = value_list_note(list);
    EXPECT(note != NULL);
    for (int i = 1; i < 400; i++) {
        char text[80];
        snprintf(text, sizeof text,
                 "{\"type\":\"ai\",\"content\":\"%d\",\"id\":\"a%d\"}", i, i);
        leat_value *longer = branch_of(list, text);
        /* The same items, and what is known of them. */
        EXPECT(value_list_note(longer) == note);
        leat_drop(list);
        list = longer;
    }
    EXPECT_EQ(leat_count(leat_view_of(list)), 1400);
    expect_message(list, 1399, "a399", "399");
    /* One that is there already is replaced, wherever it is. */
    list = with_message(list,
        "[{\"type\":\"ai\",\"content\":\"new\",\"id\":\"a7\"},"
        "{\"type\":\"human\",\"content\":\"new\",\"id\":\"m3\"}]");
    EXPECT_EQ(leat_count(leat_view_of(list)), 1400);
    expect_message(list, 1007, "a7", "new");
    expect_message(list, 3, "m3", "new");
    list = with_message(list, "[{\"type\":\"remove\",\"id\":\"m3\"},"
                              "{\"type\":\"ai\",\"content\":\"x\",\"id\":\"x\"}]");
    EXPECT_EQ(leat_count(leat_view_of(list)), 1400);
    expect_message(list, 3, "m4", "some words");
    expect_message(list, -1, "x", "x");
    leat_drop(list);
}

TEST(messages_of_branches_are_their_own)
{
    leat_value *base = with_message(conversation(100),
        "{\"type\":\"ai\",\"content\":\"b\",\"id\":\"b\"}");
    leat_value *left = branch_of(base,
        "{\"type\":\"ai\",\"content\":\"left\",\"id\":\"next\"}");
    leat_value *right = branch_of(base,
        "{\"type\":\"ai\",\"content\":\"right\",\"id\":\"next\"}");
    right = with_message(right,
        "[{\"type\":\"ai\",\"content\":\"r\",\"id\":\"r\"},"
        "{\"type\":\"ai\",\"content\":\"again\",\"id\":\"r\"}]");
    EXPECT_EQ(leat_count(leat_view_of(base)), 101);
    EXPECT_EQ(leat_count(leat_view_of(left)), 102);
    EXPECT_EQ(leat_count(leat_view_of(right)), 103);
    expect_message(left, -1, "next", "left");
    expect_message(right, -2, "next", "right");
    expect_message(right, -1, "r", "again");
    leat_drop(base);
    leat_drop(left);
    leat_drop(right);
}

TEST(messages_among_other_things_are_merged_as_ever)
{
    /* A list that a node made longer by itself, with what is no message. */
    leat_value *list = with_message(conversation(100), "[]");
    leat_value *text = leat_new_string("just words");
    leat_value *longer = leat_append(leat_view_of(list), 1, &text);
    longer = with_message(longer,
        "{\"type\":\"ai\",\"content\":\"b\",\"id\":\"m5\"}");
    EXPECT_EQ(leat_count(leat_view_of(longer)), 101);
    expect_message(longer, 5, "m5", "b");
    EXPECT(leat_is(leat_get(leat_at(leat_view_of(longer), 100), "content"),
                   "just words"));
    leat_drop(longer);
    leat_drop(list);
}
