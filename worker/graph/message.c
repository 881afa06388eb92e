/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/message.c: chat messages that our own code makes. What fields they
 * have is message_draft.c, what may stand for one message_coerce.c, pieces of
 * an answer message_chunk.c, lists of messages messages.c.
 */
#include "worker/graph/message.h"

#include "common/id.h"
#include "worker/graph/message_draft.h"

enum graph_message_kind graph_message_kind(leat_view v)
{
    enum leat_tag tag = leat_tag_of(v);
    if (tag != LEAT_MESSAGE && tag != LEAT_CHUNK) {
        return GRAPH_MESSAGE_NONE;
    }
    return graph_message_draft_kind(leat_get(v, "type"));
}

leat_value *graph_message_text(enum graph_message_kind kind,
                               const char *content)
{
    must(kind == GRAPH_MESSAGE_HUMAN || kind == GRAPH_MESSAGE_AI ||
         kind == GRAPH_MESSAGE_SYSTEM);
    struct message_draft d = {.kind = kind};
    if (content != NULL) {
        graph_message_draft_set(&d, FIELD_CONTENT, leat_new_string(content));
    }
    return graph_message_draft_finish(&d);
}

leat_value *graph_message_tool(const char *content, const char *tool_call_id,
                               const char *name)
{
    must(tool_call_id != NULL);
    struct message_draft d = {.kind = GRAPH_MESSAGE_TOOL};
    if (content != NULL) {
        graph_message_draft_set(&d, FIELD_CONTENT, leat_new_string(content));
    }
    graph_message_draft_set(&d, FIELD_NAME, leat_new_string(name));
    graph_message_draft_set(&d, FIELD_CALL_ID,
                            leat_new_string(tool_call_id));
    return graph_message_draft_finish(&d);
}

leat_value *graph_message_remove(const char *id)
{
    must(id != NULL);
    struct message_draft d = {.kind = GRAPH_MESSAGE_REMOVE};
    graph_message_draft_set(&d, FIELD_ID, leat_new_string(id));
    return graph_message_draft_finish(&d);
}

leat_value *graph_message_from(leat_view like)
{
    leat_value *message = NULL;
    struct fault fault = FAULT_INIT;
    if (!graph_message_coerce(like, &message, &fault)) {
        graph_fault_fini(&fault);
    }
    return message;
}

leat_value *graph_message_identify(leat_value *message)
{
    leat_view v = leat_view_of(message);
    enum leat_tag tag = leat_tag_of(v);
    if ((tag != LEAT_MESSAGE && tag != LEAT_CHUNK) ||
        leat_count(leat_get(v, "id")) > 0) {
        return message;
    }
    struct id id = id_uuid4();
    leat_value *with = leat_with(v, "id", leat_new_string(ID_TEXT(&id)));
    leat_drop(message);
    return with;
}
