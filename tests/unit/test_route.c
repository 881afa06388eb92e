/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/route.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/handlers.h"
#include "tests/harness/harness.h"

static struct gw_path path;
static struct gw_route_found found;

static const struct gw_route *find(const char *method, const char *text)
{
    struct err err = ERR_INIT;
    EXPECT_MSG(gw_route_split(text, "", &path, &err), "%s", err.text);
    EXPECT_MSG(gw_route_find(gw_handlers_table(), method, &path, &found, &err),
               "%s %s: %s", method, text, err.text);
    return found.route;
}

static enum err_code miss(const char *method, const char *text)
{
    struct err err = ERR_INIT;
    if (!gw_route_split(text, "", &path, &err)) {
        return err.code;
    }
    EXPECT(!gw_route_find(gw_handlers_table(), method, &path, &found, &err));
    return err.code;
}

TEST(route_finds_rows)
{
    EXPECT(find("GET", "/")->handler == gw_system_root);
    EXPECT(find("GET", "/ok")->handler == gw_system_ok);
    EXPECT(find("POST", "/runs/stream")->handler == gw_runs_stream);
    EXPECT(find("POST", "/threads/x/runs/stream")->handler == gw_runs_stream);
    EXPECT(find("GET", "/threads/x/runs/y/stream")->handler ==
           gw_runs_join_stream);
    EXPECT(find("HEAD", "/ok")->handler == gw_system_ok);
}

TEST(route_fixed_segments_win)
{
    EXPECT(find("POST", "/threads/x/state/checkpoint")->handler == gw_state_at);
    EXPECT_EQ(miss("GET", "/threads/x/state/checkpoint"), ERR_METHOD);
    EXPECT_EQ(miss("PATCH", "/threads/search"), ERR_METHOD);
    EXPECT(find("POST", "/assistants/search")->handler == gw_assistants_search);
}

TEST(route_gives_decoded_parameters)
{
    const struct gw_route *route = find("GET", "/assistants/a%2Fb%20c");
    EXPECT_STR(gw_route_param(route, &path, "assistant_id"), "a/b c");
    EXPECT(gw_route_param(route, &path, "thread_id") == NULL);
    route = find("GET", "/threads/%2E/runs/%2e%2E");
    EXPECT_STR(gw_route_param(route, &path, "thread_id"), ".");
    EXPECT_STR(gw_route_param(route, &path, "run_id"), "..");
}

TEST(route_misses)
{
    EXPECT_EQ(miss("GET", "/nothing"), ERR_NOT_FOUND);
    EXPECT_EQ(miss("GET", "/threads//state"), ERR_NOT_FOUND);
    EXPECT_EQ(miss("GET", "/ok/more"), ERR_NOT_FOUND);
    EXPECT_EQ(miss("GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m"), ERR_NOT_FOUND);
    EXPECT_EQ(miss("GET", "no-slash"), ERR_NOT_FOUND);
    EXPECT_EQ(miss("GET", "/assistants/%zz"), ERR_BAD_REQUEST);
    EXPECT_EQ(miss("GET", "/assistants/%00"), ERR_BAD_REQUEST);
    EXPECT_EQ(miss("GET", "/assistants/%4"), ERR_BAD_REQUEST);
    EXPECT_EQ(miss("PUT", "/ok"), ERR_METHOD);
    EXPECT_STR(found.allow, "GET");
    EXPECT_EQ(miss("PUT", "/threads/x/history"), ERR_METHOD);
    EXPECT_STR(found.allow, "GET, POST");
}

TEST(route_prefix_stands_in_front)
{
    struct err err = ERR_INIT;
    EXPECT(gw_route_split("/api/ok", "/api", &path, &err));
    EXPECT_EQ(path.count, 1);
    EXPECT_STR(path.segments[0], "ok");
    EXPECT(gw_route_split("/api", "/api", &path, &err));
    EXPECT_EQ(path.count, 0);
    EXPECT(!gw_route_split("/ok", "/api", &path, &err));
    EXPECT_EQ(err.code, ERR_NOT_FOUND);
    EXPECT(!gw_route_split("/apiok", "/api", &path, &err));
}

TEST(route_long_paths_are_not_found)
{
    static char text[GW_PATH_MAX + 10];
    struct err err = ERR_INIT;
    memset(text, 'a', sizeof(text) - 1);
    text[0] = '/';
    EXPECT(!gw_route_split(text, "", &path, &err));
    EXPECT_EQ(err.code, ERR_NOT_FOUND);
}

TEST(route_decode_of_query_values)
{
    char text[] = "a+b%2Bc%E2%82%AC";
    EXPECT(gw_route_decode(text, true));
    EXPECT_STR(text, "a b+c\xe2\x82\xac");
    char plain[] = "a+b";
    EXPECT(gw_route_decode(plain, false));
    EXPECT_STR(plain, "a+b");
}

TEST(route_every_row_is_documented)
{
    size_t size = 0;
    char *page = test_read_file(test_path("../docs/http.md"), &size);
    EXPECT(page != NULL);
    for (const struct gw_route *row = gw_handlers_table(); row->method != NULL;
         row++) {
        char want[200];
        (void)snprintf(want, sizeof(want), "`%s`", row->path);
        EXPECT_HAS(page, want);
        EXPECT(row->handler != NULL);
    }
    free(page);
}
