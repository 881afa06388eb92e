/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread is a zactor: it starts with a signal of the body and ends with
 * one after the request to stop. What this file adds is the error of a start
 * that failed, and the thread's name.
 */
#include "broker/actor.h"

#include <czmq.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base.h"
#include "common/link.h"
#include "common/log.h"

#define ACTOR_MAGIC LEAT_MAGIC(0xb0ac0001)

struct brk_actor {
    uint32_t magic;
    const char *name;
    brk_actor_fn *body;
    void *arg;
    zactor_t *thread;
    zsock_t *control;   /* the thread's end */
    _Atomic bool ready; /* set by the thread before its first signal */
    _Atomic bool ended; /* the last that the thread writes */
    bool asked;
    struct err err; /* of a start that failed */
};

static void thread_main(zsock_t *control, void *arg);

struct brk_actor *brk_actor_new(const char *name, brk_actor_fn *body, void *arg,
                                struct err *err)
{
    must(name != NULL && body != NULL);
    link_setup();
    struct brk_actor *self = base_zalloc(sizeof *self);
    self->magic = ACTOR_MAGIC;
    self->name = name;
    self->body = body;
    self->arg = arg;
    self->thread = zactor_new(thread_main, self);
    must(self->thread != NULL);
    if (atomic_load(&self->ready)) {
        return self;
    }
    must(atomic_load(&self->ended));
    if (self->err.code == ERR_NONE) {
        (void)err_set(&self->err, ERR_INTERNAL, "it ended at once");
    }
    *err = self->err;
    (void)err_wrap(err, "starting the %s", name);
    brk_actor_destroy(&self);
    return NULL;
}

void brk_actor_destroy(struct brk_actor **p)
{
    must(p != NULL);
    struct brk_actor *self = *p;
    if (self == NULL) {
        return;
    }
    check_magic(self, ACTOR_MAGIC);
    zactor_destroy(&self->thread);
    must(atomic_load(&self->ended));
    self->magic = 0;
    free(self);
    *p = NULL;
}

void brk_actor_ready(struct brk_actor *self)
{
    check_magic(self, ACTOR_MAGIC);
    must(!atomic_load(&self->ready));
    atomic_store(&self->ready, true);
    zsock_signal(self->control, 0);
}

void brk_actor_failed(struct brk_actor *self, const struct err *err)
{
    check_magic(self, ACTOR_MAGIC);
    must(!atomic_load(&self->ready));
    self->err = *err;
}

void brk_actor_item(const struct brk_actor *self, zmq_pollitem_t *out)
{
    check_magic(self, ACTOR_MAGIC);
    *out = (zmq_pollitem_t){.socket = zsock_resolve(self->control),
                            .events = ZMQ_POLLIN};
}

bool brk_actor_asked(struct brk_actor *self)
{
    check_magic(self, ACTOR_MAGIC);
    if (!self->asked && (zsock_events(self->control) & ZMQ_POLLIN) != 0) {
        char *word = zstr_recv(self->control);
        self->asked = word != NULL && streq(word, "$TERM");
        zstr_free(&word);
    }
    return self->asked;
}

static void thread_main(zsock_t *control, void *arg)
{
    struct brk_actor *self = arg;
    check_magic(self, ACTOR_MAGIC);
    self->control = control;
    (void)pthread_setname_np(pthread_self(), self->name);
    self->body(self, self->arg);
    log_debug("actor.ended", "name=%s", self->name);
    bool was_ready = atomic_load(&self->ready);
    atomic_store(&self->ended, true); /* its maker may free it from now on */
    if (!was_ready) {
        zsock_signal(control, 1);
    }
}
