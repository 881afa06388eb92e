/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.h: from method and path to a row of a table of routes, with the
 * path's parameters decoded. Knows no sockets; the path is a client's bytes.
 */
#ifndef GATEWAY_ROUTE_H
#define GATEWAY_ROUTE_H

#include "common/err.h"

struct gw_req;

enum {
    GW_OPEN = 1,
    GW_JSON = 2,
    GW_MAYBE_JSON = 4,
    GW_STREAM = 8,
};

typedef bool gw_handler_fn(struct gw_req *req, struct err *err);

struct gw_route {
    const char *method;
    const char *path;
    gw_handler_fn *handler;
    unsigned flags;
};

#define GW_PATH_MAX 4096
#define GW_SEGMENTS_MAX 12

/* A path cut into its segments, each percent-decoded. */
struct gw_path {
    char text[GW_PATH_MAX];              /* the segments, one after another */
    const char *segments[GW_SEGMENTS_MAX];
    size_t count;
};

/*
 * Cuts and decodes. `prefix` ("" or "/api") must stand in front. ERR_NOT_FOUND
 * when it does not or there are too many segments, ERR_BAD_REQUEST for a
 * broken escape or a NUL.
 */
MUST_USE bool gw_route_split(const char *path, const char *prefix,
                             struct gw_path *out, struct err *err);

/* A table of routes, ended by a row without a method. */
struct gw_route_found {
    const struct gw_route *route; /* NULL: no such path, or not this method */
    char allow[64];               /* the methods that the path has */
};
/* ERR_NOT_FOUND or ERR_METHOD. HEAD finds the row of GET. */
MUST_USE bool gw_route_find(const struct gw_route *table, const char *method,
                            const struct gw_path *path,
                            struct gw_route_found *out, struct err *err);

/* The segment that stands where the row has {name}; NULL if it has none. */
const char *gw_route_param(const struct gw_route *route,
                           const struct gw_path *path, const char *name);

/* Decodes %xx (and '+' as a space when `plus`) in place; false if broken, or
 * if what comes out is not UTF-8. */
MUST_USE bool gw_route_decode(char *text, bool plus);

#endif
