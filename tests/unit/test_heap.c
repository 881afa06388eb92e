/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/heap.h"

#include <stdlib.h>

#include "tests/harness/harness.h"

#define MANY 500

static struct brk_node nodes[MANY];

static void fill(struct brk_heap *h)
{
    unsigned key = 7;
    for (size_t i = 0; i < MANY; i++) {
        key = key * 1103515245u + 12345u;
        nodes[i] = (struct brk_node){.key = key >> 16 & 63, .tie = i};
        brk_heap_put(h, &nodes[i]);
    }
}

static size_t expect_in_order(struct brk_heap *h)
{
    size_t n = 0;
    const struct brk_node *last = NULL;
    struct brk_node *first;
    while ((first = brk_heap_first(h)) != NULL) {
        EXPECT(last == NULL || first->key > last->key ||
               (first->key == last->key && first->tie > last->tie));
        brk_heap_take(h, first);
        EXPECT(!brk_heap_has(first));
        last = first;
        n++;
    }
    return n;
}

TEST(heap_gives_the_smallest_first_and_the_older_of_equals)
{
    struct brk_heap h = {0};
    fill(&h);
    EXPECT_EQ(expect_in_order(&h), MANY);
    brk_heap_fini(&h);
}

TEST(heap_lets_any_node_go)
{
    struct brk_heap h = {0};
    fill(&h);
    for (size_t i = 0; i < MANY; i += 2) {
        brk_heap_take(&h, &nodes[i]);
        brk_heap_take(&h, &nodes[i]); /* it is in none: nothing happens */
    }
    EXPECT_EQ(expect_in_order(&h), MANY / 2);
    brk_heap_fini(&h);
}
