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

/* The text of a KeyError is the key as it is shown. */
static bool is_shown(const struct fault *f)
{
    size_t len = strlen(f->text);
    char first = f->text[0], last = len > 1 ? f->text[len - 1] : '\0';
    return strcmp(f->type, "KeyError") == 0 &&
           (strcmp(f->text, "None") == 0 ||
            ((first == '\'' || first == '"') && last == first));
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
    if (text[0] != '\0' && is_shown(f)) {
        p = stpcpy(p, text);
    } else if (text[0] != '\0') {
        put_quoted(&p, text, quote_for(text));
    }
    *p++ = ')';
    leat_value *v = leat_new_string_n(out, (size_t)(p - out));
    free(out);
    return v;
}

char *graph_fault_key(leat_view key)
{
    leat_text t = leat_string(key);
    enum leat_type type = leat_type_of(key);
    if (type == LEAT_MISSING || type == LEAT_NULL) {
        return base_strdup("None");
    }
    if (t.ptr == NULL) {
        char *json = leat_to_json(key), *copy = base_strdup(json);
        leat_free_text(json);
        return copy;
    }
    char *text = base_memdup(t.ptr, t.len);
    char *out = base_zalloc(2 * t.len + 3), *end = out;
    put_quoted(&end, text, quote_for(text));
    free(text);
    return out;
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
