/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kind of returned error once.
 * ERROR(code, name, HTTP status, retryable: the same call may succeed later)
 * New rows go at the end: the number of a row travels on the wire.
 */
ERROR(NONE, "none", 200, false)
ERROR(BAD_JSON, "bad_json", 400, false)
ERROR(BAD_REQUEST, "bad_request", 400, false)
ERROR(UNAUTHORIZED, "unauthorized", 401, false)
ERROR(NOT_FOUND, "not_found", 404, false)
ERROR(METHOD, "method_not_allowed", 405, false)
ERROR(CONFLICT, "conflict", 409, false)
ERROR(TOO_LARGE, "too_large", 413, false)
ERROR(INVALID, "invalid", 422, false)
ERROR(LIMIT, "limit", 429, true)
ERROR(INTERNAL, "internal", 500, false)
ERROR(UNSUPPORTED, "unsupported", 501, false)
ERROR(UNAVAILABLE, "unavailable", 503, true)
ERROR(STORE, "store", 500, false)
ERROR(STORE_FULL, "store_full", 503, true)
ERROR(WIRE, "wire", 500, false)
ERROR(FENCED, "fenced", 409, false)
ERROR(CANCELLED, "cancelled", 409, false)
ERROR(GRAPH, "graph", 500, false)
ERROR(IO, "io", 500, true)
ERROR(FORBIDDEN, "forbidden", 403, false)
