-- Tables of the Network API. Times are UTC text to the second; addresses are
-- canonical text, with a 16-byte sortable key where order matters
-- (IPv4 as ::ffff:a.b.c.d). Texts that lists sort by are never null.

CREATE TABLE networks (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    admin_state_up BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    mtu BIGINT NOT NULL,
    mtu_given BOOLEAN NOT NULL,
    shared BOOLEAN NOT NULL,
    external BOOLEAN NOT NULL,
    is_default BOOLEAN NOT NULL,
    port_security_enabled BOOLEAN NOT NULL,
    dns_domain TEXT NOT NULL,
    availability_zone_hints TEXT NOT NULL,
    network_type TEXT NOT NULL,
    physical_network TEXT,
    segmentation_id BIGINT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE INDEX networks_project ON networks (project_id, name);
CREATE INDEX networks_name ON networks (name);
CREATE INDEX networks_shared ON networks (shared, external);
-- One network for each segment; NULLs never collide.
CREATE UNIQUE INDEX networks_segment ON networks (network_type, COALESCE(physical_network, ''), segmentation_id);
CREATE UNIQUE INDEX networks_flat ON networks (physical_network) WHERE network_type = 'flat';
CREATE UNIQUE INDEX networks_default ON networks (is_default) WHERE is_default;

-- Free segmentation ids, as ranges: the first free id is one index look-up away.
CREATE TABLE segment_free (
    network_type TEXT NOT NULL,
    physical_network TEXT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (network_type, physical_network, first)
);
-- The configured ranges segment_free was made from.
CREATE TABLE segment_ranges (
    network_type TEXT NOT NULL,
    physical_network TEXT NOT NULL,
    minimum BIGINT NOT NULL,
    maximum BIGINT NOT NULL,
    PRIMARY KEY (network_type, physical_network, minimum)
);

CREATE TABLE subnets (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    network_id TEXT NOT NULL REFERENCES networks (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    ip_version BIGINT NOT NULL,
    cidr TEXT NOT NULL,
    gateway_ip TEXT,
    enable_dhcp BOOLEAN NOT NULL,
    ipv6_ra_mode TEXT,
    ipv6_address_mode TEXT,
    dns_nameservers TEXT NOT NULL,
    host_routes TEXT NOT NULL,
    service_types TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE INDEX subnets_network ON subnets (network_id);
CREATE INDEX subnets_project ON subnets (project_id, name);
CREATE INDEX subnets_name ON subnets (name);

CREATE TABLE allocation_pools (
    subnet_id TEXT NOT NULL REFERENCES subnets (id) ON DELETE CASCADE,
    first_key {bytes} NOT NULL,
    last_key {bytes} NOT NULL,
    PRIMARY KEY (subnet_id, first_key)
);
-- What is still free of the pools, as ranges: allocation is one index look-up.
CREATE TABLE free_addresses (
    subnet_id TEXT NOT NULL REFERENCES subnets (id) ON DELETE CASCADE,
    first_key {bytes} NOT NULL,
    last_key {bytes} NOT NULL,
    PRIMARY KEY (subnet_id, first_key)
);

CREATE TABLE ports (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    network_id TEXT NOT NULL REFERENCES networks (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    mac_address TEXT NOT NULL,
    admin_state_up BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    device_id TEXT NOT NULL,
    device_owner TEXT NOT NULL,
    port_security_enabled BOOLEAN NOT NULL,
    dns_name TEXT NOT NULL,
    ip_allocation TEXT NOT NULL,
    -- JSON lists: [{"ip_address":..,"mac_address":..}], [{"opt_name":..,"opt_value":..,"ip_version":..}]
    allowed_address_pairs TEXT NOT NULL,
    extra_dhcp_opts TEXT NOT NULL,
    binding_host TEXT NOT NULL,
    binding_vnic_type TEXT NOT NULL,
    binding_profile TEXT NOT NULL,
    binding_vif_type TEXT NOT NULL,
    binding_vif_details TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE UNIQUE INDEX ports_mac ON ports (network_id, mac_address);
CREATE INDEX ports_project ON ports (project_id, name);
CREATE INDEX ports_name ON ports (name);
CREATE INDEX ports_device ON ports (device_id, device_owner);
CREATE INDEX ports_host ON ports (binding_host);
CREATE INDEX ports_owner ON ports (device_owner, network_id);

CREATE TABLE port_addresses (
    subnet_id TEXT NOT NULL REFERENCES subnets (id),
    address_key {bytes} NOT NULL,
    port_id TEXT NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    network_id TEXT NOT NULL,
    ip_address TEXT NOT NULL,
    -- Position in fixed_ips.
    ordinal BIGINT NOT NULL,
    PRIMARY KEY (subnet_id, address_key)
);
CREATE INDEX port_addresses_port ON port_addresses (port_id);
CREATE INDEX port_addresses_ip ON port_addresses (network_id, ip_address);

-- Parties that must still report before the port is ACTIVE.
CREATE TABLE port_pending (
    port_id TEXT NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    party TEXT NOT NULL,
    PRIMARY KEY (port_id, party)
);

CREATE TABLE security_groups (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    stateful BOOLEAN NOT NULL,
    is_default BOOLEAN NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE INDEX security_groups_project ON security_groups (project_id, name);
CREATE INDEX security_groups_name ON security_groups (name);
CREATE UNIQUE INDEX security_groups_default ON security_groups (project_id) WHERE is_default;

CREATE TABLE security_group_rules (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    security_group_id TEXT NOT NULL REFERENCES security_groups (id) ON DELETE CASCADE,
    description TEXT NOT NULL,
    direction TEXT NOT NULL,
    ethertype TEXT NOT NULL,
    -- As returned: a name or a number as text; null = any.
    protocol TEXT,
    port_range_min BIGINT,
    port_range_max BIGINT,
    remote_ip_prefix TEXT,
    remote_group_id TEXT REFERENCES security_groups (id) ON DELETE CASCADE,
    -- What makes two rules the same; see resources/security_group_rule/rules.rs.
    identity TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE UNIQUE INDEX security_group_rules_identity ON security_group_rules (security_group_id, identity);
CREATE INDEX security_group_rules_remote ON security_group_rules (remote_group_id);
CREATE INDEX security_group_rules_project ON security_group_rules (project_id);

CREATE TABLE port_security_groups (
    port_id TEXT NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    security_group_id TEXT NOT NULL REFERENCES security_groups (id),
    PRIMARY KEY (port_id, security_group_id)
);
CREATE INDEX port_security_groups_group ON port_security_groups (security_group_id);

CREATE TABLE routers (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    admin_state_up BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    enable_snat BOOLEAN NOT NULL,
    gateway_port_id TEXT REFERENCES ports (id),
    gateway_network_id TEXT,
    availability_zone_hints TEXT NOT NULL,
    -- Host whose agent carries the router; "" = not scheduled.
    host TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE INDEX routers_project ON routers (project_id, name);
CREATE INDEX routers_name ON routers (name);
CREATE INDEX routers_host ON routers (host);
CREATE INDEX routers_gateway ON routers (gateway_network_id);
CREATE INDEX routers_gateway_port ON routers (gateway_port_id);

CREATE TABLE router_interfaces (
    router_id TEXT NOT NULL REFERENCES routers (id),
    port_id TEXT NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    subnet_id TEXT NOT NULL REFERENCES subnets (id),
    PRIMARY KEY (router_id, subnet_id)
);
CREATE INDEX router_interfaces_port ON router_interfaces (port_id);
CREATE INDEX router_interfaces_subnet ON router_interfaces (subnet_id);

CREATE TABLE router_routes (
    router_id TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    destination TEXT NOT NULL,
    nexthop TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    PRIMARY KEY (router_id, destination, nexthop)
);

CREATE TABLE floating_ips (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    description TEXT NOT NULL,
    floating_network_id TEXT NOT NULL REFERENCES networks (id),
    floating_ip_address TEXT NOT NULL,
    -- The hidden port that holds the address on the external network.
    floating_port_id TEXT NOT NULL REFERENCES ports (id),
    port_id TEXT REFERENCES ports (id),
    fixed_ip_address TEXT,
    router_id TEXT REFERENCES routers (id),
    status TEXT NOT NULL,
    dns_name TEXT NOT NULL,
    dns_domain TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE UNIQUE INDEX floating_ips_address ON floating_ips (floating_network_id, floating_ip_address);
CREATE UNIQUE INDEX floating_ips_fixed ON floating_ips (port_id, fixed_ip_address, floating_network_id);
CREATE INDEX floating_ips_project ON floating_ips (project_id);
CREATE INDEX floating_ips_router ON floating_ips (router_id);
CREATE INDEX floating_ips_port ON floating_ips (floating_port_id);

-- Tags of every kind of resource; identifiers are unique across kinds.
CREATE TABLE tags (
    resource_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (resource_id, tag)
);

CREATE TABLE agents (
    id TEXT PRIMARY KEY,
    agent_type TEXT NOT NULL,
    "binary" TEXT NOT NULL,
    topic TEXT NOT NULL,
    host TEXT NOT NULL,
    admin_state_up BOOLEAN NOT NULL,
    description TEXT,
    availability_zone TEXT NOT NULL,
    configurations TEXT NOT NULL,
    -- linuxbridge, openvswitch; "" for agents that wire no ports.
    mechanism TEXT NOT NULL,
    tunnel_ip TEXT NOT NULL,
    created_at TEXT NOT NULL,
    started_at TEXT NOT NULL,
    heartbeat_timestamp TEXT NOT NULL
);
CREATE UNIQUE INDEX agents_host ON agents (host, agent_type);

-- Which host serves DHCP for a network, and through which port.
CREATE TABLE dhcp_bindings (
    network_id TEXT NOT NULL REFERENCES networks (id),
    host TEXT NOT NULL,
    port_id TEXT REFERENCES ports (id) ON DELETE SET NULL,
    PRIMARY KEY (network_id, host)
);
CREATE INDEX dhcp_bindings_host ON dhcp_bindings (host);
CREATE INDEX dhcp_bindings_port ON dhcp_bindings (port_id);

-- Limits that differ from the configured defaults.
CREATE TABLE quotas (
    project_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    "limit" BIGINT NOT NULL,
    PRIMARY KEY (project_id, resource)
);
-- Objects in use, kept in the transactions that create and delete them.
CREATE TABLE quota_usage (
    project_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (project_id, resource)
);
