/* SPDX-License-Identifier: Apache-2.0 */
/* When is a request whole? The rest of the gate is tested with a server, in
 * test_server.c. */
#include "gateway/gate.h"

#include "tests/harness/harness.h"

static struct gw_gate_look look;

static bool whole(const char *text)
{
    return gw_gate_is_whole(text, strlen(text), 1000, &look);
}

TEST(gate_waits_for_the_head)
{
    EXPECT(!whole(""));
    EXPECT(!whole("G"));
    EXPECT(!whole("GET / HTTP/1.1\r\nHost: x\r\n"));
    EXPECT(whole("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT(whole("GET / HTTP/1.1\n\n"));
}

TEST(gate_waits_for_the_body)
{
    EXPECT(!whole("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n"));
    EXPECT(!whole("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}"));
    EXPECT_EQ(look.want, 41);
    EXPECT(whole("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n{ }"));
    EXPECT(whole("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n{ }more"));
    EXPECT(whole("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"));
}

TEST(gate_passes_on_what_is_refused_anyway)
{
    EXPECT(whole("POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n"));
    EXPECT(whole("POST / HTTP/1.1\r\nContent-Length: "
                 "99999999999999999999999\r\nExpect: 100-continue\r\n\r\n"));
    EXPECT(!look.expects);
    EXPECT(whole("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"));
}

TEST(gate_long_heads_and_bodies_do_not_wait_for_ever)
{
    static char text[100000];
    memset(text, 'a', sizeof(text));
    EXPECT(!gw_gate_is_whole(text, 30000, 1 << 20, &look));
    EXPECT(gw_gate_is_whole(text, 40000, 1 << 20, &look));
    static const char head[] = "POST / HTTP/1.1\r\nContent-Length: 900000\r\n"
                               "\r\n";
    memcpy(text, head, sizeof(head) - 1);
    EXPECT(!gw_gate_is_whole(text, 40000, 1 << 20, &look));
    EXPECT(gw_gate_is_whole(text, 60000, 1 << 20, &look));
}

TEST(gate_chunked_bodies)
{
    static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked"
                               "\r\n\r\n";
    char text[200];
    (void)base_copy(text, sizeof(text), head);
    EXPECT(!whole(text));
    (void)base_copy(text + sizeof(head) - 1, 100, "2\r\n{}\r\n");
    EXPECT(!whole(text));
    (void)base_copy(text + sizeof(head) - 1, 100, "2\r\n{}\r\n0\r\n\r\n");
    EXPECT(whole(text));
}

TEST(gate_sees_who_waits_to_go_on)
{
    EXPECT(!whole("POST / HTTP/1.1\r\nEXPECT: 100-continue\r\n"
                  "Content-Length: 5\r\n\r\n"));
    EXPECT(look.expects);
    EXPECT(!whole("POST / HTTP/1.1\r\nX-Expect: 100-continue\r\n"
                  "Content-Length: 5\r\n\r\n"));
    EXPECT(!look.expects);
}
