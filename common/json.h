/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text to packed values and back, streaming, without a tree between.
 * Knows nothing of HTTP or graphs.
 *
 * Numbers: whole numbers are exact from INT64_MIN to UINT64_MAX, larger ones
 * become doubles; 1.0 stays a double and is written "1.0"; doubles are written
 * with the fewest digits that read back the same. NaN and infinities are
 * written as null. Strings: lone surrogates become U+FFFD; control characters
 * are escaped, everything else is written as UTF-8 as it is (invalid UTF-8
 * becomes U+FFFD). Objects keep their order; the last duplicate key wins and
 * stands in the place of the first.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "common/value.h"

/*
 * Parses one document (white space around it is allowed). ERR_BAD_JSON with
 * the byte offset in the text; ERR_INVALID when nested deeper than
 * `limits->depth_max`; ERR_TOO_LARGE beyond `limits->bytes_max`.
 * limits NULL: LEAT_DEPTH_MAX and no byte limit.
 */
MUST_USE bool json_parse(const char *text, size_t len,
                         const struct value_limits *limits, leat_value **out,
                         struct err *err);
/* Appends compact JSON; false when the buffer is at its cap. */
MUST_USE bool json_write(leat_view v, struct buf *out);
/* Appends `text` as a JSON string with its quotes. */
MUST_USE bool json_write_string(const char *text, size_t len, struct buf *out);

#endif
