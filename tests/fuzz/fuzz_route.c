/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_route: any bytes as a path, and as the beginning of a request at the
 * gate. A path that is found has all the parameters of its row, not empty.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/gate.h"
#include "gateway/handlers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_path(const char *text)
{
    static const char *const methods[] = {"GET", "POST", "DELETE", "HEAD"};
    struct gw_path path;
    struct err err = ERR_INIT;
    if (!gw_route_split(text, "", &path, &err)) {
        must(err.code == ERR_NOT_FOUND || err.code == ERR_BAD_REQUEST);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        struct gw_route_found found;
        err_clear(&err);
        if (!gw_route_find(gw_handlers_table(), methods[i], &path, &found,
                           &err)) {
            must(err.code == ERR_NOT_FOUND || err.code == ERR_METHOD);
            continue;
        }
        static const char *const names[] = {"thread_id", "run_id",
                                            "assistant_id", "checkpoint_id"};
        for (size_t k = 0; k < COUNT_OF(names); k++) {
            const char *value = gw_route_param(found.route, &path, names[k]);
            must((value != NULL) == (strstr(found.route->path, names[k]) != NULL));
            must(value == NULL || *value != '\0');
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = base_memdup(data, size);
    struct gw_gate_look look;
    try_path(text);
    bool whole = gw_gate_is_whole(text, size, 1 << 20, &look);
    must(whole || look.want == 0 || look.want > size);
    free(text);
    return 0;
}
