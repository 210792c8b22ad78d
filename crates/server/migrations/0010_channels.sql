-- How a provider names the first message of an incident, so that later ones answer to it.
CREATE TABLE threads (
    incident_id  TEXT   NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    channel      TEXT   NOT NULL,
    handle       TEXT   NOT NULL,
    PRIMARY KEY (incident_id, channel)
);

-- Signs the addresses by which a message is answered. At most one row.
CREATE TABLE reply_key (
    only         BIGINT NOT NULL PRIMARY KEY CHECK (only = 1),
    secret       TEXT   NOT NULL
);
