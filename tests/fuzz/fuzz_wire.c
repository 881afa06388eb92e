/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_wire: any bytes as a message: the first 64 as its head, the rest as its
 * body. What is taken is the same after encoding, and its fields have the
 * types that the table names.
 */
#include "common/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_events(const uint8_t *body, size_t len)
{
    const unsigned char *at = body;
    const unsigned char *end = body + len;
    struct wire_event event;
    long count = wire_raw_count(body, len);
    long seen = 0;
    while (wire_event_next(&at, end, &event)) {
        must(event.name.ptr != NULL && event.ns.ptr != NULL);
        must(leat_type_of(event.payload) != LEAT_MISSING);
        seen++;
    }
    must(at == NULL || at == end);
    must(at == NULL || seen == count);
}

static void check_fields(const struct wire_head *h, const leat_value *body)
{
    static const enum leat_type types[] = {
        LEAT_STRING, LEAT_INT, LEAT_BOOL, LEAT_OBJECT, LEAT_LIST, LEAT_MISSING};
    leat_view view = leat_view_of(body);
#define WIRE_MSG(number, name, from, to, kind, text)
#define WIRE_FIELD(name, key, want, required, text)                            \
    if (h->type == WIRE_##name && (required) && (want) != WIRE_ANY) {          \
        must(leat_type_of(leat_get(view, key)) == types[want]);                \
    }
#include "common/wire.tbl.h"
#undef WIRE_MSG
#undef WIRE_FIELD
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_head h;
    struct err err = ERR_INIT;
    size_t head_len = size < WIRE_HEAD_BYTES ? size : WIRE_HEAD_BYTES;
    if (wire_head_get(data, head_len, &h, &err) != WIRE_OK) {
        must(err.code == ERR_WIRE);
        return 0;
    }
    unsigned char again[WIRE_HEAD_BYTES];
    wire_head_put(&h, again);
    again[3] = data[3]; /* the sender's minor is not kept */
    must(memcmp(again, data, sizeof again) == 0);
    struct value_bytes bytes = {data + head_len, size - head_len};
    for (unsigned side = WIRE_G; side <= WIRE_V; side <<= 1) {
        leat_value *body = NULL;
        err_clear(&err);
        enum wire_verdict v =
            wire_body_get(&h, (enum wire_side)side, bytes, &body, &err);
        must((v == WIRE_OK) == (err.code == ERR_NONE));
        must(v == WIRE_OK || body == NULL);
        if (body != NULL) {
            check_fields(&h, body);
            leat_drop(body);
        }
    }
    walk_events(bytes.ptr, bytes.len);
    return 0;
}
