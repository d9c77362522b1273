//! Workspaces.

use stillpoint_core::{Page, Result, WorkspaceId, WorkspaceRecord};

use crate::engine::{Engine, Statement};
use crate::page::{page, rows_wanted};
use crate::rows::{decode, encode};

pub(crate) async fn put(engine: &Engine, record: &WorkspaceRecord) -> Result<()> {
    let statement = Statement::new(
        "INSERT INTO workspaces (id, seen_ms, record) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET seen_ms = excluded.seen_ms, record = excluded.record",
    );
    let statement =
        statement.bind(record.definition.id.as_str()).bind(record.seen_at.as_millis()).bind(encode(record)?);
    engine.write(statement).await.map(drop)
}

pub(crate) async fn find(engine: &Engine, id: &WorkspaceId) -> Result<Option<WorkspaceRecord>> {
    let statement = Statement::new("SELECT record FROM workspaces WHERE id = $1").bind(id.as_str());
    engine.read(statement).await?.first().map(|row| decode(row.text("record")?)).transpose()
}

pub(crate) async fn list(
    engine: &Engine,
    after: Option<&WorkspaceId>,
    limit: usize,
) -> Result<Page<WorkspaceRecord>> {
    // No id is empty, so the empty text comes before all of them.
    let statement = Statement::new("SELECT id, record FROM workspaces WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after.map_or("", WorkspaceId::as_str))
        .bind(rows_wanted(limit));
    let found = engine.read(statement).await?;
    page(&found, limit, |row| decode(row.text("record")?), |row| row.text("id").map(str::to_owned))
}
