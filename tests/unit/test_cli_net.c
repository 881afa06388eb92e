/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/net.h"
#include "tests/harness/harness.h"

static struct err err;

/* A listening socket on a free local port. */
static int listener(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(fd >= 0);
    EXPECT_EQ(bind(fd, (struct sockaddr *)&at, size), 0);
    EXPECT_EQ(listen(fd, 4), 0);
    EXPECT_EQ(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

TEST(cli_net_refuses_a_port_in_use)
{
    int port;
    int fd = listener(&port);
    EXPECT(!cli_net_claim_port("127.0.0.1", &port, &err));
    EXPECT_HAS(err.text, "is in use by another program; choose one with");
    close(fd);
    EXPECT(cli_net_claim_port("127.0.0.1", &port, &err));
}

TEST(cli_net_finds_a_port_for_0)
{
    int port = 0;
    EXPECT(cli_net_claim_port("127.0.0.1", &port, &err));
    EXPECT(port > 0);
}

TEST(cli_net_names_a_wrong_host)
{
    int port = 0;
    EXPECT(!cli_net_claim_port("no such host", &port, &err));
    EXPECT_HAS(err.text, "host no such host: ");
}

TEST(cli_net_ranges_never_overlap)
{
    int bases[40];
    for (size_t i = 0; i < COUNT_OF(bases); i++) {
        EXPECT(cli_net_claim_range(&bases[i], &err));
        for (size_t j = 0; j < i; j++) {
            EXPECT(abs(bases[i] - bases[j]) >= CLI_NET_BROKER_PORTS);
        }
    }
}

struct served {
    int fd;
    const char *answer;
};

static void *serve_once(void *arg)
{
    const struct served *served = arg;
    int client = accept(served->fd, NULL, NULL);
    char request[1024];
    ssize_t n = recv(client, request, sizeof(request), 0);
    EXPECT(n > 0);
    EXPECT(memcmp(request, "GET /ok HTTP/1.1\r\n", 18) == 0);
    send(client, served->answer, strlen(served->answer), 0);
    close(client);
    return NULL;
}

static bool answered(const char *answer)
{
    int port;
    struct served served = {.fd = listener(&port), .answer = answer};
    pthread_t thread;
    EXPECT_EQ(pthread_create(&thread, NULL, serve_once, &served), 0);
    bool ok = cli_net_answers("0.0.0.0", port, "/ok");
    pthread_join(thread, NULL);
    close(served.fd);
    return ok;
}

TEST(cli_net_believes_only_a_200)
{
    EXPECT(answered("HTTP/1.1 200 OK\r\n\r\n"));
    EXPECT(answered("HTTP/1.0 200 OK\r\n\r\n"));
    EXPECT(!answered("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
    EXPECT(!answered("HTTP/1.1"));
    EXPECT(!answered(""));
}

TEST(cli_net_no_listener_is_no_answer)
{
    int port;
    int fd = listener(&port);
    close(fd);
    EXPECT(!cli_net_answers("127.0.0.1", port, "/ok"));
}
