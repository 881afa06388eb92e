-- SPDX-License-Identifier: Apache-2.0
-- The first schema. Ids of threads, runs and assistants are their 16 bytes,
-- those of checkpoints and tasks text. Bodies (metadata, config, values and
-- the like) are msgpack values that SQL never looks into. Times are
-- microseconds since 1970; 0 is "not yet". Large columns stand last, so that
-- a row can be looked at without reading them.

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO meta (name, value) VALUES ('epoch', 0);
INSERT INTO meta (name, value) VALUES ('events_bytes', 0);

CREATE TABLE assistants (
    assistant_id BYTEA NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    graph_id TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    description TEXT,
    metadata BYTEA NOT NULL,
    config BYTEA NOT NULL,
    context BYTEA NOT NULL
);

CREATE TABLE threads (
    thread_id BYTEA NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    status TEXT NOT NULL,
    last_ms BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    state_updated_at BIGINT NOT NULL,
    metadata BYTEA NOT NULL,
    config BYTEA NOT NULL,
    error BYTEA,
    interrupts BYTEA NOT NULL,
    state_values BYTEA
);
CREATE INDEX threads_created ON threads (created_at);
CREATE INDEX threads_status ON threads (status, updated_at);

CREATE TABLE runs (
    run_id BYTEA NOT NULL PRIMARY KEY,
    thread_id BYTEA NOT NULL,
    assistant_id BYTEA NOT NULL,
    graph_id TEXT NOT NULL,
    status TEXT NOT NULL,
    strategy TEXT NOT NULL,
    cancel TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    temporary BIGINT NOT NULL,
    ms BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    logged BIGINT NOT NULL,
    metadata BYTEA NOT NULL,
    error BYTEA,
    kwargs BYTEA NOT NULL
);
CREATE INDEX runs_thread ON runs (thread_id, created_at);
CREATE INDEX runs_open ON runs (thread_id)
    WHERE status IN ('pending', 'running');
CREATE INDEX runs_logged ON runs (ended_at) WHERE logged = 1 AND ended_at > 0;

CREATE TABLE events (
    run_id BYTEA NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    ms BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (run_id, first_seq)
);

-- body: what store/checkpoints.c packs. view_run wrote the view; view_before
-- is what it found, put back when that run is rolled back.
CREATE TABLE checkpoints (
    thread_id BYTEA NOT NULL,
    ns TEXT NOT NULL,
    checkpoint_id TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    run_id BYTEA NOT NULL,
    view_run BYTEA NOT NULL,
    ts TEXT NOT NULL,
    metadata BYTEA NOT NULL,
    view BYTEA,
    view_before BYTEA,
    body BYTEA NOT NULL,
    PRIMARY KEY (thread_id, ns, checkpoint_id)
);

-- Stored forms of channels too large for the body, by the checkpoint that
-- stored them.
CREATE TABLE blobs (
    thread_id BYTEA NOT NULL,
    ns TEXT NOT NULL,
    channel TEXT NOT NULL,
    checkpoint_id TEXT NOT NULL,
    value BYTEA NOT NULL,
    PRIMARY KEY (thread_id, ns, checkpoint_id, channel)
);

-- A run that replaces another run's write leaves it in place (ord tells which
-- counts), so that rolling the run back brings it out again.
CREATE TABLE writes (
    thread_id BYTEA NOT NULL,
    ns TEXT NOT NULL,
    checkpoint_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    idx BIGINT NOT NULL,
    run_id BYTEA NOT NULL,
    ord BIGINT NOT NULL,
    channel TEXT NOT NULL,
    value BYTEA NOT NULL,
    PRIMARY KEY (thread_id, ns, checkpoint_id, task_id, idx, run_id)
);

-- namespace: labels, each followed by a dot, so that a prefix is a range.
CREATE TABLE items (
    owner TEXT NOT NULL,
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    value BYTEA NOT NULL,
    PRIMARY KEY (owner, namespace, key)
);
