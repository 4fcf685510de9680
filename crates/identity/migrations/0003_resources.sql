-- Credentials, limits, policies, and which endpoints a project sees.

CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id TEXT,
    type TEXT NOT NULL,
    -- A Fernet text; the keys are in the credential key folder.
    sealed_blob TEXT NOT NULL,
    extra TEXT NOT NULL
);
CREATE INDEX credentials_user ON credentials (user_id, type);
CREATE INDEX credentials_project ON credentials (project_id);

-- Signatures seen, so that none is used twice (K11). Rows go when their time is over.
CREATE TABLE seen_signatures (
    signature TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX seen_signatures_expiry ON seen_signatures (expires_at);

CREATE TABLE registered_limits (
    id TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    region_id TEXT REFERENCES regions (id) ON DELETE CASCADE,
    resource_name TEXT NOT NULL,
    default_limit BIGINT NOT NULL,
    description TEXT
);
CREATE UNIQUE INDEX registered_limits_of ON registered_limits (service_id, COALESCE(region_id, ''), resource_name);
CREATE INDEX registered_limits_region ON registered_limits (region_id);

-- Of a project or of a domain.
CREATE TABLE limits (
    id TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    region_id TEXT REFERENCES regions (id) ON DELETE CASCADE,
    resource_name TEXT NOT NULL,
    resource_limit BIGINT NOT NULL,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    domain_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    description TEXT
);
CREATE UNIQUE INDEX limits_of ON limits
    (COALESCE(project_id, ''), COALESCE(domain_id, ''), service_id, COALESCE(region_id, ''), resource_name);
CREATE INDEX limits_project ON limits (project_id);
CREATE INDEX limits_domain ON limits (domain_id);
CREATE INDEX limits_service ON limits (service_id, resource_name);
CREATE INDEX limits_region ON limits (region_id);

CREATE TABLE policies (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    blob TEXT NOT NULL,
    extra TEXT NOT NULL
);

-- A policy for an endpoint, for all endpoints of a service, or for those in a region;
-- what is not meant is ''.
CREATE TABLE policy_associations (
    policy_id TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    endpoint_id TEXT NOT NULL,
    service_id TEXT NOT NULL,
    region_id TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, service_id, region_id)
);
CREATE INDEX policy_associations_policy ON policy_associations (policy_id);

CREATE TABLE endpoint_groups (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT,
    -- A JSON object: interface, service_id, region_id.
    filters TEXT NOT NULL
);

CREATE TABLE endpoint_group_projects (
    endpoint_group_id TEXT NOT NULL REFERENCES endpoint_groups (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    PRIMARY KEY (endpoint_group_id, project_id)
);
CREATE INDEX endpoint_group_projects_project ON endpoint_group_projects (project_id);

CREATE TABLE project_endpoints (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_id)
);
CREATE INDEX project_endpoints_endpoint ON project_endpoints (endpoint_id);
