-- SPDX-License-Identifier: Apache-2.0
-- Versions of assistants, how long threads live, and the search index of
-- their metadata.

-- Every version an assistant ever had; the assistant's row is a copy of the
-- one that is active.
CREATE TABLE assistant_versions (
    assistant_id BYTEA NOT NULL,
    version BIGINT NOT NULL,
    graph_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    description TEXT,
    metadata BYTEA NOT NULL,
    config BYTEA NOT NULL,
    context BYTEA NOT NULL,
    PRIMARY KEY (assistant_id, version)
);
INSERT INTO assistant_versions (assistant_id, version, graph_id, name,
    created_at, description, metadata, config, context)
    SELECT assistant_id, version, graph_id, name, created_at, description,
    metadata, config, context FROM assistants;
CREATE INDEX runs_assistant ON runs (assistant_id);

-- Threads with an end: what is done then (delete, keep_latest), and when.
CREATE TABLE thread_ttls (
    thread_id BYTEA NOT NULL PRIMARY KEY,
    strategy TEXT NOT NULL,
    ttl_us BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX thread_ttls_due ON thread_ttls (expires_at);
INSERT INTO meta (name, value) VALUES ('thread_ttl_us', 0);
INSERT INTO meta (name, value) VALUES ('thread_ttl_keep', 0);

-- One row for each scalar in a thread's metadata and one for its owner: a
-- hash of the way there and the value (store/terms.c fills it in).
CREATE TABLE thread_terms (
    term BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    thread_id BYTEA NOT NULL,
    PRIMARY KEY (term, created_at, thread_id)
);
