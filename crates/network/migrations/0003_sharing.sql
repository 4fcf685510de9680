-- Who may use what of other projects, and what security groups start with.

-- One entry opens one object to one project, or to all ('*'). An entry for all is
-- what `shared` and `router:external` of an object mean.
CREATE TABLE rbac_policies (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    -- access_as_shared, access_as_external
    action TEXT NOT NULL,
    target_project TEXT NOT NULL
);
CREATE UNIQUE INDEX rbac_policies_object ON rbac_policies (object_id, action, target_project);
CREATE INDEX rbac_policies_target ON rbac_policies (target_project, object_type, object_id);
CREATE INDEX rbac_policies_project ON rbac_policies (project_id);

-- Networks that are for all by their columns get the entries that say so; the
-- columns repeat the entries from now on. An entry's id is made from its network's.
INSERT INTO rbac_policies (id, project_id, object_type, object_id, action, target_project)
    SELECT '5a4ed000' || substr(id, 9), project_id, 'network', id, 'access_as_shared', '*'
    FROM networks WHERE shared;
INSERT INTO rbac_policies (id, project_id, object_type, object_id, action, target_project)
    SELECT 'e87e0000' || substr(id, 9), project_id, 'network', id, 'access_as_external', '*'
    FROM networks WHERE external;
INSERT INTO quota_usage (project_id, resource, used)
    SELECT project_id, 'rbac_policy', COUNT(*) FROM rbac_policies WHERE project_id <> '' GROUP BY project_id;

CREATE TABLE address_groups (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE INDEX address_groups_project ON address_groups (project_id, name);
CREATE INDEX address_groups_name ON address_groups (name);

CREATE TABLE address_group_addresses (
    address_group_id TEXT NOT NULL REFERENCES address_groups (id) ON DELETE CASCADE,
    -- A prefix without host bits.
    address TEXT NOT NULL,
    PRIMARY KEY (address_group_id, address)
);

ALTER TABLE security_group_rules ADD COLUMN remote_address_group_id TEXT REFERENCES address_groups (id);
CREATE INDEX security_group_rules_address_group ON security_group_rules (remote_address_group_id);

-- The rules new security groups start with.
CREATE TABLE default_security_group_rules (
    id TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    direction TEXT NOT NULL,
    ethertype TEXT NOT NULL,
    protocol TEXT,
    port_range_min BIGINT,
    port_range_max BIGINT,
    remote_ip_prefix TEXT,
    -- 'PARENT' is the group the rule is copied into.
    remote_group_id TEXT,
    remote_address_group_id TEXT REFERENCES address_groups (id),
    used_in_default_sg BOOLEAN NOT NULL,
    used_in_non_default_sg BOOLEAN NOT NULL,
    -- What makes two rules the same, as with security group rules.
    identity TEXT NOT NULL
);
CREATE UNIQUE INDEX default_security_group_rules_default ON default_security_group_rules (identity)
    WHERE used_in_default_sg;
CREATE UNIQUE INDEX default_security_group_rules_others ON default_security_group_rules (identity)
    WHERE used_in_non_default_sg;
CREATE INDEX default_security_group_rules_group ON default_security_group_rules (remote_group_id);
CREATE INDEX default_security_group_rules_address_group
    ON default_security_group_rules (remote_address_group_id);

INSERT INTO default_security_group_rules (id, description, direction, ethertype, remote_group_id,
    used_in_default_sg, used_in_non_default_sg, identity) VALUES
    ('0d3c5a52-62a8-4f0e-9b6e-3f1d0c7a1e01', 'Legacy default SG rule for egress traffic', 'egress', 'IPv4',
     NULL, TRUE, TRUE, 'egress IPv4 - - - -'),
    ('0d3c5a52-62a8-4f0e-9b6e-3f1d0c7a1e02', 'Legacy default SG rule for egress traffic', 'egress', 'IPv6',
     NULL, TRUE, TRUE, 'egress IPv6 - - - -'),
    ('0d3c5a52-62a8-4f0e-9b6e-3f1d0c7a1e03', 'Legacy default SG rule for ingress traffic', 'ingress', 'IPv4',
     'PARENT', TRUE, FALSE, 'ingress IPv4 - - - PARENT'),
    ('0d3c5a52-62a8-4f0e-9b6e-3f1d0c7a1e04', 'Legacy default SG rule for ingress traffic', 'ingress', 'IPv6',
     'PARENT', TRUE, FALSE, 'ingress IPv6 - - - PARENT');

-- Whether new security groups are stateful, for all ('') and for single projects.
CREATE TABLE security_group_default_statefulness (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    stateful BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX security_group_default_statefulness_project
    ON security_group_default_statefulness (project_id);
