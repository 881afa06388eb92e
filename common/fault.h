/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.h: places where a process can be made to break, so that tests reach
 * moments that no clock hits: LEAT_FAULT=point:n[,point:n]. The rows are in
 * fault.tbl.h. While none is set, a point costs the reading of one flag.
 */
#ifndef LEAT_COMMON_FAULT_H
#define LEAT_COMMON_FAULT_H

#include <stdatomic.h>

#include "common/err.h"

enum fault_point {
#define FAULT(id, name, programs, effect, moment) FAULT_##id,
#include "common/fault.tbl.h"
#undef FAULT
    FAULT_COUNT
};

enum fault_effect { FAULT_KILL, FAULT_STOP, FAULT_FAIL };

struct fault_row {
    const char *name;   /* "desk-submit" */
    unsigned programs;  /* PROC_ bits of base.h */
    enum fault_effect effect;
    const char *moment; /* a sentence for people */
};

extern atomic_bool fault_armed; /* fault_at's: some point is set */

/*
 * Sets the points that `text` (NULL: none) names for the program whose PROC_
 * bit is given; those of other programs are passed over, so that all may have
 * the same environment. False with err when the text is not understood. Call
 * before any thread, again only in tests.
 */
MUST_USE bool fault_set(unsigned program, const char *text, struct err *err);

/* fault_at, once something is set. */
bool fault_hit(enum fault_point point);

/* The process passes this point. True: the call that stands here fails. */
static inline bool fault_at(enum fault_point point)
{
    return atomic_load_explicit(&fault_armed, memory_order_relaxed) &&
           fault_hit(point);
}

/* Fills err as a full disk would and returns false. */
bool fault_disk_full(struct err *err);

const struct fault_row *fault_row(enum fault_point point);

#endif
