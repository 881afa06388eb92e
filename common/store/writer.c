/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writers' turns: a ticket lock that sleeps, one per open file, kept in a
 * list of the process.
 */
#include "common/store/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


struct store_writer {
    dev_t device;
    ino_t inode;
    unsigned users;
    pthread_mutex_t mutex;
    pthread_cond_t turned;
    uint64_t next_ticket;
    uint64_t serving;
    void *shared;
    pthread_cond_t synced;
    int log_fd; /* of the file that is made durable; -1: not opened */
    bool syncing;
    int broken;       /* errno of a sync that failed; 0 */
    uint64_t written; /* the last one; whose turn it is */
    uint64_t durable;
    struct store_writer *next;
};

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct store_writer *list;

static struct store_writer *add(const struct stat *file)
{
    struct store_writer *w = base_zalloc(sizeof *w);
    w->device = file->st_dev;
    w->inode = file->st_ino;
    (void)pthread_mutex_init(&w->mutex, NULL);
    (void)pthread_cond_init(&w->turned, NULL);
    (void)pthread_cond_init(&w->synced, NULL);
    w->log_fd = -1;
    w->next = list;
    list = w;
    return w;
}

struct store_writer *store_writer_get(const char *path, struct err *err)
{
    struct stat file;
    if (stat(path, &file) != 0) {
        (void)err_set(err, ERR_IO, "looking at %s: %s", path, strerror(errno));
        return NULL;
    }
    (void)pthread_mutex_lock(&list_mutex);
    struct store_writer *w = list;
    while (w != NULL && (w->device != file.st_dev || w->inode != file.st_ino)) {
        w = w->next;
    }
    if (w == NULL) {
        w = add(&file);
    }
    w->users++;
    (void)pthread_mutex_unlock(&list_mutex);
    return w;
}

void *store_writer_put(struct store_writer **p)
{
    struct store_writer *w = *p;
    void *shared = NULL;
    if (w == NULL) {
        return NULL;
    }
    (void)pthread_mutex_lock(&list_mutex);
    must(w->users > 0);
    if (--w->users == 0) {
        struct store_writer **at = &list;
        while (*at != w) {
            at = &(*at)->next;
        }
        *at = w->next;
        must(!w->syncing);
        shared = w->shared;
        if (w->log_fd >= 0) {
            (void)close(w->log_fd);
        }
        (void)pthread_cond_destroy(&w->synced);
        (void)pthread_cond_destroy(&w->turned);
        (void)pthread_mutex_destroy(&w->mutex);
        free(w);
    }
    (void)pthread_mutex_unlock(&list_mutex);
    *p = NULL;
    return shared;
}

/* ---- turns ----------------------------------------------------------------
 */

void store_writer_lock(struct store_writer *w)
{
    must(w != NULL);
    (void)pthread_mutex_lock(&w->mutex);
    uint64_t ticket = w->next_ticket++;
    while (w->serving != ticket) {
        (void)pthread_cond_wait(&w->turned, &w->mutex);
    }
    (void)pthread_mutex_unlock(&w->mutex);
}

void store_writer_unlock(struct store_writer *w)
{
    must(w != NULL);
    (void)pthread_mutex_lock(&w->mutex);
    must(w->serving < w->next_ticket);
    w->serving++;
    (void)pthread_cond_broadcast(&w->turned);
    (void)pthread_mutex_unlock(&w->mutex);
}

void **store_writer_shared(struct store_writer *w)
{
    must(w != NULL);
    return &w->shared;
}

/* ---- what is on the disk --------------------------------------------------
 */

uint64_t store_writer_wrote(struct store_writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    uint64_t number = ++w->written;
    (void)pthread_mutex_unlock(&w->mutex);
    return number;
}

static int sync_file(struct store_writer *w, const char *log)
{
    if (w->log_fd < 0) {
        w->log_fd = open(log, O_RDONLY | O_CLOEXEC);
    }
    return w->log_fd < 0 || fdatasync(w->log_fd) != 0 ? errno : 0;
}

/* Under the lock, which is free while the disk works. */
static void sync_all(struct store_writer *w, const char *log)
{
    uint64_t written = w->written;
    w->syncing = true;
    (void)pthread_mutex_unlock(&w->mutex);
    int failed = sync_file(w, log);
    (void)pthread_mutex_lock(&w->mutex);
    w->syncing = false;
    w->broken = failed;
    w->durable = failed == 0 ? written : w->durable;
    (void)pthread_cond_broadcast(&w->synced);
}

bool store_writer_sync(struct store_writer *w, const char *log,
                       uint64_t number, struct err *err)
{
    (void)pthread_mutex_lock(&w->mutex);
    while (w->durable < number && w->broken == 0) {
        if (w->syncing) {
            (void)pthread_cond_wait(&w->synced, &w->mutex);
        } else {
            sync_all(w, log);
        }
    }
    int broken = w->durable < number ? w->broken : 0;
    (void)pthread_mutex_unlock(&w->mutex);
    return broken == 0 ||
           err_set(err, ERR_STORE, "syncing %s failed, restart: %s", log,
                   strerror(broken));
}
