/* SPDX-License-Identifier: Apache-2.0 */
/*
 * property: tries every property on every case.
 *
 *     property [--only NAME] [--verbose] FILE
 *
 * FILE has one case per line, as cases.py writes them. Prints what failed and
 * ends with `N passed, N failed`: one per property and case.
 */
#include "tests/property/property.h"

#include "common/clock.h"
#include "worker/graph/pool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct property {
    const char *name;
    bool (*holds)(struct trial *t);
    bool threads; /* tasks run side by side */
} properties[] = {
    {"kill", property_kill, false},
    {"ids", property_ids, false},
    {"finish", property_finish, false},
    {"replay", property_replay, false},
    {"sequence", property_sequence, false},
};

struct options {
    const char *only;
    const char *file;
    bool verbose;
};

/* ---- a world without chance --------------------------------------------- */

static int64_t mono_ns(void *arg)
{
    (void)arg;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t wall_us(void *arg)
{
    (void)arg;
    return INT64_C(1700000000000000);
}

static const struct clock_source still = {.mono_ns = mono_ns,
                                          .wall_us = wall_us};

static struct dice chance;

static void draw(void *out, size_t size)
{
    uint8_t *p = out;
    for (size_t i = 0; i < size; i++) {
        p[i] = (uint8_t)dice_next(&chance);
    }
}

void chance_fix(uint64_t seed)
{
    chance = (struct dice){seed};
    id_random_set(draw);
    id_order_reset();
}

/* ---- cases -------------------------------------------------------------- */

static bool hold(const struct property *p, struct trial *t)
{
    graph_pool_alone(!p->threads);
    bool fine = p->holds(t);
    printf("%s property %s, %s\n", fine ? "ok  " : "FAIL", p->name, t->name);
    fflush(stdout);
    trial_forget(t);
    return fine;
}

struct totals {
    unsigned passed, failed;
};

static void name_trial(struct trial *t, leat_view c)
{
    leat_text name = leat_string(leat_get(c, "name"));
    if (name.ptr != NULL) {
        snprintf(t->name, sizeof t->name, "%.*s", (int)name.len, name.ptr);
    } else {
        snprintf(t->name, sizeof t->name, "seed %llu",
                 (unsigned long long)leat_uint(leat_get(c, "seed"), 0));
    }
}

static void try_case(const struct options *o, leat_view c, struct totals *sum)
{
    struct err err = ERR_INIT;
    struct trial t = {
        .inputs = leat_get(c, "inputs"),
        .names = leat_get(c, "names"),
        .runs = leat_get(c, "runs"),
        .verbose = o->verbose,
    };
    uint64_t seed = leat_uint(leat_get(c, "seed"), 0);
    must(leat_count(t.runs) <= TRIAL_RUNS_MAX);
    name_trial(&t, c);
    if (!graph_decl_compile(leat_get(c, "graphs"), &t.graph, &err)) {
        printf("FAIL %s: %s\n", t.name, err.text);
        sum->failed++;
        return;
    }
    for (size_t i = 0; i < COUNT_OF(properties); i++) {
        const struct property *p = &properties[i];
        if (o->only == NULL || strcmp(o->only, p->name) == 0) {
            chance_fix(seed);
            t.dice = (struct dice){seed * 31 + (uint64_t)p->name[0]};
            *(hold(p, &t) ? &sum->passed : &sum->failed) += 1;
        }
    }
    graph_drop(&t.graph);
}

static bool try_line(const struct options *o, const char *line, size_t len,
                     struct totals *sum)
{
    char why[128];
    leat_value *c = leat_from_json(line, len, why, sizeof why);
    if (c == NULL) {
        fprintf(stderr, "%s: %s\n", o->file, why);
        return false;
    }
    try_case(o, leat_view_of(c), sum);
    leat_drop(c);
    return true;
}

static bool try_file(const struct options *o, struct totals *sum)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    bool fine = true;
    FILE *f = fopen(o->file, "r");
    if (f == NULL) {
        perror(o->file);
        return false;
    }
    while (fine && (len = getline(&line, &room, f)) > 0) {
        fine = try_line(o, line, (size_t)len, sum);
    }
    free(line);
    fclose(f);
    return fine;
}

static bool parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            o->verbose = true;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            o->only = argv[++i];
        } else if (o->file == NULL && argv[i][0] != '-') {
            o->file = argv[i];
        } else {
            return false;
        }
    }
    return o->file != NULL;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct totals sum = {0};
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: property [--only NAME] [--verbose] FILE\n");
        return 2;
    }
    clock_source_set(&still);
    bool fine = try_file(&o, &sum);
    graph_pool_stop();
    printf("%u passed, %u failed\n", sum.passed, sum.failed);
    return fine && sum.failed == 0 ? 0 : 1;
}
