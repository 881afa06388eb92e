/* SPDX-License-Identifier: Apache-2.0 */
/* Declarative graphs: their expressions, what is refused, what they do. */
#include "tests/harness/harness.h"
#include "worker/graph/decl.h"
#include "worker/graph/memory.h"

#include <stdio.h>
#include <stdlib.h>

static leat_value *json(const char *text)
{
    char why[128];
    leat_value *v = leat_from_json(text, strlen(text), why, sizeof why);
    EXPECT_MSG(v != NULL, "%s: %s", text, why);
    return v;
}

static int64_t seven(void *arg, leat_text node)
{
    (void)arg;
    return node.len == 1 && node.ptr[0] == 'a' ? 7 : 0;
}

/* The expression's value as JSON, "missing", or "! why not". Static memory. */
static const char *eval(const char *expr, const char *state)
{
    static char text[512];
    struct graph_vars vars = {0};
    struct err err = ERR_INIT;
    leat_value *e = json(expr), *s = json(state), *out = NULL;
    graph_expr_vars_set(&vars, (leat_text){"v", 1}, json("{\"x\":[1,2]}"));
    struct graph_scope scope = {.state = leat_view_of(s), .vars = &vars,
                                .calls = seven};
    if (!graph_expr_eval(leat_view_of(e), &scope, &out, &err)) {
        (void)base_copy(text, sizeof text, "! ");
        (void)base_copy(text + 2, sizeof text - 2, err.text);
    } else if (out == NULL) {
        (void)base_copy(text, sizeof text, "missing");
    } else {
        char *shown = leat_to_json(leat_view_of(out));
        (void)base_copy(text, sizeof text, shown);
        leat_free_text(shown);
    }
    leat_drop(out);
    leat_drop(e);
    leat_drop(s);
    graph_expr_vars_fini(&vars);
    return text;
}

TEST(expr_plain_values_stand_for_themselves)
{
    EXPECT_STR(eval("{\"a\":[1,{\"b\":null}],\"c\":\"$x\"}", "{}"),
               "{\"a\":[1,{\"b\":null}],\"c\":\"$x\"}");
    EXPECT_STR(eval("{\"$a\":1,\"$b\":2}", "{}"), "{\"$a\":1,\"$b\":2}");
    EXPECT_STR(eval("{}", "{}"), "{}");
    EXPECT_STR(eval("{\"$lit\":{\"$state\":\"x\"}}", "{}"),
               "{\"$state\":\"x\"}");
}

TEST(expr_state_walks_paths)
{
    const char *state = "{\"a\":{\"b\":[10,{\"c\":\"d\"}]},\"n\":null}";
    EXPECT_STR(eval("{\"$state\":\"a.b.1.c\"}", state), "\"d\"");
    EXPECT_STR(eval("{\"$state\":\"a.b.0\"}", state), "10");
    EXPECT_STR(eval("{\"$state\":\"a.b.2\"}", state), "missing");
    EXPECT_STR(eval("{\"$state\":\"a.x.y\"}", state), "missing");
    EXPECT_STR(eval("{\"$state\":\"n\"}", state), "null");
    EXPECT_STR(eval("{\"$state\":\"\"}", "{\"q\":1}"), "{\"q\":1}");
    EXPECT_STR(eval("{\"$state\":true}", "{\"q\":1}"), "{\"q\":1}");
    EXPECT_STR(eval("[{\"$state\":\"x\"}]", state), "[null]");
    EXPECT_STR(eval("{\"k\":{\"$state\":\"x\"}}", state), "{}");
}

TEST(expr_variables)
{
    EXPECT_STR(eval("{\"$var\":\"v\"}", "{}"), "{\"x\":[1,2]}");
    EXPECT_STR(eval("{\"$var\":\"v.x.1\"}", "{}"), "2");
    EXPECT_STR(eval("{\"$var\":\"w\"}", "{}"), "missing");
    EXPECT_STR(eval("{\"$calls\":\"a\"}", "{}"), "7");
    EXPECT_STR(eval("{\"$calls\":\"b\"}", "{}"), "0");
}

TEST(expr_arithmetic)
{
    EXPECT_STR(eval("{\"$add\":[1,{\"$state\":\"n\"},3]}", "{\"n\":2}"), "6");
    EXPECT_STR(eval("{\"$add\":[1,0.5]}", "{}"), "1.5");
    EXPECT_STR(eval("{\"$add\":[9223372036854775807,1]}", "{}"),
               "9.223372036854776e+18");
    EXPECT_STR(eval("{\"$add\":[\"a\",\"b\",1]}", "{}"), "\"ab1\"");
    EXPECT_STR(eval("{\"$add\":[[1],[2,3]]}", "{}"), "[1,2,3]");
    EXPECT_STR(eval("{\"$mul\":[2,3,7]}", "{}"), "42");
    EXPECT_STR(eval("{\"$add\":[1,{\"$state\":\"x\"}]}", "{}"),
               "! $add of a number and nothing");
    EXPECT_STR(eval("{\"$mul\":[2,\"x\"]}", "{}"),
               "! $mul of a number and a text");
}

TEST(expr_concat_joins_anything)
{
    EXPECT_STR(eval("{\"$concat\":[\"a\",1,true,null,[2,\"x\"],{\"k\":1}]}",
                    "{}"),
               "\"a1truenull[2,\\\"x\\\"]{\\\"k\\\":1}\"");
    EXPECT_STR(eval("{\"$concat\":[\"a\",{\"$state\":\"x\"},2.0,2.5]}", "{}"),
               "\"a22.5\"");
}

TEST(expr_compares)
{
    EXPECT_STR(eval("{\"$lt\":[1,2]}", "{}"), "true");
    EXPECT_STR(eval("{\"$lt\":[2,1.5]}", "{}"), "false");
    EXPECT_STR(eval("{\"$lt\":[\"a\",\"ab\"]}", "{}"), "true");
    EXPECT_STR(eval("{\"$lt\":[{\"$state\":\"x\"},1]}", "{}"), "false");
    EXPECT_STR(eval("{\"$eq\":[1,1.0]}", "{}"), "true");
    EXPECT_STR(eval("{\"$eq\":[\"1\",1]}", "{}"), "false");
    EXPECT_STR(eval("{\"$if\":[0,1,2]}", "{}"), "2");
    EXPECT_STR(eval("{\"$if\":[[],1,2]}", "{}"), "1");
    EXPECT_STR(eval("{\"$if\":[\"\",1,{\"$mul\":[2,3]}]}", "{}"), "6");
}

TEST(expr_lists)
{
    EXPECT_STR(eval("{\"$len\":{\"$state\":\"l\"}}", "{\"l\":[1,2]}"), "2");
    EXPECT_STR(eval("{\"$len\":{\"$state\":\"x\"}}", "{}"), "0");
    EXPECT_STR(eval("{\"$last\":[1,{\"$add\":[1,1]}]}", "{}"), "2");
    EXPECT_STR(eval("{\"$last\":[]}", "{}"), "missing");
    EXPECT_STR(eval("{\"$map\":[{\"$state\":\"l\"},{\"v\":{\"$item\":\"a\"}}]}",
                    "{\"l\":[{\"a\":1},{}]}"),
               "[{\"v\":1},{}]");
    EXPECT_STR(eval("{\"$map\":[{\"$state\":\"x\"},1]}", "{}"), "[]");
    EXPECT_STR(eval("{\"$map\":[[[1],[2]],{\"$map\":[{\"$item\":\"\"},"
                    "{\"$mul\":[{\"$item\":\"\"},2]}]}]}",
                    "{}"),
               "[[2],[4]]");
    EXPECT_STR(eval("{\"$map\":[3,1]}", "{}"), "! $map over a number");
}

TEST(expr_routing_carries_tags)
{
    struct graph_scope scope = {0};
    struct err err = ERR_INIT;
    leat_value *e = json("[{\"$send\":{\"node\":\"w\",\"arg\":{\"i\":1}}},"
                         "{\"$command\":{\"goto\":\"b\",\"update\":{\"x\":1},"
                         "\"graph\":\"PARENT\"}},"
                         "{\"$msg\":{\"type\":\"ai\",\"content\":\"hi\"}}]");
    leat_value *out = NULL;
    EXPECT(graph_expr_eval(leat_view_of(e), &scope, &out, &err));
    leat_view v = leat_view_of(out), command = leat_at(v, 1);
    EXPECT_EQ(leat_tag_of(leat_at(v, 0)), LEAT_SEND);
    EXPECT(leat_is(leat_get(leat_at(v, 0), "node"), "w"));
    EXPECT_EQ(leat_int(leat_get(leat_get(leat_at(v, 0), "arg"), "i"), 0), 1);
    EXPECT_EQ(leat_tag_of(command), LEAT_COMMAND);
    EXPECT(leat_is(leat_get(command, "goto"), "b"));
    EXPECT(leat_is(leat_get(command, "graph"), "__parent__"));
    EXPECT_EQ(leat_type_of(leat_get(command, "resume")), LEAT_MISSING);
    EXPECT_EQ(leat_tag_of(leat_at(v, 2)), LEAT_MESSAGE);
    leat_drop(out);
    leat_drop(e);
}

/* ---- what is refused ------------------------------------------------------ */

/* Why a description is refused; "" when it is not. Static memory. */
static const char *refused(const char *graphs)
{
    static struct err err;
    struct graph *g = NULL;
    leat_value *v = json(graphs);
    err = (struct err)ERR_INIT;
    bool ok = graph_decl_compile(leat_view_of(v), &g, &err);
    leat_drop(v);
    if (ok) {
        graph_drop(&g);
        return "";
    }
    EXPECT_EQ(err.code, ERR_GRAPH);
    return err.text;
}

#define MAIN(nodes, rest)                                                      \
    "{\"main\":{\"state\":{\"x\":\"last\"},\"nodes\":{" nodes "},"             \
    "\"edges\":[[\"__start__\",\"a\"]]" rest "}}"
#define DO(ops) "\"a\":{\"do\":[" ops "]}"

TEST(decl_takes_a_small_graph)
{
    EXPECT_STR(refused(MAIN(DO("{\"op\":\"return\",\"value\":{\"x\":1}}"), "")),
               "");
    EXPECT_STR(refused(MAIN("\"a\":{\"do\":[]}", "")), "");
}

TEST(decl_names_the_place_of_a_mistake)
{
    EXPECT_HAS(refused("{}"), "main");
    EXPECT_HAS(refused("{\"main\":{\"state\":{\"x\":\"heap\"},\"nodes\":{},"
                       "\"edges\":[]}}"),
               "main.state.x: unknown reducer `heap`");
    EXPECT_HAS(refused(MAIN(DO("{\"op\":\"fly\"}"), "")),
               "main.nodes.a.do[0]: unknown op `fly`");
    EXPECT_HAS(refused(MAIN(DO("{\"op\":\"return\"}"), "")),
               "main.nodes.a.do[0]: lacks `value`");
    EXPECT_HAS(refused(MAIN(DO("{\"op\":\"return\",\"value\":{\"x\":"
                               "[1,{\"$sum\":[1]}]}}"),
                            "")),
               "main.nodes.a.do[0].value.x[1]: unknown operator $sum");
    EXPECT_HAS(refused(MAIN(DO("{\"op\":\"return\",\"value\":{\"$if\":"
                               "[1,2]}}"),
                            "")),
               "main.nodes.a.do[0].value.$if: $if takes a list of three");
    EXPECT_HAS(refused(MAIN("\"a\":{\"graph\":\"sub\"}", "")),
               "main.nodes.a: no graph `sub`");
    EXPECT_HAS(refused(MAIN(DO("{\"op\":\"call_graph\",\"graph\":\"sub\","
                               "\"input\":{}}"),
                            "")),
               "no graph `sub`");
    EXPECT_HAS(refused(MAIN("\"a\":{\"tool_node\":[{\"returns\":1}]}", "")),
               "main.nodes.a.tool_node[0]: `name` must be a name");
    EXPECT_HAS(refused(MAIN("\"a\":{\"do\":[]}",
                            ",\"conditional\":[{\"from\":\"a\"}]")),
               "main.conditional[0]: lacks `to`");
    EXPECT_HAS(refused(MAIN(DO("{\"op\":\"llm\",\"messages\":[],\"model\":{}}"),
                            "")),
               "main.nodes.a.do[0].model");
}

TEST(decl_gives_all_mistakes_at_once)
{
    const char *why = refused(MAIN(DO("{\"op\":\"x\"},{\"op\":\"y\"}"), ""));
    EXPECT_HAS(why, "do[0]");
    EXPECT_HAS(why, "do[1]");
}

TEST(decl_refuses_graphs_without_end)
{
    EXPECT_HAS(refused("{\"main\":{\"state\":{},\"nodes\":{\"a\":{\"graph\":"
                       "\"main\"}},\"edges\":[[\"__start__\",\"a\"]]}}"),
               "nested too deep");
}

/* ---- what they do --------------------------------------------------------- */

/* Runs a graph without checkpoints: its output as JSON, or "Type: text". */
static const char *run(const char *graphs, const char *input)
{
    static char text[1024];
    struct graph *g = NULL;
    struct graph_result r;
    struct err err = ERR_INIT;
    leat_value *v = json(graphs), *in = json(input);
    EXPECT_MSG(graph_decl_compile(leat_view_of(v), &g, &err), "%s", err.text);
    struct graph_request req = {
        .thread_id = "t", .run_id = "11111111-1111-4111-8111-111111111111",
        .attempt = 1, .input = leat_view_of(in), .recursion_limit = 25};
    struct graph_host host = {0};
    graph_run(g, &req, &host, &r);
    if (r.status == GRAPH_FAILED) {
        (void)snprintf(text, sizeof text, "%s: %s", r.error_type,
                       r.error_text);
    } else {
        char *shown = leat_to_json(leat_view_of(r.output));
        (void)base_copy(text, sizeof text, shown);
        leat_free_text(shown);
    }
    graph_result_fini(&r);
    graph_drop(&g);
    leat_drop(v);
    leat_drop(in);
    return text;
}

TEST(decl_ops_run_in_order)
{
    EXPECT_STR(run(MAIN(DO("{\"op\":\"set\",\"as\":\"v\",\"value\":{\"$add\":"
                           "[{\"$state\":\"x\"},1]}},"
                           "{\"op\":\"return\",\"value\":{\"x\":{\"$var\":"
                           "\"v\"}}},"
                           "{\"op\":\"throw\",\"message\":\"never\"}"),
                        ""),
                   "{\"x\":41}"),
               "{\"x\":42}");
}

TEST(decl_throw_has_a_name_and_a_condition)
{
    const char *graph =
        MAIN(DO("{\"op\":\"throw\",\"name\":\"Bang\",\"message\":"
                "{\"$concat\":[\"x=\",{\"$state\":\"x\"}]},"
                "\"when\":{\"$eq\":[{\"$state\":\"x\"},1]}},"
                "{\"op\":\"return\",\"value\":{\"x\":\"fine\"}}"),
             "");
    EXPECT_STR(run(graph, "{\"x\":1}"), "Bang: x=1");
    EXPECT_STR(run(graph, "{\"x\":2}"), "{\"x\":\"fine\"}");
}

TEST(decl_a_wrong_operand_fails_the_node)
{
    EXPECT_HAS(run(MAIN(DO("{\"op\":\"return\",\"value\":{\"x\":{\"$mul\":"
                           "[{\"$state\":\"x\"},2]}}}"),
                        ""),
                   "{\"x\":\"a\"}"),
               "TypeError: $mul of a text and a number");
}

TEST(decl_labels_lead_through_the_map)
{
    static const char *const graph =
        "{\"main\":{\"state\":{\"x\":\"last\"},\"nodes\":{\"a\":{\"do\":[]},"
        "\"b\":{\"do\":[{\"op\":\"return\",\"value\":{\"x\":\"b\"}}]}},"
        "\"edges\":[[\"__start__\",\"a\"]],\"conditional\":[{\"from\":\"a\","
        "\"to\":{\"$state\":\"x\"},\"map\":{\"go\":\"b\",\"stop\":"
        "\"__end__\"}}]}}";
    EXPECT_STR(run(graph, "{\"x\":\"go\"}"), "{\"x\":\"b\"}");
    EXPECT_STR(run(graph, "{\"x\":\"stop\"}"), "{\"x\":\"stop\"}");
    EXPECT_STR(run(graph, "{\"x\":\"lost\"}"),
               "KeyError: 'lost'");
}

/* The content of the last message. */
static const char *TOOLS =
    "{\"main\":{\"state\":{\"messages\":\"messages\",\"x\":\"last\"},"
    "\"nodes\":{\"t\":{\"tool_node\":[{\"name\":\"add\",\"args\":{\"a\":"
    "\"number\",\"b\":\"number\"},\"returns\":{\"$add\":[{\"$state\":\"a\"},"
    "{\"$state\":\"b\"}]}}]},\"z\":{\"do\":[{\"op\":\"return\",\"value\":"
    "{\"x\":{\"$map\":[{\"$state\":\"messages\"},[{\"$item\":\"content\"},"
    "{\"$item\":\"status\"}]]}}}]}},\"output\":[\"x\"],"
    "\"edges\":[[\"__start__\",\"t\"],[\"t\",\"z\"]]}}";
#define CALL(name, args)                                                       \
    "{\"messages\":[{\"type\":\"ai\",\"id\":\"1\",\"content\":\"\","            \
    "\"tool_calls\":[{\"name\":\"" name "\",\"args\":" args                    \
    ",\"id\":\"c\",\"type\":\"tool_call\"}]}]}"

TEST(decl_tool_node_answers)
{
    EXPECT_HAS(run(TOOLS, CALL("add", "{\"a\":2,\"b\":3}")),
               "[\"5\",\"success\"]");
    EXPECT_HAS(run(TOOLS, CALL("sub", "{}")),
               "[\"Error: sub is not a valid tool, try one of [add].\","
               "\"error\"]");
    EXPECT_HAS(run(TOOLS, CALL("add", "{\"a\":\"it's\"}")),
               "Error invoking tool 'add' with kwargs {'a': \\\"it's\\\"} "
               "with error:\\n a: Input should be a valid number\\nb: Field "
               "required\\n Please fix the error and try again.");
    EXPECT_HAS(run(TOOLS, "{\"messages\":[]}"), "ValueError: No message");
    EXPECT_HAS(run(TOOLS, "{\"messages\":\"hi\"}"),
               "ValueError: No AIMessage found in input");
}
