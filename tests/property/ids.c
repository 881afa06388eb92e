/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ids.c: with the clock and the source of ids fixed, the same runs say and
 * store the same, byte for byte.
 */
#include "tests/property/listen.h"
#include "tests/property/property.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All that is said and stored by the case's runs, as text. */
static char *tell_all(struct trial *t)
{
    char *text = NULL;
    size_t size = 0;
    struct world w;
    struct ask a;
    FILE *f = open_memstream(&text, &size);
    must(f != NULL);
    chance_fix(1);
    world_init(&w, t->graph);
    while (!w.grew && trial_next(t, &w, &a)) {
        struct listener l;
        listen_begin(&l, &w, LISTEN_ALL, 1);
        tree *log = listen_run(&l, &w, &a, 1);
        char *json = tree_to_json(log);
        fprintf(f, "%s\n", json);
        free(json);
        tree_destroy(&log);
        ask_fini(&a);
    }
    world_write(&w, f);
    world_fini(&w);
    fclose(f);
    return text;
}

/* Prints the surroundings of the first byte that differs. */
static void show_difference(const struct trial *t, const char *a,
                            const char *b)
{
    size_t at = 0;
    while (a[at] == b[at]) {
        at++;
    }
    at -= min_size(at, 60);
    printf("    %s: the second time it is not the same\n"
           "      %.160s\n      %.160s\n", t->name, a + at, b + at);
}

bool property_ids(struct trial *t)
{
    struct dice dice = t->dice;
    char *first = tell_all(t);
    trial_forget(t);
    t->dice = dice;
    char *second = tell_all(t);
    bool fine = strcmp(first, second) == 0;
    if (!fine) {
        show_difference(t, first, second);
        trial_tell(t);
    }
    free(first);
    free(second);
    return fine;
}
