-- Quality of service, and trunks.

CREATE TABLE qos_policies (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- What new networks of the project get.
    is_default BOOLEAN NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE INDEX qos_policies_project ON qos_policies (project_id, name);
CREATE INDEX qos_policies_name ON qos_policies (name);
CREATE UNIQUE INDEX qos_policies_default ON qos_policies (project_id) WHERE is_default;

CREATE TABLE qos_rules (
    id TEXT PRIMARY KEY,
    policy_id TEXT NOT NULL REFERENCES qos_policies (id) ON DELETE CASCADE,
    -- bandwidth_limit, dscp_marking, minimum_bandwidth, minimum_packet_rate, packet_rate_limit.
    kind TEXT NOT NULL,
    -- ingress, egress or any; "" where the kind has none.
    direction TEXT NOT NULL,
    -- The rate or the mark.
    amount BIGINT NOT NULL,
    -- 0 = none given, or the kind has none.
    burst BIGINT NOT NULL
);
-- One rule of a kind for each direction.
CREATE UNIQUE INDEX qos_rules_kind ON qos_rules (policy_id, kind, direction);

-- Which policy each object asked for.
CREATE TABLE network_qos_policies (
    network_id TEXT PRIMARY KEY REFERENCES networks (id) ON DELETE CASCADE,
    policy_id TEXT NOT NULL REFERENCES qos_policies (id)
);
CREATE INDEX network_qos_policies_policy ON network_qos_policies (policy_id);
CREATE TABLE port_qos_policies (
    port_id TEXT PRIMARY KEY REFERENCES ports (id) ON DELETE CASCADE,
    policy_id TEXT NOT NULL REFERENCES qos_policies (id)
);
CREATE INDEX port_qos_policies_policy ON port_qos_policies (policy_id);
CREATE TABLE floating_ip_qos_policies (
    floating_ip_id TEXT PRIMARY KEY REFERENCES floating_ips (id) ON DELETE CASCADE,
    policy_id TEXT NOT NULL REFERENCES qos_policies (id)
);
CREATE INDEX floating_ip_qos_policies_policy ON floating_ip_qos_policies (policy_id);
-- Of the gateway of the router.
CREATE TABLE router_qos_policies (
    router_id TEXT PRIMARY KEY REFERENCES routers (id) ON DELETE CASCADE,
    policy_id TEXT NOT NULL REFERENCES qos_policies (id)
);
CREATE INDEX router_qos_policies_policy ON router_qos_policies (policy_id);

CREATE TABLE trunks (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    admin_state_up BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    -- The parent: what is not tagged.
    port_id TEXT NOT NULL REFERENCES ports (id),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE UNIQUE INDEX trunks_port ON trunks (port_id);
CREATE INDEX trunks_project ON trunks (project_id, name);
CREATE INDEX trunks_name ON trunks (name);

CREATE TABLE trunk_subports (
    port_id TEXT PRIMARY KEY REFERENCES ports (id),
    trunk_id TEXT NOT NULL REFERENCES trunks (id) ON DELETE CASCADE,
    segmentation_type TEXT NOT NULL,
    segmentation_id BIGINT NOT NULL
);
CREATE UNIQUE INDEX trunk_subports_tag ON trunk_subports (trunk_id, segmentation_type, segmentation_id);
