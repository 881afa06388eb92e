/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only framing code: what goes between gateways, broker and workers, and
 * how it is checked. Every message is a head of 64 bytes and a body; on a
 * ROUTER socket the route stands before them, on PUB a topic.
 *
 *   message = [route] head body        ; one ZeroMQ message of 2 or 3 frames
 *   head    = "LT" major minor type flags attempt epoch tag run thread seq ms
 *   sizes      2     1     1    1     1      2      4   4   16    16    8   8
 *
 * Numbers are big endian. A body is empty, one msgpack map whose fields are
 * listed in wire.tbl.h, or msgpack values laid end to end (events). docs/
 * protocol.md is this in full; Python and JavaScript workers are written from
 * it.
 *
 * An event is a msgpack array [name, ns, payload]: name is the SSE event name
 * ("values", "messages/partial", "metadata", "error", "end", ...), ns the
 * namespace ("" or "node:task|node2:task2"), payload any value.
 */
#ifndef COMMON_WIRE_H
#define COMMON_WIRE_H

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/value.h"

#define WIRE_MAJOR 1
#define WIRE_MINOR 0
#define WIRE_HEAD_BYTES 64
#define WIRE_TOPIC_BYTES 32

/* The broker's sockets: base port of --listen, plus these. */
enum wire_port {
    WIRE_PORT_GATEWAY = 0, /* desk's ROUTER for gateways */
    WIRE_PORT_WORKER = 1,  /* desk's ROUTER for workers */
    WIRE_PORT_EVENTS = 2,  /* relay's ROUTER: EVENTS from workers */
    WIRE_PORT_PUB = 3,     /* relay's XPUB: EVENTS to gateways */
    WIRE_PORT_REPLAY = 4,  /* relay's ROUTER: REPLAY_GET */
    WIRE_PORT_VAULT = 5,   /* vault's ROUTER: STORE_CALL */
    WIRE_PORTS = 6,
};

enum wire_side { /* sets, for the table */
                 WIRE_G = 1,
                 WIRE_W = 2,
                 WIRE_D = 4,
                 WIRE_R = 8,
                 WIRE_V = 16,
};
enum wire_body { WIRE_NONE, WIRE_MAP, WIRE_RAW };
enum wire_field_type {
    WIRE_STR,
    WIRE_INT,
    WIRE_BOOL,
    WIRE_OBJ,
    WIRE_LIST,
    WIRE_ANY,
};

enum wire_type {
#define WIRE_MSG(number, name, from, to, body, text) WIRE_##name = number,
#define WIRE_FIELD(name, key, type, required, text)
#include "common/wire.tbl.h"
#undef WIRE_MSG
#undef WIRE_FIELD
};

struct wire_head {
    uint8_t type;  /* enum wire_type */
    uint8_t flags; /* 0; reserved for minor versions */
    uint16_t attempt;
    uint32_t epoch; /* of the broker the sender believes in; 0 unknown */
    uint32_t tag;   /* matches an answer to its request; EVENTS: count */
    struct id run;
    struct id thread;
    uint64_t seq;
    uint64_t ms;
};

enum wire_verdict {
    WIRE_OK,
    WIRE_MALFORMED, /* count, log, drop */
    WIRE_VERSION,   /* another major: refuse the peer with the reason */
    WIRE_UNKNOWN,   /* a type of a newer minor: count and ignore */
};

void wire_head_put(const struct wire_head *h,
                   unsigned char out[WIRE_HEAD_BYTES]);
/* Head only: magic, version, known type. */
enum wire_verdict wire_head_get(const void *bytes, size_t len,
                                struct wire_head *out, struct err *err);

/*
 * Checks the body against the table and gives it as a value (NULL for
 * WIRE_NONE and WIRE_RAW; a raw body is not opened, wire_raw_count() does).
 * The sender must be one of the set `from`. The bytes are copied.
 */
enum wire_verdict wire_body_get(const struct wire_head *h, enum wire_side from,
                                struct value_bytes bytes, leat_value **out,
                                struct err *err);
/*
 * The same in two halves, for who makes the value without copying: first what
 * can be said before the bytes are looked at (may this side send it, is there
 * a body where there should be one), then the fields of a WIRE_MAP.
 */
enum wire_verdict wire_body_plain(const struct wire_head *h,
                                  enum wire_side from, size_t len,
                                  struct err *err);
enum wire_verdict wire_body_check(const struct wire_head *h,
                                  const leat_value *body, struct err *err);
enum wire_body wire_body_kind(uint8_t type); /* WIRE_NONE for unknown ones */

/* Whole msgpack values laid end to end: how many, or -1 when malformed. */
long wire_raw_count(const void *bytes, size_t len);

/* One event of a raw body. Borrowed views into the body. */
struct wire_event {
    leat_text name;
    leat_text ns;
    leat_view payload;
};
/* Reads the event at *at and moves *at behind it; false at the end or when
 * what is there is not an event (then *at is NULL). */
bool wire_event_next(const unsigned char **at, const unsigned char *end,
                     struct wire_event *out);
/* Appends one event; false when the buffer is at its cap. */
MUST_USE bool wire_event_put(struct buf *out, const char *name, const char *ns,
                             leat_view payload);

const char *wire_name(uint8_t type); /* "RUN_SUBMIT", "?" for unknown */

/* ---- topics -------------------------------------------------------------
 *
 * Events are published under their thread's id and their run's, and once more
 * with the run's home for the beginning of the thread: the last bytes of the
 * run's id, which are the same in all runs of one gateway. So that hears all
 * of them with one subscription. The thread of a stateless run is its
 * gateway's to name; it begins so by itself, and one time is enough.
 */
enum { WIRE_HOME_BYTES = 4 };

void wire_topic(const struct id *thread, const struct id *run,
                unsigned char out[WIRE_TOPIC_BYTES]);
/* Makes the thread begin with the run's home. */
void wire_home(const struct id *run, struct id *thread);
bool wire_is_home(const struct id *run, const struct id *thread);

#endif
