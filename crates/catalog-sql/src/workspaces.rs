//! Workspaces.

use sqlx::Row;
use stillpoint_core::{PAGE_LIMIT_MAX, Result, WorkspaceId, WorkspaceRecord};

use crate::database::{Database, finish};
use crate::error::fault;
use crate::rows::{decode, encode};

pub(crate) async fn put(database: &Database, record: &WorkspaceRecord) -> Result<()> {
    let text = encode(record)?;
    let mut change = database.begin().await?;
    sqlx::query(
        "INSERT INTO workspaces (id, seen_ms, record) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET seen_ms = excluded.seen_ms, record = excluded.record",
    )
    .bind(record.definition.id.as_str())
    .bind(record.seen_at.as_millis())
    .bind(text)
    .execute(&mut *change)
    .await
    .map_err(fault)?;
    finish(change).await
}

pub(crate) async fn find(database: &Database, id: &WorkspaceId) -> Result<Option<WorkspaceRecord>> {
    let row = sqlx::query("SELECT record FROM workspaces WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(database.readers())
        .await
        .map_err(fault)?;
    row.map(|row| decode(row.try_get("record").map_err(fault)?)).transpose()
}

pub(crate) async fn list(
    database: &Database,
    after: Option<&WorkspaceId>,
    limit: usize,
) -> Result<Vec<WorkspaceRecord>> {
    // No id is empty, so the empty text comes before all of them.
    let rows = sqlx::query("SELECT record FROM workspaces WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after.map_or("", WorkspaceId::as_str))
        .bind(i64::try_from(limit.min(PAGE_LIMIT_MAX)).unwrap_or(i64::MAX))
        .fetch_all(database.readers())
        .await
        .map_err(fault)?;
    rows.iter().map(|row| decode(row.try_get("record").map_err(fault)?)).collect()
}
