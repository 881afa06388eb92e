/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_kit.h: what the tests of messages share.
 */
#ifndef TESTS_UNIT_MESSAGE_KIT_H
#define TESTS_UNIT_MESSAGE_KIT_H

#include <stdio.h>
#include <stdlib.h>

#include "common/id.h"
#include "common/json.h"
#include "common/value.h"
#include "tests/harness/harness.h"
#include "worker/graph/message.h"

UNUSED static leat_value *json(const char *text)
{
    char why[200] = "";
    leat_value *v = leat_from_json(text, strlen(text), why, sizeof(why));
    EXPECT_MSG(v != NULL, "%s: %s", text, why);
    return v;
}

UNUSED static void expect_json(leat_view v, const char *want)
{
    char *text = leat_to_json(v);
    EXPECT_STR(text, want);
    leat_free_text(text);
}

/* Takes the reference. */
UNUSED static void expect_value(leat_value *v, const char *want)
{
    expect_json(leat_view_of(v), want);
    leat_drop(v);
}

UNUSED static void expect_field(leat_view message, const char *key, const char *want)
{
    expect_json(leat_get(message, key), want);
}

UNUSED static leat_value *coerce(const char *text)
{
    leat_value *like = json(text), *message;
    struct fault fault = FAULT_INIT;
    EXPECT_MSG(graph_message_coerce(leat_view_of(like), &message, &fault),
               "%s: %s", text, fault.text);
    EXPECT(graph_message_kind(leat_view_of(message)) != GRAPH_MESSAGE_NONE);
    leat_drop(like);
    return message;
}

UNUSED static void expect_refused(const char *text, const char *type,
                           const char *part)
{
    leat_value *like = json(text), *message = (leat_value *)1;
    struct fault fault = FAULT_INIT;
    EXPECT_MSG(!graph_message_coerce(leat_view_of(like), &message, &fault),
               "took %s", text);
    EXPECT(message == NULL);
    EXPECT_STR(fault.type, type);
    EXPECT_HAS(fault.text, part);
    EXPECT(graph_message_from(leat_view_of(like)) == NULL);
    graph_fault_fini(&fault);
    leat_drop(like);
}

/* Elements of `text` as messages where they are objects with a type. */
UNUSED static leat_value *messages(const char *text)
{
    leat_value *raw = json(text);
    leat_value *list = leat_new_list(0, NULL);
    for (leat_iter it = leat_iter_of(leat_view_of(raw)); leat_next(&it);) {
        leat_value *item = graph_message_from(it.item);
        EXPECT(item != NULL);
        leat_value *longer = leat_append(leat_view_of(list), 1, &item);
        leat_drop(list);
        list = longer;
    }
    leat_drop(raw);
    return list;
}

/* "type:id:content" of each, separated by blanks. */
UNUSED static void expect_list(leat_view list, const char *want)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    EXPECT_EQ(leat_type_of(list), LEAT_LIST);
    for (leat_iter it = leat_iter_of(list); leat_next(&it);) {
        EXPECT_EQ(leat_tag_of(it.item), LEAT_MESSAGE);
        leat_text type = leat_string(leat_get(it.item, "type"));
        leat_text id = leat_string(leat_get(it.item, "id"));
        leat_text content = leat_string(leat_get(it.item, "content"));
        struct id parsed;
        if (id_parse_n(id.ptr, id.len, &parsed)) {
            id = (leat_text){"*", 1};
        }
        EXPECT(buf_printf(&b, "%s%.*s:%.*s:%.*s", it.index > 0 ? " " : "",
                          (int)type.len, type.ptr, (int)id.len, id.ptr,
                          (int)content.len, content.ptr));
    }
    EXPECT_STR(buf_text(&b), want);
    buf_fini(&b);
}

UNUSED static leat_value *add(leat_view left, leat_view right)
{
    leat_value *out;
    struct fault fault = FAULT_INIT;
    EXPECT_MSG(graph_messages_add(left, right, &out, &fault), "%s",
               fault.text);
    return out;
}

UNUSED static void expect_added(const char *left, const char *right,
                         const char *want)
{
    leat_value *a = json(left), *b = json(right);
    leat_value *out = add(leat_view_of(a), leat_view_of(b));
    expect_list(leat_view_of(out), want);
    leat_drop(out);
    leat_drop(a);
    leat_drop(b);
}

UNUSED static void expect_add_fails(const char *left, const char *right,
                             const char *want)
{
    leat_value *a = json(left), *b = json(right), *out = (leat_value *)1;
    struct fault fault = FAULT_INIT;
    EXPECT(!graph_messages_add(leat_view_of(a), leat_view_of(b), &out,
                               &fault));
    EXPECT(out == NULL);
    EXPECT_STR(fault.type, "ValueError");
    EXPECT_HAS(fault.text, want);
    graph_fault_fini(&fault);
    leat_drop(a);
    leat_drop(b);
}

#endif
