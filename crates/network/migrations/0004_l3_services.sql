-- What routers and floating IPs do beyond routing and one-to-one translation.

-- Forwardings of ports of a floating IP to ports of an inner address.
CREATE TABLE port_forwardings (
    id TEXT PRIMARY KEY,
    floating_ip_id TEXT NOT NULL REFERENCES floating_ips (id),
    internal_port_id TEXT NOT NULL REFERENCES ports (id),
    internal_ip_address TEXT NOT NULL,
    protocol TEXT NOT NULL,
    -- First and last of each range; null for protocols without ports.
    internal_first BIGINT,
    internal_last BIGINT,
    external_first BIGINT,
    external_last BIGINT,
    description TEXT NOT NULL
);
CREATE INDEX port_forwardings_floating_ip ON port_forwardings (floating_ip_id, protocol);
CREATE INDEX port_forwardings_internal ON port_forwardings (internal_port_id, internal_ip_address);

-- Protocols whose side connections a router follows.
CREATE TABLE conntrack_helpers (
    id TEXT PRIMARY KEY,
    router_id TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    protocol TEXT NOT NULL,
    port BIGINT NOT NULL,
    helper TEXT NOT NULL
);
CREATE UNIQUE INDEX conntrack_helpers_same ON conntrack_helpers (router_id, protocol, port, helper);

-- Kinds of service an operator offers, and how each is provided.
CREATE TABLE flavors (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    service_type TEXT NOT NULL,
    enabled BOOLEAN NOT NULL
);
CREATE TABLE service_profiles (
    id TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    driver TEXT NOT NULL,
    metainfo TEXT NOT NULL,
    enabled BOOLEAN NOT NULL
);
CREATE TABLE flavor_profiles (
    flavor_id TEXT NOT NULL REFERENCES flavors (id) ON DELETE CASCADE,
    profile_id TEXT NOT NULL REFERENCES service_profiles (id),
    -- Position in service_profiles of the flavor: the first enabled one provides.
    ordinal BIGINT NOT NULL,
    PRIMARY KEY (flavor_id, profile_id)
);
CREATE INDEX flavor_profiles_profile ON flavor_profiles (profile_id);
ALTER TABLE routers ADD COLUMN flavor_id TEXT REFERENCES flavors (id);
CREATE INDEX routers_flavor ON routers (flavor_id);

-- Traffic an operator wants counted.
CREATE TABLE metering_labels (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    shared BOOLEAN NOT NULL
);
CREATE INDEX metering_labels_project ON metering_labels (project_id, name);
CREATE TABLE metering_label_rules (
    id TEXT PRIMARY KEY,
    metering_label_id TEXT NOT NULL REFERENCES metering_labels (id) ON DELETE CASCADE,
    direction TEXT NOT NULL,
    excluded BOOLEAN NOT NULL,
    remote_ip_prefix TEXT,
    source_ip_prefix TEXT,
    destination_ip_prefix TEXT
);
CREATE INDEX metering_label_rules_label ON metering_label_rules (metering_label_id, direction);

-- Domain of the names of one port, in place of the cloud's.
ALTER TABLE ports ADD COLUMN dns_domain TEXT NOT NULL DEFAULT '';
