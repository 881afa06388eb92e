/* SPDX-License-Identifier: Apache-2.0 */
/* Which worker gets a run, and who is who. */
#include "broker/peer.h"

#include <stdlib.h>
#include <string.h>

#include "tests/harness/harness.h"

static struct brk_peers all;
static struct brk_queue queue;
static struct err err;

static struct link_route route_of(uint8_t n)
{
    return (struct link_route){.len = 5, .bytes = {0, 1, 2, 3, n}};
}

static struct brk_peer *worker(uint8_t n, unsigned slots)
{
    struct link_route route = route_of(n);
    struct brk_peer *peer = brk_peer_new(&all, false, &route, &err);
    leat_value *graphs = leat_pack("[{s:s},{s:s}]", "id", "g", "id", "g");
    peer->slots = slots;
    EXPECT(brk_peer_serve(peer, &queue, leat_view_of(graphs), &err));
    leat_drop(graphs);
    return peer;
}

static struct brk_graph *graph(void)
{
    return brk_queue_graph(&queue, (leat_text){"g", 1});
}

static struct brk_run *run_of(void)
{
    struct id id = id_uuid7();
    struct brk_run *run = brk_run_new(&id, &id);
    run->graph = graph();
    return run;
}

static void fini(void)
{
    brk_peers_fini(&all);
    brk_queue_fini(&queue);
}

TEST(peer_is_found_by_its_route)
{
    struct brk_peer *a = worker(1, 1);
    struct brk_peer *b = worker(2, 1);
    struct link_route first = a->route;
    struct link_route other = route_of(9);
    struct link_route wide = {.len = 39};
    memset(wide.bytes, 'r', sizeof wide.bytes);
    EXPECT(brk_peer_of_route(&all, &first) == a);
    EXPECT(brk_peer_of_route(&all, &other) == NULL);
    brk_peer_bind(&all, a, &wide); /* it has reconnected */
    EXPECT(brk_peer_of_route(&all, &first) == NULL);
    EXPECT(brk_peer_of_route(&all, &wide) == a);
    wide.bytes[38] = 's';
    EXPECT(brk_peer_of_route(&all, &wide) == NULL);
    brk_peer_destroy(&all, &a);
    EXPECT(brk_peer_of_route(&all, &b->route) == b);
    EXPECT_EQ(all.workers, 1);
    fini();
}

TEST(peer_serves_a_graph_once)
{
    struct brk_peer *a = worker(1, 1);
    EXPECT_EQ(graph()->peer_count, 1);
    leat_value *none = leat_new_list(0, NULL);
    EXPECT(brk_peer_serve(a, &queue, leat_view_of(none), &err));
    EXPECT_EQ(graph()->peer_count, 0);
    EXPECT(graph()->registered);
    leat_drop(none);
    leat_value *nameless = leat_pack("[{s:s}]", "name", "g");
    EXPECT(!brk_peer_serve(a, &queue, leat_view_of(nameless), &err));
    leat_drop(nameless);
    fini();
}

TEST(peer_picks_the_freest_that_may_take_more)
{
    struct brk_peer *a = worker(1, 2);
    struct brk_peer *b = worker(2, 3);
    struct brk_run *run = run_of();
    EXPECT(brk_peer_pick(graph(), 100) == b);
    b->pause_ms = 200;
    EXPECT(brk_peer_pick(graph(), 100) == a);
    EXPECT(brk_peer_pick(graph(), 200) == b);
    b->draining = true;
    brk_peer_give(a, run);
    EXPECT(brk_peer_pick(graph(), 300) == a);
    a->slots = 1;
    EXPECT(brk_peer_pick(graph(), 300) == NULL);
    brk_peer_free_slot(run);
    EXPECT(brk_peer_pick(graph(), 300) == a);
    EXPECT(run->worker == a); /* it still hears of it */
    a->gone_ms = 400;
    EXPECT(brk_peer_pick(graph(), 300) == NULL);
    brk_peer_take_back(run);
    brk_run_destroy(&run);
    fini();
}

TEST(peer_takes_turns_among_equals)
{
    struct brk_peer *a = worker(1, 2);
    struct brk_peer *b = worker(2, 2);
    a->given = 7;
    b->given = 6;
    EXPECT(brk_peer_pick(graph(), 0) == b);
    b->given = 8;
    EXPECT(brk_peer_pick(graph(), 0) == a);
    fini();
}

TEST(peer_is_kept_free_for_a_run_that_must_be_alone)
{
    struct brk_peer *a = worker(1, 4);
    struct brk_run *other = run_of();
    struct brk_run *lonely = run_of();
    brk_peer_give(a, other);
    EXPECT(brk_peer_pick_alone(graph(), lonely, 100) == NULL);
    EXPECT(a->reserved == lonely);
    EXPECT(brk_peer_pick(graph(), 100) == NULL);
    brk_peer_take_back(other);
    EXPECT(brk_peer_pick_alone(graph(), lonely, 200) == a);
    EXPECT(a->reserved == NULL);
    lonely->alone = true;
    brk_peer_give(a, lonely);
    EXPECT(brk_peer_pick(graph(), 200) == NULL); /* nothing beside it */
    brk_peer_take_back(lonely);
    EXPECT(brk_peer_pick(graph(), 200) == a);
    brk_run_destroy(&other);
    brk_run_destroy(&lonely);
    fini();
}

TEST(peer_limits_the_gateways)
{
    struct brk_peer *first = NULL;
    uint64_t bits = 0;
    for (uint8_t i = 0; i < BRK_GATEWAYS_MAX; i++) {
        struct link_route route = route_of(i);
        struct brk_peer *p = brk_peer_new(&all, true, &route, &err);
        EXPECT(p != NULL && (bits & p->bit) == 0);
        bits |= p->bit;
        first = first == NULL ? p : first;
    }
    struct link_route route = route_of(200);
    EXPECT(brk_peer_new(&all, true, &route, &err) == NULL);
    EXPECT_EQ(err.code, ERR_LIMIT);
    uint64_t freed = first->bit;
    brk_peer_destroy(&all, &first);
    struct brk_peer *again = brk_peer_new(&all, true, &route, &err);
    EXPECT(again != NULL && again->bit == freed);
    fini();
}
