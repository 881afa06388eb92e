-- SPDX-License-Identifier: Apache-2.0
-- Items that expire, found by namespace whoever owns them; and assistants
-- that are everybody's. Owners: '' is nobody (only who sees everything sees
-- it), '*' everybody.

-- ttl: what a use of the item adds to its life; 0 and 0: it lives for ever.
CREATE TABLE items_new (
    owner TEXT NOT NULL,
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    ttl BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    value BYTEA NOT NULL,
    PRIMARY KEY (namespace, key, owner)
);
INSERT INTO items_new (owner, namespace, key, created_at, updated_at, ttl,
    expires_at, value)
SELECT owner, namespace, key, created_at, updated_at, 0, 0, value FROM items;
DROP TABLE items;
ALTER TABLE items_new RENAME TO items;
CREATE INDEX items_expiry ON items (expires_at) WHERE expires_at > 0;
CREATE INDEX items_owner ON items (owner, namespace);

-- Those there are were made by the system.
UPDATE assistants SET owner = '*' WHERE owner = '';
