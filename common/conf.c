/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c: reads options from the command line, the environment and a file
 * into one typed value per row of conf.tbl.h. Owns the syntax of values and
 * the texts of --help; knows no option by its meaning except --config.
 */
#include "common/conf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONF_MAGIC LEAT_MAGIC(0x1ea7c0f1)
#define FILE_LINE_MAX 65536

struct value {
    enum conf_source source;
    char *text;     /* as it was written; items of a list joined by commas */
    int64_t number; /* INT, DURATION, BYTES, BOOL */
    char **items;   /* LIST */
    size_t n;
};

struct conf {
    uint32_t magic;
    unsigned proc;
    bool wants_help;
    bool wants_version;
    struct value values[CONF_COUNT];
};

static const struct conf_row rows[CONF_COUNT] = {
#define CONF(id, name, env, type, def, min, max, procs, flags, help)           \
    [CONF_##id] = {name, env, CONF_##type, def, min, max, procs, flags, help},
#include "common/conf.tbl.h"
#undef CONF
};

static const struct {
    unsigned proc;
    const char *name;
} programs[] = {
    {PROC_BROKER, "leat-broker"}, {PROC_GATEWAY, "leat-gateway"},
    {PROC_WORKER, "leat-worker"}, {PROC_DEV, "leat dev"},
    {PROC_CLI, "leat"},
};

/* leat dev takes whatever its children take. */
static unsigned reach(unsigned proc)
{
    return proc == PROC_DEV ? PROC_DEV | PROC_SERVERS : proc;
}

static void value_clear(struct value *v)
{
    for (size_t i = 0; i < v->n; i++) {
        free(v->items[i]);
    }
    free(v->items);
    free(v->text);
    *v = (struct value){.source = CONF_FROM_DEFAULT};
}

conf_t *conf_new(unsigned proc)
{
    must(proc != 0 && (proc & (proc - 1)) == 0);
    conf_t *c = base_zalloc(sizeof(*c));
    c->magic = CONF_MAGIC;
    c->proc = proc;
    for (int i = 0; i < CONF_COUNT; i++) {
        struct err err = ERR_INIT;
        bool ok =
            conf_set(c, (enum conf_id)i, rows[i].def, CONF_FROM_DEFAULT, &err);
        must(ok);
    }
    return c;
}

void conf_destroy(conf_t **c)
{
    must(c != NULL);
    if (*c == NULL) {
        return;
    }
    check_magic(*c, CONF_MAGIC);
    for (int i = 0; i < CONF_COUNT; i++) {
        value_clear(&(*c)->values[i]);
    }
    (*c)->magic = 0;
    free(*c);
    *c = NULL;
}

/* --- values -----------------------------------------------------------------
 */

struct unit {
    const char *name;
    int64_t factor;
};

static bool parse_number(const char *text, const char **end, int64_t *out)
{
    char *stop;
    errno = 0;
    long long n = strtoll(text, &stop, 10);
    if (stop == text || errno != 0 || isspace((unsigned char)text[0])) {
        return false;
    }
    *end = stop;
    *out = n;
    return true;
}

/* A number and one of the units; "" among them allows a bare number. */
static bool parse_united(const char *text, const struct unit *units, size_t n,
                         int64_t *out)
{
    const char *end;
    int64_t number;
    if (!parse_number(text, &end, &number) || number < 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(end, units[i].name) == 0) {
            return !__builtin_mul_overflow(number, units[i].factor, out);
        }
    }
    return false;
}

bool conf_parse_duration(const char *text, int64_t *ms)
{
    static const struct unit units[] = {
        {"ms", 1},      {"s", 1000},    {"m", 60000},
        {"min", 60000}, {"h", 3600000}, {"d", 86400000},
    };
    must(text != NULL && ms != NULL);
    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return true;
    }
    return parse_united(text, units, COUNT_OF(units), ms);
}

bool conf_parse_bytes(const char *text, int64_t *bytes)
{
    static const struct unit units[] = {
        {"", 1},
        {"B", 1},
        {"KiB", INT64_C(1) << 10},
        {"MiB", INT64_C(1) << 20},
        {"GiB", INT64_C(1) << 30},
        {"TiB", INT64_C(1) << 40},
    };
    must(text != NULL && bytes != NULL);
    return parse_united(text, units, COUNT_OF(units), bytes);
}

static bool parse_bool(const char *text, int64_t *out)
{
    static const char *const yes[] = {"true", "1", "on", "yes"};
    static const char *const no[] = {"false", "0", "off", "no"};
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *out = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

/* The words of an ENUM row: what its sentence says before the colon. */
static size_t words_length(const struct conf_row *row)
{
    const char *colon = strchr(row->help, ':');
    must(colon != NULL);
    return (size_t)(colon - row->help);
}

static bool is_word_of(const struct conf_row *row, const char *text)
{
    const char *at = row->help;
    const char *end = at + words_length(row);
    while (at < end) {
        const char *bar = memchr(at, '|', (size_t)(end - at));
        size_t n = (size_t)((bar != NULL ? bar : end) - at);
        if (strlen(text) == n && memcmp(text, at, n) == 0) {
            return true;
        }
        at += n + 1;
    }
    return false;
}

static void list_add(struct value *v, const char *item, size_t size)
{
    v->items = base_realloc(v->items, (v->n + 1) * sizeof(*v->items));
    v->items[v->n++] = base_memdup(item, size);
}

/* Items are separated by commas; blanks around them and empty ones go. */
static void parse_list(struct value *v, const char *text)
{
    const char *at = text;
    while (*at != '\0') {
        size_t n = strcspn(at, ",");
        const char *from = at;
        const char *to = at + n;
        while (from < to && isspace((unsigned char)*from)) {
            from++;
        }
        while (to > from && isspace((unsigned char)to[-1])) {
            to--;
        }
        if (to > from) {
            list_add(v, from, (size_t)(to - from));
        }
        at += n + (at[n] == ',' ? 1 : 0);
    }
}

/* The size that min and max bound: the number, or the length. */
static int64_t extent(const struct conf_row *row, const struct value *v)
{
    switch (row->type) {
    case CONF_STRING:
        return (int64_t)strlen(v->text);
    case CONF_LIST:
        return (int64_t)v->n;
    default:
        return v->number;
    }
}

static const char *expected(const struct conf_row *row)
{
    switch (row->type) {
    case CONF_INT:
        return "a whole number";
    case CONF_DURATION:
        return "a time such as 500ms, 5s, 10m or 24h";
    case CONF_BYTES:
        return "a size such as 512, 8KiB, 64MiB or 4GiB";
    case CONF_BOOL:
        return "true or false";
    default:
        return "text";
    }
}

/* Fills *v from text; false when the text is not of the row's type. */
static bool parse_value(const struct conf_row *row, const char *text,
                        struct value *v)
{
    const char *end = "";
    switch (row->type) {
    case CONF_STRING:
        return true;
    case CONF_LIST:
        parse_list(v, text);
        return true;
    case CONF_INT:
        return parse_number(text, &end, &v->number) && *end == '\0';
    case CONF_DURATION:
        return conf_parse_duration(text, &v->number);
    case CONF_BYTES:
        return conf_parse_bytes(text, &v->number);
    case CONF_BOOL:
        return parse_bool(text, &v->number);
    case CONF_ENUM:
        return is_word_of(row, text);
    }
    return false;
}

static const char *source_name(enum conf_source source)
{
    static const char *const names[] = {
        [CONF_FROM_DEFAULT] = "default",
        [CONF_FROM_FILE] = "option file",
        [CONF_FROM_ENV] = "environment",
        [CONF_FROM_FLAG] = "command line",
    };
    return names[source];
}

/* Secrets are not repeated in messages. */
static const char *shown(const struct conf_row *row, const char *text)
{
    return (row->flags & CONF_SECRET) != 0 ? "(secret)" : text;
}

static bool refuse(const struct conf_row *row, const char *text,
                   enum conf_source source, struct err *err)
{
    const char *from = source_name(source);
    if (row->type == CONF_ENUM) {
        return err_set(err, ERR_INVALID, "--%s (%s): \"%s\" is not one of %.*s",
                       row->name, from, shown(row, text),
                       (int)words_length(row), row->help);
    }
    return err_set(err, ERR_INVALID, "--%s (%s): \"%s\" is not %s", row->name,
                   from, shown(row, text), expected(row));
}

static bool refuse_extent(const struct conf_row *row, const char *text,
                          enum conf_source source, struct err *err)
{
    static const char *const what[] = {[CONF_STRING] = "characters",
                                       [CONF_LIST] = "items",
                                       [CONF_INT] = "",
                                       [CONF_DURATION] = "ms",
                                       [CONF_BYTES] = "bytes",
                                       [CONF_BOOL] = "",
                                       [CONF_ENUM] = ""};
    return err_set(err, ERR_INVALID,
                   "--%s (%s): \"%s\" is out of range: %" PRId64 " to %" PRId64
                   " %s",
                   row->name, source_name(source), shown(row, text), row->min,
                   row->max, what[row->type]);
}

bool conf_set(conf_t *c, enum conf_id id, const char *text,
              enum conf_source source, struct err *err)
{
    check_magic(c, CONF_MAGIC);
    must(id < CONF_COUNT && text != NULL);
    const struct conf_row *row = &rows[id];
    struct value *old = &c->values[id];
    /* A repeated list option adds; any other source or type replaces. */
    bool adds = row->type == CONF_LIST && source == CONF_FROM_FLAG &&
                old->source == CONF_FROM_FLAG;
    char *joined = NULL;
    if (adds) {
        int n = asprintf(&joined, "%s,%s", old->text, text);
        must(n >= 0);
    }
    struct value v = {.source = source};
    v.text = joined != NULL ? joined : base_strdup(text);
    if (!parse_value(row, v.text, &v)) {
        value_clear(&v);
        return refuse(row, text, source, err);
    }
    bool bounded = row->type != CONF_BOOL && row->type != CONF_ENUM;
    if (bounded && (extent(row, &v) < row->min || extent(row, &v) > row->max)) {
        value_clear(&v);
        return refuse_extent(row, text, source, err);
    }
    value_clear(old);
    *old = v;
    return true;
}

/* --- sources ----------------------------------------------------------------
 */

static const struct conf_row *find(const char *name, size_t n, int *id)
{
    for (int i = 0; i < CONF_COUNT; i++) {
        if (strlen(rows[i].name) == n && memcmp(rows[i].name, name, n) == 0) {
            *id = i;
            return &rows[i];
        }
    }
    return NULL;
}

static bool refuse_unknown(const conf_t *c, const char *name, size_t n,
                           struct err *err)
{
    int id;
    const struct conf_row *row = find(name, n, &id);
    const char *own = "leat";
    const char *other = NULL;
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        if (programs[i].proc == c->proc) {
            own = programs[i].name;
        }
        if (row != NULL && other == NULL && (row->procs & programs[i].proc)) {
            other = programs[i].name;
        }
    }
    if (other != NULL) {
        return err_set(err, ERR_INVALID, "--%.*s is an option of %s, not of %s",
                       (int)n, name, other, own);
    }
    return err_set(err, ERR_INVALID, "unknown option --%.*s (try %s --help)",
                   (int)min_size(n, 64), name, own);
}

/* Reads one option at argv[*at], which moves to its last word. */
static bool load_flag(conf_t *c, int argc, char *const *argv, int *at,
                      struct err *err)
{
    const char *word = argv[*at];
    if (strncmp(word, "--", 2) != 0 || word[2] == '\0') {
        return err_set(err, ERR_INVALID, "\"%.64s\" is not an option", word);
    }
    const char *name = word + 2;
    size_t n = strcspn(name, "=");
    int id = 0;
    const struct conf_row *row = find(name, n, &id);
    if (row == NULL || (row->procs & reach(c->proc)) == 0) {
        return refuse_unknown(c, name, n, err);
    }
    const char *text = "true";
    if (name[n] == '=') {
        text = name + n + 1;
    } else if (row->type != CONF_BOOL) {
        if (*at + 1 >= argc) {
            return err_set(err, ERR_INVALID, "--%s needs a value", row->name);
        }
        text = argv[++*at];
    }
    return conf_set(c, (enum conf_id)id, text, CONF_FROM_FLAG, err);
}

static bool load_flags(conf_t *c, int argc, char *const *argv, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            c->wants_help = true;
        } else if (strcmp(argv[i], "--version") == 0) {
            c->wants_version = true;
        } else if (!load_flag(c, argc, argv, &i, err)) {
            return false;
        }
    }
    return true;
}

/* An empty variable counts as not set, as shells make it hard to unset one. */
static bool load_env(conf_t *c, struct err *err)
{
    for (int i = 0; i < CONF_COUNT; i++) {
        const char *text = getenv(rows[i].env);
        if (text == NULL || text[0] == '\0' ||
            (rows[i].procs & reach(c->proc)) == 0 ||
            c->values[i].source >= CONF_FROM_ENV) {
            continue;
        }
        if (!conf_set(c, (enum conf_id)i, text, CONF_FROM_ENV, err)) {
            return false;
        }
    }
    return true;
}

static char *trim(char *s)
{
    while (isspace((unsigned char)*s)) {
        s++;
    }
    size_t n = strlen(s);
    while (n > 0 && isspace((unsigned char)s[n - 1])) {
        s[--n] = '\0';
    }
    return s;
}

/*
 * One line of the file. Options of other programs are skipped: one file may
 * serve them all.
 */
static bool load_line(conf_t *c, char *line, struct err *err)
{
    char *at = trim(line);
    if (at[0] == '\0' || at[0] == '#') {
        return true;
    }
    char *equals = strchr(at, '=');
    if (equals == NULL) {
        return err_set(err, ERR_INVALID, "expected name = value");
    }
    *equals = '\0';
    char *name = trim(at);
    char *text = trim(equals + 1);
    int id = 0;
    const struct conf_row *row = find(name, strlen(name), &id);
    if (row == NULL || id == CONF_CONFIG) {
        return err_set(err, ERR_INVALID, "unknown option \"%.64s\"", name);
    }
    if ((row->procs & reach(c->proc)) == 0 ||
        c->values[id].source > CONF_FROM_FILE) {
        return true;
    }
    return conf_set(c, (enum conf_id)id, text, CONF_FROM_FILE, err);
}

static bool load_file(conf_t *c, const char *path, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return err_set(err, ERR_IO, "option file %s: %s", path,
                       strerror(errno));
    }
    char *line = base_zalloc(FILE_LINE_MAX);
    bool ok = true;
    for (int n = 1; ok && fgets(line, FILE_LINE_MAX, file) != NULL; n++) {
        ok = load_line(c, line, err) || err_wrap(err, "%s line %d", path, n);
    }
    if (ok && ferror(file)) {
        ok = err_set(err, ERR_IO, "option file %s: %s", path, strerror(errno));
    }
    free(line);
    fclose(file);
    return ok;
}

bool conf_load(conf_t *c, int argc, char *const *argv, struct err *err)
{
    check_magic(c, CONF_MAGIC);
    must(argc >= 1 && argv != NULL);
    if (!load_flags(c, argc, argv, err)) {
        return false;
    }
    if (c->wants_help || c->wants_version) {
        return true;
    }
    if (!load_env(c, err)) {
        return false;
    }
    const char *path = conf_str(c, CONF_CONFIG);
    return path[0] == '\0' || load_file(c, path, err);
}

/* --- reading ----------------------------------------------------------------
 */

static const struct value *value_of(const conf_t *c, enum conf_id id,
                                    unsigned types)
{
    check_magic(c, CONF_MAGIC);
    must(id < CONF_COUNT);
    must((types & (1U << rows[id].type)) != 0);
    return &c->values[id];
}

const char *conf_str(const conf_t *c, enum conf_id id)
{
    return value_of(c, id, 1U << CONF_STRING | 1U << CONF_ENUM)->text;
}

bool conf_is(const conf_t *c, enum conf_id id, const char *word)
{
    must(is_word_of(conf_row(id), word));
    return strcmp(value_of(c, id, 1U << CONF_ENUM)->text, word) == 0;
}

int64_t conf_int(const conf_t *c, enum conf_id id)
{
    return value_of(c, id, 1U << CONF_INT)->number;
}

int64_t conf_ms(const conf_t *c, enum conf_id id)
{
    return value_of(c, id, 1U << CONF_DURATION)->number;
}

int64_t conf_bytes(const conf_t *c, enum conf_id id)
{
    return value_of(c, id, 1U << CONF_BYTES)->number;
}

bool conf_bool(const conf_t *c, enum conf_id id)
{
    return value_of(c, id, 1U << CONF_BOOL)->number != 0;
}

const char *const *conf_list(const conf_t *c, enum conf_id id, size_t *n)
{
    must(n != NULL);
    const struct value *v = value_of(c, id, 1U << CONF_LIST);
    *n = v->n;
    return (const char *const *)v->items;
}

bool conf_was_set(const conf_t *c, enum conf_id id)
{
    return conf_source_of(c, id) != CONF_FROM_DEFAULT;
}

enum conf_source conf_source_of(const conf_t *c, enum conf_id id)
{
    return value_of(c, id, ~0U)->source;
}

const char *conf_text(const conf_t *c, enum conf_id id)
{
    return value_of(c, id, ~0U)->text;
}

const struct conf_row *conf_row(enum conf_id id)
{
    must(id < CONF_COUNT);
    return &rows[id];
}

bool conf_wants_help(const conf_t *c)
{
    check_magic(c, CONF_MAGIC);
    return c->wants_help;
}

bool conf_wants_version(const conf_t *c)
{
    check_magic(c, CONF_MAGIC);
    return c->wants_version;
}

static const char *placeholder(enum conf_type type)
{
    static const char *const names[] = {
        [CONF_STRING] = " TEXT",   [CONF_LIST] = " ITEM...", [CONF_INT] = " N",
        [CONF_DURATION] = " TIME", [CONF_BYTES] = " SIZE",   [CONF_BOOL] = "",
        [CONF_ENUM] = " WORD",
    };
    return names[type];
}

void conf_print_help(FILE *out, unsigned proc)
{
    must(out != NULL);
    for (int i = 0; i < CONF_COUNT; i++) {
        const struct conf_row *row = &rows[i];
        if ((row->procs & reach(proc)) == 0) {
            continue;
        }
        fprintf(out, "  --%s%s\n      %s", row->name, placeholder(row->type),
                row->help);
        if (row->def[0] != '\0' && row->type != CONF_BOOL) {
            fprintf(out, " [%s]", row->def);
        }
        fprintf(out, " (%s)\n", row->env);
    }
    fputs("  --help\n      Show this and end.\n"
          "  --version\n      Show the version and end.\n",
          out);
}
