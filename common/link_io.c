/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes and goes through a link. Receiving: frames, head, body, each
 * checked; whatever is wrong ends here. Sending: straight to ZeroMQ while the
 * peer keeps up, else into a queue per peer that keeps the order and a limit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/link_inner.h"
#include "common/log.h"
#include "common/stat.h"

#define BAD_MAX 100      /* malformed messages skipped in one call */
#define COMPLAIN_MS 1000 /* at most one line about them in this time */
#define COPY_BYTES 1024  /* smaller bodies are copied, larger ones shared */

/* The frames of one message as they came. */
struct frames {
    zmq_msg_t frame[LINK_FRAMES_MAX];
    size_t n;
    bool extra; /* there were more than fit */
};

static bool take_frames(link_t *l, struct frames *f);
static void close_frames(struct frames *f);
static enum wire_verdict read_frames(link_t *l, struct frames *f,
                                     struct link_in *in, struct err *err);
static enum wire_verdict read_body(link_t *l, zmq_msg_t *frame,
                                   struct link_in *in, struct err *err);
static void complain(link_t *l, const struct link_in *in,
                     enum wire_verdict verdict, const struct err *err);
static void body_to_frame(leat_value *body, zmq_msg_t *frame);
static enum link_sent send_or_queue(link_t *l, const struct link_route *to,
                                    const struct wire_head *head,
                                    zmq_msg_t *body);
static enum link_sent send_frames(link_t *l, const struct link_route *to,
                                  const unsigned char *head, zmq_msg_t *body);
static struct link_queue *queue_of(const link_t *l,
                                   const struct link_route *to);
static enum link_sent queue_put(link_t *l, const struct link_route *to,
                                const unsigned char *head, zmq_msg_t *body);
static void queue_pop(struct link_queue *q);
static bool queue_pump(link_t *l, struct link_queue *q);

bool link_route_eq(const struct link_route *a, const struct link_route *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

uint64_t link_route_hash(const struct link_route *r)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < r->len; i++) {
        hash = (hash ^ r->bytes[i]) * 0x100000001b3u;
    }
    return hash ^ hash >> 32;
}

/* ---- receiving ------------------------------------------------------------
 */

void link_in_init(struct link_in *in)
{
    memset(in, 0, sizeof *in);
    (void)zmq_msg_init(&in->raw);
}

void link_in_fini(struct link_in *in)
{
    leat_drop(in->body);
    (void)zmq_msg_close(&in->raw);
    link_in_init(in);
}

bool link_recv(link_t *l, struct link_in *in)
{
    check_magic(l, LINK_MAGIC);
    must(l->kind != ZMQ_XPUB);
    for (int bad = 0; bad < BAD_MAX; bad++) {
        struct frames f = {.n = 0};
        link_in_fini(in);
        if (!take_frames(l, &f)) {
            return false;
        }
        struct err err = ERR_INIT;
        enum wire_verdict verdict = read_frames(l, &f, in, &err);
        close_frames(&f);
        if (verdict == WIRE_OK) {
            return true;
        }
        complain(l, in, verdict, &err);
    }
    return false;
}

bool link_recv_topic(link_t *l, unsigned char *topic, size_t cap, size_t *len,
                     bool *on)
{
    check_magic(l, LINK_MAGIC);
    must(l->kind == ZMQ_XPUB);
    for (int bad = 0; bad < BAD_MAX; bad++) {
        struct frames f = {.n = 0};
        if (!take_frames(l, &f)) {
            return false;
        }
        const unsigned char *bytes = zmq_msg_data(&f.frame[0]);
        size_t size = zmq_msg_size(&f.frame[0]);
        bool fits = size > 0 && size - 1 <= cap && bytes[0] <= 1;
        if (fits) {
            *on = bytes[0] == 1;
            *len = size - 1;
            memcpy(topic, bytes + 1, size - 1);
        }
        close_frames(&f);
        if (fits) {
            return true;
        }
        stat_inc(STAT_WIRE_MALFORMED);
    }
    return false;
}

/* All frames of the next message; false when there is none. */
static bool take_frames(link_t *l, struct frames *f)
{
    bool more = true;
    while (more) {
        zmq_msg_t spare;
        bool room = f->n < LINK_FRAMES_MAX;
        zmq_msg_t *frame = room ? &f->frame[f->n] : &spare;
        (void)zmq_msg_init(frame);
        int n;
        do {
            n = zmq_msg_recv(frame, l->raw, ZMQ_DONTWAIT);
        } while (n < 0 && errno == EINTR);
        l->marked = n >= 0;
        if (n < 0) { /* only before the first: messages arrive whole */
            (void)zmq_msg_close(frame);
            close_frames(f);
            return false;
        }
        more = zmq_msg_more(frame) != 0;
        if (room) {
            f->n++;
        } else {
            f->extra = true;
            (void)zmq_msg_close(&spare);
        }
    }
    return true;
}

static void close_frames(struct frames *f)
{
    for (size_t i = 0; i < f->n; i++) {
        (void)zmq_msg_close(&f->frame[i]);
    }
    f->n = 0;
}

static enum wire_verdict read_frames(link_t *l, struct frames *f,
                                     struct link_in *in, struct err *err)
{
    size_t first = l->kind == ZMQ_DEALER ? 0 : 1;
    if (l->kind == ZMQ_ROUTER) {
        size_t len = zmq_msg_size(&f->frame[0]);
        if (len > sizeof in->from.bytes) {
            (void)err_set(err, ERR_WIRE, "a routing id of %zu bytes", len);
            return WIRE_MALFORMED;
        }
        in->from.len = (uint8_t)len;
        memcpy(in->from.bytes, zmq_msg_data(&f->frame[0]), len);
    }
    if (f->extra || f->n != first + 2) {
        (void)err_set(err, ERR_WIRE, "a message of %zu frames%s", f->n,
                      f->extra ? " and more" : "");
        return WIRE_MALFORMED;
    }
    zmq_msg_t *head = &f->frame[first];
    enum wire_verdict verdict =
        wire_head_get(zmq_msg_data(head), zmq_msg_size(head), &in->head, err);
    if (verdict != WIRE_OK) {
        return verdict;
    }
    return read_body(l, &f->frame[first + 1], in, err);
}

static void release_frame(void *arg)
{
    zmq_msg_t *frame = arg;
    (void)zmq_msg_close(frame);
    free(frame);
}

static enum wire_verdict read_body(link_t *l, zmq_msg_t *frame,
                                   struct link_in *in, struct err *err)
{
    const struct wire_head *head = &in->head;
    size_t len = zmq_msg_size(frame);
    if (len <= COPY_BYTES && wire_body_kind(head->type) == WIRE_MAP) {
        struct value_bytes bytes = {zmq_msg_data(frame), len};
        return wire_body_get(head, (enum wire_side)l->from, bytes, &in->body,
                             err);
    }
    enum wire_verdict verdict =
        wire_body_plain(head, (enum wire_side)l->from, len, err);
    if (verdict != WIRE_OK || wire_body_kind(head->type) == WIRE_NONE) {
        return verdict;
    }
    if (wire_body_kind(head->type) == WIRE_RAW) {
        (void)zmq_msg_move(&in->raw, frame);
        return WIRE_OK;
    }
    zmq_msg_t *own = base_zalloc(sizeof *own);
    (void)zmq_msg_init(own);
    (void)zmq_msg_move(own, frame);
    struct value_owner owner = {release_frame, own};
    if (!value_from_foreign(zmq_msg_data(own), len, owner, &in->body, err)) {
        release_frame(own);
        (void)err_wrap(err, "%s", wire_name(head->type));
        return WIRE_MALFORMED;
    }
    return wire_body_check(head, in->body, err);
}

/* Counts and logs what could not be read, and tells a peer that speaks
 * another version. */
static void complain(link_t *l, const struct link_in *in,
                     enum wire_verdict verdict, const struct err *err)
{
    stat_inc(verdict == WIRE_UNKNOWN ? STAT_WIRE_UNKNOWN : STAT_WIRE_MALFORMED);
    if (verdict == WIRE_VERSION && l->kind == ZMQ_ROUTER) {
        struct wire_head head = {.type = WIRE_REFUSED};
        (void)link_send(l, &in->from, &head,
                        leat_pack("{s:s,s:s}", "code", err_name(ERR_WIRE),
                                  "text", err->text));
    }
    int64_t now = clock_mono_ms();
    if (l->complained_ms == INT64_MIN || now - l->complained_ms > COMPLAIN_MS) {
        l->complained_ms = now;
        log_warn("wire.refused", "on=%s error=%s", l->endpoint,
                 LOG_Q(err->text));
    }
}

/* ---- sending ----------------------------------------------------------------
 */

enum link_sent link_send(link_t *l, const struct link_route *to,
                         const struct wire_head *head, leat_value *body)
{
    zmq_msg_t frame;
    must((wire_body_kind(head->type) == WIRE_MAP) == (body != NULL));
    body_to_frame(body, &frame);
    return send_or_queue(l, to, head, &frame);
}

enum link_sent link_send_raw(link_t *l, const struct link_route *to,
                             const struct wire_head *head, zmq_msg_t *raw)
{
    zmq_msg_t frame;
    must(wire_body_kind(head->type) == WIRE_RAW);
    (void)zmq_msg_init(&frame);
    (void)zmq_msg_move(&frame, raw);
    return send_or_queue(l, to, head, &frame);
}

static void publish(link_t *l, const struct id *thread,
                    const struct wire_head *head, zmq_msg_t *raw)
{
    unsigned char topic[WIRE_TOPIC_BYTES];
    unsigned char bytes[WIRE_HEAD_BYTES];
    zmq_msg_t body;
    wire_topic(thread, &head->run, topic);
    wire_head_put(head, bytes);
    (void)zmq_msg_init(&body);
    (void)zmq_msg_copy(&body, raw);
    int flags = ZMQ_DONTWAIT | ZMQ_SNDMORE;
    l->marked = true;
    bool sent = zmq_send(l->raw, topic, sizeof topic, flags) >= 0 &&
                zmq_send(l->raw, bytes, sizeof bytes, flags) >= 0 &&
                zmq_msg_send(&body, l->raw, ZMQ_DONTWAIT) >= 0;
    if (!sent) {
        (void)zmq_msg_close(&body);
        stat_inc(STAT_WIRE_DROPPED);
    }
}

void link_publish(link_t *l, const struct wire_head *head, zmq_msg_t *raw)
{
    check_magic(l, LINK_MAGIC);
    must(l->kind == ZMQ_XPUB);
    publish(l, &head->thread, head, raw);
    if (!wire_is_home(&head->run, &head->thread)) {
        struct id thread = head->thread;
        wire_home(&head->run, &thread);
        publish(l, &thread, head, raw);
    }
}

bool link_pump(link_t *l)
{
    check_magic(l, LINK_MAGIC);
    struct link_queue **at = &l->queues;
    while (*at != NULL) {
        struct link_queue *q = *at;
        if (queue_pump(l, q)) {
            at = &q->next;
        } else {
            *at = q->next;
            l->behind--;
            free(q);
        }
    }
    return l->queues != NULL;
}

void link_drop_route(link_t *l, const struct link_route *to)
{
    check_magic(l, LINK_MAGIC);
    struct link_queue **at = &l->queues;
    while (*at != NULL && !link_route_eq(&(*at)->to, to)) {
        at = &(*at)->next;
    }
    struct link_queue *q = *at;
    if (q == NULL) {
        return;
    }
    stat_add(STAT_WIRE_DROPPED, (int64_t)q->messages);
    while (q->first != NULL) {
        queue_pop(q);
    }
    *at = q->next;
    l->behind--;
    free(q);
}

static void drop_value(void *data, void *hint)
{
    (void)data;
    leat_drop(hint);
}

/* The packed body as a frame; takes the reference. */
static void body_to_frame(leat_value *body, zmq_msg_t *frame)
{
    if (body == NULL) {
        (void)zmq_msg_init(frame);
        return;
    }
    leat_value *packed = value_packed(body);
    leat_drop(body);
    struct value_bytes bytes = value_bytes_of(packed);
    if (bytes.len > COPY_BYTES) {
        must(zmq_msg_init_data(frame, (void *)(uintptr_t)bytes.ptr, bytes.len,
                               drop_value, packed) == 0);
        return;
    }
    must(zmq_msg_init_size(frame, bytes.len) == 0);
    memcpy(zmq_msg_data(frame), bytes.ptr, bytes.len);
    leat_drop(packed);
}

/* Takes the body, whatever becomes of the message. */
static enum link_sent send_or_queue(link_t *l, const struct link_route *to,
                                    const struct wire_head *head,
                                    zmq_msg_t *body)
{
    static const struct link_route nowhere = {0};
    check_magic(l, LINK_MAGIC);
    must((l->kind == ZMQ_ROUTER) == (to != NULL));
    must(l->kind == ZMQ_ROUTER || l->kind == ZMQ_DEALER);
    unsigned char bytes[WIRE_HEAD_BYTES];
    wire_head_put(head, bytes);
    if (to == NULL) {
        to = &nowhere;
    }
    enum link_sent sent = LINK_QUEUED;
    if (l->behind == 0 || queue_of(l, to) == NULL) {
        sent = send_frames(l, to, bytes, body);
    }
    if (sent == LINK_QUEUED) {
        sent = queue_put(l, to, bytes, body);
    }
    (void)zmq_msg_close(body);
    return sent;
}

/*
 * One message to ZeroMQ. LINK_QUEUED: there is no room now and nothing was
 * sent. A peer's pipe that took the first frame takes the rest, unless the
 * connection ends in between: then a dealer takes the frames back and says so.
 */
static enum link_sent send_frames(link_t *l, const struct link_route *to,
                                  const unsigned char *head, zmq_msg_t *body)
{
    int flags = ZMQ_DONTWAIT | ZMQ_SNDMORE;
    l->marked = true; /* sending may take the sign of what came */
    if (l->kind == ZMQ_ROUTER &&
        zmq_send(l->raw, to->bytes, to->len, flags) < 0) {
        return errno == EHOSTUNREACH ? LINK_GONE : LINK_QUEUED;
    }
    if (zmq_send(l->raw, head, WIRE_HEAD_BYTES, flags) < 0 ||
        zmq_msg_send(body, l->raw, ZMQ_DONTWAIT) < 0) {
        return LINK_QUEUED;
    }
    (void)zmq_msg_init(body);
    return LINK_SENT;
}

/* ---- queues
 * ------------------------------------------------------------------- */

static struct link_queue *queue_of(const link_t *l, const struct link_route *to)
{
    struct link_queue *q = l->queues;
    while (q != NULL && !link_route_eq(&q->to, to)) {
        q = q->next;
    }
    return q;
}

static enum link_sent queue_put(link_t *l, const struct link_route *to,
                                const unsigned char *head, zmq_msg_t *body)
{
    struct link_queue *q = queue_of(l, to);
    size_t bytes = WIRE_HEAD_BYTES + zmq_msg_size(body);
    if (q != NULL && (q->messages >= l->queue_messages ||
                      q->bytes + bytes > l->queue_bytes)) {
        stat_inc(STAT_WIRE_DROPPED);
        return LINK_FULL;
    }
    if (q == NULL) {
        q = base_zalloc(sizeof *q);
        q->to = *to;
        q->next = l->queues;
        l->queues = q;
        l->behind++;
    }
    struct link_wait *wait = base_zalloc(sizeof *wait);
    wait->bytes = bytes;
    memcpy(wait->head, head, sizeof wait->head);
    (void)zmq_msg_init(&wait->body);
    (void)zmq_msg_move(&wait->body, body);
    if (q->last == NULL) {
        q->first = wait;
    } else {
        q->last->next = wait;
    }
    q->last = wait;
    q->messages++;
    q->bytes += bytes;
    return LINK_QUEUED;
}

static void queue_pop(struct link_queue *q)
{
    struct link_wait *wait = q->first;
    q->first = wait->next;
    if (q->first == NULL) {
        q->last = NULL;
    }
    q->messages--;
    q->bytes -= wait->bytes;
    (void)zmq_msg_close(&wait->body);
    free(wait);
}

/* Sends what the peer takes; true while something is left. */
static bool queue_pump(link_t *l, struct link_queue *q)
{
    while (q->first != NULL) {
        enum link_sent sent =
            send_frames(l, &q->to, q->first->head, &q->first->body);
        if (sent == LINK_QUEUED) {
            return true;
        }
        if (sent == LINK_GONE) {
            stat_inc(STAT_WIRE_DROPPED);
        }
        queue_pop(q);
    }
    return false;
}
