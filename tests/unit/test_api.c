/* SPDX-License-Identifier: Apache-2.0 */
/* The table that graphs get, the header that binds to it, the version. */
#include "tests/harness/harness.h"
#include "worker/graph/module.h"

#include <stdio.h>
#include <stdlib.h>

TEST(api_table_is_full)
{
    const struct leat_api *api = graph_api();
    EXPECT_EQ(api->size, sizeof *api);
    void *const *at = (void *const *)(const void *)((const char *)api +
                                                    offsetof(struct leat_api,
                                                             hold_));
    size_t n = (sizeof *api - offsetof(struct leat_api, hold_)) /
               sizeof(void *);
    EXPECT(n > 100);
    for (size_t i = 0; i < n; i++) {
        EXPECT_MSG(at[i] != NULL, "entry %zu", i);
    }
}

TEST(api_header_binds_every_function)
{
    size_t size;
    char *text = test_read_file(test_path("../include/leat/bind.h"), &size);
    EXPECT(text != NULL);
    static const char *const names[] = {
#define NAME(name) #name,
        LEAT_API_TABLE(NAME)
#undef NAME
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char line[128];
        snprintf(line, sizeof line, "#define leat_%s (leat_api_->%s_)\n",
                 names[i], names[i]);
        EXPECT_HAS(text, line);
    }
    free(text);
}

static void build(leat_graph *g, leat_view config)
{
    (void)g;
    (void)config;
}

static bool refused(const struct leat_module *m, const char *why)
{
    struct err err = ERR_INIT;
    bool opened = graph_module_open(m, &err);
    EXPECT_HAS(err.text, why);
    return !opened;
}

TEST(api_module_is_checked)
{
    static const struct leat_api *table;
    static const struct leat_graph_entry graphs[] = {{.id = "g",
                                                      .build = build}};
    static const struct leat_graph_entry unnamed[] = {{.build = build}};
    struct err err = ERR_INIT;
    struct leat_module m = {
        .magic = LEAT_MODULE_MAGIC,
        .major = LEAT_ABI_MAJOR,
        .minor = LEAT_ABI_MINOR,
        .api = &table,
        .graphs = graphs,
        .graph_count = 1,
    };
    EXPECT(graph_module_open(&m, &err));
    EXPECT(table == graph_api());
    EXPECT(refused(NULL, "does not export leat_graph_v1"));
    m.graphs = unnamed;
    EXPECT(refused(&m, "graph 1 of 1 has no id"));
    m.graph_count = 0;
    EXPECT(refused(&m, "no graphs"));
    m.minor = LEAT_ABI_MINOR + 1;
    EXPECT(refused(&m, "needs a newer worker"));
    m.major = LEAT_ABI_MAJOR + 1;
    EXPECT(refused(&m, "build it again"));
    m.magic = 1;
    EXPECT(refused(&m, "not what LEAT_GRAPHS() defines"));
}
