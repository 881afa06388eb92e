/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refs.h: what a server adds to checkpoint payloads on their way to clients:
 * `checkpoint` and `parent_checkpoint` references made of the two configs, and
 * for each task with a nested graph `checkpoint` in the place of `state`.
 */
#ifndef LEAT_WORKER_REFS_H
#define LEAT_WORKER_REFS_H

#include "common/base.h"
#include <leat/value.h>

/* The payload of a `checkpoints` event, with references; one reference. */
leat_value *wrk_refs_checkpoint(leat_view payload) MUST_USE;
/* The payload of a `debug` event; only its type "checkpoint" is changed. */
leat_value *wrk_refs_debug(leat_view payload) MUST_USE;

#endif
