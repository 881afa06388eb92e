/* SPDX-License-Identifier: Apache-2.0 */
#include "common/idmap.h"

#include <stdlib.h>

#include "tests/harness/harness.h"

#define MANY 5000

TEST(idmap_finds_what_was_put_and_not_taken)
{
    static struct id ids[MANY];
    static int items[MANY];
    struct idmap m;
    idmap_init(&m);
    EXPECT(idmap_get(&m, &ids[0]) == NULL);
    EXPECT(idmap_take(&m, &ids[0]) == NULL);
    for (int i = 0; i < MANY; i++) {
        ids[i] = id_uuid4();
        idmap_put(&m, &ids[i], &items[i]);
    }
    for (int i = 0; i < MANY; i += 3) { /* holes among the others */
        EXPECT(idmap_take(&m, &ids[i]) == &items[i]);
        EXPECT(idmap_take(&m, &ids[i]) == NULL);
    }
    size_t left = 0;
    for (int i = 0; i < MANY; i++) {
        void *want = i % 3 == 0 ? NULL : &items[i];
        EXPECT(idmap_get(&m, &ids[i]) == want);
        left += want != NULL;
    }
    EXPECT_EQ(m.count, left);
    size_t at = 0;
    while (idmap_next(&m, &at) != NULL) {
        left--;
    }
    EXPECT_EQ(left, 0);
    idmap_fini(&m);
    EXPECT_EQ(m.count, 0);
}

/* Ids that fall on the same place are kept apart when one is taken. */
TEST(idmap_closes_the_hole_behind_a_taken_item)
{
    struct idmap m;
    idmap_init(&m);
    struct id ids[40];
    int items[40];
    size_t n = 0;
    while (n < COUNT_OF(ids)) { /* all in a few neighbouring places */
        struct id id = id_uuid4();
        if ((id_hash(&id) & 127) < 8) {
            ids[n] = id;
            idmap_put(&m, &ids[n], &items[n]);
            n++;
        }
    }
    for (size_t i = 0; i < n; i++) {
        EXPECT(idmap_take(&m, &ids[i]) == &items[i]);
        for (size_t k = i + 1; k < n; k++) {
            EXPECT(idmap_get(&m, &ids[k]) == &items[k]);
        }
    }
    idmap_fini(&m);
}
