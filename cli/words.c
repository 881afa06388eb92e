/* SPDX-License-Identifier: Apache-2.0 */
/* words.c: a NULL-terminated list of words; see words.h. */
#include "cli/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void cli_words_add(struct cli_words *words, const char *fmt, ...)
{
    must(words != NULL);
    va_list ap;
    va_start(ap, fmt);
    char *word = NULL;
    int n = vasprintf(&word, fmt, ap);
    va_end(ap);
    must(n >= 0);
    words->list =
        base_realloc(words->list, (words->n + 2) * sizeof(*words->list));
    words->list[words->n++] = word;
    words->list[words->n] = NULL;
}

void cli_words_set(struct cli_words *words, size_t at, const char *word)
{
    must(words != NULL && at < words->n && word != NULL);
    free(words->list[at]);
    words->list[at] = base_strdup(word);
}

void cli_words_fini(struct cli_words *words)
{
    must(words != NULL);
    for (size_t i = 0; i < words->n; i++) {
        free(words->list[i]);
    }
    free(words->list);
    *words = (struct cli_words){0};
}
