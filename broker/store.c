/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's options as the store wants them.
 */
#include "broker/store.h"

#define WAIT_MS 10000 /* for a server that is just starting */

store_t *brk_store_open(const struct brk_env *env, struct err *err)
{
    const conf_t *c = env->conf;
    const struct store_conf conf = {
        .url = conf_str(c, CONF_STORE),
        .role = STORE_OWNER,
        .fsync = conf_is(c, CONF_COMMIT, "fsync"),
        .epoch = env->epoch,
        .wait_ms = WAIT_MS,
        .item_ttl_ms = conf_ms(c, CONF_ITEM_TTL),
        .item_ttl_fixed = !conf_bool(c, CONF_ITEM_REFRESH),
    };
    return store_open(&conf, err);
}
