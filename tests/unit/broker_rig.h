/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker_rig.h: what a thread of the broker is given, for tests that run it
 * with real sockets: a store in the test's folder, options, a free address.
 */
#ifndef TESTS_UNIT_BROKER_RIG_H
#define TESTS_UNIT_BROKER_RIG_H

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/inner.h"
#include "tests/unit/store_rig.h"

struct broker_rig {
    struct rig store; /* a handle of the test's own */
    conf_t *conf;
    char base[64];
    char url[512];
    struct brk_env env;
    struct err err;
};

static inline bool rig_port_free(unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    (void)close(fd);
    return ok;
}

/* As many free ports as a broker has sockets, from the one given; below those
 * that outgoing connections take. */
static inline unsigned rig_port(void)
{
    for (;;) {
        uint16_t number = 0;
        id_random(&number, sizeof number);
        unsigned base = 10000 + number % 20000;
        unsigned n = 0;
        while (n < WIRE_PORTS && rig_port_free(base + n)) {
            n++;
        }
        if (n == WIRE_PORTS) {
            return base;
        }
    }
}

static inline void broker_rig_set(struct broker_rig *b, enum conf_id id,
                                  const char *text)
{
    EXPECT_MSG(conf_set(b->conf, id, text, CONF_FROM_FLAG, &b->err), "%s",
               b->err.text);
}

static inline void broker_rig_init(struct broker_rig *b)
{
    memset(b, 0, sizeof *b);
    rig_init(&b->store, false);
    rig_url(b->url);
    b->conf = conf_new(PROC_BROKER);
    broker_rig_set(b, CONF_STORE, b->url);
    (void)snprintf(b->base, sizeof b->base, "tcp://127.0.0.1:%u", rig_port());
    b->env = (struct brk_env){.conf = b->conf, .epoch = 7, .base = b->base};
}

static inline void broker_rig_fini(struct broker_rig *b)
{
    rig_fini(&b->store);
    conf_destroy(&b->conf);
}

#endif
