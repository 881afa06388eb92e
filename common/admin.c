/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin.c: accept, read one request head, answer, close. Readiness is what
 * proc_ready() said; what the numbers mean is stat's affair.
 */
#include "common/admin.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/stat.h"

#define ADMIN_MAGIC LEAT_MAGIC(0xad310001)
#define REQUEST_MS 1000
#define HEAD_MAX 8192
#define ANSWER_MAX (4U << 20)

struct admin {
    uint32_t magic;
    unsigned procs;
    int fd;   /* listens */
    int stop; /* readable when it is time to end */
    int port;
    pthread_t thread;
};

static void *admin_main(void *arg);

/* ---- starting and stopping ------------------------------------------------- */

static bool split(const char *where, char host[256], char port[16],
                  struct err *err)
{
    const char *colon = strrchr(where, ':');
    size_t len = colon == NULL ? 0 : (size_t)(colon - where);
    bool braces = len > 2 && where[0] == '[' && where[len - 1] == ']';
    if (colon == NULL || len >= 256 || !base_copy(port, 16, colon + 1)) {
        return err_set(err, ERR_INVALID, "--admin-listen %s: is not HOST:PORT",
                       where);
    }
    snprintf(host, 256, "%.*s", (int)(braces ? len - 2 : len),
             braces ? where + 1 : where);
    return true;
}

static bool open_listener(struct admin *a, const char *where, struct err *err)
{
    char host[256];
    char port[16];
    struct addrinfo *at = NULL;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE};
    if (!split(where, host, port, err)) {
        return false;
    }
    int rc = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &at);
    if (rc != 0) {
        return err_set(err, ERR_INVALID, "--admin-listen %s: %s", where,
                       gai_strerror(rc));
    }
    int one = 1;
    a->fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                   0);
    bool ok = a->fd >= 0 &&
              setsockopt(a->fd, SOL_SOCKET, SO_REUSEADDR, &one,
                         sizeof(one)) == 0 &&
              bind(a->fd, at->ai_addr, at->ai_addrlen) == 0 &&
              listen(a->fd, 16) == 0;
    int why = errno;
    freeaddrinfo(at);
    return ok || err_set(err, ERR_IO, "--admin-listen %s: %s", where,
                         strerror(why));
}

static int port_of(int fd)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof(at);
    char text[16];
    if (getsockname(fd, (struct sockaddr *)&at, &size) != 0 ||
        getnameinfo((struct sockaddr *)&at, size, NULL, 0, text, sizeof(text),
                    NI_NUMERICSERV) != 0) {
        return 0;
    }
    return atoi(text);
}

static void discard(struct admin **p)
{
    struct admin *a = *p;
    *p = NULL;
    if (a->fd >= 0) {
        (void)close(a->fd);
    }
    if (a->stop >= 0) {
        (void)close(a->stop);
    }
    a->magic = 0;
    free(a);
}

bool admin_start(const char *where, unsigned procs, admin_t **out,
                 struct err *err)
{
    must(where != NULL && out != NULL);
    *out = NULL;
    if (where[0] == '\0') {
        return true;
    }
    struct admin *a = base_zalloc(sizeof(*a));
    a->magic = ADMIN_MAGIC;
    a->procs = procs;
    a->fd = -1;
    a->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(a->stop >= 0);
    if (!open_listener(a, where, err)) {
        discard(&a);
        return false;
    }
    a->port = port_of(a->fd);
    must(pthread_create(&a->thread, NULL, admin_main, a) == 0);
    log_info("admin.listening", "port=%d", a->port);
    *out = a;
    return true;
}

void admin_stop(admin_t **p)
{
    must(p != NULL);
    if (*p == NULL) {
        return;
    }
    check_magic(*p, ADMIN_MAGIC);
    const uint64_t one = 1;
    must(write((*p)->stop, &one, sizeof(one)) == (ssize_t)sizeof(one));
    must(pthread_join((*p)->thread, NULL) == 0);
    discard(p);
}

int admin_port(const admin_t *admin)
{
    check_magic(admin, ADMIN_MAGIC);
    return admin->port;
}

/* ---- one request ------------------------------------------------------------- */

/* False: asked to stop, or the time is over. */
static bool wait_for(const struct admin *a, int fd, short events,
                     int64_t until_ms)
{
    struct pollfd fds[2] = {{.fd = a->stop, .events = POLLIN},
                            {.fd = fd, .events = events}};
    int64_t left = max_i64(0, until_ms - clock_mono_ms());
    return poll(fds, 2, (int)left) > 0 && fds[0].revents == 0;
}

/* Reads to the end of the head; its body, if there is one, is of no interest. */
static bool read_head(const struct admin *a, int fd, char head[HEAD_MAX],
                      int64_t until_ms)
{
    size_t len = 0;
    while (len < HEAD_MAX - 1 && wait_for(a, fd, POLLIN, until_ms)) {
        ssize_t n = recv(fd, head + len, HEAD_MAX - 1 - len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            return false;
        }
        len += n > 0 ? (size_t)n : 0;
        head[len] = '\0';
        if (strstr(head, "\r\n\r\n") != NULL) {
            return true;
        }
    }
    return false;
}

static bool is_path(const char *head, const char *path)
{
    size_t n = strlen(path);
    const char *rest = head + 4; /* behind "GET " */
    return strncmp(rest, path, n) == 0 && strchr(" ?", rest[n]) != NULL;
}

static int answer_to(const struct admin *a, const char *head, struct buf *body,
                     const char **type)
{
    static const char *const when_ready[] = {"/ready", "/health", "/ok"};
    *type = "application/json";
    if (strncmp(head, "GET ", 4) != 0) {
        must(buf_puts(body, "{\"detail\":\"Method Not Allowed\"}"));
        return 405;
    }
    if (is_path(head, "/metrics")) {
        *type = "text/plain; version=0.0.4";
        must(stat_render(body, a->procs));
        return 200;
    }
    bool asked = is_path(head, "/live");
    bool well = asked;
    for (size_t i = 0; i < COUNT_OF(when_ready) && !asked; i++) {
        asked = is_path(head, when_ready[i]);
        well = proc_is_ready();
    }
    must(buf_puts(body, !asked ? "{\"detail\":\"Not Found\"}"
                        : well ? "{\"ok\":true}"
                               : "{\"ok\":false}"));
    return !asked ? 404 : well ? 200 : 503;
}

static void write_all(const struct admin *a, int fd, const struct buf *out,
                      int64_t until_ms)
{
    size_t sent = 0;
    while (sent < out->len && wait_for(a, fd, POLLOUT, until_ms)) {
        ssize_t n = send(fd, out->data + sent, out->len - sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return;
        }
        sent += n > 0 ? (size_t)n : 0;
    }
}

static void serve(const struct admin *a, int fd)
{
    char head[HEAD_MAX];
    int64_t until = clock_mono_ms() + REQUEST_MS;
    if (!read_head(a, fd, head, until)) {
        return;
    }
    struct buf body;
    struct buf out;
    buf_init(&body, ANSWER_MAX);
    buf_init(&out, ANSWER_MAX + HEAD_MAX);
    const char *type;
    int status = answer_to(a, head, &body, &type);
    must(buf_printf(&out,
                    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n"
                    "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                    status, status == 200 ? "OK" : "Not OK", type, body.len) &&
         buf_append(&out, body.data, body.len));
    write_all(a, fd, &out, until);
    buf_fini(&body);
    buf_fini(&out);
}

static void *admin_main(void *arg)
{
    struct admin *a = arg;
    check_magic(a, ADMIN_MAGIC);
    for (;;) {
        struct pollfd fds[2] = {{.fd = a->stop, .events = POLLIN},
                                {.fd = a->fd, .events = POLLIN}};
        (void)poll(fds, 2, -1);
        if (fds[0].revents != 0) {
            return NULL;
        }
        int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            serve(a, fd);
            (void)close(fd);
        }
    }
}
