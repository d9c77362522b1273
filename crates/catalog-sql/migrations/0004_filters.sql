-- What backups are filtered by besides. `searched` is NULL where an older version wrote the row; opening fills it in.

ALTER TABLE backups ADD COLUMN environment TEXT;
ALTER TABLE backups ADD COLUMN held INTEGER;
ALTER TABLE backups ADD COLUMN searched TEXT;

CREATE INDEX backups_by_environment ON backups (environment, created_ms, id);
CREATE INDEX backups_held ON backups (created_ms, id) WHERE held = 1;
CREATE INDEX backups_to_fill ON backups (id) WHERE searched IS NULL;
