/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbered migrations in schema/, built into the program, and which of
 * them a database still needs. The owner applies them in one transaction;
 * clients only look whether the version is theirs.
 */
#include "common/embed.h"
#include "common/store/inner.h"
#include "common/store/terms.h"

EMBED(store_schema_001, "common/store/schema/001.sql");
EMBED(store_schema_002, "common/store/schema/002.sql");
EMBED(store_schema_003, "common/store/schema/003.sql");
EMBED(store_schema_004, "common/store/schema/004.sql");
EMBED(store_schema_005, "common/store/schema/005.sql");

/* What SQL cannot work out is filled in after its script. */
static const struct migration {
    const char *script;
    bool (*fill)(store_t *s, struct err *err); /* or NULL */
} migrations[] = {
    {store_schema_001, NULL},
    {store_schema_002, NULL},
    {store_schema_003, store_terms_fill},
    {store_schema_004, NULL},
    {store_schema_005, NULL},
};
_Static_assert(COUNT_OF(migrations) == STORE_SCHEMA_VERSION,
               "one migration for each version");

static bool migrate(store_t *s, struct err *err)
{
    int64_t version = 0;
    if (!s->sql->lock_schema(s->db, err) ||
        !s->sql->version(s->db, &version, err)) {
        return false;
    }
    for (; version < STORE_SCHEMA_VERSION; version++) {
        const struct migration *m = &migrations[version];
        if (!s->sql->script(s->db, m->script, err) ||
            (m->fill != NULL && !m->fill(s, err))) {
            return err_wrap(err, "migration %d", (int)version + 1);
        }
        bool first = version == 0;
        if (!store_query_run(s, err,
                             first ? "INSERT INTO meta (name, value)"
                                     " VALUES ('schema_version', $1)"
                                   : "UPDATE meta SET value = $1"
                                     " WHERE name = 'schema_version'",
                             "i", version + 1)) {
            return false;
        }
    }
    return true;
}

bool store_schema_ready(store_t *s, struct err *err)
{
    int64_t version = 0;
    if (!s->sql->version(s->db, &version, err)) {
        return false;
    }
    if (version > STORE_SCHEMA_VERSION) {
        return err_set(err, ERR_STORE,
                       "the database has schema %d, this program knows %d",
                       (int)version, STORE_SCHEMA_VERSION);
    }
    if (version == STORE_SCHEMA_VERSION) {
        return true;
    }
    if (!s->owner) {
        return err_set(err, ERR_UNAVAILABLE,
                       "the database is not set up yet (schema %d of %d)",
                       (int)version, STORE_SCHEMA_VERSION);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, migrate(s, err), err);
}
