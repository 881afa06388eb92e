/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph-conformance: builds the graph that each recorded trace describes with
 * the engine, performs the recorded steps, and compares what comes out with
 * the recording after the masks of mask.tbl.h.
 *
 *     graph-conformance [--limit N] [--results DIR] FILE.json...
 *
 * --limit N      differences printed per file (10)
 * --results DIR  compares the results in DIR/<same file name> instead of the
 *                engine's: to try the masks themselves
 */
#include "tests/conformance/compare.h"
#include "tests/conformance/mask.h"
#include "tests/conformance/scenario.h"

#include "common/base.h"
#include "worker/graph/engine.h"
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    size_t limit;
    const char *results;
    const char *program;
};

/* An expectation lies above the trace, or in the source tree that the
 * program was built in. NULL: nowhere. */
static char *find_expectation(const struct options *o, const char *trace,
                              const char *file)
{
    char *copy = base_strdup(trace), *self = base_strdup(o->program);
    const char *dirs[] = {dirname(copy), dirname(self), "."};
    static const char *const below[] = {"/../", "/../tests/golden/engine/",
                                        "/tests/golden/engine/", "/"};
    char *found = NULL;
    for (size_t d = 0; d < COUNT_OF(dirs); d++) {
        for (size_t b = 0; b < COUNT_OF(below) && found == NULL; b++) {
            char path[PATH_MAX];
            int n = snprintf(path, sizeof path, "%s%s%s", dirs[d], below[b],
                             file);
            if (n > 0 && (size_t)n < sizeof path && access(path, R_OK) == 0) {
                found = base_strdup(path);
            }
        }
    }
    free(copy);
    free(self);
    return found;
}

/* The recording, or what stands in for it. */
static tree *read_expected(const struct options *o, const char *path,
                           const tree *trace)
{
    const char *name = tree_string(tree_get(trace, "name"));
    const char *file = mask_expectation(name == NULL ? "" : name,
                                        mask_library_of(trace));
    if (file == NULL) {
        return tree_copy(trace);
    }
    char *found = find_expectation(o, path, file);
    if (found == NULL) {
        printf("    %s: not found\n", file);
        return NULL;
    }
    tree *expected = tree_read_file(found);
    free(found);
    return expected;
}

static tree *read_ours(const struct options *o, const char *path,
                       const tree *trace)
{
    if (o->results == NULL) {
        return scenario_run(trace);
    }
    char *copy = base_strdup(path);
    char file[PATH_MAX];
    int n = snprintf(file, sizeof file, "%s/%s", o->results, basename(copy));
    free(copy);
    must(n > 0 && (size_t)n < sizeof file);
    tree *other = tree_read_file(file);
    tree *results = NULL, *none = tree_list();
    if (other != NULL) { /* its own peculiarities go first */
        struct mask m = {.graphs = tree_get(trace, "graphs"),
                         .library = mask_library_of(other),
                         .recorded = tree_get(other, "results"),
                         .ours = none};
        mask_apply(&m);
        results = tree_take(other, "results");
    }
    tree_destroy(&none);
    tree_destroy(&other);
    return results;
}

/* The `events` mode as one more result on both sides, where it was recorded. */
static void add_events(const tree *trace, tree *recorded, tree *ours)
{
    const tree *events = tree_get(trace, "stream_events_v2");
    tree *got = events == NULL ? NULL : scenario_run_events(trace);
    if (got == NULL) {
        return;
    }
    tree *expected = tree_object(), *other = tree_object();
    tree *payloads = tree_list();
    for (size_t i = 0; i < got->count; i++) {
        tree_push(payloads, tree_copy(tree_at(got->items[i], 2)));
    }
    tree_set(expected, "v2", tree_copy(events));
    tree_set(other, "v2", payloads);
    tree_push(recorded, expected);
    tree_push(ours, other);
    tree_destroy(&got);
}

static size_t compare(const struct options *o, const tree *trace,
                      const tree *expected, tree *ours)
{
    struct mask m = {.graphs = tree_get(trace, "graphs"),
                     .library = mask_library_of(expected),
                     .recorded = tree_get(expected, "results"),
                     .ours = ours};
    if (o->results == NULL) {
        add_events(trace, m.recorded, m.ours);
    }
    mask_apply(&m);
    compare_order(m.graphs, m.recorded);
    compare_order(m.graphs, m.ours);
    compare_renumber(m.recorded);
    compare_renumber(m.ours);
    return compare_diff(m.recorded, m.ours, o->limit);
}

/* ---- time --------------------------------------------------------------- */

static bool is_sleep(const tree *t)
{
    return tree_is(tree_get(t, "op"), "sleep");
}

static void find_sleep(tree *t, void *found)
{
    *(bool *)found = *(bool *)found || is_sleep(t);
}

static void stretch(tree *t, void *factor)
{
    if (is_sleep(t)) {
        tree *product = tree_list(), *ms = tree_object();
        tree_push(product, tree_take(t, "ms"));
        tree_push(product, tree_copy(factor));
        tree_set(ms, "$mul", product);
        tree_set(t, "ms", ms);
    }
}

/* Where nodes sleep their order is that of their times, which a busy machine
 * mixes up: then the same once more, slower. */
static const int factors[] = {1, 4, 16};

static size_t attempt(const struct options *o, const char *path,
                      const tree *trace, int factor)
{
    tree *slow = tree_copy(trace), *by = tree_null();
    by->type = TREE_INT;
    by->whole = factor;
    if (factor > 1) {
        mask_all(tree_get(slow, "graphs"), stretch, by);
    }
    tree *expected = read_expected(o, path, trace);
    tree *ours = expected == NULL ? NULL : read_ours(o, path, slow);
    size_t differences =
        ours == NULL ? 1 : compare(o, trace, expected, ours);
    tree_destroy(&slow);
    tree_destroy(&by);
    tree_destroy(&expected);
    tree_destroy(&ours);
    return differences;
}

static size_t play(const struct options *o, const char *path, tree *trace)
{
    bool sleeps = false;
    size_t differences = 1;
    mask_all(tree_get(trace, "graphs"), find_sleep, &sleeps);
    for (size_t i = sleeps && o->results == NULL ? 0 : COUNT_OF(factors) - 1;
         i < COUNT_OF(factors) && differences > 0; i++) {
        struct options quiet = *o;
        quiet.limit = i + 1 < COUNT_OF(factors) ? 0 : o->limit;
        differences = attempt(&quiet, path, trace, sleeps ? factors[i] : 1);
    }
    return differences;
}

static bool try_file(const struct options *o, const char *path)
{
    tree *trace = tree_read_file(path);
    bool is_trace = trace != NULL && tree_get(trace, "graphs") != NULL;
    size_t differences = is_trace ? play(o, path, trace) : 1;
    printf("%s %s\n", differences == 0 ? "ok  " : "FAIL", path);
    tree_destroy(&trace);
    return differences == 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: graph-conformance [--limit N] [--results DIR] "
                    "FILE.json...\n");
    return 2;
}

int main(int argc, char **argv)
{
    char self[PATH_MAX] = "";
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    struct options o = {.limit = 10, .program = n > 0 ? self : argv[0]};
    int i = 1, passed = 0, failed = 0;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--limit") == 0) {
            o.limit = (size_t)strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--results") == 0) {
            o.results = argv[i + 1];
        } else {
            return usage();
        }
    }
    if (i >= argc || strncmp(argv[i], "--", 2) == 0) {
        return usage();
    }
    for (; i < argc; i++) {
        *(try_file(&o, argv[i]) ? &passed : &failed) += 1;
    }
    graph_pool_stop();
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
