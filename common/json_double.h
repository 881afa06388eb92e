/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A double as text and back, the same on every machine and in every locale.
 * Only the json files include it.
 */
#ifndef COMMON_JSON_DOUBLE_H
#define COMMON_JSON_DOUBLE_H

#include "common/base.h"

/* The longest: "-2.2250738585072014e-308". */
#define JSON_DOUBLE_SIZE 32

/*
 * Writes the fewest digits that read back as `d`, and of those the nearest.
 * Laid out as Python prints floats: 1.0, 0.0001, 1e-05, 1e+16. `d` must be
 * finite. Returns the length; nothing is terminated.
 */
size_t json_double_print(double d, char out[JSON_DOUBLE_SIZE]);

/* Reads `len` characters that are known to be a JSON number. Too large gives
 * an infinity, too small a zero. */
double json_double_parse(const char *text, size_t len);

#endif
