/* SPDX-License-Identifier: Apache-2.0 */
/* docs/protocol.md says what common/wire.tbl.h says, and no more. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/wire.h"
#include "tests/harness/harness.h"

struct line {
    int number;       /* a message; 0: a field of the one before */
    const char *name; /* or the key */
    unsigned from, to;
    int kind; /* enum wire_body, or enum wire_field_type */
    bool required;
    const char *text;
};
static const struct line lines[] = {
#define WIRE_MSG(number, name, from, to, body, text)                           \
    {number, #name, (unsigned)(from), (unsigned)(to), (int)(body), false, text},
#define WIRE_FIELD(name, key, type, required, text)                            \
    {0, key, 0, 0, (int)(type), required, text},
#include "common/wire.tbl.h"
#undef WIRE_MSG
#undef WIRE_FIELD
};

static char *doc;

/* The document with every run of white space as one space. */
static void load(void)
{
    size_t size = 0;
    doc = test_read_file(test_path("../docs/protocol.md"), &size);
    EXPECT(doc != NULL);
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        if (!isspace((unsigned char)doc[i])) {
            doc[n++] = doc[i];
        } else if (n > 0 && doc[n - 1] != ' ') {
            doc[n++] = ' ';
        }
    }
    doc[n] = '\0';
}

static size_t count(const char *what)
{
    size_t n = 0;
    for (const char *at = doc; (at = strstr(at, what)) != NULL; at++) {
        n++;
    }
    return n;
}

static void add_sides(struct buf *out, unsigned sides)
{
    static const char *const names[] = {"gateway", "worker", "desk", "relay",
                                        "vault"};
    const char *between = "";
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if ((sides & 1u << i) != 0) {
            EXPECT(buf_printf(out, "%s%s", between, names[i]));
            between = ", ";
        }
    }
}

static void add_message(struct buf *out, const struct line *l)
{
    static const char *const bodies[] = {"none", "map", "raw"};
    EXPECT(buf_printf(out, "#### %d %s From ", l->number, l->name));
    add_sides(out, l->from);
    EXPECT(buf_puts(out, " to "));
    add_sides(out, l->to);
    EXPECT(buf_printf(out, "; body: %s. %s.", bodies[l->kind], l->text));
}

static void add_field(struct buf *out, const struct line *l)
{
    static const char *const types[] = {"string", "integer", "boolean",
                                        "map",    "list",    "any"};
    EXPECT(buf_printf(out, "| `%s` | %s | %s | %s |", l->name, types[l->kind],
                      l->required ? "yes" : "no", l->text));
}

TEST(protocol_document_has_every_message_and_field_in_order)
{
    load();
    const char *at = doc;
    size_t messages = 0;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct buf want;
        buf_init(&want, 65536);
        if (lines[i].number != 0) {
            add_message(&want, &lines[i]);
            messages++;
        } else {
            add_field(&want, &lines[i]);
        }
        const char *found = strstr(at, buf_text(&want));
        EXPECT_MSG(found != NULL, "not in its place: %s", buf_text(&want));
        at = found + want.len;
        buf_fini(&want);
    }
    EXPECT_EQ(count("#### "), messages);
    EXPECT_EQ(count("| `"), COUNT_OF(lines) - messages);
    free(doc);
}

TEST(protocol_document_has_the_sizes_of_the_code)
{
    load();
    EXPECT_EQ(WIRE_HEAD_BYTES, 64);
    EXPECT_HAS(doc, "The head is one frame of 64 bytes");
    EXPECT_HAS(doc, "magic 0, major 2, minor 3, type 4, flags 5, attempt 6, "
                    "epoch 8, tag 12, run 16, thread 32, seq 48, ms 56");
    char text[64];
    (void)snprintf(text, sizeof text, "Nesting is at most %d.",
                   VALUE_DEPTH_WIRE);
    EXPECT_HAS(doc, text);
    EXPECT_HAS(doc, "| vault | ROUTER | +5 |");
    EXPECT_EQ(WIRE_PORTS, 6);
    free(doc);
}
