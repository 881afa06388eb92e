/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.c: how a socket leaves civetweb. civetweb reads with recv(), and
 * the dynamic linker lets the executable put its own recv() in place of
 * libc's: ours notes the descriptor for the calling thread and goes on to the
 * kernel. The handler checks with getpeername() that the noted descriptor is
 * the request's peer, duplicates it, and puts a dummy socket in its place,
 * which civetweb then shuts down and closes as it would have the real one
 * (closing a plain duplicate would shut down the shared connection).
 *
 * This needs dynamic linking with exported symbols (-rdynamic) and plain
 * HTTP. gw_handover_selftest() tries it out; where it fails the server keeps
 * a thread per stream instead (server.c).
 */
#include "gateway/handover.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static _Thread_local int noted_fd = -1;
static _Thread_local size_t noted_bytes;
static _Thread_local bool held; /* a request of it is being served */
static atomic_int dummy_fd = -1;
static atomic_bool broken; /* the self-test failed */

/* In place of libc's, for every library of the process. */
ssize_t recv(int fd, void *buf, size_t len, int flags);
ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    ssize_t n = recvfrom(fd, buf, len, flags, NULL, NULL);
    if (held && noted_fd != fd) {
        return n; /* the database's, say */
    }
    if (noted_fd != fd) {
        gw_handover_forget();
        noted_fd = fd;
    }
    if (n > 0) {
        noted_bytes += (size_t)n;
    }
    return n;
}

int gw_handover_noted(void)
{
    return noted_fd;
}

size_t gw_handover_bytes(void)
{
    return noted_bytes;
}

void gw_handover_hold(bool on)
{
    held = on;
}

void gw_handover_forget(void)
{
    held = false;
    noted_fd = -1;
    noted_bytes = 0;
}

/* One socket that was never connected stands in for all that were taken:
 * shutting it down does nothing and closing a duplicate leaves it open. */
static int dummy(void)
{
    int fd = atomic_load(&dummy_fd);
    if (fd >= 0) {
        return fd;
    }
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made >= 0 && !atomic_compare_exchange_strong(&dummy_fd, &fd, made)) {
        (void)close(made);
        return fd;
    }
    return made;
}

static bool is_peer(const struct mg_request_info *info, int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    char text[INET6_ADDRSTRLEN] = "";
    int port = -1;
    if (getpeername(fd, (struct sockaddr *)&addr, &len) != 0) {
        return false;
    }
    if (addr.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)&addr;
        (void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
        port = ntohs(in->sin_port);
    } else if (addr.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)&addr;
        (void)inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof(text));
        port = ntohs(in->sin6_port);
    }
    return port == info->remote_port && strcmp(text, info->remote_addr) == 0;
}

int gw_handover_take(struct mg_connection *conn, int noted)
{
    must(conn != NULL);
    const struct mg_request_info *info = mg_get_request_info(conn);
    if (atomic_load(&broken) || noted < 0 || info->is_ssl ||
        !is_peer(info, noted)) {
        return -1;
    }
    int stand_in = dummy();
    int own = stand_in < 0 ? -1 : fcntl(noted, F_DUPFD_CLOEXEC, 3);
    if (own < 0) {
        return -1;
    }
    if (dup3(stand_in, noted, O_CLOEXEC) != noted) {
        (void)close(own);
        return -1;
    }
    mg_disable_connection_keep_alive(conn);
    return own;
}

/* ---- self-test --------------------------------------------------------- */

/* The trial is a request to the server itself, known by its client's port. */
static struct {
    atomic_int port; /* of the client; 0: no trial is on */
    atomic_int fd;   /* what the handler took; -2 before it ran */
} trial;

bool gw_handover_is_trial(struct mg_connection *conn, int noted)
{
    int port = atomic_load(&trial.port);
    if (port == 0 || mg_get_request_info(conn)->remote_port != port) {
        return false;
    }
    atomic_store(&trial.fd, gw_handover_take(conn, noted));
    return true;
}

static int port_of(int fd)
{
    struct sockaddr_in at = {0};
    socklen_t len = sizeof(at);
    return getsockname(fd, (void *)&at, &len) == 0 ? ntohs(at.sin_port) : 0;
}

/* A socket with a port of its own, not yet connected. */
static int trial_client(void)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (const void *)&from, sizeof(from)) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static bool trial_ask(int client, const char *host, int port)
{
    static const char ask[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
        to.sin_addr.s_addr == htonl(INADDR_ANY)) {
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    return connect(client, (const void *)&to, sizeof(to)) == 0 &&
           write(client, ask, sizeof(ask) - 1) == (ssize_t)sizeof(ask) - 1;
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 2000) == 1;
}

/* What is written to the taken descriptor arrives, and then its end. */
static bool trial_check(int client, struct err *err)
{
    for (int i = 0; i < 2000 && atomic_load(&trial.fd) == -2; i++) {
        (void)poll(NULL, 0, 1);
    }
    int own = atomic_load(&trial.fd);
    if (own < 0) {
        return err_set(err, ERR_UNSUPPORTED, "recv() was not seen");
    }
    char byte = 0;
    bool ok = send(own, "x", 1, MSG_NOSIGNAL) == 1 && readable(client) &&
              read(client, &byte, 1) == 1 && byte == 'x';
    (void)close(own);
    ok = ok && readable(client) && read(client, &byte, 1) == 0;
    return ok || err_set(err, ERR_UNSUPPORTED, "the socket did not survive");
}

bool gw_handover_selftest(const char *host, int port, struct err *err)
{
    must(host != NULL && port > 0);
    int client = trial_client();
    atomic_store(&trial.fd, -2);
    atomic_store(&trial.port, client < 0 ? 0 : port_of(client));
    bool ok = client >= 0 && trial_ask(client, host, port)
                  ? trial_check(client, err)
                  : err_set(err, ERR_IO, "cannot reach the server");
    atomic_store(&trial.port, 0);
    atomic_store(&broken, !ok);
    if (client >= 0) {
        (void)close(client);
    }
    return ok;
}

bool gw_handover_works(void)
{
    return !atomic_load(&broken);
}
