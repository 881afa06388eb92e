/* SPDX-License-Identifier: Apache-2.0 */
/*
 * project.h: a langgraph.json among the --graphs of leat dev: which language
 * its graphs are written in, and the program that runs them. Starts nothing.
 */
#ifndef LEAT_CLI_PROJECT_H
#define LEAT_CLI_PROJECT_H

#include "cli/child.h"

/* Does this path name a langgraph.json (or a folder with one)? */
bool cli_project_is(const char *path);

struct cli_project {
    const char *path;   /* as it was given */
    const char *python; /* --python; "" to look for one */
    const char *dir;    /* that of leat itself */
};

/*
 * Makes `child` the worker of this project, with its program and the words
 * that name the project. ERR_INVALID when the file cannot be read,
 * ERR_UNSUPPORTED when nothing here can run what is in it; the texts say what
 * to do. The child is not made then.
 */
MUST_USE bool cli_project_worker(const struct cli_project *project,
                                 struct cli_child *child, struct err *err);

#endif
