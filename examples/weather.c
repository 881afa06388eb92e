/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weather.c: a router and a nested graph that stops before it tells the
 * weather, so that somebody can look at the city and change it.
 */
#include <leat/graph.h>

static leat_value *model_node(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_pack("{s:s}", "city", "San Francisco");
}

static leat_value *weather_node(leat_context *ctx, leat_view state)
{
    (void)ctx;
    leat_text city = leat_string(leat_get(state, "city"));
    leat_value *text = leat_new_format("It's sunny in %.*s!", (int)city.len,
                                       city.ptr != NULL ? city.ptr : "");
    return leat_pack("{s:[V]}", "messages",
                     leat_message_from(leat_pack("{s:s, s:V}", "type", "ai",
                                                 "content", text)));
}

static void weather(leat_graph *g, leat_view config)
{
    (void)config;
    static const char *const stop[] = {"weather_node", NULL};
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_channel(g, "city", LEAT_LAST_VALUE);
    leat_add_node(g, "model_node", model_node);
    leat_add_node(g, "weather_node", weather_node);
    leat_add_edge(g, LEAT_START, "model_node");
    leat_add_edge(g, "model_node", "weather_node");
    leat_add_edge(g, "weather_node", LEAT_END);
    leat_interrupt_before(g, stop);
}

static leat_value *router_node(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_pack("{s:s}", "route", "weather");
}

static leat_value *normal_llm_node(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_pack("{s:[V]}", "messages", leat_ai_message("Hello"));
}

static leat_value *route(leat_context *ctx, leat_view state)
{
    (void)ctx;
    bool asks = leat_is(leat_get(state, "route"), "weather");
    return leat_new_string(asks ? "weather_graph" : "normal_llm_node");
}

static void build(leat_graph *g, leat_view config)
{
    (void)config;
    static const char *const targets[] = {"weather_graph", "normal_llm_node",
                                          NULL};
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_channel(g, "route", LEAT_LAST_VALUE);
    leat_add_node(g, "router_node", router_node);
    leat_add_node(g, "normal_llm_node", normal_llm_node);
    leat_add_subgraph(g, "weather_graph", weather);
    leat_add_edge(g, LEAT_START, "router_node");
    leat_add_branch(g, "router_node", route, targets);
    leat_add_edge(g, "normal_llm_node", LEAT_END);
    leat_add_edge(g, "weather_graph", LEAT_END);
}

LEAT_GRAPHS({"weather", build, false})
