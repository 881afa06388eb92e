/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Graphs at the door: shared objects built here by the compiler that authors
 * use, one wrong thing in each. What is wrong is said, and the others serve.
 */
#include "worker/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "tests/harness/harness.h"

static const char *const head =
    "#include <leat/graph.h>\n"
    "static leat_value *node(leat_context *c, leat_view s)\n"
    "{ (void)c; (void)s; return NULL; }\n"
    "static void build(leat_graph *g, leat_view config) {\n"
    "(void)config; (void)node;\n";
static const char *const good =
    "leat_add_node(g, \"a\", node); leat_add_edge(g, LEAT_START, \"a\");";
static const char *const tail = "}\nLEAT_GRAPHS({\"bad\", build, false})\n";

static void path_of(const char *name, const char *end, char out[400])
{
    snprintf(out, 400, "%s/%s%s", test_dir(), name, end);
}

/* Compiles `text` with `flags`; gives where the object is. */
static const char *compile(const char *name, const char *text,
                           const char *flags)
{
    static char so[400];
    char source[400], command[2000];
    path_of(name, ".c", source);
    path_of(name, ".so", so);
    FILE *f = fopen(source, "we");
    EXPECT(f != NULL);
    EXPECT(fputs(text, f) >= 0);
    EXPECT_EQ(fclose(f), 0);
    snprintf(command, sizeof command, "cc -shared -fPIC -I%s %s -o %s %s",
             test_path("../include"), flags, so, source);
    EXPECT_EQ(system(command), 0);
    return so;
}

static const char *module_of(const char *body)
{
    static char text[4000];
    snprintf(text, sizeof text, "%s%s%s", head, body, tail);
    return text;
}

/* Why the object is not taken. */
static const char *refusal(const char *path)
{
    static struct err err;
    registry_t *r = wrk_load_new();
    err = (struct err)ERR_INIT;
    EXPECT(!wrk_load_path(r, path, &err));
    EXPECT_EQ(wrk_load_count(r), 0);
    wrk_load_destroy(&r);
    return err.text;
}

static const char *refusal_of(const char *body)
{
    return refusal(compile("bad", module_of(body), ""));
}

TEST(load_takes_a_graph)
{
    struct err err = ERR_INIT;
    registry_t *r = wrk_load_new();
    EXPECT_MSG(wrk_load_path(r, compile("ok", module_of(good), ""), &err),
               "%s", err.text);
    EXPECT_STR(wrk_load_id(r, 0), "bad");
    struct graph *g = NULL;
    EXPECT(wrk_load_get(r, "bad", (leat_view){0}, &g, &err));
    graph_drop(&g);
    EXPECT(!wrk_load_get(r, "other", (leat_view){0}, &g, &err));
    EXPECT_EQ(err.code, ERR_NOT_FOUND);
    wrk_load_destroy(&r);
}

TEST(load_refuses_an_edge_to_no_node)
{
    EXPECT_HAS(refusal_of("leat_add_node(g, \"a\", node);"
                          "leat_add_edge(g, LEAT_START, \"a\");"
                          "leat_add_edge(g, \"a\", \"b\");"),
               "graph bad: an edge goes to 'b', which is no node");
}

TEST(load_refuses_a_node_out_of_reach)
{
    EXPECT_HAS(refusal_of("leat_add_node(g, \"a\", node);"
                          "leat_add_node(g, \"b\", node);"
                          "leat_add_edge(g, LEAT_START, \"a\");"),
               "graph bad: node 'b' cannot be reached");
}

TEST(load_refuses_a_name_twice)
{
    EXPECT_HAS(refusal_of("leat_add_node(g, \"a\", node);"
                          "leat_add_node(g, \"a\", node);"
                          "leat_add_edge(g, LEAT_START, \"a\");"),
               "graph bad: there are two nodes 'a'");
}

TEST(load_refuses_a_reserved_name)
{
    EXPECT_HAS(refusal_of("leat_add_node(g, \"__end__\", node);"
                          "leat_add_edge(g, LEAT_START, LEAT_END);"),
               "graph bad: the node name '__end__' is reserved");
}

TEST(load_refuses_a_reserved_key)
{
    EXPECT_HAS(refusal_of("leat_add_channel(g, \"__start__\", LEAT_SUM);"
                          "leat_add_node(g, \"a\", node);"
                          "leat_add_edge(g, LEAT_START, \"a\");"),
               "graph bad: the key name '__start__' is reserved");
}

TEST(load_refuses_a_graph_without_entry)
{
    EXPECT_HAS(refusal_of("leat_add_node(g, \"a\", node);"),
               "graph bad: no edge leads from the start to a node");
}

TEST(load_refuses_another_interface)
{
    static char text[4000];
    snprintf(text, sizeof text,
             "%s%s}\n#undef LEAT_ABI_MAJOR\n#define LEAT_ABI_MAJOR 7\n"
             "LEAT_GRAPHS({\"bad\", build, false})\n",
             head, good);
    EXPECT_HAS(refusal(compile("bad", text, "")),
               "it was built for interface 7.");
}

TEST(load_refuses_an_object_without_the_symbol)
{
    EXPECT_HAS(refusal(compile("bad", "int x;\n", "")),
               "exports no leat_graph_v1");
}

TEST(load_refuses_a_function_that_is_nowhere)
{
    static char text[4000];
    snprintf(text, sizeof text, "void nowhere(void);\n%snowhere();%s%s", head,
             good, tail);
    EXPECT_HAS(refusal(compile("bad", text, "")), "undefined symbol: nowhere");
}

TEST(load_serves_the_good_graphs_beside_bad_ones)
{
    static char text[4000];
    struct err err = ERR_INIT;
    registry_t *r = wrk_load_new();
    snprintf(text, sizeof text,
             "%s%s}\nstatic void worse(leat_graph *g, leat_view c)\n"
             "{ (void)g; (void)c; }\n"
             "LEAT_GRAPHS({\"first\", worse, false}, {\"second\", build, "
             "false}, {\"second\", build, false})\n",
             head, good);
    compile("two", text, "");
    compile("none", "int x;\n", "");
    EXPECT_MSG(wrk_load_path(r, test_dir(), &err), "%s", err.text);
    EXPECT_EQ(wrk_load_count(r), 1);
    EXPECT_STR(wrk_load_id(r, 0), "second");
    wrk_load_destroy(&r);
}
