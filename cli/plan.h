/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h: what leat dev will start: from its options to the ports, command
 * lines and environments of one broker, one gateway and N workers. Decides
 * everything that is fixed for the life of the stack; starts nothing.
 */
#ifndef LEAT_CLI_PLAN_H
#define LEAT_CLI_PLAN_H

#include "cli/child.h"
#include "common/conf.h"

struct cli_plan {
    char host[256];
    int port;                   /* of the gateway */
    char ok_path[1200];         /* where the gateway says that it is well */
    struct cli_child *children; /* broker, gateway, workers in this order */
    size_t n;
};

#define CLI_PLAN_BROKER 0
#define CLI_PLAN_GATEWAY 1
#define CLI_PLAN_WORKERS 2 /* the first of them */

/*
 * Claims ports and finds programs in `dir` (the directory of leat itself).
 * False when a port is taken, a program is missing, or an option makes no
 * sense for leat dev; nothing is left behind then.
 */
MUST_USE bool cli_plan_init(struct cli_plan *plan, const conf_t *conf,
                            const char *dir, struct err *err);
void cli_plan_fini(struct cli_plan *plan);

#endif
