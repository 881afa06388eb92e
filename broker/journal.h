/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.h: the event log in the store. Takes events from the relay, writes
 * them behind in segments (one row per run and flush, one transaction for all
 * runs), tells what is durable, reads segments back for replays, and drops
 * what retention no longer covers. Bodies stay unopened.
 */
#ifndef BROKER_JOURNAL_H
#define BROKER_JOURNAL_H

#include "broker/inner.h"
#include "common/err.h"

struct brk_journal;

/* Takes over its end of the pipe; opens its own handle of the store. */
struct brk_journal *brk_journal_new(const struct brk_env *env,
                                    struct link_pipe **relay,
                                    struct err *err) MUST_USE;
/* Writes what it has taken, as far as the store allows, and frees the rest. */
void brk_journal_destroy(struct brk_journal **p);

/* ---- its parts, for who has the time and the turns himself ---------------- */

struct brk_journal *brk_journal_make(const struct brk_env *env,
                                     struct link_pipe **relay) MUST_USE;
/* Opens the store. */
MUST_USE bool brk_journal_open(struct brk_journal *j, struct err *err);
/* Takes what the relay has sent, does what is due. */
void brk_journal_turn(struct brk_journal *j, int64_t now_ms);
/* When the next turn must begin at the latest, if nothing comes. */
int64_t brk_journal_next_ms(const struct brk_journal *j);

#endif
