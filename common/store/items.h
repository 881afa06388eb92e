/* SPDX-License-Identifier: Apache-2.0 */
/*
 * items.h: namespaces as they are stored and rows of the items table, for the
 * files of this folder that read them. A namespace is stored as its labels
 * with a dot behind each, so that everything below a prefix is one range of
 * texts.
 */
#ifndef COMMON_STORE_ITEMS_H
#define COMMON_STORE_ITEMS_H

#include "common/store/inner.h"

#define STORE_ITEMS_COLUMNS                                                    \
    "owner, namespace, key, created_at, updated_at, ttl, expires_at, value"
/* $n: now. */
#define STORE_ITEMS_ALIVE(n) "(expires_at = 0 OR expires_at > " n ")"

void store_items_read_row(struct store_query *q, struct store_item *i);
/* ["a", "b"] as "a.b."; the caller frees it. */
MUST_USE bool store_items_space_text(leat_view space, bool empty_ok, char **out,
                                     struct err *err);
/* "a.b." as ["a", "b"], the first `depth` labels of it (0: all). */
leat_value *store_items_space_value(const char *text, size_t depth);
/* Whether those that were read are to be refreshed, and if so, does it. */
MUST_USE bool store_items_used(store_t *s, const struct store_item *list,
                               size_t n, enum store_refresh refresh,
                               struct err *err);

#endif
