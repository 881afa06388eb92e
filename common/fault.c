/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.c: counts how often each point that was set is passed, and breaks at
 * the one that was asked for. It knows no process and no protocol.
 */
#include "common/fault.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#define FAULT_NAME_MAX 64

static const struct fault_row rows[] = {
#define FAULT(id, name, programs, effect, moment)                              \
    [FAULT_##id] = {name, programs, FAULT_##effect, moment},
#include "common/fault.tbl.h"
#undef FAULT
};

atomic_bool fault_armed;
static uint64_t wanted[FAULT_COUNT]; /* the passing that breaks; 0: none */
static atomic_uint_fast64_t passed[FAULT_COUNT];

static bool find(const char *name, size_t len, size_t *out)
{
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* "point:n" of `len` bytes. */
static bool set_one(unsigned program, const char *text, size_t len,
                    struct err *err)
{
    const char *colon = memchr(text, ':', len);
    size_t name = colon == NULL ? len : (size_t)(colon - text);
    size_t point = 0;
    if (!find(text, name, &point)) {
        return err_set(err, ERR_INVALID, "LEAT_FAULT: no point %.*s",
                       (int)min_size(name, FAULT_NAME_MAX), text);
    }
    uint64_t n = 0;
    size_t at = name + 1;
    for (; at < len && text[at] >= '0' && text[at] <= '9' && n < UINT32_MAX;
         at++) {
        n = n * 10 + (uint64_t)(text[at] - '0');
    }
    if (n == 0 || at != len) {
        return err_set(err, ERR_INVALID, "LEAT_FAULT: %s needs :n, n from 1",
                       rows[point].name);
    }
    if ((rows[point].programs & program) != 0) {
        wanted[point] = n;
        atomic_store(&fault_armed, true);
    }
    return true;
}

bool fault_set(unsigned program, const char *text, struct err *err)
{
    must(err != NULL);
    atomic_store(&fault_armed, false);
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        wanted[i] = 0;
        atomic_store(&passed[i], 0);
    }
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");
        if (!set_one(program, text, len, err)) {
            return false;
        }
        text += len + (text[len] == ',');
    }
    return true;
}

bool fault_hit(enum fault_point point)
{
    must((size_t)point < FAULT_COUNT);
    if (wanted[point] == 0 ||
        atomic_fetch_add(&passed[point], 1) + 1 != wanted[point]) {
        return false;
    }
    log_warn("fault.hit", "point=%s n=%llu", rows[point].name,
             (unsigned long long)wanted[point]);
    switch (rows[point].effect) {
    case FAULT_KILL:
        (void)kill(getpid(), SIGKILL);
        return false;
    case FAULT_STOP:
        (void)kill(getpid(), SIGSTOP);
        return false;
    case FAULT_FAIL:
        return true;
    }
    must_not("an effect");
    return false;
}

bool fault_disk_full(struct err *err)
{
    return err_set(err, ERR_STORE_FULL, "the disk is full (LEAT_FAULT)");
}

const struct fault_row *fault_row(enum fault_point point)
{
    must((size_t)point < FAULT_COUNT);
    return &rows[point];
}
