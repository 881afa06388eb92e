/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id.h: the ids of everything, 16 bytes in memory and 36 characters in text.
 * Also the hash that interrupt and task ids are made of. Safe from any
 * thread.
 */
#ifndef LEAT_COMMON_ID_H
#define LEAT_COMMON_ID_H

#include "common/base.h"

struct id {
    uint8_t bytes[16];
};

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and its NUL. */
#define ID_TEXT_SIZE 37
/* 32 hex digits and their NUL. */
#define ID_HEX_SIZE 33

/* Random. */
struct id id_uuid4(void);
/* Time first: runs and threads. Each is greater than the last one made. */
struct id id_uuid7(void);
/*
 * Time first with the step in the clock_seq field: checkpoints. Each is
 * greater than the last one made, whatever the steps. Fourth group: 8000 |
 * (step & 3fff), for negative steps 8000 | (step & ffff), so -1 is ffff.
 */
struct id id_uuid6(int step);
/* Made of a namespace and a name: the same for the same. */
struct id id_uuid5(const struct id *space, const void *name, size_t size);

/*
 * Reads the 36-character form, upper or lower case, any version; false
 * (and *out nil) for anything else. The _n form reads exactly n bytes.
 */
MUST_USE bool id_parse(const char *text, struct id *out);
MUST_USE bool id_parse_n(const char *text, size_t n, struct id *out);

/* Writes the 36-character form, lower case; returns out. */
char *id_print(const struct id *id, char out[ID_TEXT_SIZE]);

/* For %s in one expression: ID_TEXT(&run->id). */
#define ID_TEXT(id) id_print((id), (char[ID_TEXT_SIZE]){0})

bool id_is_nil(const struct id *id);
bool id_eq(const struct id *a, const struct id *b);
/* Byte order, as memcmp: for uuid6 and uuid7 the order of making. */
int id_cmp(const struct id *a, const struct id *b);
/* For hash tables; not for anything a peer could aim at. */
uint64_t id_hash(const struct id *id);

/* For hash tables of texts that peers choose: seeded per process. */
uint64_t id_hash_text(const void *text, size_t size);

/* xxh3-128 of the bytes as 32 lower-case hex digits; returns out. */
char *id_xxh3_hex(const void *data, size_t size, char out[ID_HEX_SIZE]);

/* Random bytes of the kernel, buffered per thread. */
void id_random(void *out, size_t size);

/*
 * Replaces randomness by a test's own bytes, NULL to undo. Together with
 * clock_source_set it makes every id predictable.
 */
typedef void id_random_fn(void *out, size_t size);
void id_random_set(id_random_fn *source);

/* Forgets the last time used (tests that turn the clock back). */
void id_order_reset(void);

#endif
