/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uplink.c: as many links as addresses, in their order.
 */
#include "worker/uplink.h"

#include <stdlib.h>

#define WRK_UPLINK_MAGIC LEAT_MAGIC(0x3a7e0031)

struct wrk_uplink {
    uint32_t magic;
    const struct wrk_brokers *brokers;
    struct spot {
        link_t *link;
        size_t item; /* its number in the poll; its monitor is the next */
    } spots[];
};

const char *wrk_uplink_base(const struct wrk_brokers *b)
{
    must(b != NULL && b->n > 0);
    return b->bases[atomic_load(&b->active)];
}

wrk_uplink_t *wrk_uplink_new(const struct wrk_uplink_conf *conf,
                             struct err *err)
{
    must(conf->brokers != NULL && conf->brokers->n > 0);
    size_t n = conf->brokers->n;
    wrk_uplink_t *l = base_zalloc(sizeof *l + n * sizeof l->spots[0]);
    l->magic = WRK_UPLINK_MAGIC;
    l->brokers = conf->brokers;
    for (size_t i = 0; i < n; i++) {
        const struct link_spec spec = {.base = conf->brokers->bases[i],
                                       .port = conf->port,
                                       .from = conf->from,
                                       .frame_bytes = conf->frame_bytes};
        l->spots[i].link = link_dealer(&spec, err);
        if (l->spots[i].link == NULL) {
            wrk_uplink_destroy(&l);
            return NULL;
        }
    }
    return l;
}

void wrk_uplink_destroy(wrk_uplink_t **p)
{
    must(p != NULL);
    wrk_uplink_t *l = *p;
    *p = NULL;
    if (l == NULL) {
        return;
    }
    check_magic(l, WRK_UPLINK_MAGIC);
    for (size_t i = 0; i < l->brokers->n; i++) {
        link_destroy(&l->spots[i].link);
    }
    l->magic = 0;
    free(l);
}

link_t *wrk_uplink_to(const wrk_uplink_t *l, size_t broker)
{
    check_magic(l, WRK_UPLINK_MAGIC);
    must(broker < l->brokers->n);
    return l->spots[broker].link;
}

link_t *wrk_uplink_active(const wrk_uplink_t *l)
{
    check_magic(l, WRK_UPLINK_MAGIC);
    return wrk_uplink_to(l, atomic_load(&l->brokers->active));
}

void wrk_uplink_watch(wrk_uplink_t *l, struct link_poll *poll)
{
    check_magic(l, WRK_UPLINK_MAGIC);
    for (size_t i = 0; i < l->brokers->n; i++) {
        struct spot *s = &l->spots[i];
        s->item = link_poll_link(poll, s->link);
        size_t monitor = link_poll_monitor(poll, s->link);
        must(monitor == s->item + 1);
    }
}

bool wrk_uplink_ready(const wrk_uplink_t *l, const struct link_poll *poll,
                      size_t broker)
{
    check_magic(l, WRK_UPLINK_MAGIC);
    must(broker < l->brokers->n);
    return link_poll_ready(poll, l->spots[broker].item);
}

bool wrk_uplink_came(wrk_uplink_t *l, const struct link_poll *poll,
                     size_t broker)
{
    check_magic(l, WRK_UPLINK_MAGIC);
    must(broker < l->brokers->n);
    const struct spot *s = &l->spots[broker];
    return link_poll_ready(poll, s->item + 1) &&
           (link_changes(s->link) & LINK_CAME) != 0;
}

bool wrk_uplink_pump(wrk_uplink_t *l)
{
    check_magic(l, WRK_UPLINK_MAGIC);
    bool left = false;
    for (size_t i = 0; i < l->brokers->n; i++) {
        left = link_pump(l->spots[i].link) || left;
    }
    return left;
}
