
-- The clock that leases run by, on every orchestrator the same: the server's, in milliseconds since 1970-01-01T00:00:00Z.
CREATE FUNCTION now_ms() RETURNS BIGINT LANGUAGE SQL VOLATILE
    AS 'SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)';
