-- Keys tokens are sealed with, for servers that keep them here ([identity] key_repository).
CREATE TABLE fernet_keys (
    -- 0 is staged, the highest is the primary.
    number BIGINT PRIMARY KEY,
    key TEXT NOT NULL,
    made_at BIGINT NOT NULL
);

-- Failed logins of names nobody has, counted as those of users are, so that neither
-- answers nor times tell which names there are. Forgotten when the lock would be over.
CREATE TABLE stranger_logins (
    -- A digest of what was given for the user.
    stranger TEXT PRIMARY KEY,
    failures BIGINT NOT NULL,
    failed_at BIGINT NOT NULL
);
CREATE INDEX stranger_logins_time ON stranger_logins (failed_at);
