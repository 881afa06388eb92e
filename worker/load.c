/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c: dlopen with RTLD_NOW so that a missing symbol is found here and not
 * in the middle of a run. A loaded object is never closed: its code may be on
 * a thread's stack for as long as the process lives.
 */
#include "worker/load.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/json.h"
#include "common/log.h"
#include "worker/graph/module.h"

#define REGISTRY_MAGIC LEAT_MAGIC(0x72650001)
#define GRAPHS_MAX 4096u
#define JSON_BYTES_MAX ((size_t)16 << 20)

struct entry {
    char *id;
    char *path;
    struct graph *compiled; /* NULL for a factory */
    leat_build_fn build;    /* of a factory */
};

struct registry {
    uint32_t magic;
    struct entry *entries;
    size_t count;
};

registry_t *wrk_load_new(void)
{
    registry_t *r = base_zalloc(sizeof *r);
    r->magic = REGISTRY_MAGIC;
    return r;
}

void wrk_load_destroy(registry_t **r)
{
    must(r != NULL);
    if (*r == NULL) {
        return;
    }
    check_magic(*r, REGISTRY_MAGIC);
    for (size_t i = 0; i < (*r)->count; i++) {
        struct entry *e = &(*r)->entries[i];
        free(e->id);
        free(e->path);
        if (e->compiled != NULL) {
            graph_drop(&e->compiled);
        }
    }
    free((*r)->entries);
    (*r)->magic = 0;
    free(*r);
    *r = NULL;
}

static const struct entry *find(const registry_t *r, const char *id)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->entries[i].id, id) == 0) {
            return &r->entries[i];
        }
    }
    return NULL;
}

static bool build(leat_build_fn fn, leat_view config, struct graph **out,
                  struct err *err)
{
    leat_graph *builder = graph_builder_new();
    fn(builder, config);
    return graph_compile(&builder, out, err);
}

/* Takes over `compiled`. */
static bool add(registry_t *r, const char *id, const char *path,
                struct graph *compiled, leat_build_fn factory)
{
    r->entries =
        base_realloc(r->entries, (r->count + 1) * sizeof *r->entries);
    r->entries[r->count++] = (struct entry){.id = base_strdup(id),
                                            .path = base_strdup(path),
                                            .compiled = compiled,
                                            .build = factory};
    log_info("graph.loaded", "graph=%s path=%s", LOG_Q(id), LOG_Q(path));
    return true;
}

static bool check_id(const registry_t *r, const char *id, struct err *err)
{
    if (id == NULL || id[0] == '\0' || strlen(id) > 200) {
        return err_set(err, ERR_GRAPH, "a graph has no usable id");
    }
    if (r->count >= GRAPHS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %u graphs", GRAPHS_MAX);
    }
    const struct entry *other = find(r, id);
    if (other != NULL) {
        return err_set(err, ERR_GRAPH, "graph %s is already served from %s",
                       id, other->path);
    }
    return true;
}

static bool add_entry(registry_t *r, const char *path,
                      const struct leat_graph_entry *e, struct err *err)
{
    if (!check_id(r, e->id, err)) {
        return false;
    }
    if (e->build == NULL) {
        return err_set(err, ERR_GRAPH, "graph %s has no build function",
                       e->id);
    }
    if (e->factory) {
        return add(r, e->id, path, NULL, e->build);
    }
    struct graph *compiled = NULL;
    if (!build(e->build, (leat_view){0}, &compiled, err)) {
        return err_wrap(err, "graph %s", e->id);
    }
    return add(r, e->id, path, compiled, NULL);
}

static void say_refused(const char *path, const struct err *why)
{
    log_error("graph.refused", "path=%s error=%s", LOG_Q(path),
              LOG_Q(why->text));
}

/* Those that are right are served; false when none of them is. */
static bool add_entries(registry_t *r, const char *path,
                        const struct leat_module *module, struct err *err)
{
    size_t before = r->count;
    for (uint32_t i = 0; i < module->graph_count; i++) {
        struct err why = ERR_INIT;
        if (add_entry(r, path, &module->graphs[i], &why)) {
            continue;
        }
        if (module->graph_count == 1) { /* the caller says it */
            *err = why;
            return err_wrap(err, "%s", path);
        }
        say_refused(path, &why);
    }
    return r->count > before ||
           err_set(err, ERR_GRAPH, "%s holds no graph that loads", path);
}

static bool load_object(registry_t *r, const char *path, struct err *err)
{
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (so == NULL) {
        return err_set(err, ERR_GRAPH, "%s", dlerror());
    }
    const struct leat_module *module = dlsym(so, "leat_graph_v1");
    if (module == NULL) {
        dlclose(so);
        return err_set(err, ERR_GRAPH,
                       "%s exports no leat_graph_v1: is LEAT_GRAPHS() in it, "
                       "and is it built for this major version?",
                       path);
    }
    if (!graph_module_open(module, err)) {
        dlclose(so);
        return err_wrap(err, "%s", path);
    }
    return add_entries(r, path, module, err);
}

static bool read_file(const char *path, char **text, size_t *len,
                      struct err *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    }
    char *bytes = base_zalloc(JSON_BYTES_MAX + 1);
    *len = fread(bytes, 1, JSON_BYTES_MAX + 1, f);
    bool failed = ferror(f) != 0;
    fclose(f);
    if (failed || *len > JSON_BYTES_MAX) {
        free(bytes);
        return err_set(err, ERR_IO, "%s: cannot be read or is too large",
                       path);
    }
    *text = bytes;
    return true;
}

/* The file's name without folders and ending is the graph's id. */
static void id_of_path(const char *path, char *out, size_t cap)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t len = dot != NULL ? (size_t)(dot - name) : strlen(name);
    snprintf(out, cap, "%.*s", (int)len, name);
}

static bool load_json(registry_t *r, const char *path, struct err *err)
{
    char id[256];
    id_of_path(path, id, sizeof id);
    if (!check_id(r, id, err)) {
        return false;
    }
    char *text = NULL;
    size_t len = 0;
    if (!read_file(path, &text, &len, err)) {
        return false;
    }
    leat_value *v = NULL;
    struct graph *compiled = NULL;
    bool ok = json_parse(text, len, NULL, &v, err);
    free(text);
    if (ok) {
        leat_view graphs = leat_get(leat_view_of(v), "graphs");
        bool wrapped = leat_type_of(graphs) == LEAT_OBJECT;
        ok = graph_decl_compile(wrapped ? graphs : leat_view_of(v), &compiled,
                                err);
    }
    leat_drop(v);
    if (!ok) {
        return err_wrap(err, "%s", path);
    }
    return add(r, id, path, compiled, NULL);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s);
    size_t m = strlen(end);
    return n > m && strcmp(s + n - m, end) == 0;
}

static bool load_file(registry_t *r, const char *path, struct err *err)
{
    if (ends_with(path, ".so")) {
        return load_object(r, path, err);
    }
    if (ends_with(path, ".json")) {
        return load_json(r, path, err);
    }
    return err_set(err, ERR_GRAPH, "%s: neither .so nor .json", path);
}

static int is_graph_file(const struct dirent *d)
{
    return ends_with(d->d_name, ".so") || ends_with(d->d_name, ".json");
}

static bool load_dir(registry_t *r, const char *dir, struct err *err)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, is_graph_file, alphasort);
    if (n < 0) {
        return err_set(err, ERR_IO, "%s: %s", dir, strerror(errno));
    }
    size_t before = r->count;
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct err why = ERR_INIT;
        int len = snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        if (len < 0 || (size_t)len >= sizeof path ||
            !load_file(r, path, &why)) {
            say_refused(path, &why);
        }
        free(names[i]);
    }
    free(names);
    if (r->count == before) {
        return err_set(err, ERR_GRAPH, "%s holds no graph that loads", dir);
    }
    return true;
}

bool wrk_load_path(registry_t *r, const char *path, struct err *err)
{
    check_magic(r, REGISTRY_MAGIC);
    must(path != NULL);
    struct stat st;
    if (stat(path, &st) != 0) {
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return load_dir(r, path, err);
    }
    /* dlopen searches its own path for a name without a slash. */
    char *real = realpath(path, NULL);
    if (real == NULL) {
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    }
    bool ok = load_file(r, real, err);
    free(real);
    return ok;
}

size_t wrk_load_count(const registry_t *r)
{
    check_magic(r, REGISTRY_MAGIC);
    return r->count;
}

const char *wrk_load_id(const registry_t *r, size_t i)
{
    check_magic(r, REGISTRY_MAGIC);
    must(i < r->count);
    return r->entries[i].id;
}

bool wrk_load_get(const registry_t *r, const char *id, leat_view config,
                  struct graph **out, struct err *err)
{
    check_magic(r, REGISTRY_MAGIC);
    must(id != NULL && out != NULL);
    const struct entry *e = find(r, id);
    if (e == NULL) {
        return err_set(err, ERR_NOT_FOUND, "this worker serves no graph %s",
                       id);
    }
    if (e->compiled != NULL) {
        *out = graph_hold(e->compiled);
        return true;
    }
    if (!build(e->build, config, out, err)) {
        return err_wrap(err, "graph %s", id);
    }
    return true;
}
