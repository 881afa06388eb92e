/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook_url.c: URLs are taken apart by libcurl, which will also open them: what
 * is checked here is what is connected to there.
 */
#include "gateway/hook_url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "gateway/hook_curl.h"

static bool is_loopback4(struct in_addr in)
{
    uint32_t net = ntohl(in.s_addr) >> 24;
    return net == 127 || net == 0;
}

static bool is_loopback6(const struct in6_addr *in)
{
    struct in_addr inner;
    if (IN6_IS_ADDR_V4MAPPED(in) || IN6_IS_ADDR_V4COMPAT(in)) {
        memcpy(&inner, in->s6_addr + 12, sizeof(inner));
        return is_loopback4(inner);
    }
    return IN6_IS_ADDR_LOOPBACK(in) || IN6_IS_ADDR_UNSPECIFIED(in);
}

bool gw_hook_url_is_loopback(const struct sockaddr *addr)
{
    must(addr != NULL);
    if (addr->sa_family == AF_INET) {
        return is_loopback4(((const struct sockaddr_in *)addr)->sin_addr);
    }
    return addr->sa_family != AF_INET6 ||
           is_loopback6(&((const struct sockaddr_in6 *)addr)->sin6_addr);
}

static bool ends(const char *text, const char *with)
{
    size_t n = strlen(text);
    size_t m = strlen(with);
    return n >= m && strcasecmp(text + n - m, with) == 0;
}

/* Names that mean this host without asking anybody. */
static bool is_own_name(char *host)
{
    struct in_addr in4;
    struct in6_addr in6;
    size_t n = strlen(host);
    if (n > 2 && host[0] == '[') {
        host[n - 1] = '\0';
        host[strcspn(host, "%")] = '\0'; /* a zone */
        return inet_pton(AF_INET6, host + 1, &in6) == 1 && is_loopback6(&in6);
    }
    if (n > 1 && host[n - 1] == '.') {
        host[n - 1] = '\0';
    }
    return (inet_pton(AF_INET, host, &in4) == 1 && is_loopback4(in4)) ||
           strcasecmp(host, "localhost") == 0 || ends(host, ".localhost");
}

static bool wrong(struct err *err, const char *path, const char *text)
{
    return err_set(err, ERR_INVALID, "%s%swebhook: %s", path,
                   *path == '\0' ? "" : ".", text);
}

static bool check_host(const char *url, bool own, const char *path,
                       struct err *err)
{
    char *host = NULL;
    if (!gw_hook_curl_load(err)) {
        return false;
    }
    CURLU *u = curl.url();
    must(u != NULL);
    bool ok = (curl.url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
               curl.url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) ||
              wrong(err, path, "must be an http URL with a host");
    if (ok && !own && is_own_name(host)) {
        ok = wrong(err, path,
                   "must not point to this host (--webhook-loopback)");
    }
    curl.free(host);
    curl.url_cleanup(u);
    return ok;
}

bool gw_hook_url_check(const conf_t *conf, leat_view v, const char *path,
                       struct err *err)
{
    must(conf != NULL && path != NULL);
    if (leat_type_of(v) != LEAT_STRING) {
        return true;
    }
    bool own = conf_bool(conf, CONF_WEBHOOK_LOOPBACK);
    leat_text text = leat_string(v);
    if (text.len > 0 && text.ptr[0] == '/') {
        return own || wrong(err, path,
                            "must not be a path of this server "
                            "(--webhook-loopback)");
    }
    char *url = value_strdup(v);
    bool ok = check_host(url, own, path, err);
    free(url);
    return ok;
}
