-- What active operations work on: marks of its extents, equal where two meet.

CREATE TABLE reservations (
    key TEXT NOT NULL,
    operation TEXT NOT NULL REFERENCES operations (id),
    -- Whether it is all of this place; else something below it.
    whole INTEGER NOT NULL CHECK (whole IN (0, 1)),
    PRIMARY KEY (key, operation)
) STRICT, WITHOUT ROWID;

CREATE INDEX reservations_by_operation ON reservations (operation);
