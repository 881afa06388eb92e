/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold in every store, asked of one: store-check URL. Tells what
 * does not and exits 1; 2: the store cannot be read.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/store/store.h"

enum exit_status { EXIT_HOLDS = 0, EXIT_BROKEN = 1, EXIT_CANNOT = 2 };

static int cannot(const struct err *err)
{
    fprintf(stderr, "store-check: %s\n", err->text);
    return EXIT_CANNOT;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct store_fault *list = NULL;
    size_t n = 0;
    if (argc != 2) {
        fputs("usage: store-check URL\n", stderr);
        return EXIT_CANNOT;
    }
    const struct store_conf conf = {.url = argv[1], .role = STORE_CLIENT};
    store_t *store = store_open(&conf, &err);
    if (store == NULL) {
        return cannot(&err);
    }
    bool ok = store_check(store, &list, &n, &err);
    store_destroy(&store);
    if (!ok) {
        return cannot(&err);
    }
    for (size_t i = 0; i < n; i++) {
        printf("%s: not %llu times, example %s\n", list[i].rule,
               (unsigned long long)list[i].count, ID_TEXT(&list[i].example));
    }
    free(list);
    return n == 0 ? EXIT_HOLDS : EXIT_BROKEN;
}
