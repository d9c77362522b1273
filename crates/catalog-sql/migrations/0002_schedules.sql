-- Schedules. `look_ms` is when a scheduler has to look at one next; NULL for not before somebody changes it.

CREATE TABLE schedules (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    look_ms INTEGER,
    -- Counts the writes of the row.
    revision INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;

CREATE INDEX schedules_by_workspace ON schedules (workspace, id);
CREATE INDEX schedules_to_look_at ON schedules (look_ms, id) WHERE look_ms IS NOT NULL;
