/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub.h: the gateway's one thread for everything that lasts: all open
 * streams, and all sockets to the broker. HTTP threads ask it questions and
 * hand it their clients; they never touch what is its own.
 */
#ifndef GATEWAY_HUB_H
#define GATEWAY_HUB_H

#include "common/conf.h"
#include "gateway/call.h"
#include "gateway/stream.h"

typedef struct hub hub_t;

/* What the hub tells others; called on its thread, must not block. */
struct gw_hub_notes {
    void *self;
    /* The graphs that registered, as in GRAPHS; borrowed. */
    void (*graphs)(void *self, const leat_value *graphs);
    /* A WAIT's document is not in the events of its run: look it up and call
     * gw_hub_say(). */
    void (*look_up)(void *self, struct gw_stream *s);
    /* The runs of the thread that a reader follows, with ms above this one:
     * call gw_hub_listed(). The state after a run, as an event with this id:
     * call gw_hub_say(). */
    void (*list)(void *self, struct gw_stream *s, uint64_t after_ms);
    void (*state)(void *self, struct gw_stream *s, const struct id *run,
                  struct sse_id id);
    /* A submit with an Idempotency-Key came to nothing; borrowed. */
    void (*refused)(void *self, const struct id *run, leat_view submit);
};

/* Opens the sockets and starts the thread. `conf` must outlive it. */
hub_t *gw_hub_new(const conf_t *conf, const struct gw_hub_notes *notes,
                  struct err *err) MUST_USE;
/* Cuts every stream off (without a last chunk: their runs go on) and refuses
 * all questions from then on. Returns when that is done. */
void gw_hub_drain(hub_t *hub);
/* After the last HTTP thread has ended. */
void gw_hub_destroy(hub_t **hub);

/* ---- from any thread --------------------------------------------------- */

/*
 * Asks and sleeps until the answer is here. False with what the broker
 * refused, or ERR_UNAVAILABLE when it did not answer in time. On success the
 * caller owns answer->body.
 */
struct gw_answer {
    struct wire_head head;
    leat_value *body;
};
MUST_USE bool gw_hub_ask(hub_t *hub, const struct gw_ask *ask,
                         struct gw_answer *answer, struct err *err);

/* Several at once; returns when each has its answer or its error. */
struct gw_asked {
    struct gw_answer answer; /* its body is the caller's */
    struct err err;          /* ERR_NONE: there is an answer */
};
void gw_hub_ask_all(hub_t *hub, const struct gw_ask *asks, size_t n,
                    struct gw_asked *replies);

/* Says what has no answer (RUN_FORGET); the body is not sent. */
void gw_hub_tell(hub_t *hub, enum wire_type type, const struct id *run);

/*
 * Is there a log of this run, probably of this thread? Gives the thread that
 * it belongs to for certain, or nil. For runs that are not in the store;
 * ERR_NOT_FOUND when nobody knows it.
 */
MUST_USE bool gw_hub_find(hub_t *hub, const struct id *run, struct id *thread,
                          struct err *err);

/*
 * Submits a run whose client, the reader, has left its HTTP thread: the hub
 * owns reader and socket from now on. The reader listens from the run's first
 * event on (not a DONE: that one is finished by its head). It gets its head
 * when the run is committed, or else an error of its own, and then the run is
 * never started.
 */
void gw_hub_submit(hub_t *hub, const struct gw_ask *ask,
                   struct gw_stream *reader, int fd);

/* The reader listens to its run from now on. With a socket the hub owns both;
 * -1: it is attached or abandoned later. */
void gw_hub_join(hub_t *hub, struct gw_stream *reader, int fd);
/* Gives the reader its socket; the hub owns both from now on. */
void gw_hub_attach(hub_t *hub, struct gw_stream *reader, int fd);
/* There will be no socket. */
void gw_hub_abandon(hub_t *hub, struct gw_stream *reader);
/* The document of a WAIT that was looked up; `text` is copied. */
void gw_hub_say(hub_t *hub, struct gw_stream *reader, const char *text,
                size_t len);

/* Takes the list, which was allocated. */
struct gw_follow_list;
void gw_hub_listed(hub_t *hub, struct gw_stream *reader,
                   struct gw_follow_list *list);

/* An id for a run of this gateway's making. */
struct id gw_hub_new_run_id(const hub_t *hub);

/* Has a broker welcomed us, and does it still answer? */
bool gw_hub_is_connected(const hub_t *hub);
/* The newest GRAPHS, one reference; NULL before the first. */
leat_value *gw_hub_graphs(hub_t *hub);

#endif
