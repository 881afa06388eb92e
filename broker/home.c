/* SPDX-License-Identifier: Apache-2.0 */
/*
 * home.c: a plain list; there are as many homes as gateways.
 */
#include "broker/home.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define HOMES_MAX 1024

static_assert(sizeof(uint32_t) == WIRE_HOME_BYTES, "a home is one word");

static uint32_t word_at(const uint8_t *bytes)
{
    uint32_t home;
    memcpy(&home, bytes, sizeof home);
    return home;
}

/* Its place; count when it is not there. */
static size_t find(const struct brk_homes *h, uint32_t home)
{
    size_t i = 0;
    while (i < h->count && h->of[i] != home) {
        i++;
    }
    return i;
}

void brk_homes_put(struct brk_homes *h, const struct id *topic, bool on)
{
    must(h != NULL && topic != NULL);
    uint32_t home = word_at(topic->bytes);
    size_t at = find(h, home);
    if (!on) {
        if (at < h->count) {
            h->of[at] = h->of[--h->count];
        }
        return;
    }
    if (at < h->count) {
        return;
    }
    if (h->count == HOMES_MAX) {
        log_warn("homes.full", "most=%d", HOMES_MAX);
        return;
    }
    if (h->count == h->room) {
        h->room = h->room == 0 ? 8 : h->room * 2;
        h->of = base_realloc(h->of, h->room * sizeof *h->of);
    }
    h->of[h->count++] = home;
}

bool brk_homes_have(const struct brk_homes *h, const struct id *run)
{
    must(h != NULL && run != NULL);
    const uint8_t *end = run->bytes + sizeof run->bytes;
    return find(h, word_at(end - WIRE_HOME_BYTES)) < h->count;
}

void brk_homes_fini(struct brk_homes *h)
{
    must(h != NULL);
    free(h->of);
    *h = (struct brk_homes){0};
}
