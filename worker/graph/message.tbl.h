/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of chat messages, in the order they are written.
 * FIELD(name, key, what it is when unset, kinds of message that have it)
 */
FIELD(CONTENT, "content", UNSET_TEXT, M_ALL)
FIELD(EXTRA, "additional_kwargs", UNSET_OBJECT, M_ALL)
FIELD(RESPONSE, "response_metadata", UNSET_OBJECT, M_ALL)
FIELD(TYPE, "type", UNSET_TYPE, M_ALL)
FIELD(NAME, "name", UNSET_NULL, M_ALL & ~M_REMOVE)
FIELD(ID, "id", UNSET_NULL, M_ALL)
FIELD(EXAMPLE, "example", UNSET_FALSE, M_HUMAN | M_AI | M_CHUNK)
FIELD(CALLS, "tool_calls", UNSET_LIST, M_AI | M_CHUNK)
FIELD(INVALID_CALLS, "invalid_tool_calls", UNSET_LIST, M_AI | M_CHUNK)
FIELD(USAGE, "usage_metadata", UNSET_NULL, M_AI | M_CHUNK)
FIELD(CALL_CHUNKS, "tool_call_chunks", UNSET_LIST, M_CHUNK)
FIELD(POSITION, "chunk_position", UNSET_NULL, M_CHUNK)
FIELD(CALL_ID, "tool_call_id", UNSET_NULL, M_TOOL)
FIELD(ARTIFACT, "artifact", UNSET_NULL, M_TOOL)
FIELD(STATUS, "status", UNSET_SUCCESS, M_TOOL)
