/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone.h: what the clocks of a place show, by the names and rules of the IANA
 * time zone database as the system has it (package tzdata). Times are seconds
 * since 1970; local times are counted the same way, as if they were UTC.
 */
#ifndef LEAT_COMMON_ZONE_H
#define LEAT_COMMON_ZONE_H

#include "common/base.h"

#define ZONE_NAME_MAX 64

/* Is there a zone of this name? "UTC" is always one. */
bool zone_is_known(const char *name);

/* Local time at `utc`. The zone must be known; when its file went away
 * meanwhile it counts as UTC. */
int64_t zone_local(const char *name, int64_t utc);

/*
 * When the local time is shown: the first of the two moments when clocks were
 * put back over it; the moment of the change when they were put forward over
 * it, so that it is never shown.
 */
int64_t zone_utc(const char *name, int64_t local);

#endif
