-- Tables of the Identity API. Identifiers are texts, because "default" and the
-- ids of regions are not UUIDs. Times are seconds since 1970. `options` and
-- `extra` hold JSON objects; `extra` what clients stored beside the known attributes.

-- Counts identity changes: what a server has cached is good for one number only.
CREATE TABLE identity_generation (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    generation BIGINT NOT NULL
);
INSERT INTO identity_generation (one, generation) VALUES (1, 1);

-- Domains are projects that contain others: `is_domain`, `domain_id` ''.
CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL,
    parent_id TEXT,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    is_domain BOOLEAN NOT NULL,
    -- ",red,blue,": a tag holds no comma. '' when there are none.
    tags TEXT NOT NULL,
    options TEXT NOT NULL,
    extra TEXT NOT NULL,
    -- Tokens issued in this second or before it are refused.
    tokens_after BIGINT NOT NULL
);
CREATE UNIQUE INDEX projects_name ON projects (domain_id, name);
CREATE INDEX projects_parent ON projects (parent_id);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    description TEXT,
    default_project_id TEXT,
    enabled BOOLEAN NOT NULL,
    options TEXT NOT NULL,
    extra TEXT NOT NULL,
    password_hash TEXT,
    tokens_after BIGINT NOT NULL,
    -- Failed logins in a row, and when the last one was.
    failures BIGINT NOT NULL,
    failed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_name ON users (domain_id, name);

CREATE TABLE user_groups (
    id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    extra TEXT NOT NULL
);
CREATE UNIQUE INDEX user_groups_name ON user_groups (domain_id, name);

CREATE TABLE group_members (
    group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_user ON group_members (user_id);

-- `domain_id` is '' for roles that hold everywhere.
CREATE TABLE roles (
    id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    options TEXT NOT NULL,
    extra TEXT NOT NULL
);
CREATE UNIQUE INDEX roles_name ON roles (domain_id, name);

CREATE TABLE implied_roles (
    prior_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    implied_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    PRIMARY KEY (prior_id, implied_id)
);
CREATE INDEX implied_roles_implied ON implied_roles (implied_id);

-- `actor_kind`: user, group. `scope_kind`: project, domain, system (`scope_id` '').
-- `inherited`: holds in the projects below the scope, not in the scope itself.
CREATE TABLE assignments (
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    scope_kind TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    inherited BOOLEAN NOT NULL,
    PRIMARY KEY (actor_id, scope_id, role_id, actor_kind, scope_kind, inherited)
);
CREATE INDEX assignments_scope ON assignments (scope_id, scope_kind);
CREATE INDEX assignments_role ON assignments (role_id);

CREATE TABLE regions (
    id TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    parent_region_id TEXT REFERENCES regions (id),
    extra TEXT NOT NULL
);
CREATE INDEX regions_parent ON regions (parent_region_id);

CREATE TABLE services (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    name TEXT,
    description TEXT,
    enabled BOOLEAN NOT NULL,
    extra TEXT NOT NULL
);
CREATE INDEX services_type ON services (type);

CREATE TABLE endpoints (
    id TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    interface TEXT NOT NULL,
    region_id TEXT REFERENCES regions (id),
    url TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    extra TEXT NOT NULL
);
CREATE INDEX endpoints_service ON endpoints (service_id);
CREATE INDEX endpoints_region ON endpoints (region_id);

-- Tokens given back before their time, by audit id. Rows go when the token
-- could not be shown any more.
CREATE TABLE revoked_tokens (
    audit_id TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);
