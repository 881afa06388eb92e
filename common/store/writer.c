/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writers' turns: a ticket lock that sleeps, one per open file, kept in a
 * list of the process. Knows no database.
 */
#include "common/store/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct store_writer {
    dev_t device;
    ino_t inode;
    unsigned users;
    pthread_mutex_t mutex;
    pthread_cond_t turned;
    uint64_t next_ticket;
    uint64_t serving;
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

void store_writer_put(struct store_writer **p)
{
    struct store_writer *w = *p;
    if (w == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&list_mutex);
    must(w->users > 0);
    if (--w->users == 0) {
        struct store_writer **at = &list;
        while (*at != w) {
            at = &(*at)->next;
        }
        *at = w->next;
        (void)pthread_cond_destroy(&w->turned);
        (void)pthread_mutex_destroy(&w->mutex);
        free(w);
    }
    (void)pthread_mutex_unlock(&list_mutex);
    *p = NULL;
}

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
