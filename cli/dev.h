/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev.h: leat dev, the whole stack on one machine: starts a plan's children,
 * keeps them running, and stops them in order.
 */
#ifndef LEAT_CLI_DEV_H
#define LEAT_CLI_DEV_H

#include "cli/plan.h"

/*
 * Runs until SIGTERM or SIGINT (true) or until a child cannot be started
 * (false). No child runs when it returns. `show_pids` prints a line for each
 * child started.
 */
MUST_USE bool cli_dev_run(struct cli_plan *plan, bool show_pids,
                          struct err *err);

#endif
