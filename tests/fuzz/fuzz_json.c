/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_json: any bytes as JSON text. What is taken must be a value that
 * passes the check of foreign bytes, and written and read again it must be
 * the same value and the same text.
 */
#include "common/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leat_value *v, *again;
    struct err err = ERR_INIT;
    struct buf first, second;
    if (!json_parse((const char *)data, size, NULL, &v, &err)) {
        must(v == NULL && err.code != ERR_NONE);
        return 0;
    }
    struct value_bytes bytes = value_bytes_of(v);
    must(value_check(bytes.ptr, bytes.len) == bytes.len);
    buf_init(&first, SIZE_MAX - 1);
    buf_init(&second, SIZE_MAX - 1);
    must(json_write(leat_view_of(v), &first));
    must(json_parse(first.data, first.len, NULL, &again, &err));
    must(json_write(leat_view_of(again), &second));
    must(first.len == second.len);
    for (size_t i = 0; i < first.len; i++) {
        must(first.data[i] == second.data[i]);
    }
    /* Infinities are written as null, so only the text must stay the same. */
    (void)leat_equal(leat_view_of(v), leat_view_of(again));
    buf_fini(&first);
    buf_fini(&second);
    leat_drop(v);
    leat_drop(again);
    return 0;
}
