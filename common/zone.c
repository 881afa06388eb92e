/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules are libc's, which knows one zone at a time for the whole process:
 * the variable TZ is changed under a lock around each question. Nothing else
 * in these programs asks for local time. The variable is there before other
 * threads are (a constructor), so that changing it only replaces a pointer
 * and readers of the environment are not disturbed.
 */
#include "common/zone.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FOLDER "/usr/share/zoneinfo/"
#define DAY 86400

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char current[ZONE_NAME_MAX + 1]; /* what libc has been told */

__attribute__((constructor)) static void begin(void)
{
    must(setenv("TZ", ":/etc/localtime", 0) == 0); /* as without it */
}

/* "Europe/Berlin": words of letters, digits, "_", "+" and "-". */
static bool is_name(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > ZONE_NAME_MAX || name[0] == '/' || name[n - 1] == '/') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c >= '0' && c <= '9') || strchr("_+-/", c) != NULL;
        if (!fits || (c == '/' && name[i + 1] == '/')) {
            return false;
        }
    }
    /* The same files once more, under other rules. */
    return strncmp(name, "posix/", 6) != 0 && strncmp(name, "right/", 6) != 0;
}

bool zone_is_known(const char *name)
{
    must(name != NULL);
    char path[sizeof FOLDER + ZONE_NAME_MAX];
    char magic[4] = "";
    if (!is_name(name)) {
        return false;
    }
    if (strcmp(name, "UTC") == 0) {
        return true;
    }
    (void)snprintf(path, sizeof path, FOLDER "%s", name);
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        return false;
    }
    bool ok = fread(magic, 1, sizeof magic, f) == sizeof magic &&
              memcmp(magic, "TZif", sizeof magic) == 0;
    (void)fclose(f);
    return ok;
}

int64_t zone_local(const char *name, int64_t utc)
{
    must(name != NULL);
    struct tm tm;
    time_t at = (time_t)utc;
    must(pthread_mutex_lock(&lock) == 0);
    if (strcmp(current, name) != 0) {
        (void)base_copy(current, sizeof current, name);
        must(setenv("TZ", name, 1) == 0);
        tzset();
    }
    int64_t offset = localtime_r(&at, &tm) == NULL ? 0 : tm.tm_gmtoff;
    must(pthread_mutex_unlock(&lock) == 0);
    return utc + offset;
}

/* The first moment in (from, to] of which local time is not what it is at
 * `from` and as long after. */
static int64_t change_in(const char *name, int64_t from, int64_t to)
{
    int64_t offset = zone_local(name, from) - from;
    while (to - from > 1) {
        int64_t mid = from + (to - from) / 2;
        if (zone_local(name, mid) - mid == offset) {
            from = mid;
        } else {
            to = mid;
        }
    }
    return to;
}

int64_t zone_utc(const char *name, int64_t local)
{
    must(name != NULL);
    int64_t before = zone_local(name, local - DAY) - (local - DAY);
    int64_t after = zone_local(name, local + DAY) - (local + DAY);
    int64_t first = local - before;
    if (zone_local(name, first) == local) {
        return first; /* also the first of two */
    }
    int64_t second = local - after;
    if (zone_local(name, second) == local) {
        return second;
    }
    return change_in(name, second < first ? second : first,
                     second < first ? first : second);
}
