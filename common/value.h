/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside view of include/leat/value.h, for our own programs: bytes in and
 * out, for what travels on the wire and lies in the store.
 *
 * A value is either *packed* (a run of msgpack bytes, read in place) or
 * *composed* (a list or an object whose elements are values of their own,
 * shared by reference). Both read the same. Packing a composed value copies
 * the bytes of its parts one after the other; a packed value is its bytes.
 * Tags are msgpack extension types 1..4 around the packed object. A typed
 * value (extension type 5, value_bytes.h) reads as the value it shows.
 */
#ifndef COMMON_VALUE_H
#define COMMON_VALUE_H

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include <leat/value.h>

/*
 * Three depths, so that wrapping what a peer sent never ends at a must():
 * text from outside nests LEAT_DEPTH_MAX deep at most, what our programs make
 * of it (events, checkpoints) travels as VALUE_DEPTH_WIRE at most, and
 * building anything deeper than VALUE_DEPTH_HARD is a programmer's error.
 */
#define VALUE_DEPTH_WIRE (LEAT_DEPTH_MAX + LEAT_DEPTH_MAX / 2)
#define VALUE_DEPTH_HARD (LEAT_DEPTH_MAX * 2)

/* What may be taken from a peer's text. */
struct value_limits {
    unsigned depth_max;   /* nesting; 0 or more than it: LEAT_DEPTH_MAX */
    size_t bytes_max;     /* 0: no limit of its own */
};

/*
 * A value of foreign msgpack bytes, checked once from end to end (structure,
 * depth up to VALUE_DEPTH_WIRE, map keys are strings, nothing behind the
 * value) and copied. ERR_WIRE when they are not a value of ours.
 */
MUST_USE bool value_from_bytes(const void *bytes, size_t len,
                               leat_value **out, struct err *err);
/* Who is told when a value no longer needs somebody else's bytes. */
struct value_owner {
    void (*release)(void *arg);
    void *arg;
};
/* The same without the copy: the owner is called once, when the value dies.
 * On failure it is not called: the bytes are still the caller's. */
MUST_USE bool value_from_foreign(const void *bytes, size_t len,
                                 struct value_owner owner, leat_value **out,
                                 struct err *err);
/*
 * Only checks, and tells how long the first value in `bytes` is, so that
 * values laid one behind the other can be walked. 0 when it is malformed.
 */
size_t value_check(const void *bytes, size_t len);

/* The packed form; for a packed value or a place in one nothing is copied. */
struct value_bytes {
    const unsigned char *ptr;
    size_t len;
};
/* Packed size in bytes, without packing. */
size_t value_packed_size(leat_view v);
/* Appends the packed form; false when the buffer is at its cap. */
MUST_USE bool value_pack_into(leat_view v, struct buf *out);
/* A packed equal of `v` (itself, one more reference, if it is packed). */
leat_value *value_packed(const leat_value *v);
/* The bytes of a packed value; must not be composed. Borrowed. */
struct value_bytes value_bytes_of(const leat_value *packed);

/* A view of bytes that were checked and outlive the view (no owner). */
leat_view value_view_raw(const void *bytes);

/*
 * Lists that grew by leat_append() share their items. What somebody has found
 * out about the items can be kept beside them, for all those lists: it dies
 * with the last one. Who wrote a note is told by its destroy().
 */
struct value_note {
    void (*destroy)(struct value_note *note);
};
/* A list that shares from the start; the references are taken. */
leat_value *value_list_new(size_t n, leat_value *const items[]);
bool value_list_shares(const leat_value *list);
/* NULL: none, or not a list that shares. Borrowed from the list. */
struct value_note *value_list_note(const leat_value *list);
/* Takes the note; gives the one that is kept: an older one, or NULL where none
 * can be. */
struct value_note *value_list_annotate(const leat_value *list,
                                       struct value_note *note);

/* The view's string as a terminated copy (caller frees), NULL if no string. */
char *value_strdup(leat_view v);
char *value_strdup_nonempty(leat_view v); /* NULL for "" too */
/* Bytes a value stands for in memory, for limits: its own and its parts';
 * shared parts count each time, what a slice's owner holds besides does not. */
size_t value_weight(const leat_value *v);

#endif
