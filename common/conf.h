/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h: the options of every program, all rows of conf.tbl.h. A value
 * comes from, in order: the command line (--name value or --name=value), the
 * environment (LEAT_NAME), the file of --config (name = value, # comment),
 * the default. Loaded once by the main thread, then read by all.
 */
#ifndef LEAT_COMMON_CONF_H
#define LEAT_COMMON_CONF_H

#include <stdio.h>

#include "common/err.h"

enum conf_id {
#define CONF(id, name, env, type, def, min, max, procs, flags, help) CONF_##id,
#include "common/conf.tbl.h"
#undef CONF
    CONF_COUNT
};

enum conf_type {
    CONF_STRING,
    CONF_LIST,     /* comma-separated; the option may be repeated */
    CONF_INT,      /* 42 */
    CONF_DURATION, /* "500ms" "5s" "10m" "24h" "7d", held in ms */
    CONF_BYTES,    /* "512" "8KiB" "64MiB" "4GiB", held in bytes */
    CONF_BOOL,     /* --name alone is true; also true/false, on/off, 1/0 */
    CONF_ENUM      /* one of the words that begin its help: "a|b: ..." */
};

enum conf_source {
    CONF_FROM_DEFAULT,
    CONF_FROM_FILE,
    CONF_FROM_ENV,
    CONF_FROM_FLAG
};

/* Flags of a row: never printed, never on a child's command line. */
enum { CONF_SECRET = 1 };

struct conf_row {
    const char *name; /* "event-log-ttl" */
    const char *env;  /* "LEAT_EVENT_LOG_TTL" */
    enum conf_type type;
    const char *def;
    int64_t min, max; /* in the unit held; of LIST the number of items */
    unsigned procs;   /* PROC_ bits of base.h */
    unsigned flags;
    const char *help;
};

typedef struct conf conf_t;

/* All defaults, for the program whose PROC_ bit is given. */
conf_t *conf_new(unsigned proc) MUST_USE;
void conf_destroy(conf_t **c);

/*
 * Reads file, environment and command line (argv[0] is skipped). False with
 * ERR_INVALID when an option is unknown, of another program, or badly
 * written; the text names the option, what is wrong and where it came from.
 */
MUST_USE bool conf_load(conf_t *c, int argc, char *const *argv,
                        struct err *err);

/* Sets one value as from the given source (also used by tests). */
MUST_USE bool conf_set(conf_t *c, enum conf_id id, const char *text,
                       enum conf_source source, struct err *err);

/* The value; the option must be of the type that the name says. */
const char *conf_str(const conf_t *c, enum conf_id id); /* STRING or ENUM */
bool conf_is(const conf_t *c, enum conf_id id, const char *word);
int64_t conf_int(const conf_t *c, enum conf_id id);
int64_t conf_ms(const conf_t *c, enum conf_id id);
int64_t conf_bytes(const conf_t *c, enum conf_id id);
bool conf_bool(const conf_t *c, enum conf_id id);
/* LIST: *n items, borrowed; NULL when *n is 0. */
const char *const *conf_list(const conf_t *c, enum conf_id id, size_t *n);

/* Not left at its default. */
bool conf_was_set(const conf_t *c, enum conf_id id);
enum conf_source conf_source_of(const conf_t *c, enum conf_id id);
/* The value as text, as conf_set reads it; borrowed. */
const char *conf_text(const conf_t *c, enum conf_id id);
const struct conf_row *conf_row(enum conf_id id);

/* --help and --version were given: the program prints them and ends. */
bool conf_wants_help(const conf_t *c);
bool conf_wants_version(const conf_t *c);
/* The options of a program as --help shows them. */
void conf_print_help(FILE *out, unsigned proc);

/* The units of values, for others who read such text. */
MUST_USE bool conf_parse_duration(const char *text, int64_t *ms);
MUST_USE bool conf_parse_bytes(const char *text, int64_t *bytes);

#endif
