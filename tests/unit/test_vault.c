/* SPDX-License-Identifier: Apache-2.0 */
/* The vault's thread over TCP, as gateways and workers meet it. */
#include "broker/vault.h"
#include "common/log.h"
#include "common/stat.h"
#include "tests/unit/broker_rig.h"

struct peer {
    struct broker_rig b;
    struct brk_vault *vault;
    link_t *link;
    struct link_in in;
    uint32_t tag;
};

static void start(struct peer *p)
{
    broker_rig_init(&p->b);
    broker_rig_set(&p->b, CONF_ITEM_SWEEP, "10ms");
    p->vault = brk_vault_new(&p->b.env, &p->b.err);
    EXPECT_MSG(p->vault != NULL, "%s", p->b.err.text);
    const struct link_spec spec = {.base = p->b.base,
                                   .port = WIRE_PORT_VAULT,
                                   .from = WIRE_V,
                                   .frame_bytes = 1 << 20};
    p->link = link_dealer(&spec, &p->b.err);
    EXPECT_MSG(p->link != NULL, "%s", p->b.err.text);
    link_in_init(&p->in);
    p->tag = 0;
}

static void stop(struct peer *p)
{
    link_in_fini(&p->in);
    link_destroy(&p->link);
    brk_vault_destroy(&p->vault);
    broker_rig_fini(&p->b);
}

static void send_call(struct peer *p, uint32_t epoch, const char *op,
                      leat_value *args)
{
    const struct wire_head head = {.type = WIRE_STORE_CALL,
                                   .epoch = epoch,
                                   .tag = ++p->tag,
                                   .run = p->b.store.fence.run,
                                   .attempt = p->b.store.fence.attempt};
    enum link_sent sent = link_send(
        p->link, NULL, &head, leat_pack("{s:s,s:V}", "op", op, "args", args));
    EXPECT(sent == LINK_SENT || sent == LINK_QUEUED);
}

static bool take(struct peer *p)
{
    (void)link_pump(p->link);
    return link_recv(p->link, &p->in);
}

static const char *receive(struct peer *p)
{
    EXPECT_SOON(take(p));
    return wire_name(p->in.head.type);
}

static const char *refusal(struct peer *p)
{
    static char code[64];
    char *text = value_strdup(leat_get(leat_view_of(p->in.body), "code"));
    (void)base_copy(code, sizeof code, text == NULL ? "" : text);
    free(text);
    return code;
}

static leat_value *thread_args(unsigned n)
{
    struct id id = rig_id('t', n);
    return leat_pack("{s:s}", "thread_id", ID_TEXT(&id));
}

TEST(vault_does_calls_and_answers)
{
    struct peer p;
    start(&p);
    send_call(&p, 0, "threads_create", thread_args(1));
    EXPECT_STR(receive(&p), "STORE_DONE");
    EXPECT_EQ(p.in.head.tag, 1);
    EXPECT_EQ(p.in.head.epoch, 7);
    EXPECT(leat_bool(
        leat_get(leat_get(leat_view_of(p.in.body), "result"), "created"),
        false));
    send_call(&p, 7, "threads_delete", thread_args(1));
    EXPECT_STR(receive(&p), "STORE_DONE");
    send_call(&p, 7, "threads_delete", thread_args(1));
    EXPECT_STR(receive(&p), "REFUSED");
    EXPECT_EQ(p.in.head.tag, 3);
    EXPECT_STR(refusal(&p), "not_found");
    send_call(&p, 7, "no_such_op", leat_hold(J("{}")));
    EXPECT_STR(receive(&p), "REFUSED");
    EXPECT_STR(refusal(&p), "unsupported");
    stop(&p);
}

TEST(vault_asks_who_of_another_epoch)
{
    struct peer p;
    start(&p);
    send_call(&p, 6, "threads_create", thread_args(1));
    EXPECT_STR(receive(&p), "WHO");
    EXPECT_EQ(p.in.head.tag, 1);
    EXPECT_EQ(p.in.head.epoch, 7);
    struct store_thread t;
    struct id id = rig_id('t', 1);
    FAILS(&p.b.store, store_threads_get(p.b.store.s, &id, &t, &p.b.store.err),
          ERR_NOT_FOUND); /* it was not done */
    stop(&p);
}

TEST(vault_groups_and_keeps_order)
{
    struct peer p;
    start(&p);
    enum { CALLS = 2000 };
    for (unsigned n = 0; n < CALLS; n++) {
        leat_value *space = leat_hold(J("[\"s\"]"));
        send_call(&p, 0, n % 3 == 2 ? "threads_delete" : "items_put",
                  n % 3 == 2 ? thread_args(1)
                             : leat_pack("{s:V,s:s,s:i}", "space", space, "key",
                                         "k", "value", (int)n));
    }
    for (unsigned n = 0; n < CALLS; n++) {
        EXPECT_STR(receive(&p), n % 3 == 2 ? "REFUSED" : "STORE_DONE");
        EXPECT_EQ(p.in.head.tag, n + 1);
    }
    struct store_item_key k = {.space = JV("[\"s\"]"), .key = "k"};
    struct store_item item;
    bool found = false;
    OK(&p.b.store,
       store_items_get(p.b.store.s, &k, &item, &found, &p.b.store.err));
    EXPECT_EQ(leat_int(leat_view_of(item.value), 0), CALLS - 1);
    store_item_fini(&item);
    stop(&p);
}

static leat_value *all_of(const char *op, const leat_value *args)
{
    leat_value *call = leat_pack("[s,W]", op, args);
    return leat_pack("{s:V}", "calls", leat_new_list(1, &call));
}

TEST(vault_fences_by_the_head)
{
    struct peer p;
    start(&p);
    struct rig *r = &p.b.store;
    struct id t = rig_thread(r, 1);
    struct id run = rig_running(r, 1, &t);
    leat_value *args = leat_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:V,s:V,s:V,s:V}", "thread_id", ID_TEXT(&t),
        "ns", "", "id", "c1", "parent_id", "", "ts", "now", "run_id",
        ID_TEXT(&run), "values", leat_hold(J("{\"x\":1}")), "versions",
        leat_hold(J("{\"x\":1}")), "seen", leat_hold(J("{}")), "metadata",
        leat_hold(J("{}")));
    send_call(&p, 0, "checkpoints_put", leat_hold(args));
    EXPECT_STR(receive(&p), "STORE_DONE");
    send_call(&p, 0, "checkpoints_put_all", all_of("checkpoints_put", args));
    EXPECT_STR(receive(&p), "STORE_DONE");
    send_call(&p, 0, "checkpoints_put_all", all_of("items_put", args));
    EXPECT_STR(receive(&p), "REFUSED");
    EXPECT_STR(refusal(&p), "invalid");
    send_call(&p, 0, "checkpoints_put_all", leat_hold(args));
    EXPECT_STR(receive(&p), "REFUSED");
    EXPECT_STR(refusal(&p), "invalid");
    r->fence.attempt = 2;
    send_call(&p, 0, "checkpoints_put", leat_hold(args));
    EXPECT_STR(receive(&p), "REFUSED");
    EXPECT_STR(refusal(&p), "fenced");
    send_call(&p, 0, "checkpoints_put_all", all_of("checkpoints_put", args));
    EXPECT_STR(receive(&p), "REFUSED");
    EXPECT_STR(refusal(&p), "fenced");
    leat_drop(args);
    stop(&p);
}

/* A call that cannot be stored fails; its neighbours and later ones do not. */
TEST(vault_lives_on_when_the_store_fails)
{
    store_kind_only_sqlite();
    struct peer p;
    start(&p);
    log_level_set(LOG_LEVEL_OFF);
    struct rig *r = &p.b.store;
    OK(r, store_query_run(r->s, &r->err,
                          "CREATE TRIGGER full BEFORE INSERT ON items"
                          " WHEN NEW.key = 'bad' BEGIN"
                          " SELECT RAISE(ROLLBACK, 'as if full'); END",
                          ""));
    const char *keys[] = {"a", "bad", "b"};
    for (unsigned n = 0; n < 3; n++) {
        send_call(&p, 0, "items_put",
                  leat_pack("{s:V,s:s,s:i}", "space", leat_hold(J("[\"s\"]")),
                            "key", keys[n], "value", 1));
    }
    EXPECT_STR(receive(&p), "STORE_DONE");
    EXPECT_STR(receive(&p), "REFUSED");
    EXPECT_STR(refusal(&p), "store");
    EXPECT_STR(receive(&p), "STORE_DONE");
    int64_t n = 0;
    OK(r, store_query_number(STORE_QUERY(r->s, &r->err), &n,
                             "SELECT COUNT(*) FROM items", ""));
    EXPECT_EQ(n, 2);
    stop(&p);
}

TEST(vault_says_why_it_cannot_start)
{
    struct broker_rig b;
    broker_rig_init(&b);
    broker_rig_set(&b, CONF_STORE, "sqlite:/proc/no/such.db");
    EXPECT(brk_vault_new(&b.env, &b.err) == NULL);
    EXPECT_HAS(b.err.text, "vault");
    broker_rig_fini(&b);
}

TEST(vault_sweeps_items_that_have_expired)
{
    struct peer p;
    start(&p);
    send_call(&p, 0, "items_put",
              leat_hold(J("{\"space\":[\"a\"],\"key\":\"k\",\"value\":{},"
                          "\"ttl_us\":1}")));
    EXPECT_STR(receive(&p), "STORE_DONE");
    EXPECT_SOON(stat_get(STAT_ITEMS_EXPIRED) == 1);
    stop(&p);
}
