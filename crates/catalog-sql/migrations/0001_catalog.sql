-- The catalog. Columns hold what is filtered, sorted or guarded; `record` holds the whole record as JSON.
-- Times are milliseconds since 1970-01-01T00:00:00Z.

CREATE TABLE workspaces (
    id TEXT NOT NULL PRIMARY KEY,
    seen_ms INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;

CREATE TABLE operations (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Whether it has its workspace to itself.
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    -- Whether something is left to do.
    unfinished INTEGER NOT NULL CHECK (unfinished IN (0, 1)),
    started_ms INTEGER NOT NULL,
    -- The lease: who works on it (JSON, NULL for nobody), under which fencing epoch, until when.
    holder TEXT,
    epoch INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    record TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX operations_one_active_per_workspace ON operations (workspace) WHERE active = 1;
-- Serves prefixes of ids, in the order of time without a look at the rows.
CREATE INDEX operations_by_id ON operations (id, started_ms);
CREATE INDEX operations_by_time ON operations (started_ms, id);
CREATE INDEX operations_by_workspace ON operations (workspace, started_ms, id);
CREATE INDEX operations_by_state ON operations (state, started_ms, id);
CREATE INDEX operations_unfinished ON operations (started_ms, id) WHERE unfinished = 1;

CREATE TABLE ledger (
    operation TEXT NOT NULL REFERENCES operations (id),
    position INTEGER NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (operation, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE backups (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    state TEXT NOT NULL,
    name TEXT,
    created_ms INTEGER NOT NULL,
    -- Counts the writes of the row.
    revision INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;

CREATE INDEX backups_by_id ON backups (id, created_ms);
CREATE INDEX backups_by_time ON backups (created_ms, id);
CREATE INDEX backups_by_workspace ON backups (workspace, created_ms, id);
CREATE INDEX backups_by_state ON backups (state, created_ms, id);
CREATE INDEX backups_by_workspace_and_state ON backups (workspace, state, created_ms, id);
CREATE INDEX backups_by_name ON backups (name, created_ms, id) WHERE name IS NOT NULL;

-- "Stlp" in ASCII: tells a catalog from the SQLite file of any other program.
PRAGMA application_id = 0x53746C70;
