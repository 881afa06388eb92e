/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leat-worker: reads its options, loads its graphs, then the desk serves until
 * the process is asked to stop.
 */
#include <stdio.h>
#include <unistd.h>

#include "common/admin.h"
#include "common/id.h"
#include "common/log.h"
#include "common/proc.h"
#include "worker/desk.h"

static bool load_graphs(const conf_t *c, registry_t *r, struct err *err)
{
    size_t n = 0;
    const char *const *paths = conf_list(c, CONF_GRAPHS, &n);
    if (n == 0) {
        return err_set(err, ERR_INVALID,
                       "no graphs: name a file or folder with --graphs");
    }
    for (size_t i = 0; i < n; i++) {
        struct err why = ERR_INIT;
        if (wrk_load_path(r, paths[i], &why)) {
            continue;
        }
        if (why.code == ERR_IO) { /* not there: a mistake of the operator */
            *err = why;
            return err_wrap(err, "--graphs");
        }
        log_error("graph.refused", "path=%s error=%s", LOG_Q(paths[i]),
                  LOG_Q(why.text));
    }
    return wrk_load_count(r) > 0 ||
           err_set(err, ERR_GRAPH, "--graphs: no graph that loads; the log "
                                   "says why");
}

static void name_worker(const conf_t *c, char *out, size_t cap)
{
    const char *given = conf_str(c, CONF_WORKER_ID);
    if (given[0] != '\0') {
        (void)base_copy(out, cap, given);
        return;
    }
    char host[64] = "worker";
    struct id id = id_uuid4();
    (void)gethostname(host, sizeof host - 1);
    snprintf(out, cap, "%s-%d-%.8s", host, (int)getpid(), ID_TEXT(&id));
}

static bool serve(const conf_t *c, struct err *err)
{
    char id[160];
    size_t n = 0;
    const char *const *brokers = conf_list(c, CONF_BROKER, &n);
    must(n > 0);
    registry_t *r = wrk_load_new();
    name_worker(c, id, sizeof id);
    struct wrk_brokers addresses = {.bases = brokers, .n = n};
    const struct desk_conf desk = {
        .conf = c, .registry = r, .brokers = &addresses, .worker_id = id};
    admin_t *admin = NULL;
    bool ok = admin_start(conf_str(c, CONF_ADMIN_LISTEN), PROC_WORKER, &admin,
                          err) &&
              load_graphs(c, r, err) && wrk_desk_run(&desk, err);
    admin_stop(&admin);
    wrk_load_destroy(&r);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct proc_spec spec = {
        .name = "leat-worker",
        .proc = PROC_WORKER,
        .about = "Executes graphs for a Leat broker."};
    int code = 0;
    conf_t *c = proc_start(&spec, argc, argv, &code);
    if (c == NULL) {
        return code;
    }
    struct err err = ERR_INIT;
    code = serve(c, &err) ? 0 : proc_failed(&err);
    conf_destroy(&c);
    return code;
}
