/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c: works out the children of leat dev. Options that were set on the
 * command line or in a file travel to the children as environment variables,
 * as secrets must not stand in a process list; what differs between children
 * (addresses, names) goes on their command lines, which win.
 */
#include "cli/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/net.h"
#include "cli/project.h"

#define PATH_SIZE 4096

static bool check_options(const conf_t *conf, struct err *err)
{
    if (conf_source_of(conf, CONF_BROKER) == CONF_FROM_FLAG) {
        return err_set(err, ERR_INVALID,
                       "--broker: leat dev starts a broker of its own; its "
                       "address can be set with --listen");
    }
    size_t n;
    const char *const *graphs = conf_list(conf, CONF_GRAPHS, &n);
    for (size_t i = 0; i < n; i++) {
        if (access(graphs[i], R_OK) != 0) {
            return err_set(err, ERR_INVALID, "--graphs %s: %s", graphs[i],
                           strerror(errno));
        }
    }
    return true;
}

/* Options set here and known there, as NAME=value. */
static void pass_options(const conf_t *conf, unsigned proc,
                         struct cli_words *env)
{
    for (int i = 0; i < CONF_COUNT; i++) {
        enum conf_id id = (enum conf_id)i;
        enum conf_source source = conf_source_of(conf, id);
        bool here = source == CONF_FROM_FLAG || source == CONF_FROM_FILE;
        if (here && (conf_row(id)->procs & proc) != 0) {
            cli_words_add(env, "%s=%s", conf_row(id)->env, conf_text(conf, id));
        }
    }
}

/* HOST:PORT + offset: each process that has one needs an address of its own */
static void add_admin(const conf_t *conf, int offset, struct cli_words *args)
{
    const char *text = conf_str(conf, CONF_ADMIN_LISTEN);
    const char *colon = strrchr(text, ':');
    if (text[0] == '\0' || colon == NULL) {
        return;
    }
    int port = atoi(colon + 1);
    cli_words_add(args, "--admin-listen=%.*s:%d", (int)(colon - text), text,
                  port > 0 ? port + offset : 0);
}

/* The graphs that were built or installed together with this program. */
static void default_graphs(const char *dir, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/graphs", dir);
    if (access(path, R_OK) != 0) {
        snprintf(path, PATH_SIZE, "%s/../share/leat/graphs", dir);
    }
}

static struct cli_child *add_child(struct cli_plan *plan, const conf_t *conf,
                                   const char *kind, const char *dir)
{
    unsigned proc = strcmp(kind, "broker") == 0    ? PROC_BROKER
                    : strcmp(kind, "gateway") == 0 ? PROC_GATEWAY
                                                   : PROC_WORKER;
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/leat-%s", dir, kind);
    struct cli_child *child = &plan->children[plan->n++];
    cli_child_init(child, kind, path);
    pass_options(conf, proc, &child->env);
    return child;
}

/* What leat dev switches on unless it was told otherwise. */
static void add_dev_defaults(const conf_t *conf, struct cli_words *args)
{
    static const struct {
        enum conf_id id;
        const char *value;
    } rows[] = {
        {CONF_ALLOW_TRUNCATE, "true"},
        {CONF_WEBHOOK_LOOPBACK, "true"},
        {CONF_CONFIGURABLE_HEADERS, "x-*"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!conf_was_set(conf, rows[i].id)) {
            cli_words_add(args, "--%s=%s", conf_row(rows[i].id)->name,
                          rows[i].value);
        }
    }
}

static void add_broker(struct cli_plan *plan, const conf_t *conf,
                       const char *dir, const char *address)
{
    struct cli_child *child = add_child(plan, conf, "broker", dir);
    cli_words_add(&child->args, "--listen=%s", address);
    add_admin(conf, 0, &child->args);
}

static void add_gateway(struct cli_plan *plan, const conf_t *conf,
                        const char *dir, const char *address)
{
    struct cli_child *child = add_child(plan, conf, "gateway", dir);
    cli_words_add(&child->args, "--broker=%s", address);
    cli_words_add(&child->args, "--host=%s", plan->host);
    cli_words_add(&child->args, "--port=%d", plan->port);
    add_dev_defaults(conf, &child->args);
}

/* What every worker is told, whatever it is written in. */
static void add_worker_words(const struct cli_plan *plan, const conf_t *conf,
                             const char *address, struct cli_child *child)
{
    int number = (int)(plan->n - CLI_PLAN_WORKERS);
    cli_words_add(&child->args, "--broker=%s", address);
    if (conf_was_set(conf, CONF_WORKER_ID)) {
        cli_words_add(&child->args, "--worker-id=%s-%d",
                      conf_str(conf, CONF_WORKER_ID), number);
    }
    add_admin(conf, number, &child->args);
}

/* Of the --graphs those that are native; how many. */
static size_t add_native_paths(const conf_t *conf, struct cli_words *args)
{
    size_t n;
    size_t native = 0;
    const char *const *graphs = conf_list(conf, CONF_GRAPHS, &n);
    for (size_t i = 0; i < n; i++) {
        if (!cli_project_is(graphs[i])) {
            native++;
            if (args != NULL) {
                cli_words_add(args, "--graphs=%s", graphs[i]);
            }
        }
    }
    return native;
}

static void add_worker(struct cli_plan *plan, const conf_t *conf,
                       const char *dir, const char *address)
{
    struct cli_child *child = add_child(plan, conf, "worker", dir);
    if (add_native_paths(conf, &child->args) == 0) {
        char path[PATH_SIZE];
        default_graphs(dir, path);
        cli_words_add(&child->args, "--graphs=%s", path);
    }
    add_worker_words(plan, conf, address, child);
}

static bool add_project(struct cli_plan *plan, const conf_t *conf,
                        const struct cli_project *project, const char *address,
                        struct err *err)
{
    struct cli_child *child = &plan->children[plan->n];
    if (!cli_project_worker(project, child, err)) {
        return false;
    }
    plan->n++;
    pass_options(conf, PROC_WORKER, &child->env);
    add_worker_words(plan, conf, address, child);
    return true;
}

/* --workers of each kind: native ones, and those of each project. */
static bool add_workers(struct cli_plan *plan, const conf_t *conf,
                        const char *dir, const char *address, struct err *err)
{
    size_t n;
    const char *const *graphs = conf_list(conf, CONF_GRAPHS, &n);
    size_t each = (size_t)conf_int(conf, CONF_WORKERS);
    bool native = n == 0 || add_native_paths(conf, NULL) > 0;
    plan->children = base_realloc(
        plan->children, (CLI_PLAN_WORKERS + each * (n + 1)) *
                            sizeof(*plan->children));
    for (size_t i = 0; native && i < each; i++) {
        add_worker(plan, conf, dir, address);
    }
    for (size_t i = 0; i < n * each; i++) {
        const struct cli_project project = {
            graphs[i / each], conf_str(conf, CONF_PYTHON), dir};
        if (cli_project_is(project.path) &&
            !add_project(plan, conf, &project, address, err)) {
            return false;
        }
    }
    return true;
}

static bool check_programs(const struct cli_plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->n; i++) {
        if (access(plan->children[i].program, X_OK) != 0) {
            return err_set(err, ERR_IO, "%s: %s", plan->children[i].program,
                           strerror(errno));
        }
    }
    return true;
}

static bool claim_ports(struct cli_plan *plan, const conf_t *conf,
                        char address[512], struct err *err)
{
    plan->port = (int)conf_int(conf, CONF_PORT);
    if (!cli_net_claim_port(plan->host, &plan->port, err)) {
        return false;
    }
    if (conf_was_set(conf, CONF_LISTEN)) {
        return base_copy(address, 512, conf_str(conf, CONF_LISTEN)) ||
               err_set(err, ERR_INVALID, "--listen is too long");
    }
    int base = 0;
    if (!cli_net_claim_range(&base, err)) {
        return false;
    }
    snprintf(address, 512, "tcp://127.0.0.1:%d", base);
    return true;
}

/* The default store has a directory of its own, which may not be there yet. */
static bool make_store_dir(const conf_t *conf, struct err *err)
{
    if (conf_was_set(conf, CONF_STORE)) {
        return true;
    }
    if (mkdir("leat-data", 0700) != 0 && errno != EEXIST) {
        return err_set(err, ERR_IO, "./leat-data: %s", strerror(errno));
    }
    return true;
}

bool cli_plan_init(struct cli_plan *plan, const conf_t *conf, const char *dir,
                   struct err *err)
{
    must(plan != NULL && conf != NULL && dir != NULL);
    *plan = (struct cli_plan){0};
    bool fits =
        base_copy(plan->host, sizeof(plan->host), conf_str(conf, CONF_HOST));
    must(fits);
    snprintf(plan->ok_path, sizeof(plan->ok_path), "%s/ok",
             conf_str(conf, CONF_MOUNT_PREFIX));
    char address[512];
    if (!check_options(conf, err) || !claim_ports(plan, conf, address, err) ||
        !make_store_dir(conf, err)) {
        return false;
    }
    plan->children = base_zalloc(CLI_PLAN_WORKERS * sizeof(*plan->children));
    add_broker(plan, conf, dir, address);
    add_gateway(plan, conf, dir, address);
    if (!add_workers(plan, conf, dir, address, err) ||
        !check_programs(plan, err)) {
        cli_plan_fini(plan);
        return false;
    }
    return true;
}

void cli_plan_fini(struct cli_plan *plan)
{
    must(plan != NULL);
    for (size_t i = 0; i < plan->n; i++) {
        cli_child_fini(&plan->children[i]);
    }
    free(plan->children);
    *plan = (struct cli_plan){0};
}
