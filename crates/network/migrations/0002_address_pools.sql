-- Address scopes, pools of prefixes for subnets, and networks made on demand.

CREATE TABLE address_scopes (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    ip_version BIGINT NOT NULL
);
CREATE INDEX address_scopes_project ON address_scopes (project_id, name);
CREATE INDEX address_scopes_name ON address_scopes (name);

CREATE TABLE subnet_pools (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    ip_version BIGINT NOT NULL,
    default_prefixlen BIGINT NOT NULL,
    min_prefixlen BIGINT NOT NULL,
    max_prefixlen BIGINT NOT NULL,
    is_default BOOLEAN NOT NULL,
    -- Of each project: addresses of IPv4, /64s of IPv6; null = unlimited.
    default_quota BIGINT,
    address_scope_id TEXT REFERENCES address_scopes (id),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE INDEX subnet_pools_project ON subnet_pools (project_id, name);
CREATE INDEX subnet_pools_name ON subnet_pools (name);
CREATE INDEX subnet_pools_scope ON subnet_pools (address_scope_id);
-- One default for each IP version.
CREATE UNIQUE INDEX subnet_pools_default ON subnet_pools (ip_version) WHERE is_default;

-- Prefixes by first address (key as everywhere) and length out of 128 bits: an
-- IPv4 /24 has length 120. Disjoint, and as few as can be.
CREATE TABLE subnet_pool_prefixes (
    subnet_pool_id TEXT NOT NULL REFERENCES subnet_pools (id) ON DELETE CASCADE,
    first_key {bytes} NOT NULL,
    length BIGINT NOT NULL,
    PRIMARY KEY (subnet_pool_id, first_key)
);
-- What no subnet has of them, likewise.
CREATE TABLE free_prefixes (
    subnet_pool_id TEXT NOT NULL REFERENCES subnet_pools (id) ON DELETE CASCADE,
    first_key {bytes} NOT NULL,
    length BIGINT NOT NULL,
    PRIMARY KEY (subnet_pool_id, first_key)
);
-- The smallest free prefix that is large enough is one look-up away.
CREATE UNIQUE INDEX free_prefixes_fit ON free_prefixes (subnet_pool_id, length DESC, first_key);

ALTER TABLE subnets ADD COLUMN subnetpool_id TEXT REFERENCES subnet_pools (id);
CREATE INDEX subnets_pool ON subnets (subnetpool_id, project_id);

-- What was made for a project that asked for any network.
CREATE TABLE auto_allocated_topologies (
    project_id TEXT PRIMARY KEY,
    network_id TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
    router_id TEXT REFERENCES routers (id) ON DELETE SET NULL
);
CREATE INDEX auto_allocated_topologies_network ON auto_allocated_topologies (network_id);
CREATE INDEX auto_allocated_topologies_router ON auto_allocated_topologies (router_id);
