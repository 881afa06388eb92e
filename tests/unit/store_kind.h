/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_kind.h: which database a test's store is in. SQLite in the test's
 * folder, or, when LEAT_TEST_PG is the URL of a PostgreSQL database, a schema
 * of the test's own in that.
 */
#ifndef TESTS_UNIT_STORE_KIND_H
#define TESTS_UNIT_STORE_KIND_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/id.h"
#include "common/store/sql.h"
#include "tests/harness/harness.h"

static inline bool store_kind_is_pg(void)
{
    const char *base = getenv("LEAT_TEST_PG");
    return base != NULL && base[0] != '\0';
}

/* The same for all of a test, which is a process of its own. */
static inline const char *store_kind_url(void)
{
    static char url[512];
    if (url[0] != '\0') {
        return url;
    }
    if (!store_kind_is_pg()) {
        (void)snprintf(url, sizeof url, "sqlite:%s/data/leat.db", test_dir());
        return url;
    }
    const char *base = getenv("LEAT_TEST_PG");
    struct id id = id_uuid4();
    char schema[64];
    char script[128];
    (void)snprintf(schema, sizeof schema, "t%02x%02x%02x%02x_%d", id.bytes[0],
                   id.bytes[1], id.bytes[2], id.bytes[3], (int)getpid());
    (void)snprintf(script, sizeof script, "CREATE SCHEMA %s", schema);
    struct err err = ERR_INIT;
    struct sql_db *db = NULL;
    const struct sql_ops *pg = store_pg_ops();
    const struct sql_conf conf = {.url = base, .owner = true};
    EXPECT_MSG(pg->open(&conf, &db, &err) && pg->script(db, script, &err), "%s",
               err.text);
    pg->close(&db);
    (void)snprintf(url, sizeof url, "%s?options=-csearch_path%%3D%s", base,
                   schema);
    return url;
}

/* Ends a test that is about files. */
static inline void store_kind_only_sqlite(void)
{
    if (store_kind_is_pg()) {
        SKIP("about the embedded store");
    }
}

#endif
