/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/inner.c: takes down what the whole folder shares (engine.h,
 * checkpoint.h, builder.h).
 */
#include "worker/graph/builder.h"
#include "worker/graph/checkpoint.h"

#include <stdlib.h>

void graph_saved_fini(struct graph_saved *s)
{
    for (size_t i = 0; i < s->write_count; i++) {
        free((char *)(uintptr_t)s->writes[i].channel);
        leat_drop((leat_value *)(uintptr_t)s->writes[i].value);
    }
    free(s->writes);
    graph_stored_fini(&s->cp);
    *s = (struct graph_saved){0};
}

void graph_stored_fini(struct graph_checkpoint *c)
{
    leat_drop(c->channel_values);
    leat_drop(c->channel_versions);
    leat_drop(c->versions_seen);
    leat_drop(c->metadata);
    leat_drop(c->view);
    *c = (struct graph_checkpoint){0};
}

void graph_result_fini(struct graph_result *r)
{
    leat_drop(r->output);
    leat_drop(r->values);
    leat_drop(r->interrupts);
    free(r->error_text);
    *r = (struct graph_result){0};
}

void graph_names_free(char ***names)
{
    if (*names != NULL) {
        for (char **n = *names; *n != NULL; n++) {
            free(*n);
        }
        free(*names);
        *names = NULL;
    }
}

void graph_kept_destroy(struct graph_kept **kept)
{
    while (*kept != NULL) {
        struct graph_kept *k = *kept;
        *kept = k->next;
        k->destroy(k->data);
        free(k);
    }
}
