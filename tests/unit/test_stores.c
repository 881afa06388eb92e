/* SPDX-License-Identifier: Apache-2.0 */
/* Store handles of the gateway: opened when none is free, closed when a second
 * has not needed them. */
#include "gateway/stores.h"
#include "tests/unit/store_rig.h"

#define MANY 20

static struct {
    struct rig rig; /* has made the database */
    conf_t *conf;
    gw_stores_t *stores;
} g;

static void start(void)
{
    struct err err = ERR_INIT;
    int nobody; /* no call goes out */
    rig_init(&g.rig, false);
    g.conf = conf_new(PROC_GATEWAY);
    EXPECT(conf_set(g.conf, CONF_STORE, store_kind_url(), CONF_FROM_FLAG,
                    &err));
    fake_clock();
    g.stores = gw_stores_new(g.conf, (hub_t *)&nobody);
}

static void stop(void)
{
    gw_stores_destroy(&g.stores);
    conf_destroy(&g.conf);
    rig_fini(&g.rig);
}

static void take(store_t *out[], size_t n)
{
    struct err err = ERR_INIT;
    for (size_t i = 0; i < n; i++) {
        out[i] = gw_stores_take(g.stores, "", &err);
        EXPECT_MSG(out[i] != NULL, "%s", err.text);
    }
}

static void give(store_t *const stores[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        gw_stores_give(g.stores, stores[i]);
    }
}

static void use(size_t n)
{
    store_t *stores[MANY];
    take(stores, n);
    give(stores, n);
}

TEST(stores_are_used_again)
{
    start();
    use(1);
    use(1);
    EXPECT_EQ(gw_stores_count(g.stores), 1);
    use(3);
    use(2);
    EXPECT_EQ(gw_stores_count(g.stores), 3);
    stop();
}

TEST(stores_of_a_burst_are_closed_after_a_second)
{
    start();
    use(MANY);
    EXPECT_EQ(gw_stores_count(g.stores), MANY);
    fake_clock_advance_ms(999);
    use(1);
    EXPECT_EQ(gw_stores_count(g.stores), MANY);
    fake_clock_advance_ms(1); /* in this second all were needed */
    use(1);
    fake_clock_advance_ms(1000);
    use(1);
    EXPECT_EQ(gw_stores_count(g.stores), 3);
    stop();
}

TEST(stores_that_are_needed_stay)
{
    start();
    for (int i = 0; i < 5; i++) {
        use(10);
        fake_clock_advance_ms(1000);
    }
    EXPECT_EQ(gw_stores_count(g.stores), 10);
    stop();
}
