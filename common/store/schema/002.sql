-- SPDX-License-Identifier: Apache-2.0
-- Runs that are made by the clock, answers that are sent to webhooks, and the
-- keys by which a repeated request is known.

-- thread_id: 16 zero bytes for a cron whose runs each make a thread. version
-- goes up with every change, next_at is the tick that comes next (0: none).
CREATE TABLE crons (
    cron_id BYTEA NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    assistant_id BYTEA NOT NULL,
    thread_id BYTEA NOT NULL,
    version BIGINT NOT NULL,
    enabled BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    end_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    schedule TEXT NOT NULL,
    timezone TEXT,
    on_completed TEXT,
    metadata BYTEA NOT NULL,
    payload BYTEA NOT NULL
);
CREATE INDEX crons_due ON crons (next_at) WHERE enabled = 1 AND next_at > 0;
CREATE INDEX crons_thread ON crons (thread_id);
CREATE INDEX crons_assistant ON crons (assistant_id);

-- due_at is 0 and body NULL until the run has ended. A sender holds the row
-- until due_at; who comes later takes over.
CREATE TABLE hooks (
    run_id BYTEA NOT NULL PRIMARY KEY,
    due_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    url TEXT NOT NULL,
    body BYTEA
);
CREATE INDEX hooks_due ON hooks (due_at) WHERE due_at > 0;

-- accepted: the run is made, in the same transaction.
CREATE TABLE idempotency (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    run_id BYTEA NOT NULL,
    accepted BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_created ON idempotency (created_at);
