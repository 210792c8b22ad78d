-- Who may look and act: users, their sessions, API tokens and the one-time set-up link.
-- Secrets are stored as hashes only; times are milliseconds since 1970-01-01 UTC.

CREATE TABLE users (
    name           TEXT   NOT NULL PRIMARY KEY,
    password_hash  TEXT   NOT NULL,
    created_at_ms  BIGINT NOT NULL
);

CREATE TABLE sessions (
    id_hash        TEXT   NOT NULL PRIMARY KEY,
    user_name      TEXT   NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    created_at_ms  BIGINT NOT NULL,
    seen_at_ms     BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_name, seen_at_ms);

CREATE TABLE tokens (
    name           TEXT   NOT NULL PRIMARY KEY,
    secret_hash    TEXT   NOT NULL UNIQUE,
    scope          TEXT   NOT NULL,
    created_at_ms  BIGINT NOT NULL,
    seen_at_ms     BIGINT
);

-- At most one row: making a new link ends the old one.
CREATE TABLE setup_link (
    only           BIGINT NOT NULL PRIMARY KEY CHECK (only = 1),
    secret_hash    TEXT   NOT NULL,
    created_at_ms  BIGINT NOT NULL
);
