/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_pack: any bytes as a packed value. What is taken is read from end to
 * end in every way there is; built anew of its parts it must be equal.
 */
#include "common/json.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_scalar(leat_view v)
{
    leat_text s = leat_string(v), b = leat_bytes(v);
    (void)leat_bool(v, false);
    (void)leat_int(v, 0);
    (void)leat_uint(v, 0);
    (void)leat_double(v, 0);
    (void)leat_true(v);
    must(s.ptr == NULL || b.ptr == NULL);
    size_t sum = 0;
    for (size_t i = 0; i < s.len; i++) {
        sum += (unsigned char)s.ptr[i];
    }
    must(sum <= 255 * s.len);
}

static leat_value *rebuild(leat_view v, unsigned depth)
{
    must(depth <= VALUE_DEPTH_HARD);
    read_scalar(v);
    enum leat_type type = leat_type_of(v);
    if (type != LEAT_LIST && type != LEAT_OBJECT) {
        return leat_value_of(v);
    }
    leat_value *made = type == LEAT_LIST ? leat_new_list(0, NULL)
                                         : leat_new_object(0, NULL, NULL);
    size_t n = 0;
    for (leat_iter it = leat_iter_of(v); leat_next(&it); n++) {
        leat_value *item = rebuild(it.item, depth + 1), *next;
        if (type == LEAT_LIST) {
            next = leat_append(leat_view_of(made), 1, &item);
        } else {
            char *key = base_memdup(it.key.ptr, it.key.len);
            must(leat_get_n(v, it.key.ptr, it.key.len).at != NULL);
            if (strlen(key) == it.key.len) {
                next = leat_with(leat_view_of(made), key, item);
            } else { /* a NUL in it: not for this call */
                leat_drop(item);
                next = leat_hold(made);
            }
            free(key);
        }
        leat_drop(made);
        made = next;
    }
    must(n == leat_count(v));
    return leat_tagged(made, leat_tag_of(v));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leat_value *v;
    struct err err = ERR_INIT;
    size_t first = value_check(data, size);
    must(first <= size);
    if (size > 4096 || !value_from_bytes(data, size, &v, &err)) {
        return 0;
    }
    must(first == size);
    leat_value *made = rebuild(leat_view_of(v), 0);
    (void)leat_equal(leat_view_of(v), leat_view_of(made)); /* NaN is not */
    leat_value *packed = value_packed(made);
    struct value_bytes bytes = value_bytes_of(packed);
    must(value_check(bytes.ptr, bytes.len) == bytes.len);
    must(value_packed_size(leat_view_of(made)) == bytes.len);
    char *a = leat_to_json(leat_view_of(made));
    char *b = leat_to_json(leat_view_of(packed));
    must(strcmp(a, b) == 0);
    leat_free_text(a);
    leat_free_text(b);
    leat_drop(packed);
    leat_drop(made);
    leat_drop(v);
    return 0;
}
