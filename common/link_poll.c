/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for links, pipes and descriptors. The descriptor of a ZeroMQ socket
 * says that commands came for it, once: they have to be taken before it says
 * so again, and any call on the socket may take them. So a socket is marked
 * from the moment that its descriptor spoke, or something was sent on it,
 * until it was asked and had nothing.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "common/link_inner.h"

static size_t add(struct link_poll *p, struct link_poll_item item);
static size_t add_socket(struct link_poll *p, link_t *link, void *socket);
static bool has_come(void *socket);
static bool check(struct link_poll_item *item);

size_t link_poll_link(struct link_poll *p, link_t *l)
{
    check_magic(l, LINK_MAGIC);
    l->marked = true;
    return add_socket(p, l, l->raw);
}

size_t link_poll_monitor(struct link_poll *p, link_t *l)
{
    check_magic(l, LINK_MAGIC);
    return add_socket(p, NULL, l->monitor);
}

size_t link_poll_pipe(struct link_poll *p, const struct link_pipe *pipe)
{
    zmq_pollitem_t item;
    link_pipe_item(pipe, &item);
    return link_poll_item(p, &item);
}

size_t link_poll_item(struct link_poll *p, const zmq_pollitem_t *item)
{
    must(item->events == ZMQ_POLLIN);
    if (item->socket != NULL) {
        return add_socket(p, NULL, item->socket);
    }
    return add(p, (struct link_poll_item){.fd = item->fd});
}

void link_poll_wait(struct link_poll *p, int64_t wait_ms)
{
    must(p != NULL && p->n > 0);
    struct pollfd fds[LINK_POLL_MAX];
    bool any = false;
    for (size_t i = 0; i < p->n; i++) {
        fds[i] = (struct pollfd){.fd = p->items[i].fd, .events = POLLIN};
        p->items[i].ready = check(&p->items[i]);
        any = any || p->items[i].ready;
    }
    int most = wait_ms < 0 ? -1 : (int)min_i64(wait_ms, INT_MAX);
    int n = poll(fds, p->n, any ? 0 : most);
    must(n >= 0 || errno == EINTR);
    for (size_t i = 0; n > 0 && i < p->n; i++) {
        struct link_poll_item *item = &p->items[i];
        if (fds[i].revents == 0) {
            continue;
        }
        item->ready = true;
        item->marked = true;
        if (item->link != NULL) {
            item->link->marked = true;
        }
    }
}

bool link_poll_ready(const struct link_poll *p, size_t item)
{
    must(p != NULL && item < p->n);
    return p->items[item].ready;
}

static size_t add(struct link_poll *p, struct link_poll_item item)
{
    must(p != NULL && p->n < LINK_POLL_MAX);
    p->items[p->n] = item;
    return p->n++;
}

static size_t add_socket(struct link_poll *p, link_t *link, void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    must(zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0);
    return add(p, (struct link_poll_item){
                      .link = link, .socket = socket, .fd = fd, .marked = true});
}

static bool has_come(void *socket)
{
    int events = 0;
    size_t size = sizeof events;
    int rc = zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
    must(rc == 0 || errno == EINTR || errno == ETERM);
    return rc == 0 && (events & ZMQ_POLLIN) != 0;
}

/* Is there something, as far as that is not known? Takes the mark away where
 * there is not. */
static bool check(struct link_poll_item *item)
{
    bool *mark = item->link != NULL ? &item->link->marked : &item->marked;
    if (item->socket == NULL || !*mark) {
        return false;
    }
    *mark = has_come(item->socket);
    return *mark;
}
