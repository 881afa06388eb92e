/* SPDX-License-Identifier: Apache-2.0 */
/* The description of the API: it has every route, and what routes of a kind
 * answer. What it says of each the system tests compare with the server. */
#include <ctype.h>
#include <string.h>

#include "gateway/handlers.h"
#include "gateway/openapi.h"
#include "tests/harness/harness.h"

static leat_view operation_of(const leat_value *document,
                              const struct gw_route *row)
{
    char verb[16] = "";
    for (size_t i = 0; row->method[i] != '\0' && i < sizeof(verb) - 1; i++) {
        verb[i] = (char)tolower((unsigned char)row->method[i]);
    }
    leat_view paths = leat_get(leat_view_of(document), "paths");
    return leat_get(leat_get(paths, row->path), verb);
}

static bool answers(leat_view operation, const char *status)
{
    return leat_type_of(leat_get(leat_get(operation, "responses"), status)) !=
           LEAT_MISSING;
}

TEST(openapi_has_every_route)
{
    leat_value *document = gw_openapi_new("", true);
    for (const struct gw_route *row = gw_handlers_table(); row->method != NULL;
         row++) {
        leat_view op = operation_of(document, row);
        bool body = (row->flags & (GW_JSON | GW_MAYBE_JSON)) != 0;
        EXPECT_MSG(leat_type_of(op) == LEAT_OBJECT, "%s %s", row->method,
                   row->path);
        EXPECT_MSG(answers(op, "400") && answers(op, "503"), "%s", row->path);
        EXPECT_MSG(answers(op, "401") == ((row->flags & GW_OPEN) == 0), "%s",
                   row->path);
        EXPECT_MSG(answers(op, "413") == body, "%s", row->path);
        EXPECT_MSG(leat_type_of(leat_get(op, "security")) ==
                       ((row->flags & GW_OPEN) != 0 ? LEAT_LIST : LEAT_MISSING),
                   "%s", row->path);
    }
    leat_drop(document);
}

TEST(openapi_says_where_and_for_whom)
{
    leat_value *document = gw_openapi_new("/api", true);
    leat_value *open = gw_openapi_new("", false);
    leat_view servers = leat_get(leat_view_of(document), "servers");
    EXPECT(leat_is(leat_get(leat_at(servers, 0), "url"), "/api"));
    servers = leat_get(leat_view_of(open), "servers");
    EXPECT(leat_is(leat_get(leat_at(servers, 0), "url"), "/"));
    EXPECT_EQ(leat_count(leat_get(leat_view_of(document), "security")), 2);
    leat_view security = leat_get(leat_view_of(open), "security");
    EXPECT_EQ(leat_count(security), 3);
    EXPECT_EQ(leat_count(leat_at(security, 0)), 0);
    leat_view info = leat_get(leat_view_of(document), "info");
    EXPECT(leat_is(leat_get(info, "version"), LEAT_VERSION));
    leat_drop(document);
    leat_drop(open);
}
