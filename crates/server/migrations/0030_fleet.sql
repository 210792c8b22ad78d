-- Where it is checked from, and who dials in: probes and host agents, each with a key of its own.
-- Secrets are stored as hashes only; times are milliseconds since 1970-01-01 UTC.

-- Region, network and labels as JSON. NULL: a location that is gone but still has history.
ALTER TABLE locations ADD COLUMN definition TEXT;

-- One-time tokens. `used_by` is the hash of the key that a token was traded for.
CREATE TABLE link_tokens (
    secret_hash    TEXT   NOT NULL PRIMARY KEY,
    role           TEXT   NOT NULL,
    place          TEXT   NOT NULL,
    created_at_ms  BIGINT NOT NULL,
    used_by        TEXT
);

-- `place` is the location of a probe, or the host of an agent. `sequence`: every report up to it
-- is stored.
CREATE TABLE link_keys (
    id             TEXT   NOT NULL PRIMARY KEY,
    role           TEXT   NOT NULL,
    place          TEXT   NOT NULL,
    key_hash       TEXT   NOT NULL UNIQUE,
    introduction   TEXT   NOT NULL,
    created_at_ms  BIGINT NOT NULL,
    seen_at_ms     BIGINT,
    sequence       BIGINT NOT NULL
);
