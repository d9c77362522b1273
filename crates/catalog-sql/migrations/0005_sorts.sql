-- What backups are sorted by besides. NULL where an older version wrote the row; opening fills it in.

ALTER TABLE backups ADD COLUMN size_bytes INTEGER;
ALTER TABLE backups ADD COLUMN added_bytes INTEGER;

CREATE INDEX backups_by_size ON backups (size_bytes, created_ms, id);
CREATE INDEX backups_by_added ON backups (added_bytes, created_ms, id);
CREATE INDEX backups_by_any_name ON backups (COALESCE(name, ''), created_ms, id);

DROP INDEX backups_to_fill;
CREATE INDEX backups_to_fill ON backups (id) WHERE size_bytes IS NULL;
