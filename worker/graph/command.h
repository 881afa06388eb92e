/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/command.h: a Command as the input of a run.
 */
#ifndef GRAPH_COMMAND_H
#define GRAPH_COMMAND_H

#include "worker/graph/write.h"

/* A Command given as input, taken apart (spec/engine.md 7.3). */
struct command {
    struct writes writes; /* of the NULL task */
    leat_value *resume_map; /* {interrupt id: value}, or NULL */
    bool resumes;         /* a resume value or map came with it */
};

/* False: the command breaks a rule, told in f. */
MUST_USE bool graph_command_parse(const struct graph *g, leat_view command,
                                  struct command *out, struct fault *f);
void graph_command_fini(struct command *c);

#endif
