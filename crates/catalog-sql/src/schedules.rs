//! Schedules.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};
use stillpoint_core::{
    Error, ErrorKind, PAGE_LIMIT_MAX, Result, Revision, ScheduleId, ScheduleQuery, ScheduleRecord,
    StoredSchedule,
};

use crate::database::{Database, finish};
use crate::error::fault;
use crate::rows::{counter, decode, encode};

/// Writes a schedule, if it has the revision `expected`.
pub(crate) async fn put(
    database: &Database,
    record: &ScheduleRecord,
    expected: Option<Revision>,
) -> Result<Revision> {
    let text = encode(record)?;
    let mut change = database.begin().await?;
    let found = sqlx::query("SELECT revision FROM schedules WHERE id = $1")
        .bind(record.id.as_str())
        .fetch_optional(&mut *change)
        .await
        .map_err(fault)?;
    let found = found.map(|row| counter(&row, "revision")).transpose()?.map(Revision);
    if found != expected {
        let kind = if expected.is_none() { ErrorKind::AlreadyExists } else { ErrorKind::Conflict };
        return Err(Error::new(kind, format!("schedule {} was changed by somebody else", record.id)));
    }
    sqlx::query(
        "INSERT INTO schedules (id, workspace, look_ms, revision, record) VALUES ($1, $2, $3, 1, $4)
         ON CONFLICT (id) DO UPDATE SET
             workspace = excluded.workspace, look_ms = excluded.look_ms,
             revision = schedules.revision + 1, record = excluded.record",
    )
    .bind(record.id.as_str())
    .bind(record.workspace().as_str())
    .bind(record.look_at.map(stillpoint_core::Timestamp::as_millis))
    .bind(text)
    .execute(&mut *change)
    .await
    .map_err(fault)?;
    finish(change).await?;
    Ok(Revision(found.map_or(1, |revision| revision.0 + 1)))
}

pub(crate) async fn find(database: &Database, id: &ScheduleId) -> Result<Option<StoredSchedule>> {
    let row = sqlx::query("SELECT record, revision FROM schedules WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(database.readers())
        .await
        .map_err(fault)?;
    row.as_ref().map(stored).transpose()
}

pub(crate) async fn list(database: &Database, query: &ScheduleQuery) -> Result<Vec<StoredSchedule>> {
    let mut sql = QueryBuilder::new("SELECT record, revision FROM schedules WHERE TRUE");
    if let Some(workspace) = &query.workspace {
        sql.push(" AND workspace = ").push_bind(workspace.as_str());
    }
    if let Some(by) = query.look_by {
        sql.push(" AND look_ms <= ").push_bind(by.as_millis());
    }
    if let Some(after) = &query.after {
        sql.push(" AND id > ").push_bind(after.as_str());
    }
    let limit = i64::try_from(query.limit.min(PAGE_LIMIT_MAX)).unwrap_or(i64::MAX);
    sql.push(" ORDER BY id LIMIT ").push_bind(limit);
    let found = sql.build().fetch_all(database.readers()).await.map_err(fault)?;
    found.iter().map(stored).collect()
}

pub(crate) async fn remove(database: &Database, id: &ScheduleId) -> Result<()> {
    let mut change = database.begin().await?;
    sqlx::query("DELETE FROM schedules WHERE id = $1")
        .bind(id.as_str())
        .execute(&mut *change)
        .await
        .map_err(fault)?;
    finish(change).await
}

/// Reads a row with the columns `record` and `revision`.
fn stored(row: &SqliteRow) -> Result<StoredSchedule> {
    let record = decode(row.try_get("record").map_err(fault)?)?;
    Ok(StoredSchedule::new(record, Revision(counter(row, "revision")?)))
}
