-- The project of the port's network where it is not the port's own: null for all but a few,
-- which is what tells PostgreSQL to look these up by their index.
ALTER TABLE ports ADD COLUMN guest_of TEXT;
UPDATE ports SET guest_of = network_project_id WHERE project_id <> network_project_id;
DROP INDEX ports_guests;
ALTER TABLE ports DROP COLUMN network_project_id;
CREATE INDEX ports_guests ON ports (guest_of, id) WHERE guest_of IS NOT NULL;
