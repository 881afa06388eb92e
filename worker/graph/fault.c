/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/fault.c: errors with a class name and a text (fault.h).
 */
#include "worker/graph/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool graph_fault_set(struct fault *f, const char *type, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    graph_fault_setv(f, type, fmt, ap);
    va_end(ap);
    return false;
}

bool graph_fault_setv(struct fault *f, const char *type, const char *fmt,
                      va_list ap)
{
    must(f != NULL);
    must(type != NULL && fmt != NULL);
    if (graph_fault_is(f)) {
        return false;
    }
    base_copy(f->type, sizeof f->type, type[0] != '\0' ? type : "Error");
    char *text = NULL;
    must(vasprintf(&text, fmt, ap) >= 0);
    f->text = text;
    f->code = ERR_GRAPH;
    return false;
}

bool graph_fault_err(struct fault *f, const struct err *err)
{
    must(err->code != ERR_NONE);
    if (!graph_fault_is(f)) {
        graph_fault_set(f, "CheckpointError", "%s", err->text);
        f->code = err->code;
    }
    return false;
}

bool graph_fault_is(const struct fault *f)
{
    return f->type[0] != '\0';
}

/* Python picks the quotes by what the text holds. */
static char quote_for(const char *text)
{
    bool single = strchr(text, '\'') != NULL;
    bool twice = strchr(text, '"') != NULL;
    return single && !twice ? '"' : '\'';
}

static void put_quoted(char **at, const char *text, char quote)
{
    char *p = *at;
    *p++ = quote;
    for (; *text != '\0'; text++) {
        if (*text == quote || *text == '\\') {
            *p++ = '\\';
            *p++ = *text;
        } else if (*text == '\n') {
            *p++ = '\\';
            *p++ = 'n';
        } else {
            *p++ = *text;
        }
    }
    *p++ = quote;
    *at = p;
}

leat_value *graph_fault_repr(const struct fault *f)
{
    must(graph_fault_is(f));
    const char *text = f->text != NULL ? f->text : "";
    size_t type_len = strlen(f->type);
    char *out = base_zalloc(type_len + 2 * strlen(text) + 5);
    memcpy(out, f->type, type_len);
    char *p = out + type_len;
    *p++ = '(';
    if (text[0] != '\0') {
        put_quoted(&p, text, quote_for(text));
    }
    *p++ = ')';
    leat_value *v = leat_new_string_n(out, (size_t)(p - out));
    free(out);
    return v;
}

void graph_fault_move(struct fault *to, struct fault *from)
{
    must(!graph_fault_is(to));
    *to = *from;
    *from = (struct fault)FAULT_INIT;
}

void graph_fault_fini(struct fault *f)
{
    free(f->text);
    *f = (struct fault)FAULT_INIT;
}
