/* SPDX-License-Identifier: Apache-2.0 */
/*
 * project.c: reads just enough of a langgraph.json to know who runs it. A
 * Python with the worker is looked for where people keep one: the option, the
 * project's own environment, the one that is active, the one beside leat, PATH.
 */
#include "cli/project.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"

#define PATH_SIZE 4096
#define FILE_MAX ((size_t)4 << 20)
#define WORKER "leat-worker-python"

static bool ends_with(const char *s, size_t n, const char *tail)
{
    size_t m = strlen(tail);
    return n >= m && memcmp(s + n - m, tail, m) == 0;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void file_of(const char *path, char file[PATH_SIZE])
{
    bool folder = is_folder(path);
    snprintf(file, PATH_SIZE, "%s%s", path, folder ? "/langgraph.json" : "");
}

bool cli_project_is(const char *path)
{
    must(path != NULL);
    char file[PATH_SIZE];
    file_of(path, file);
    return ends_with(path, strlen(path), ".json")
               ? ends_with(path, strlen(path), "langgraph.json")
               : is_folder(path) && access(file, R_OK) == 0;
}

/* ---- what is in it ------------------------------------------------------ */

static bool read_file(const char *path, struct buf *out, struct err *err)
{
    FILE *f = fopen(path, "re");
    char bytes[4096];
    size_t n = 0;
    bool fits = true;
    if (f == NULL) {
        return err_set(err, ERR_INVALID, "--graphs %s: %s", path,
                       strerror(errno));
    }
    while (fits && (n = fread(bytes, 1, sizeof bytes, f)) > 0) {
        fits = buf_append(out, bytes, n);
    }
    fclose(f);
    return fits ||
           err_set(err, ERR_INVALID, "--graphs %s: too large a file", path);
}

static leat_value *parse(const char *path, struct err *err)
{
    struct buf text;
    struct err why = ERR_INIT;
    leat_value *v = NULL;
    buf_init(&text, FILE_MAX);
    if (read_file(path, &text, err)) {
        if (!json_parse(buf_text(&text), text.len, NULL, &v, &why)) {
            (void)err_set(err, ERR_INVALID, "--graphs %s: %s", path, why.text);
            v = NULL;
        }
    }
    buf_fini(&text);
    return v;
}

/* "./file.ts:graph" is; "./file.py:graph" and "package.module:graph" are not */
static bool is_script(leat_view spec)
{
    static const char *const kinds[] = {".ts", ".mts", ".cts",
                                        ".js", ".mjs", ".cjs"};
    leat_view path = leat_get(spec, "path");
    leat_text text =
        leat_string(leat_type_of(path) == LEAT_STRING ? path : spec);
    size_t n = text.len;
    while (n > 0 && text.ptr[n - 1] != ':') {
        n--;
    }
    for (size_t i = 0; n > 0 && i < COUNT_OF(kinds); i++) {
        if (ends_with(text.ptr, n - 1, kinds[i])) {
            return true;
        }
    }
    return false;
}

static bool has_python(const char *file, struct err *err)
{
    leat_value *v = parse(file, err);
    if (v == NULL) {
        return false;
    }
    leat_view graphs = leat_get(leat_view_of(v), "graphs");
    size_t python = 0;
    leat_iter it = leat_iter_of(graphs);
    while (leat_next(&it)) {
        python += !is_script(it.item);
    }
    bool any = leat_count(graphs) > 0;
    leat_drop(v);
    if (!any) {
        return err_set(err, ERR_INVALID, "--graphs %s: no graphs in it", file);
    }
    return python > 0 || err_set(err, ERR_UNSUPPORTED,
                                 "--graphs %s: its graphs are JavaScript, and "
                                 "this build has no worker for them",
                                 file);
}

/* ---- who runs it -------------------------------------------------------- */

static bool found_in(const char *folder, const char *below,
                     char program[PATH_SIZE])
{
    if (folder == NULL || folder[0] == '\0') {
        return false;
    }
    int n = snprintf(program, PATH_SIZE, "%s/%s%s", folder, below, WORKER);
    return n > 0 && n < PATH_SIZE && access(program, X_OK) == 0;
}

static bool found_in_path(char program[PATH_SIZE])
{
    const char *at = getenv("PATH");
    while (at != NULL && *at != '\0') {
        size_t n = strcspn(at, ":");
        char folder[PATH_SIZE];
        snprintf(folder, sizeof folder, "%.*s", (int)n, at);
        if (found_in(folder, "", program)) {
            return true;
        }
        at += n + (at[n] == ':');
    }
    return false;
}

static bool find_program(const struct cli_project *project, const char *file,
                         char program[PATH_SIZE])
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(file, '/');
    int n = slash == NULL ? 0 : (int)(slash - file);
    snprintf(folder, sizeof folder, "%.*s", n, file);
    const char *own = n > 0 ? folder : ".";
    return found_in(own, ".venv/bin/", program) ||
           found_in(own, "venv/bin/", program) ||
           found_in(getenv("VIRTUAL_ENV"), "bin/", program) ||
           found_in(project->dir, "venv/bin/", program) ||
           found_in(project->dir, "", program) || found_in_path(program);
}

bool cli_project_worker(const struct cli_project *project,
                        struct cli_child *child, struct err *err)
{
    must(project != NULL && project->path != NULL && child != NULL);
    char file[PATH_SIZE];
    char program[PATH_SIZE];
    file_of(project->path, file);
    if (!has_python(file, err)) {
        return false;
    }
    bool given = project->python[0] != '\0';
    if (given) {
        snprintf(program, sizeof program, "%s", project->python);
    } else if (!find_program(project, file, program)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "--graphs %s: no Python with the worker in it: `pip "
                       "install` worker/python, or name one with LEAT_PYTHON",
                       file);
    }
    cli_child_init(child, "worker", program);
    if (given) { /* it finds its libraries by its own name */
        cli_words_set(&child->args, 0, program);
        cli_words_add(&child->args, "-m");
        cli_words_add(&child->args, "leat_worker");
    }
    cli_words_add(&child->args, "--config=%s", file);
    return true;
}
