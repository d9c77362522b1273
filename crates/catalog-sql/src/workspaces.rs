//! Workspaces.

use stillpoint_core::{Page, Result, WorkspaceId, WorkspaceRecord};

use crate::engine::{Engine, Row, Statement};
use crate::page::{page, rows_wanted};
use crate::rows::{decode, encode};

/// What is left of a row whose workspace is written over.
macro_rules! overwrite {
    () => {
        "ON CONFLICT (id) DO UPDATE SET seen_ms = excluded.seen_ms, record = excluded.record,
         origin = COALESCE(excluded.origin, workspaces.origin)"
    };
}

/// What is left of a row whose workspace was restored.
macro_rules! originate {
    () => {
        "ON CONFLICT (id) DO UPDATE SET origin = excluded.origin"
    };
}

pub(crate) use originate;

pub(crate) async fn put(engine: &Engine, record: &WorkspaceRecord) -> Result<()> {
    let statement = concat!(
        "INSERT INTO workspaces (id, seen_ms, record, origin) VALUES ($1, $2, $3, $4) ",
        overwrite!()
    );
    engine.write(values(Statement::new(statement), record)?).await.map(drop)
}

/// Writes a workspace that a restore made; of one that is there already only the origin.
pub(crate) fn restored(record: &WorkspaceRecord) -> Result<Statement> {
    let statement = concat!(
        "INSERT INTO workspaces (id, seen_ms, record, origin) VALUES ($1, $2, $3, $4) ",
        originate!()
    );
    values(Statement::new(statement), record)
}

/// Binds id, time, record and origin, in this order.
pub(crate) fn values(statement: Statement, record: &WorkspaceRecord) -> Result<Statement> {
    let origin = record.origin.as_ref().map(encode).transpose()?;
    let mut seen = record.clone();
    seen.origin = None;
    Ok(statement
        .bind(seen.definition.id.as_str())
        .bind(seen.seen_at.as_millis())
        .bind(encode(&seen)?)
        .bind(origin.as_deref()))
}

fn read(row: &Row) -> Result<WorkspaceRecord> {
    let mut record: WorkspaceRecord = decode(row.text("record")?)?;
    record.origin = row.optional_text("origin")?.map(decode).transpose()?;
    Ok(record)
}

pub(crate) async fn find(engine: &Engine, id: &WorkspaceId) -> Result<Option<WorkspaceRecord>> {
    let statement = Statement::new("SELECT record, origin FROM workspaces WHERE id = $1").bind(id.as_str());
    engine.read(statement).await?.first().map(read).transpose()
}

pub(crate) async fn list(
    engine: &Engine,
    after: Option<&WorkspaceId>,
    limit: usize,
) -> Result<Page<WorkspaceRecord>> {
    // No id is empty, so the empty text comes before all of them.
    let statement =
        Statement::new("SELECT id, record, origin FROM workspaces WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after.map_or("", WorkspaceId::as_str))
            .bind(rows_wanted(limit));
    let found = engine.read(statement).await?;
    page(&found, limit, read, |row| row.text("id").map(str::to_owned))
}
