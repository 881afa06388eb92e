/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leat/value.h: the JSON-like values that graphs read and return.
 *
 * A value is immutable and shared by counting references, so it can be handed
 * to any thread and a state of a megabyte costs nothing to pass on. Reading is
 * done through a *view*: a small struct, passed by value, that borrows from
 * the value it was taken of. Views never need freeing; they are good for as
 * long as the value (or, inside a node, the call) lives.
 *
 *     long n = leat_int(leat_get(state, "n"), 0);
 *     return leat_pack("{s:I}", "n", (int64_t)(n + 1));
 *
 * Ownership in one rule: a function that returns `leat_value *` gives the
 * caller one reference (drop it with leat_drop(), or return it); a function
 * that takes `leat_value *` takes that reference over; one that takes
 * `const leat_value *` or a view borrows for the call.
 *
 * No function here fails on data: reading what is not there gives a view of
 * type LEAT_MISSING, and reading a missing or differently typed view gives the
 * default that was passed. Running out of memory aborts the process (runs are
 * leased and durable, so a crash costs a retry and not data).
 */
#ifndef LEAT_VALUE_H
#define LEAT_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nesting limit of input: deeper text is refused. What is built around it may
 * nest twice as deep; building deeper is a programmer error and aborts. */
#define LEAT_DEPTH_MAX 128

typedef struct leat_value leat_value;   /* immutable, reference counted */
typedef struct leat_writer leat_writer; /* builds one value, front to back */

/* A place in a value; both fields NULL: missing. Treat them as private. */
typedef struct leat_view {
    const leat_value *node;   /* the value read; NULL when the bytes have none */
    const unsigned char *at;  /* first byte of this place; NULL: node itself */
} leat_view;

/* Borrowed text: not terminated, may hold NUL. UTF-8 as it was given. */
typedef struct leat_text {
    const char *ptr;
    size_t len;
} leat_text;

enum leat_type {
    LEAT_MISSING = 0,  /* nothing there: a key not found, an index too large */
    LEAT_NULL,
    LEAT_BOOL,
    LEAT_INT,          /* whole numbers from INT64_MIN to UINT64_MAX */
    LEAT_DOUBLE,
    LEAT_STRING,
    LEAT_BYTES,        /* not JSON; shown as base64 text there */
    LEAT_LIST,
    LEAT_OBJECT,       /* keys in the order written; the last duplicate wins */
};

/*
 * What an object stands for besides its keys. Reading ignores the tag: a
 * message is read like any object. The engine looks at tags to tell a message
 * from an object of the same shape, and to find commands and sends.
 */
enum leat_tag {
    LEAT_PLAIN = 0,
    LEAT_MESSAGE = 1,  /* a chat message; keys as in docs/graph-authors.md */
    LEAT_SEND = 2,     /* {"node", "arg"}: run `node` with `arg` next step */
    LEAT_COMMAND = 3,  /* {"update", "goto", "resume", "graph"} */
    LEAT_CHUNK = 4,    /* a message chunk (type AIMessageChunk) */
};

/* ---- references ------------------------------------------------------- */

leat_value *leat_hold(const leat_value *v);  /* one more reference; NULL ok */
void leat_drop(leat_value *v);               /* one fewer; NULL is ignored */
leat_view leat_view_of(const leat_value *v); /* NULL gives a missing view */
/* A reference to what the view shows; shares the bytes. Missing gives NULL. */
leat_value *leat_value_of(leat_view v);

/* ---- reading ---------------------------------------------------------- */

enum leat_type leat_type_of(leat_view v);
enum leat_tag leat_tag_of(leat_view v);
bool leat_bool(leat_view v, bool fallback);
int64_t leat_int(leat_view v, int64_t fallback);    /* a whole double counts */
uint64_t leat_uint(leat_view v, uint64_t fallback); /* >= 0 only */
double leat_double(leat_view v, double fallback);   /* ints convert */
leat_text leat_string(leat_view v);                 /* ptr NULL if no string */
leat_text leat_bytes(leat_view v);                  /* ptr NULL if no bytes */
bool leat_is(leat_view v, const char *text);        /* a string equal to it */
/* Truth as Python has it: false for missing, null, false, 0, "", [] and {}. */
bool leat_true(leat_view v);
/* Elements of a list, keys of an object, bytes of a string; else 0. */
size_t leat_count(leat_view v);
leat_view leat_get(leat_view object, const char *key);
leat_view leat_get_n(leat_view object, const char *key, size_t key_len);
/* The element at `index`; negative counts from the end (-1 is the last). */
leat_view leat_at(leat_view list, long index);
/* Equal types and contents; key order and tags do not matter; 1 == 1.0. */
bool leat_equal(leat_view a, leat_view b);

/* Walks a list or an object: `for (it = leat_iter_of(v); leat_next(&it);)`. */
typedef struct leat_iter {
    leat_view item;   /* the current element */
    leat_text key;    /* its key, when walking an object */
    size_t index;     /* its position, from 0 */
    /* private: */
    leat_view over;
    const unsigned char *cursor;
    size_t left;
} leat_iter;

leat_iter leat_iter_of(leat_view v);
bool leat_next(leat_iter *it);

/* ---- building --------------------------------------------------------- */

leat_value *leat_new_null(void);
leat_value *leat_new_bool(bool b);
leat_value *leat_new_int(int64_t n);
leat_value *leat_new_double(double d);
leat_value *leat_new_string(const char *text);
leat_value *leat_new_string_n(const char *text, size_t len);
/* printf into a string value. */
leat_value *leat_new_format(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/*
 * Builds a value from a pattern: `{` `}` objects (key, value pairs; a key is
 * `s`), `[` `]` lists, and for each value one letter that takes an argument:
 *   s const char * (NULL gives null)    t leat_text       b int (bool)
 *   i int       I int64_t      f double        n null (takes no argument)
 *   v leat_view (missing gives null)    V leat_value *, the reference is taken
 *   W const leat_value *, borrowed      (NULL gives null for V and W)
 *   ? before a value letter inside an object: leave the pair out when the
 *     argument is NULL or a missing view
 * `:`, `,` and spaces are ignored. A wrong pattern is a programmer error and
 * aborts. Example: leat_pack("{s:I, s:[s,s]}", "n", n, "log", "a", "b").
 */
leat_value *leat_pack(const char *pattern, ...);

/* Shares the given values instead of copying them; takes their references.
 * NULL items become null. */
leat_value *leat_new_list(size_t n, leat_value *const items[]);
leat_value *leat_new_object(size_t n, const char *const keys[],
                            leat_value *const items[]);
/* A copy of `list` with the items behind it; elements are shared. Anything
 * but a list counts as an empty one. */
leat_value *leat_append(leat_view list, size_t n, leat_value *const items[]);
/* A copy of `object` in which `key` is `item` (NULL: without it); shared.
 * Anything but an object counts as an empty one. */
leat_value *leat_with(leat_view object, const char *key, leat_value *item);
/* The same object, carrying the tag. Takes the reference. Anything but an
 * object comes back as it is. */
leat_value *leat_tagged(leat_value *object, enum leat_tag tag);

/*
 * The writer, for what a pattern cannot say. Containers are closed by
 * leat_write_end(); inside an object every value needs its key first. A
 * mistake in the order is a programmer error and aborts.
 */
leat_writer *leat_writer_new(void);
void leat_writer_destroy(leat_writer **w);
void leat_write_object(leat_writer *w);
void leat_write_tagged(leat_writer *w, enum leat_tag tag); /* an object */
void leat_write_list(leat_writer *w);
void leat_write_end(leat_writer *w);
void leat_write_key(leat_writer *w, const char *key);
void leat_write_key_n(leat_writer *w, const char *key, size_t len);
void leat_write_null(leat_writer *w);
void leat_write_bool(leat_writer *w, bool b);
void leat_write_int(leat_writer *w, int64_t n);
void leat_write_uint(leat_writer *w, uint64_t n);
void leat_write_double(leat_writer *w, double d);
void leat_write_string(leat_writer *w, const char *text);
void leat_write_string_n(leat_writer *w, const char *text, size_t len);
void leat_write_bytes(leat_writer *w, const void *bytes, size_t len);
void leat_write_view(leat_writer *w, leat_view v); /* missing writes null */
/* The finished value; the writer is freed and *w set to NULL. */
leat_value *leat_writer_finish(leat_writer **w);

/* ---- text ------------------------------------------------------------- */

/* NULL and a sentence in `why` (if given) when the text is not JSON. */
leat_value *leat_from_json(const char *text, size_t len, char *why,
                           size_t why_size);
/* Compact JSON, terminated; the caller frees it with leat_free_text(). */
char *leat_to_json(leat_view v);
void leat_free_text(char *text);

#ifdef __cplusplus
}
#endif
#endif
