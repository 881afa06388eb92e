/* SPDX-License-Identifier: Apache-2.0 */
/* pg_lib.c: where libpq's functions are in this process. */
#include "common/store/pg_lib.h"

#include <pthread.h>

#include "common/dyn.h"

struct pg_lib pq;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool loaded;

bool store_pg_lib_load(struct err *err)
{
    static const struct dyn_call calls[] = {
#define PG_CALL(name) {"PQ" #name, (void **)&pq.name},
#include "common/store/pg_lib.tbl.h"
#undef PG_CALL
    };
    must(pthread_mutex_lock(&lock) == 0);
    loaded = loaded || dyn_load("libpq.so.5", calls, COUNT_OF(calls), err);
    bool done = loaded;
    must(pthread_mutex_unlock(&lock) == 0);
    return done;
}
