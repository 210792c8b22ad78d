-- What is remembered of alerts between two messages: how far each open incident has come with
-- its policies, storms that are told as one, digests that are being collected.
CREATE TABLE alerting (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, key)
);

-- Silences, until some time after they have ended.
CREATE TABLE silences (
    id TEXT NOT NULL PRIMARY KEY,
    until_ms BIGINT NOT NULL,
    body TEXT NOT NULL
);

-- For times to acknowledge and to repair, without reading the bodies.
ALTER TABLE incidents ADD COLUMN opened_ms BIGINT;
ALTER TABLE incidents ADD COLUMN acknowledged_ms BIGINT;

-- `state` of a notice may now also be 3: folded into the one that says that it is over.
CREATE INDEX notices_dead ON notices (done_ms) WHERE state = 2;
