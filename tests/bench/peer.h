/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server under load: its address, sockets to it, and one call at a time
 * for the set-up of a test (threads, background runs). Several loopback
 * source addresses are used in turn, so that 10,000 streams and thousands of
 * connections per second do not run out of ports.
 */
#ifndef LEAT_BENCH_PEER_H
#define LEAT_BENCH_PEER_H

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/http.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

struct peer {
    struct sockaddr_storage address;
    socklen_t address_len;
    char host[128];       /* for the Host header */
    char key_header[160]; /* "x-api-key: KEY\r\n" or "" */
    unsigned sources;     /* loopback addresses to come from; 0: the system's */
    unsigned next_source;
};

/* A request or the start of an answer; more of an answer is dropped. */
struct text {
    size_t len;
    char bytes[4096];
};

/* ---- the address ---- */

static bool peer_is_loopback(const struct peer *peer)
{
    const struct sockaddr_in *in = (const void *)&peer->address;
    return peer->address.ss_family == AF_INET &&
           (ntohl(in->sin_addr.s_addr) >> 24) == 127;
}

/* From a source address of its own when there are several. */
static void peer_bind(struct peer *peer, int fd)
{
    if (peer->sources == 0) {
        return;
    }
    struct sockaddr_in from = {.sin_family = AF_INET};
    uint32_t host = INADDR_LOOPBACK + peer->next_source;
    from.sin_addr.s_addr = htonl(host);
    peer->next_source = (peer->next_source + 1) % peer->sources;
    int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    /* A failure leaves the choice to the system, which is no harm. */
    (void)bind(fd, (const void *)&from, sizeof(from));
}

/* Returns a socket that is connected or about to be, -1 on failure. */
static int peer_connect(struct peer *peer, bool blocking)
{
    int type = SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK);
    int fd = socket(peer->address.ss_family, type, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    peer_bind(peer, fd);
    int rc = connect(fd, (const void *)&peer->address, peer->address_len);
    if (rc < 0 && (blocking || errno != EINPROGRESS)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Takes the first address of the name that answers: localhost has two. */
static bool peer_resolve(struct peer *peer, const char *name, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    if (getaddrinfo(name, port, &hints, &list) != 0) {
        return false;
    }
    bool found = false;
    for (struct addrinfo *at = list; at != NULL && !found; at = at->ai_next) {
        memcpy(&peer->address, at->ai_addr, at->ai_addrlen);
        peer->address_len = at->ai_addrlen;
        int fd = peer_connect(peer, true);
        found = fd >= 0;
        if (found) {
            close(fd);
        }
    }
    freeaddrinfo(list);
    return found;
}

/* `base` is http://HOST[:PORT]. False when nothing answers there. */
static bool peer_init(struct peer *peer, const char *base, unsigned sources)
{
    char name[128];
    memset(peer, 0, sizeof(*peer));
    if (strncmp(base, "http://", 7) != 0) {
        return false;
    }
    size_t len = strcspn(base + 7, "/");
    if (len == 0 || len >= sizeof(peer->host)) {
        return false;
    }
    memcpy(peer->host, base + 7, len);
    memcpy(name, peer->host, len + 1);
    char *colon = strrchr(name, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
    if (!peer_resolve(peer, name, colon != NULL ? colon + 1 : "80")) {
        return false;
    }
    peer->sources = peer_is_loopback(peer) ? sources : 0;
    return true;
}

/* ---- requests ---- */

struct request {
    const char *method;
    const char *path;
    const char *body; /* JSON, or NULL for none */
};

static void peer_compose(const struct peer *peer, struct request request,
                         struct text *out)
{
    const char *body = request.body != NULL ? request.body : "";
    int len = snprintf(out->bytes, sizeof(out->bytes),
                       "%s %s HTTP/1.1\r\nhost: %s\r\n%s"
                       "content-type: application/json\r\n"
                       "content-length: %zu\r\n\r\n%s",
                       request.method, request.path, peer->host,
                       peer->key_header, strlen(body), body);
    assert(len > 0 && (size_t)len < sizeof(out->bytes));
    out->len = (size_t)len;
}

/* http_sink: keeps the start of the body, always terminated. */
static void text_append(void *arg, const char *bytes, size_t len)
{
    struct text *text = arg;
    size_t room = sizeof(text->bytes) - 1 - text->len;
    size_t part = len < room ? len : room;
    memcpy(text->bytes + text->len, bytes, part);
    text->len += part;
    text->bytes[text->len] = '\0';
}

static bool peer_receive(int fd, struct http *http, struct text *body)
{
    char bytes[4096];
    while (!http_ended(http)) {
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got == 0 && http_on_eof(http);
        }
        http_feed(http, bytes, (size_t)got, text_append, body);
    }
    return http->state == HTTP_DONE;
}

/* Asks and waits for the answer. Returns its status, 0 when there was none. */
static int peer_call(struct peer *peer, struct request request,
                     struct text *answer)
{
    struct http http;
    struct text out;
    struct timeval patience = {.tv_sec = 30};
    answer->len = 0;
    answer->bytes[0] = '\0';
    int fd = peer_connect(peer, true);
    if (fd < 0) {
        return 0;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    http_reset(&http);
    peer_compose(peer, request, &out);
    ssize_t sent = send(fd, out.bytes, out.len, MSG_NOSIGNAL);
    bool good = sent == (ssize_t)out.len && peer_receive(fd, &http, answer);
    close(fd);
    return good ? http.status : 0;
}

/* Copies the string member `key` of a flat JSON object. */
static bool text_member(const struct text *text, const char *key, char *out,
                        size_t size)
{
    char quoted[64];
    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    const char *at = strstr(text->bytes, quoted);
    if (at == NULL) {
        return false;
    }
    at += strlen(quoted);
    at += strspn(at, " ");
    size_t len = *at == '"' ? strcspn(at + 1, "\"") : 0;
    if (len == 0 || len >= size) {
        return false;
    }
    memcpy(out, at + 1, len);
    out[len] = '\0';
    return true;
}

#endif
