/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline: a queue of what was sent and what is to become of each result,
 * in the order in which the server answers. After an error the server skips
 * everything up to the next sync, so an error met in a sync is the first one
 * and all that was sent behind it has not been done.
 */
#include "common/store/pg_conn.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/stat.h"

#define PG_CONN_MAGIC LEAT_MAGIC(0x5d8b0011)
#define PREPARED_MAX 200 /* by the server; the longest unused one goes */

/* Types of parameters: that of a NULL cannot be seen from its value. */
#define OID_INT8 20
#define OID_TEXT 25
#define OID_BYTEA 17

enum prepared_state {
    UNPREPARED,
    ASKED, /* its preparation is on its way */
    READY,
};

struct prepared {
    enum prepared_state state;
    char name[24];
    char *sql;
    bool guard;
    uint64_t hash;
    uint64_t used; /* when last, by count */
};

enum sent_kind {
    SENT_PREPARE,
    SENT_STATEMENT,
    SENT_SYNC,
};

struct sent {
    enum sent_kind kind;
    struct prepared *prepared; /* SENT_PREPARE */
    PGresult **rows;
    int64_t *changes;
    struct err *unless; /* of a guard; owned */
};

struct pg_conn {
    uint32_t magic;
    PGconn *pg;
    bool lost;
    struct err error; /* the first since the last sync */
    int64_t last_changes;
    uint64_t uses;
    uint64_t names;
    struct sent *sent; /* oldest first */
    size_t first;      /* those before it have been answered */
    size_t end;
    size_t room;
    size_t prepared_count;
    struct prepared *prepared[PREPARED_MAX];
};

/* ---- errors ---------------------------------------------------------------
 */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Its first line, without the line's end. */
static void first_line(char *out, size_t cap, const char *text)
{
    (void)base_copy(out, cap, text == NULL ? "" : text);
    out[strcspn(out, "\n")] = '\0';
}

static enum err_code code_of(const char *state)
{
    static const struct {
        const char *state; /* how it begins */
        enum err_code code;
    } known[] = {
        {"53100", ERR_STORE_FULL},  {"53", ERR_UNAVAILABLE},
        {"08", ERR_UNAVAILABLE},    {"57", ERR_UNAVAILABLE},
        {"25P03", ERR_UNAVAILABLE}, /* too long idle in a transaction */
        {"25006", ERR_UNAVAILABLE}, /* a replica that may become the master */
        {"40", ERR_UNAVAILABLE},    /* deadlock, serialisation: again */
        {"55P03", ERR_UNAVAILABLE}, /* lock not available */
        {"22021", ERR_INVALID},     /* not UTF-8 */
        {"22P05", ERR_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (begins(state, known[i].state)) {
            return known[i].code;
        }
    }
    return ERR_STORE;
}

static void note(struct pg_conn *c, const struct err *err)
{
    if (c->error.code == ERR_NONE) {
        c->error = *err;
    }
}

/* The connection is gone, and with it all that was on its way. */
static void lose(struct pg_conn *c)
{
    char text[256];
    struct err err = ERR_INIT;
    first_line(text, sizeof text, pq.errorMessage(c->pg));
    (void)err_set(&err, ERR_UNAVAILABLE, "postgresql: %s",
                  text[0] == '\0' ? "the connection is lost" : text);
    note(c, &err);
    c->lost = true;
    for (size_t i = c->first; i < c->end; i++) {
        free(c->sent[i].unless);
    }
    c->first = 0;
    c->end = 0;
}

/* A guard without its row divides by zero (guard_text). */
static void note_failure(struct pg_conn *c, const struct sent *s,
                         const PGresult *r)
{
    const char *state = pq.resultErrorField(r, PG_DIAG_SQLSTATE);
    if (state == NULL) {
        lose(c);
        return;
    }
    if (s->unless != NULL && strcmp(state, "22012") == 0) {
        note(c, s->unless);
        return;
    }
    char text[256];
    struct err err = ERR_INIT;
    first_line(text, sizeof text,
               pq.resultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
    (void)err_set(&err, code_of(state), "postgresql: %s (%s)", text, state);
    note(c, &err);
}

/* ---- opening --------------------------------------------------------------
 */

/* What a server says to people, where libpq would print it. */
static void on_notice(void *arg, const char *text)
{
    (void)arg;
    log_debug("postgresql.notice", "text=%s", LOG_Q(text));
}

static PGconn *connect_to(const char *url)
{
    /* Those of the URL come last and win. A server that has vanished is
     * noticed after 2 + 3 * 1 seconds, on its side as well. */
    const char *const words[] = {"client_encoding",
                                 "application_name",
                                 "connect_timeout",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 "tcp_user_timeout",
                                 "dbname",
                                 NULL};
    const char *const values[] = {"UTF8", "leat",  "3", "2", "1",
                                  "3",    "10000", url, NULL};
    return pq.connectdbParams(words, values, 1);
}

/* A client that stands still in a transaction must not hold its locks. */
static bool set_up(struct pg_conn *c, const struct sql_conf *conf,
                   struct err *err)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "SET default_transaction_isolation = 'read committed';"
                   "SET standard_conforming_strings = on;"
                   "SET idle_in_transaction_session_timeout = 10000;"
                   "SET synchronous_commit = %s;"
                   "SET jit = off;"
                   "%s",
                   conf->owner && !conf->fsync ? "off" : "on",
                   conf->owner ? "SET tcp_keepalives_idle = 2;"
                                 "SET tcp_keepalives_interval = 1;"
                                 "SET tcp_keepalives_count = 3;"
                                 "SELECT set_config('application_name',"
                                 " 'leat-broker ' || current_schema(), false)"
                               : "");
    PGresult *r = pq.exec(c->pg, text);
    ExecStatusType got = pq.resultStatus(r);
    pq.clear(r);
    if (got != PGRES_COMMAND_OK && got != PGRES_TUPLES_OK) {
        first_line(text, sizeof text, pq.errorMessage(c->pg));
        return err_set(err, ERR_UNAVAILABLE, "postgresql: %s", text);
    }
    return true;
}

/* A broker whose successor has raised the epoch must not write any more. */
static bool is_current(struct pg_conn *c, uint32_t epoch, struct err *err)
{
    if (epoch == 0) {
        return true;
    }
    char want[16];
    (void)snprintf(want, sizeof want, "%u", epoch);
    PGresult *r = pq.exec(c->pg, "SELECT value FROM meta WHERE name = 'epoch'");
    bool read = pq.resultStatus(r) == PGRES_TUPLES_OK && pq.ntuples(r) == 1;
    bool same = read && strcmp(pq.getvalue(r, 0, 0), want) == 0;
    pq.clear(r);
    if (!read) {
        return err_set(err, ERR_UNAVAILABLE, "postgresql: no epoch");
    }
    return same || err_set(err, ERR_FENCED, "another broker has taken over");
}

struct pg_conn *store_pg_conn_open(const struct sql_conf *conf, struct err *err)
{
    if (!store_pg_lib_load(err)) {
        return NULL;
    }
    struct pg_conn *c = base_zalloc(sizeof *c);
    c->magic = PG_CONN_MAGIC;
    c->pg = connect_to(conf->url);
    must(c->pg != NULL);
    (void)pq.setNoticeProcessor(c->pg, on_notice, NULL);
    bool ok = pq.status(c->pg) == CONNECTION_OK;
    if (!ok) {
        char text[256];
        first_line(text, sizeof text, pq.errorMessage(c->pg));
        (void)err_set(err, ERR_UNAVAILABLE, "postgresql: %s", text);
    }
    ok = ok && set_up(c, conf, err) && is_current(c, conf->epoch, err);
    if (!ok) {
        store_pg_conn_close(&c);
        return NULL;
    }
    int entered = pq.enterPipelineMode(c->pg);
    must(entered == 1);
    stat_inc(STAT_STORE_CONNECTS);
    return c;
}

static void prepared_free(struct prepared *p)
{
    free(p->sql);
    free(p);
}

void store_pg_conn_close(struct pg_conn **p)
{
    struct pg_conn *c = *p;
    if (c == NULL) {
        return;
    }
    check_magic(c, PG_CONN_MAGIC);
    for (size_t i = c->first; i < c->end; i++) {
        free(c->sent[i].unless);
    }
    for (size_t i = 0; i < c->prepared_count; i++) {
        prepared_free(c->prepared[i]);
    }
    pq.finish(c->pg);
    free(c->sent);
    c->magic = 0;
    free(c);
    *p = NULL;
}

/* ---- the queue of what was sent -------------------------------------------
 */

static struct sent *push(struct pg_conn *c, enum sent_kind kind)
{
    if (c->first == c->end) {
        c->first = 0;
        c->end = 0;
    }
    if (c->end == c->room) {
        c->room = c->room == 0 ? 64 : c->room * 2;
        c->sent = base_realloc(c->sent, c->room * sizeof *c->sent);
    }
    struct sent *s = &c->sent[c->end++];
    *s = (struct sent){.kind = kind};
    return s;
}

static bool ask_sync(struct pg_conn *c)
{
    if (!c->lost && pq.pipelineSync(c->pg) != 1) {
        lose(c);
    }
    if (!c->lost) {
        (void)push(c, SENT_SYNC);
    }
    return !c->lost;
}

/* Gives the result to whom it belongs; true: it has been kept. */
static bool deliver(struct pg_conn *c, const struct sent *s, PGresult *r)
{
    ExecStatusType got = pq.resultStatus(r);
    bool done = got == PGRES_COMMAND_OK || got == PGRES_TUPLES_OK;
    if (s->kind == SENT_PREPARE) {
        s->prepared->state = done ? READY : UNPREPARED;
    }
    if (got == PGRES_PIPELINE_ABORTED) {
        return false;
    }
    if (!done) {
        note_failure(c, s, r);
        return false;
    }
    if (s->kind == SENT_STATEMENT) {
        c->last_changes = strtoll(pq.cmdTuples(r), NULL, 10);
        if (s->changes != NULL) {
            *s->changes = c->last_changes;
        }
    }
    if (s->rows != NULL) {
        *s->rows = r;
    }
    return s->rows != NULL;
}

static void take_answer(struct pg_conn *c)
{
    PGresult *r = pq.getResult(c->pg);
    if (r == NULL || c->first == c->end) {
        pq.clear(r);
        lose(c);
        return;
    }
    struct sent s = c->sent[c->first];
    if (pq.resultStatus(r) == PGRES_PIPELINE_SYNC) {
        must(s.kind == SENT_SYNC);
        pq.clear(r);
        c->first++;
        return;
    }
    c->first++;
    if (!deliver(c, &s, r)) {
        pq.clear(r);
    }
    free(s.unless);
    while (!c->lost && (r = pq.getResult(c->pg)) != NULL) {
        pq.clear(r);
    }
    if (pq.status(c->pg) != CONNECTION_OK) {
        lose(c);
    }
}

static void take_answers(struct pg_conn *c)
{
    while (!c->lost && c->first < c->end) {
        take_answer(c);
    }
}

bool store_pg_conn_sync(struct pg_conn *c, struct err *err)
{
    check_magic(c, PG_CONN_MAGIC);
    if (ask_sync(c)) {
        take_answers(c);
    }
    if (c->error.code == ERR_NONE) {
        return true;
    }
    *err = c->error;
    if (!c->lost) {
        err_clear(&c->error);
    }
    return false;
}

void store_pg_conn_sync_later(struct pg_conn *c)
{
    check_magic(c, PG_CONN_MAGIC);
    (void)ask_sync(c);
}

bool store_pg_conn_healthy(struct pg_conn *c)
{
    check_magic(c, PG_CONN_MAGIC);
    take_answers(c);
    struct pollfd fd = {.fd = c->lost ? -1 : pq.socket(c->pg), .events = POLLIN};
    /* Nothing is due: what there is to read is the end, or a notice. */
    while (!c->lost && poll(&fd, 1, 0) > 0) {
        if (pq.consumeInput(c->pg) != 1 || pq.status(c->pg) != CONNECTION_OK) {
            lose(c);
        }
    }
    if (!c->lost) {
        err_clear(&c->error);
    }
    return !c->lost;
}

bool store_pg_conn_lost(const struct pg_conn *c)
{
    check_magic(c, PG_CONN_MAGIC);
    return c->lost;
}

int64_t store_pg_conn_changes(const struct pg_conn *c)
{
    check_magic(c, PG_CONN_MAGIC);
    return c->last_changes;
}

/* ---- statements -----------------------------------------------------------
 */

static uint64_t hash_of(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++) {
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    }
    return h;
}

static void set_type(Oid *out, char type)
{
    *out = type == 'i' ? OID_INT8 : type == 's' ? OID_TEXT : OID_BYTEA;
}

/* Fails in the server when the statement gives no row, so that what was sent
 * behind it is not done. */
static char *guard_text(const char *sql)
{
    static const char head[] = "WITH g AS (";
    static const char tail[] = ") SELECT 1 / (SELECT count(*) FROM g)";
    size_t size = sizeof head + strlen(sql) + sizeof tail;
    char *text = base_zalloc(size);
    (void)snprintf(text, size, "%s%s%s", head, sql, tail);
    return text;
}

static bool send_prepare(struct pg_conn *c, struct prepared *p,
                         const struct sql_text *text)
{
    Oid types[PG_PARAMETERS_MAX];
    int n = (int)strlen(text->types);
    must(n <= PG_PARAMETERS_MAX);
    for (int i = 0; i < n; i++) {
        set_type(&types[i], text->types[i]);
    }
    char *guarded = text->guard ? guard_text(text->sql) : NULL;
    int sent = pq.sendPrepare(c->pg, p->name, text->guard ? guarded : text->sql,
                             n, types);
    free(guarded);
    if (sent != 1) {
        lose(c);
        return false;
    }
    push(c, SENT_PREPARE)->prepared = p;
    p->state = ASKED;
    return true;
}

/* A place for one more: the longest unused one leaves, here and there. */
static struct prepared **make_room(struct pg_conn *c)
{
    if (c->prepared_count < PREPARED_MAX) {
        return &c->prepared[c->prepared_count++];
    }
    struct prepared **oldest = NULL;
    for (size_t i = 0; i < PREPARED_MAX; i++) {
        struct prepared *p = c->prepared[i];
        if (p->state != ASKED &&
            (oldest == NULL || p->used < (*oldest)->used)) {
            oldest = &c->prepared[i];
        }
    }
    if (oldest == NULL) {
        return NULL;
    }
    char text[48];
    (void)snprintf(text, sizeof text, "DEALLOCATE %s", (*oldest)->name);
    if ((*oldest)->state == READY) {
        if (pq.sendQueryParams(c->pg, text, 0, NULL, NULL, NULL, NULL, 0) != 1) {
            lose(c);
            return NULL;
        }
        (void)push(c, SENT_STATEMENT);
    }
    prepared_free(*oldest);
    return oldest;
}

static struct prepared *find(struct pg_conn *c, const struct sql_text *text)
{
    uint64_t hash = hash_of(text->sql);
    for (size_t i = 0; i < c->prepared_count; i++) {
        struct prepared *p = c->prepared[i];
        if (p->hash == hash && p->guard == text->guard &&
            strcmp(p->sql, text->sql) == 0) {
            return p;
        }
    }
    struct prepared **place = make_room(c);
    if (place == NULL) {
        return NULL;
    }
    struct prepared *p = base_zalloc(sizeof *p);
    (void)snprintf(p->name, sizeof p->name, "s%llu",
                   (unsigned long long)++c->names);
    p->sql = base_strdup(text->sql);
    p->guard = text->guard;
    p->hash = hash;
    *place = p;
    return p;
}

static bool send_statement(struct pg_conn *c, const struct prepared *p,
                           const struct pg_args *args,
                           const struct pg_want *want)
{
    if (pq.sendQueryPrepared(c->pg, p->name, args->n, args->values,
                            args->lengths, args->formats, 1) != 1) {
        lose(c);
        return false;
    }
    struct sent *s = push(c, SENT_STATEMENT);
    s->rows = want->rows;
    s->changes = want->changes;
    if (want->unless != NULL) {
        s->unless = base_memdup(want->unless, sizeof *want->unless);
    }
    return true;
}

bool store_pg_conn_send(struct pg_conn *c, const struct sql_text *text,
                        const struct pg_args *args, const struct pg_want *want,
                        struct err *err)
{
    check_magic(c, PG_CONN_MAGIC);
    struct prepared *p = c->lost ? NULL : find(c, text);
    if (p == NULL && !c->lost) { /* all that could leave is on its way */
        if (!store_pg_conn_sync(c, err)) {
            return false;
        }
        p = find(c, text);
    }
    if (p == NULL || (p->state == UNPREPARED && !send_prepare(c, p, text)) ||
        !send_statement(c, p, args, want)) {
        *err = c->error;
        return false;
    }
    p->used = ++c->uses;
    return true;
}

bool store_pg_conn_script(struct pg_conn *c, const char *text, struct err *err)
{
    check_magic(c, PG_CONN_MAGIC);
    if (!store_pg_conn_sync(c, err)) {
        return false;
    }
    int left = pq.exitPipelineMode(c->pg);
    must(left == 1);
    PGresult *r = pq.exec(c->pg, text);
    bool done = pq.resultStatus(r) == PGRES_COMMAND_OK;
    if (!done) {
        const struct sent none = {.kind = SENT_STATEMENT};
        note_failure(c, &none, r);
        *err = c->error;
    }
    pq.clear(r);
    if (!c->lost) {
        int entered = pq.enterPipelineMode(c->pg);
        must(entered == 1);
        err_clear(&c->error);
    }
    return done;
}
