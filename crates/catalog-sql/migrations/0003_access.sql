-- What a server of this catalog keeps of its callers: tokens, by the digest of their secret, and who did what.

CREATE TABLE access_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL
) STRICT;

CREATE TABLE access_log (
    id TEXT NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;

CREATE INDEX access_log_by_time ON access_log (at_ms, id);
