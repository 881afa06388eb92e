/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.h: a growing list of words that ends with NULL, as execv and environ
 * want it. It owns its words.
 */
#ifndef LEAT_CLI_WORDS_H
#define LEAT_CLI_WORDS_H

#include "common/base.h"

struct cli_words {
    char **list; /* n words and a NULL; NULL while there are none */
    size_t n;
};

void cli_words_add(struct cli_words *words, const char *fmt, ...) PRINTF(2, 3);
/* Puts another word in the place of an old one. */
void cli_words_set(struct cli_words *words, size_t at, const char *word);
void cli_words_fini(struct cli_words *words);

#endif
