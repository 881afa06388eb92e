/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assistants.h: rows of the assistants table and of their versions, for the
 * files of this folder that write them.
 */
#ifndef COMMON_STORE_ASSISTANTS_H
#define COMMON_STORE_ASSISTANTS_H

#include "common/store/inner.h"

#define STORE_ASSISTANTS_COLUMNS                                               \
    "assistant_id, owner, graph_id, name, version, created_at, updated_at,"    \
    " description, metadata, config, context"

/* A row of these columns. */
void store_assistants_read_row(struct store_query *q,
                               struct store_assistant *a);
/* Keeps the assistant's row as a version; within a transaction. */
MUST_USE bool store_assistants_keep_version(store_t *s,
                                            const struct id *assistant_id,
                                            struct err *err);
/* All of it as a value, and back; ERR_INVALID. */
leat_value *store_assistants_to_value(const struct store_assistant *a);
MUST_USE bool store_assistants_from_value(leat_view v,
                                          struct store_assistant *out,
                                          struct err *err);

#endif
