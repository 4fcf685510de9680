-- What Nova is to be told. The row of nova_sender is there when servers are configured to
-- tell Nova; who holds it until a time (microseconds since the epoch) is the one that does.
CREATE TABLE nova_sender (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    holder TEXT NOT NULL,
    held_until BIGINT NOT NULL
);
-- One of a name for each port: the newest counts.
CREATE TABLE nova_events (
    server_uuid TEXT NOT NULL,
    name TEXT NOT NULL,
    tag TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (server_uuid, name, tag)
);
CREATE INDEX nova_events_order ON nova_events (created_at);
