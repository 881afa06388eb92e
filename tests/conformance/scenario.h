/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario.h: performs the steps of a trace with the engine and writes down
 * what came out, in the trace's own format.
 */
#ifndef CONFORMANCE_SCENARIO_H
#define CONFORMANCE_SCENARIO_H

#include "tests/conformance/tree.h"

/* The results, a list of {step, events?, state?, ...}; NULL and a message
 * when the description is no graph. */
tree *scenario_run(const tree *trace);

/* The `events` mode of a fresh thread with the first step's input, as
 * `stream_events_v2` has it: a list of the events; NULL as above. */
tree *scenario_run_events(const tree *trace);

#endif
