/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c: leat, the program for people: finds the command in a table and
 * hands over. Knows nothing of what the commands do.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/dev.h"
#include "common/proc.h"

struct command {
    const char *name;
    int (*run)(int argc, char *const *argv);
    const char *about;
};

static int run_dev(int argc, char *const *argv);

static const struct command commands[] = {
    {"dev", run_dev, "the whole stack on this machine"},
};

/* Where this program lies: its siblings lie beside it. */
static bool own_directory(char *out, size_t cap, struct err *err)
{
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    if (n < 0) {
        return err_set(err, ERR_IO, "/proc/self/exe: %s", strerror(errno));
    }
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    must(slash != NULL);
    *slash = '\0';
    return true;
}

static int run_dev(int argc, char *const *argv)
{
    static const struct proc_spec spec = {
        .name = "leat dev",
        .proc = PROC_DEV,
        .about = "starts a broker, a gateway and workers as children, keeps "
                 "them running,\nand stops them on Ctrl-C. Takes the options "
                 "of all of them.",
    };
    int code = 0;
    conf_t *conf = proc_start(&spec, argc, argv, &code);
    if (conf == NULL) {
        return code;
    }
    struct err err = ERR_INIT;
    struct cli_plan plan;
    char dir[4096];
    bool ok = own_directory(dir, sizeof(dir), &err) &&
              cli_plan_init(&plan, conf, dir, &err);
    if (ok) {
        ok = cli_dev_run(&plan, conf_bool(conf, CONF_PIDS), &err);
        cli_plan_fini(&plan);
    }
    conf_destroy(&conf);
    if (!ok) {
        fprintf(stderr, "leat dev: %s\n", err.text);
    }
    return ok ? 0 : 1;
}

static void print_usage(FILE *out)
{
    fputs("usage: leat COMMAND [OPTION]...\n\n", out);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].about);
    }
    fputs("\nleat COMMAND --help tells more; leat --version the version.\n",
          out);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("leat %s\n", LEAT_VERSION);
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    if (name[0] != '\0') {
        fprintf(stderr, "leat: unknown command \"%s\"\n", name);
    }
    print_usage(stderr);
    return 2;
}
