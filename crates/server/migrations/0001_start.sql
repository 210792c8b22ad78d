-- Times are milliseconds since 1970 in UTC. No statement anywhere calls a clock.
-- The text is meant for SQLite and PostgreSQL alike; ids are given out by the server.

-- Every monitor that was ever watched. `definition` is NULL for monitors of the configuration
-- file, and for those that are gone but still have history.
CREATE TABLE monitors (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    definition TEXT,
    created_ms BIGINT NOT NULL
);

CREATE TABLE locations (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Channels made in the pages or by the API.
CREATE TABLE channels (
    name TEXT NOT NULL PRIMARY KEY,
    definition TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);

-- What the incident state machine remembers of a monitor.
CREATE TABLE standings (
    monitor_id BIGINT NOT NULL PRIMARY KEY REFERENCES monitors (id) ON DELETE CASCADE,
    body TEXT NOT NULL
);

-- Observations as they arrived: one row per batch, never one per check. `monitors` lists the
-- ids inside, so that a search for one monitor skips batches without unpacking them.
CREATE TABLE batches (
    id BIGINT NOT NULL PRIMARY KEY,
    from_ms BIGINT NOT NULL,
    to_ms BIGINT NOT NULL,
    observations BIGINT NOT NULL,
    monitors BYTEA NOT NULL,
    body BYTEA NOT NULL
);
CREATE INDEX batches_by_time ON batches (to_ms, id);

-- The same observations after their hour has ended, sorted by monitor, so that a search reads
-- only what it shows.
CREATE TABLE blocks (
    monitor_id BIGINT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    hour_ms BIGINT NOT NULL,
    observations BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (monitor_id, hour_ms)
);
CREATE INDEX blocks_by_time ON blocks (hour_ms);

-- Counts per monitor and span of time (5 minutes, 1 hour, 1 day).
CREATE TABLE rollups (
    monitor_id BIGINT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    span_ms BIGINT NOT NULL,
    start_ms BIGINT NOT NULL,
    up BIGINT NOT NULL,
    degraded BIGINT NOT NULL,
    down BIGINT NOT NULL,
    inconclusive BIGINT NOT NULL,
    total_us BIGINT NOT NULL,
    max_us BIGINT NOT NULL,
    PRIMARY KEY (monitor_id, span_ms, start_ms)
);
CREATE INDEX rollups_by_time ON rollups (span_ms, start_ms);

CREATE TABLE incidents (
    id TEXT NOT NULL PRIMARY KEY,
    monitor_id BIGINT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    started_ms BIGINT NOT NULL,
    resolved_ms BIGINT,
    body TEXT NOT NULL
);
CREATE INDEX incidents_by_time ON incidents (started_ms, id);
CREATE INDEX incidents_by_monitor ON incidents (monitor_id, started_ms);
CREATE INDEX incidents_open ON incidents (started_ms) WHERE resolved_ms IS NULL;

-- The outbox. `state`: 0 waiting, 1 delivered, 2 given up.
CREATE TABLE notices (
    seq BIGINT NOT NULL PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    incident TEXT NOT NULL,
    channel TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    state BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    claimed_until_ms BIGINT,
    attempts BIGINT NOT NULL,
    done_ms BIGINT,
    last_error TEXT
);
CREATE INDEX notices_waiting ON notices (channel, due_ms, seq) WHERE state = 0;
CREATE INDEX notices_in_order ON notices (incident, channel, seq) WHERE state = 0;
CREATE INDEX notices_by_incident ON notices (incident, seq);
CREATE INDEX notices_done ON notices (done_ms) WHERE state <> 0;
