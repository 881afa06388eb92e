/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.c: references to values and reading them in place. Owns when a value
 * dies, what a view shows, and the way from foreign bytes to a
 * value. How values are made is value_build.c; how bytes are stepped over is
 * value_bytes.c.
 */
#include "common/value.h"

#include "common/value_node.h"
#include <math.h>
#include <stdlib.h>

/* ---- references ---------------------------------------------------------- */

leat_value *leat_hold(const leat_value *v)
{
    if (v == NULL) {
        return NULL;
    }
    /* The count is the one part of a value that is not constant. */
    leat_value *held = (leat_value *)(uintptr_t)v;
    unsigned before =
        atomic_fetch_add_explicit(&held->refs, 1, memory_order_relaxed);
    must(before > 0 && before < UINT32_MAX / 2);
    return held;
}

static void release_composed(leat_value *v)
{
    const struct value_composed *c = value_node_composed(v);
    if (c->store != NULL) {
        value_store_drop(c->store);
        return;
    }
    for (uint32_t i = 0; i < c->count; i++) {
        leat_drop(c->items[i]); /* as deep as the value nests, at most */
    }
}

static void destroy(leat_value *v)
{
    switch (v->kind) {
    case VALUE_INLINE:
        break;
    case VALUE_SLICE:
        leat_drop(((struct value_slice *)(void *)v)->owner);
        break;
    case VALUE_FOREIGN: {
        struct value_foreign *f = (struct value_foreign *)(void *)v;
        f->owner.release(f->owner.arg);
        break;
    }
    default:
        must(!value_node_is_packed(v));
        release_composed(v);
        break;
    }
    v->kind = 0;
    free(v);
}

void leat_drop(leat_value *v)
{
    if (v == NULL) {
        return;
    }
    unsigned before =
        atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel);
    must(before > 0 && before < UINT32_MAX / 2);
    if (before == 1) {
        destroy(v);
    }
}

leat_view leat_view_of(const leat_value *v)
{
    if (v == NULL) {
        return (leat_view){NULL, NULL};
    }
    return (leat_view){
        v, value_node_is_packed(v) ? value_node_packed(v)->ptr : NULL};
}

/* Below this a slice would cost more than the bytes it saves, and would keep
 * its whole owner alive for them. */
#define SLICE_MIN 64

static leat_value *slice(const leat_value *owner, const unsigned char *at)
{
    struct value_extent extent = value_bytes_measure(at);
    if (owner == NULL || extent.len <= SLICE_MIN) {
        unsigned char *to;
        leat_value *v = value_node_inline(extent.len, extent.depth, &to);
        memcpy(to, at, extent.len);
        return v;
    }
    if (owner->kind == VALUE_SLICE) {
        owner = ((const struct value_slice *)(const void *)owner)->owner;
    }
    struct value_slice *s = base_realloc(NULL, sizeof(*s));
    atomic_init(&s->packed.head.refs, 1);
    s->packed.head.kind = VALUE_SLICE;
    s->packed.head.tag = LEAT_PLAIN;
    s->packed.head.depth = (uint16_t)extent.depth;
    s->packed.len = extent.len;
    s->packed.ptr = at;
    s->owner = leat_hold(owner);
    return &s->packed.head;
}

leat_value *leat_value_of(leat_view v)
{
    const unsigned char *at = value_node_at(v);
    if (at == NULL) {
        return leat_hold(v.node);
    }
    if (v.node != NULL && value_node_packed(v.node)->ptr == at) {
        return leat_hold(v.node);
    }
    return slice(v.node, at);
}

/* ---- what a view shows --------------------------------------------------- */

static struct value_item item_of(leat_view v)
{
    const unsigned char *at = value_node_at(v);
    if (at != NULL) {
        return value_bytes_item(at);
    }
    if (v.node == NULL) {
        return (struct value_item){.type = LEAT_MISSING};
    }
    return (struct value_item){
        .type = v.node->kind == VALUE_OBJECT ? LEAT_OBJECT : LEAT_LIST,
        .tag = (enum leat_tag)v.node->tag,
        .count = value_node_composed(v.node)->count,
    };
}

static struct value_number number_of(leat_view v)
{
    const unsigned char *at = value_node_at(v);
    if (at == NULL) {
        return (struct value_number){.kind = NUMBER_NONE};
    }
    return value_bytes_number(at + value_bytes_tag_head(at));
}

enum leat_type leat_type_of(leat_view v)
{
    return item_of(v).type;
}

enum leat_tag leat_tag_of(leat_view v)
{
    return item_of(v).tag;
}

bool leat_bool(leat_view v, bool fallback)
{
    const unsigned char *at = value_node_at(v);
    if (at == NULL) {
        return fallback;
    }
    at += value_bytes_tag_head(at);
    return *at == 0xc3 || (*at != 0xc2 && fallback);
}

int64_t leat_int(leat_view v, int64_t fallback)
{
    struct value_number n = number_of(v);
    if (n.kind == NUMBER_INT) {
        return n.i;
    }
    if (n.kind == NUMBER_DOUBLE && n.d >= -VALUE_TWO_63 && n.d < VALUE_TWO_63 &&
        n.d == floor(n.d)) {
        return (int64_t)n.d;
    }
    return fallback;
}

uint64_t leat_uint(leat_view v, uint64_t fallback)
{
    struct value_number n = number_of(v);
    if (n.kind == NUMBER_UINT) {
        return n.u;
    }
    if (n.kind == NUMBER_INT && n.i >= 0) {
        return (uint64_t)n.i;
    }
    if (n.kind == NUMBER_DOUBLE && n.d >= 0 && n.d < VALUE_TWO_64 &&
        n.d == floor(n.d)) {
        return (uint64_t)n.d;
    }
    return fallback;
}

double leat_double(leat_view v, double fallback)
{
    struct value_number n = number_of(v);
    switch (n.kind) {
    case NUMBER_INT:
        return (double)n.i;
    case NUMBER_UINT:
        return (double)n.u;
    case NUMBER_DOUBLE:
        return n.d;
    default:
        return fallback;
    }
}

static leat_text text_of(leat_view v, enum leat_type type)
{
    struct value_item item = item_of(v);
    if (item.type != type) {
        return (leat_text){NULL, 0};
    }
    return (leat_text){(const char *)item.body, item.count};
}

leat_text leat_string(leat_view v)
{
    return text_of(v, LEAT_STRING);
}

leat_text leat_bytes(leat_view v)
{
    return text_of(v, LEAT_BYTES);
}

bool leat_is(leat_view v, const char *text)
{
    must(text != NULL);
    leat_text s = leat_string(v);
    return s.ptr != NULL && strlen(text) == s.len &&
           memcmp(s.ptr, text, s.len) == 0;
}

bool leat_true(leat_view v)
{
    switch (leat_type_of(v)) {
    case LEAT_BOOL:
        return leat_bool(v, false);
    case LEAT_INT:
    case LEAT_DOUBLE:
        return leat_double(v, 0) != 0;
    case LEAT_STRING:
    case LEAT_BYTES:
    case LEAT_LIST:
    case LEAT_OBJECT:
        return item_of(v).count > 0;
    default:
        return false;
    }
}

size_t leat_count(leat_view v)
{
    struct value_item item = item_of(v);
    bool counted = item.type == LEAT_LIST || item.type == LEAT_OBJECT ||
                   item.type == LEAT_STRING;
    return counted ? item.count : 0;
}

/* ---- inside containers --------------------------------------------------- */

leat_view leat_get(leat_view object, const char *key)
{
    must(key != NULL);
    return leat_get_n(object, key, strlen(key));
}

static leat_view get_packed(leat_view object, const char *key, size_t len)
{
    uint32_t count = 0;
    const unsigned char *at = value_bytes_pairs(object.at, &count);
    const unsigned char *found = NULL;
    for (uint32_t i = 0; i < count; i++) {
        leat_text name;
        at = value_bytes_key(at, &name);
        if (name.len == len && memcmp(name.ptr, key, len) == 0) {
            found = at; /* and on: the last duplicate wins */
        }
        at = value_bytes_next(at);
    }
    return (leat_view){found != NULL ? object.node : NULL, found};
}

leat_view leat_get_n(leat_view object, const char *key, size_t key_len)
{
    must(key != NULL);
    object.at = value_node_at(object);
    if (object.at != NULL) {
        return get_packed(object, key, key_len);
    }
    if (object.node == NULL || object.node->kind != VALUE_OBJECT) {
        return (leat_view){NULL, NULL};
    }
    const struct value_composed *c = value_node_composed(object.node);
    for (uint32_t i = c->count; i > 0; i--) {
        if (c->keys[i - 1].len == key_len &&
            memcmp(c->keys[i - 1].ptr, key, key_len) == 0) {
            return leat_view_of(c->items[i - 1]);
        }
    }
    return (leat_view){NULL, NULL};
}

leat_view leat_at(leat_view list, long index)
{
    struct value_item item = item_of(list);
    long count = (long)item.count;
    if (item.type != LEAT_LIST || index >= count || index < -count) {
        return (leat_view){NULL, NULL};
    }
    uint32_t i = (uint32_t)(index < 0 ? index + count : index);
    const unsigned char *at = item.body;
    if (at == NULL) {
        return leat_view_of(value_node_composed(list.node)->items[i]);
    }
    for (; i > 0; i--) {
        at = value_bytes_next(at);
    }
    return (leat_view){list.node, at};
}

leat_iter leat_iter_of(leat_view v)
{
    struct value_item item = item_of(v);
    leat_iter it = {.over = v, .index = SIZE_MAX};
    if (item.type == LEAT_LIST || item.type == LEAT_OBJECT) {
        it.cursor = item.body;
        it.left = item.count;
    }
    return it;
}

static void next_packed(leat_iter *it)
{
    /* The container is looked at again rather than remembered: the struct is
     * part of the public interface and kept small. */
    if (value_bytes_is_object(value_node_at(it->over))) {
        it->cursor = value_bytes_key(it->cursor, &it->key);
    }
    it->item = (leat_view){it->over.node, it->cursor};
    it->cursor = value_bytes_next(it->cursor);
}

bool leat_next(leat_iter *it)
{
    must(it != NULL);
    if (it->left == 0) {
        return false;
    }
    it->left--;
    it->index++;
    if (it->cursor != NULL) {
        next_packed(it);
        return true;
    }
    const struct value_composed *c = value_node_composed(it->over.node);
    it->item = leat_view_of(c->items[it->index]);
    if (c->keys != NULL) {
        it->key = c->keys[it->index];
    }
    return true;
}

/* ---- foreign bytes ------------------------------------------------------- */

static bool check_bytes(const void *bytes, size_t len,
                        struct value_extent *extent, struct err *err)
{
    if (!value_bytes_check(bytes, len, VALUE_DEPTH_WIRE, extent)) {
        return err_set(err, ERR_WIRE, "%zu bytes are not a value", len);
    }
    if (extent->len != len) {
        return err_set(err, ERR_WIRE, "%zu bytes behind a value of %zu",
                       len - extent->len, extent->len);
    }
    return true;
}

bool value_from_bytes(const void *bytes, size_t len, leat_value **out,
                      struct err *err)
{
    must(out != NULL);
    struct value_extent extent;
    *out = NULL;
    if (!check_bytes(bytes, len, &extent, err)) {
        return false;
    }
    unsigned char *to;
    *out = value_node_inline(len, extent.depth, &to);
    memcpy(to, bytes, len);
    return true;
}

static leat_value *new_foreign(const void *bytes, struct value_extent extent,
                               struct value_owner owner)
{
    struct value_foreign *f = base_realloc(NULL, sizeof(*f));
    atomic_init(&f->packed.head.refs, 1);
    f->packed.head.kind = VALUE_FOREIGN;
    f->packed.head.tag = LEAT_PLAIN;
    f->packed.head.depth = (uint16_t)extent.depth;
    f->packed.len = extent.len;
    f->packed.ptr = bytes;
    f->owner = owner;
    return &f->packed.head;
}

bool value_from_foreign(const void *bytes, size_t len,
                        struct value_owner owner, leat_value **out,
                        struct err *err)
{
    must(out != NULL && owner.release != NULL);
    struct value_extent extent;
    *out = NULL;
    if (!check_bytes(bytes, len, &extent, err)) {
        return false;
    }
    *out = new_foreign(bytes, extent, owner);
    return true;
}

leat_value *value_node_adopt(unsigned char *bytes, size_t len, unsigned depth)
{
    must(bytes != NULL && depth <= VALUE_DEPTH_HARD);
    struct value_extent extent = {len, depth};
    return new_foreign(bytes, extent, (struct value_owner){free, bytes});
}

size_t value_check(const void *bytes, size_t len)
{
    struct value_extent extent;
    if (!value_bytes_check(bytes, len, VALUE_DEPTH_WIRE, &extent)) {
        return 0;
    }
    return extent.len;
}

leat_view value_view_raw(const void *bytes)
{
    must(bytes != NULL);
    return (leat_view){NULL, bytes};
}

struct value_bytes value_bytes_of(const leat_value *packed)
{
    must(packed != NULL && value_node_is_packed(packed));
    return (struct value_bytes){value_node_packed(packed)->ptr,
                                value_node_packed(packed)->len};
}

char *value_strdup(leat_view v)
{
    leat_text s = leat_string(v);
    return s.ptr == NULL ? NULL : base_memdup(s.ptr, s.len);
}

char *value_strdup_nonempty(leat_view v)
{
    return leat_string(v).len == 0 ? NULL : value_strdup(v);
}

size_t value_weight(const leat_value *v)
{
    if (v == NULL) {
        return 0;
    }
    if (value_node_is_packed(v)) {
        return sizeof(struct value_slice) + value_node_packed(v)->len;
    }
    const struct value_composed *c = value_node_composed(v);
    size_t weight = sizeof(*c) + c->count * sizeof(c->items[0]);
    for (uint32_t i = 0; i < c->count; i++) {
        weight += value_weight(c->items[i]); /* nests like the value */
        weight += c->keys != NULL ? sizeof(c->keys[0]) + c->keys[i].len : 0;
    }
    return weight;
}
