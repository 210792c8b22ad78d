-- Watched hosts with an agent: what it may speak of, and where else the host is reached, as JSON.

CREATE TABLE agent_hosts (
    name       TEXT NOT NULL PRIMARY KEY,
    ports      TEXT NOT NULL,
    addresses  TEXT NOT NULL
);
