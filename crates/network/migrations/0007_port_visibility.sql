-- Lists of ports a project may see, page by page in the order of their ids: its own ports
-- come from one index, those others have on its networks (few) from another.
ALTER TABLE ports ADD COLUMN network_project_id TEXT NOT NULL DEFAULT '';
UPDATE ports SET network_project_id = (SELECT project_id FROM networks WHERE networks.id = ports.network_id);
DROP INDEX ports_project;
CREATE INDEX ports_project ON ports (project_id, id);
CREATE INDEX ports_guests ON ports (network_project_id, id) WHERE project_id <> network_project_id;
