/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h: the little of TCP that leat dev needs: which ports are free, and
 * whether the gateway answers.
 */
#ifndef LEAT_CLI_NET_H
#define LEAT_CLI_NET_H

#include "common/err.h"

/* Sockets of the broker: its base port and the next ones. */
#define CLI_NET_BROKER_PORTS 8

/*
 * Nothing listens on host:port and we may. Port 0 is replaced by a free one.
 */
MUST_USE bool cli_net_claim_port(const char *host, int *port, struct err *err);

/*
 * The first of CLI_NET_BROKER_PORTS free neighbours on 127.0.0.1, below the
 * range from which the system takes ports for outgoing connections. No other
 * leat dev on this host gets the same ones while this process lives.
 */
MUST_USE bool cli_net_claim_range(int *base, struct err *err);

/*
 * GET path from host:port is answered with 200 within a second. Blocks that
 * long at most.
 */
MUST_USE bool cli_net_answers(const char *host, int port, const char *path);

#endif
