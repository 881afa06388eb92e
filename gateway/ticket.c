/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ticket.c: one lock and one wake-up per question.
 */
#include "gateway/ticket.h"

void gw_ticket_init(struct gw_ticket *t)
{
    must(t != NULL);
    *t = (struct gw_ticket){.err = ERR_INIT};
    must(pthread_mutex_init(&t->lock, NULL) == 0);
    must(pthread_cond_init(&t->turned, NULL) == 0);
}

void gw_ticket_wait(struct gw_ticket *t)
{
    must(t != NULL);
    must(pthread_mutex_lock(&t->lock) == 0);
    while (!t->done) {
        must(pthread_cond_wait(&t->turned, &t->lock) == 0);
    }
    must(pthread_mutex_unlock(&t->lock) == 0);
}

void gw_ticket_fini(struct gw_ticket *t)
{
    must(t != NULL);
    leat_drop(t->body);
    t->body = NULL;
    must(pthread_cond_destroy(&t->turned) == 0);
    must(pthread_mutex_destroy(&t->lock) == 0);
}

static void turn(struct gw_ticket *t)
{
    must(!t->done);
    t->done = true;
    /* Under the lock: the sleeper frees the ticket once it can take it. */
    must(pthread_cond_signal(&t->turned) == 0);
    must(pthread_mutex_unlock(&t->lock) == 0);
}

void gw_ticket_answer(struct gw_ticket *t, const struct wire_head *h,
                      leat_value *body)
{
    must(t != NULL && h != NULL);
    must(pthread_mutex_lock(&t->lock) == 0);
    t->ok = true;
    t->head = *h;
    t->body = body;
    turn(t);
}

void gw_ticket_fail(struct gw_ticket *t, const struct err *err)
{
    must(t != NULL && err != NULL && err->code != ERR_NONE);
    must(pthread_mutex_lock(&t->lock) == 0);
    t->err = *err;
    turn(t);
}
