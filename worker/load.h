/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h: the graphs this worker serves. Loads shared objects (checking their
 * ABI before anything of theirs runs) and JSON descriptions, and gives a
 * compiled graph for a run. Filled at start, then only read.
 */
#ifndef LEAT_WORKER_LOAD_H
#define LEAT_WORKER_LOAD_H

#include "worker/graph/engine.h"

typedef struct registry registry_t;

registry_t *wrk_load_new(void) MUST_USE;
void wrk_load_destroy(registry_t **r);

/*
 * Loads one `.so` or `.json` file, or every such file of a directory (by
 * name; one that is refused is logged and left out). False when the path is
 * not there (ERR_IO), or no graph of it is taken: err says why. Of a file
 * with several graphs those that are right are taken, the others logged.
 */
MUST_USE bool wrk_load_path(registry_t *r, const char *path, struct err *err);

/* How many, and their ids in the order they were loaded. */
size_t wrk_load_count(const registry_t *r);
const char *wrk_load_id(const registry_t *r, size_t i);

/*
 * The graph of this id for a run with this config, one reference. A factory
 * is called with the config. ERR_NOT_FOUND or ERR_GRAPH with the reason.
 */
MUST_USE bool wrk_load_get(const registry_t *r, const char *id,
                           leat_view config, struct graph **out,
                           struct err *err);

#endif
