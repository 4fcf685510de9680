-- Where networks are: one row for each segment. "" and 0 stand for a physical
-- network and an id the type has none of, so that lists can sort by them.
CREATE TABLE segments (
    id TEXT PRIMARY KEY,
    network_id TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
    -- Order within the network.
    position BIGINT NOT NULL,
    -- "" = none
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    network_type TEXT NOT NULL,
    physical_network TEXT NOT NULL,
    segmentation_id BIGINT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE UNIQUE INDEX segments_network ON segments (network_id, position);
-- One network on each place; local segments are as many as wanted.
CREATE UNIQUE INDEX segments_place ON segments (network_type, physical_network, segmentation_id)
    WHERE network_type <> 'local';
CREATE INDEX segments_physical ON segments (physical_network);
CREATE INDEX segments_name ON segments (name);

-- The id is that of the network with another version digit: unique and still a UUID.
INSERT INTO segments (id, network_id, position, name, description, network_type, physical_network,
    segmentation_id, created_at, updated_at, revision_number)
    SELECT substr(id, 1, 14) || '8' || substr(id, 16), id, 0, '', '', network_type,
    COALESCE(physical_network, ''), COALESCE(segmentation_id, 0), created_at, created_at, 0 FROM networks;
DROP INDEX networks_segment;
DROP INDEX networks_flat;
ALTER TABLE networks DROP COLUMN network_type;
ALTER TABLE networks DROP COLUMN physical_network;
ALTER TABLE networks DROP COLUMN segmentation_id;

-- The segment a port is on at its host; null when it is not bound.
ALTER TABLE ports ADD COLUMN binding_segment_id TEXT;
UPDATE ports SET binding_segment_id = (SELECT s.id FROM segments s WHERE s.network_id = ports.network_id)
    WHERE binding_vif_type NOT IN ('unbound', 'binding_failed');

-- Segment of a routed network the subnet is on; "" = none.
ALTER TABLE subnets ADD COLUMN segment_id TEXT NOT NULL DEFAULT '';
CREATE INDEX subnets_segment ON subnets (segment_id);

-- Ranges of ids for automatic allocation: those configured (is_default), for
-- everybody (shared) and for one project. segment_free is made of them anew when a
-- server starts.
CREATE TABLE network_segment_ranges (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    is_default BOOLEAN NOT NULL,
    shared BOOLEAN NOT NULL,
    -- "" = nobody's own
    project_id TEXT NOT NULL,
    network_type TEXT NOT NULL,
    physical_network TEXT NOT NULL,
    minimum BIGINT NOT NULL,
    maximum BIGINT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision_number BIGINT NOT NULL
);
CREATE INDEX network_segment_ranges_place ON network_segment_ranges (network_type, physical_network, minimum);
CREATE INDEX network_segment_ranges_project ON network_segment_ranges (project_id);
DROP TABLE segment_ranges;
DELETE FROM segment_free;

-- What a port may have beside its present binding: one INACTIVE binding for each
-- other host (live migration).
CREATE TABLE inactive_bindings (
    port_id TEXT NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    host TEXT NOT NULL,
    vnic_type TEXT NOT NULL,
    profile TEXT NOT NULL,
    vif_type TEXT NOT NULL,
    vif_details TEXT NOT NULL,
    segment_id TEXT,
    PRIMARY KEY (port_id, host)
);

-- Attributes of ports that Nova and others read back; null = never said.
ALTER TABLE ports ADD COLUMN data_plane_status TEXT;
ALTER TABLE ports ADD COLUMN device_profile TEXT;
ALTER TABLE ports ADD COLUMN hardware_offload_type TEXT;
ALTER TABLE ports ADD COLUMN hints TEXT;
ALTER TABLE ports ADD COLUMN numa_affinity_policy TEXT;
ALTER TABLE ports ADD COLUMN propagate_uplink_status BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE ports ADD COLUMN trusted BOOLEAN;

-- Lists sort by it.
UPDATE agents SET description = '' WHERE description IS NULL;
