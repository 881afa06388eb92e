/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.c: tries ports by binding them and asks a URL once. Owns the lock
 * sockets that keep two leat dev from choosing the same ports; knows nothing
 * of children.
 */
#include "cli/net.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/id.h"

#define RANGE_FIRST 20000
#define RANGE_LAST 32000
#define RANGE_TRIES 200

static bool resolve(const char *host, int port, struct addrinfo **out,
                    struct err *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE};
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    int rc = getaddrinfo(host, service, &hints, out);
    if (rc != 0) {
        return err_set(err, ERR_IO, "host %s: %s", host, gai_strerror(rc));
    }
    return true;
}

static int bound_port(int fd)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof(at);
    char service[16];
    if (getsockname(fd, (struct sockaddr *)&at, &size) != 0 ||
        getnameinfo((struct sockaddr *)&at, size, NULL, 0, service,
                    sizeof(service), NI_NUMERICSERV) != 0) {
        return 0;
    }
    int port = 0;
    return sscanf(service, "%d", &port) == 1 ? port : 0;
}

/* Listens and stops again; errno tells why not. */
static bool try_listen(const struct addrinfo *at, int *port)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    /* Only listen() notices a listener that also set SO_REUSEADDR. */
    bool ok = bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, 1) == 0;
    if (ok) {
        *port = bound_port(fd);
    }
    int why = errno;
    close(fd);
    errno = why;
    return ok;
}

bool cli_net_claim_port(const char *host, int *port, struct err *err)
{
    must(host != NULL && port != NULL);
    must(*port >= 0 && *port <= 65535);
    struct addrinfo *at = NULL;
    if (!resolve(host, *port, &at, err)) {
        return false;
    }
    bool ok = try_listen(at, port);
    int why = errno;
    freeaddrinfo(at);
    if (!ok && why == EADDRINUSE) {
        return err_set(err, ERR_IO,
                       "port %d of %s is in use by another program; choose "
                       "one with --port",
                       *port, host);
    }
    return ok || err_set(err, ERR_IO, "port %d of %s: %s", *port, host,
                         strerror(why));
}

/*
 * An abstract Unix socket is a lock without a file: the kernel frees it when
 * the process ends, however it ends. Kept open on purpose.
 */
static int lock_range(int base)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int n = snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1,
                     "leat-dev-ports-%d", base);
    must(n > 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    socklen_t size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    if (bind(fd, (struct sockaddr *)&at, size) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool range_is_free(int base)
{
    for (int i = 0; i < CLI_NET_BROKER_PORTS; i++) {
        int port = base + i;
        if (!cli_net_claim_port("127.0.0.1", &port, NULL)) {
            return false;
        }
    }
    return true;
}

bool cli_net_claim_range(int *base, struct err *err)
{
    must(base != NULL);
    const uint32_t ranges = (RANGE_LAST - RANGE_FIRST) / CLI_NET_BROKER_PORTS;
    for (int i = 0; i < RANGE_TRIES; i++) {
        uint32_t dice;
        id_random(&dice, sizeof(dice));
        int at = RANGE_FIRST + (int)(dice % ranges) * CLI_NET_BROKER_PORTS;
        int lock = lock_range(at);
        if (lock < 0) {
            continue;
        }
        if (range_is_free(at)) {
            *base = at;
            return true;
        }
        close(lock);
    }
    return err_set(err, ERR_IO,
                   "no %d free neighbouring ports from %d to %d for the broker",
                   CLI_NET_BROKER_PORTS, RANGE_FIRST, RANGE_LAST);
}

static bool exchange(int fd, const char *path)
{
    char text[1024];
    int n = snprintf(text, sizeof(text),
                     "GET %s HTTP/1.1\r\nHost: localhost\r\n"
                     "Connection: close\r\n\r\n",
                     path);
    must(n > 0);
    if ((size_t)n >= sizeof(text) ||
        send(fd, text, (size_t)n, MSG_NOSIGNAL) != n) {
        return false;
    }
    static const char want[] = "HTTP/1.x 200";
    const size_t size = sizeof(want) - 1;
    if (recv(fd, text, size, MSG_WAITALL) != (ssize_t)size) {
        return false;
    }
    text[7] = 'x'; /* 1.0 or 1.1 */
    return memcmp(text, want, size) == 0;
}

/* What listens on every address is asked on the local one. */
static const char *reachable(const char *host)
{
    if (strcmp(host, "0.0.0.0") == 0) {
        return "127.0.0.1";
    }
    return strcmp(host, "::") == 0 ? "::1" : host;
}

bool cli_net_answers(const char *host, int port, const char *path)
{
    must(host != NULL && path != NULL);
    must(port > 0 && port <= 65535);
    struct addrinfo *at = NULL;
    if (!resolve(reachable(host), port, &at, NULL)) {
        return false;
    }
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = {.tv_sec = 1};
    bool ok = fd >= 0;
    if (ok) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        ok =
            connect(fd, at->ai_addr, at->ai_addrlen) == 0 && exchange(fd, path);
        close(fd);
    }
    freeaddrinfo(at);
    return ok;
}
