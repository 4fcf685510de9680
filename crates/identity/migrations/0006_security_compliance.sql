-- Rules about passwords and idle users ([identity.security_compliance]). Times are seconds
-- since 1970, days count since then.

-- NULL: it does not expire.
ALTER TABLE users ADD COLUMN password_expires_at BIGINT;
-- NULL: not known.
ALTER TABLE users ADD COLUMN password_created_at BIGINT;
-- Whether its user chose it; else it was given by somebody else.
ALTER TABLE users ADD COLUMN password_self_service BOOLEAN NOT NULL DEFAULT false;
-- When the user last logged in, was made or was enabled; NULL: not known.
ALTER TABLE users ADD COLUMN last_active_day BIGINT;
CREATE INDEX users_password_expiry ON users (password_expires_at);
CREATE INDEX users_activity ON users (last_active_day);

CREATE INDEX credentials_type ON credentials (type, id);

-- Hashes of passwords a user had before, as many as are compared with a new one. The
-- highest number is the latest.
CREATE TABLE past_passwords (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    password_hash TEXT NOT NULL,
    PRIMARY KEY (user_id, number)
);

-- The last step of time (30 seconds) whose passcode was used, by the credential with its
-- seed: none is used twice.
CREATE TABLE used_passcodes (
    credential_id TEXT PRIMARY KEY REFERENCES credentials (id) ON DELETE CASCADE,
    step BIGINT NOT NULL
);
