/* SPDX-License-Identifier: Apache-2.0 */
/* graph/turn.c: see turn.h. */
#include "worker/graph/turn.h"
#include "worker/graph/pool.h"

#include <stdlib.h>

void graph_turn_init(struct tool_turns *t, leat_context *node,
                           size_t count)
{
    must(node != NULL);
    *t = (struct tool_turns){.node = node, .stopped = SIZE_MAX};
    t->ended = base_zalloc((count + 1) * sizeof *t->ended);
    must(pthread_mutex_init(&t->lock, NULL) == 0);
    must(pthread_cond_init(&t->moved, NULL) == 0);
}

void graph_turn_fini(struct tool_turns *t)
{
    must(pthread_cond_destroy(&t->moved) == 0);
    must(pthread_mutex_destroy(&t->lock) == 0);
    free(t->ended);
}

void graph_turn_begin(leat_context *ctx, struct tool_turn *turn)
{
    const leat_context *node = turn->turns->node;
    *ctx = (leat_context){
        .magic = node->magic,
        .work = node->work,
        .req = node->req,
        .host = node->host,
        .node = node->node,
        .turn = turn,
    };
}

void graph_turn_end(leat_context *ctx, bool stops)
{
    struct tool_turns *t = ctx->turn->turns;
    must(pthread_mutex_lock(&t->lock) == 0);
    size_t i = ctx->turn->index;
    t->ended[i] = true;
    if (stops && i < t->stopped) {
        t->stopped = i; /* seen by those that wait behind it */
    }
    while (t->ended[t->first]) {
        t->first++;
    }
    must(pthread_cond_broadcast(&t->moved) == 0);
    must(pthread_mutex_unlock(&t->lock) == 0);
}

bool graph_turn_wait(leat_context *ctx)
{
    if (ctx->turn == NULL) {
        return true;
    }
    struct tool_turns *t = ctx->turn->turns;
    graph_pool_waiting();
    must(pthread_mutex_lock(&t->lock) == 0);
    while (t->first < ctx->turn->index) {
        must(pthread_cond_wait(&t->moved, &t->lock) == 0);
    }
    bool stopped = t->stopped < ctx->turn->index;
    must(pthread_mutex_unlock(&t->lock) == 0);
    if (stopped && ctx->stop == CONTEXT_GOES) {
        ctx->stop = CONTEXT_CANCELLED;
    }
    return !stopped;
}
