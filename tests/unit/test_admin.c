/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/admin.h"
#include "common/conf.h"
#include "common/proc.h"
#include "common/stat.h"
#include "tests/harness/harness.h"

static admin_t *started(void)
{
    admin_t *a = NULL;
    struct err err = ERR_INIT;
    EXPECT_MSG(admin_start("127.0.0.1:0", PROC_BROKER, &a, &err), "%s",
               err.text);
    return a;
}

static int connected(const admin_t *a)
{
    const struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)admin_port(a)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(connect(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* The whole answer to a request line; the same buffer each time. */
static const char *asked(const admin_t *a, const char *line)
{
    static char answer[1 << 20];
    char request[256];
    size_t len = 0;
    int fd = connected(a);
    int n = snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: x\r\n\r\n",
                     line);
    EXPECT_EQ(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
    for (;;) {
        ssize_t more = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        if (more <= 0) {
            break;
        }
        len += (size_t)more;
    }
    close(fd);
    answer[len] = '\0';
    return answer;
}

TEST(admin_shows_metrics_of_its_program)
{
    stat_reset();
    stat_add(STAT_WIRE_MALFORMED, 3);
    admin_t *a = started();
    const char *text = asked(a, "GET /metrics");
    EXPECT_HAS(text, "HTTP/1.1 200 OK\r\n");
    EXPECT_HAS(text, "\nleat_wire_malformed_total 3\n");
    EXPECT(strstr(text, "leat_open_streams") == NULL);
    admin_stop(&a);
    EXPECT(a == NULL);
}

TEST(admin_tells_alive_from_ready)
{
    admin_t *a = started();
    EXPECT_HAS(asked(a, "GET /live"), "200 OK");
    EXPECT_HAS(asked(a, "GET /ready"), "HTTP/1.1 503");
    proc_ready("somewhere");
    EXPECT_HAS(asked(a, "GET /ready?x=1"), "{\"ok\":true}");
    EXPECT_HAS(asked(a, "GET /health"), "200 OK");
    EXPECT_HAS(asked(a, "GET /readyz"), "HTTP/1.1 404");
    EXPECT_HAS(asked(a, "POST /live"), "HTTP/1.1 405");
    admin_stop(&a);
}

TEST(admin_lets_nobody_hold_it_up)
{
    admin_t *a = started();
    int silent = connected(a);
    EXPECT_HAS(asked(a, "GET /live"), "200 OK");
    int half = connected(a);
    EXPECT_EQ(send(half, "GET /live", 9, 0), 9);
    admin_stop(&a); /* at once, whoever is connected */
    close(silent);
    close(half);
}

TEST(admin_is_off_without_an_address_and_says_what_is_wrong_with_one)
{
    admin_t *a = NULL;
    struct err err = ERR_INIT;
    EXPECT(admin_start("", PROC_BROKER, &a, &err));
    EXPECT(a == NULL);
    admin_stop(&a);
    EXPECT(!admin_start("nonsense", PROC_BROKER, &a, &err));
    EXPECT_HAS(err.text, "is not HOST:PORT");
    err_clear(&err);
    admin_t *first = started();
    char taken[32];
    snprintf(taken, sizeof(taken), "127.0.0.1:%d", admin_port(first));
    EXPECT(!admin_start(taken, PROC_BROKER, &a, &err));
    EXPECT_HAS(err.text, "in use");
    admin_stop(&first);
}
