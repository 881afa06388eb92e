/* SPDX-License-Identifier: Apache-2.0 */
#include "common/buf.h"
#include "gateway/reply.h"
#include "tests/harness/harness.h"

static const char *written(const struct gw_reply *r)
{
    static struct buf out;
    buf_fini(&out);
    buf_init(&out, 4096);
    EXPECT(gw_reply_write(r, &out));
    return buf_text(&out);
}

TEST(reply_with_a_length_announces_the_close)
{
    const struct gw_reply r = {.status = 200,
                               .headers = "X-Mine: 1\r\n",
                               .type = "application/json",
                               .body = "{}",
                               .len = 2};
    const char *text = written(&r);
    EXPECT_HAS(text, "HTTP/1.1 200 OK\r\n");
    EXPECT_HAS(text, "X-Mine: 1\r\n");
    EXPECT_HAS(text, "Connection: close\r\n");
    EXPECT_HAS(text, "Content-Length: 2\r\n\r\n{}");
}

/* Node's fetch would take a cut stream for a complete one. */
TEST(reply_in_chunks_does_not_announce_the_close)
{
    const struct gw_reply r = {.status = 200,
                               .headers = "",
                               .type = "text/event-stream",
                               .chunked = true};
    const char *text = written(&r);
    EXPECT_HAS(text, "Transfer-Encoding: chunked\r\n");
    EXPECT_HAS(text, "Connection: keep-alive\r\nKeep-Alive: timeout=1\r\n");
    EXPECT(strstr(text, "close") == NULL);
    EXPECT(strstr(text, "Content-Length") == NULL);
}

TEST(reply_without_content_has_no_length)
{
    const struct gw_reply r = {.status = 204, .headers = ""};
    EXPECT(strstr(written(&r), "Content-Length") == NULL);
}
