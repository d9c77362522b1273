//! Schedules.

use stillpoint_core::{
    Error, ErrorKind, Page, Result, Revision, ScheduleId, ScheduleQuery, ScheduleRecord, StoredSchedule,
    Timestamp,
};

use crate::engine::{Engine, Row, Statement};
use crate::page::{page, rows_wanted};
use crate::rows::{decode, encode};

/// Writes a schedule, if it has the revision `expected`.
pub(crate) async fn put(
    engine: &Engine,
    record: &ScheduleRecord,
    expected: Option<Revision>,
) -> Result<Revision> {
    let statement = Statement::new(match expected {
        None => {
            "INSERT INTO schedules (id, workspace, look_ms, record, revision) VALUES ($1, $2, $3, $4, 1)
             ON CONFLICT (id) DO NOTHING RETURNING revision"
        }
        Some(_) => {
            "UPDATE schedules SET workspace = $2, look_ms = $3, record = $4, revision = revision + 1
             WHERE id = $1 AND revision = $5 RETURNING revision"
        }
    });
    let mut statement = statement
        .bind(record.id.as_str())
        .bind(record.workspace().as_str())
        .bind(record.look_at.map(Timestamp::as_millis))
        .bind(encode(record)?);
    if let Some(revision) = expected {
        // Revisions are counted by the database, so one that it cannot hold is that of no schedule.
        statement = statement.bind(i64::try_from(revision.0).unwrap_or(-1));
    }
    let written = engine.write(statement).await?;
    let row = written.first().ok_or_else(|| {
        let kind = if expected.is_none() { ErrorKind::AlreadyExists } else { ErrorKind::Conflict };
        Error::new(kind, format!("schedule {} was changed by somebody else", record.id))
    })?;
    Ok(Revision(row.counter("revision")?))
}

pub(crate) async fn find(engine: &Engine, id: &ScheduleId) -> Result<Option<StoredSchedule>> {
    let statement = Statement::new("SELECT record, revision FROM schedules WHERE id = $1").bind(id.as_str());
    engine.read(statement).await?.first().map(stored).transpose()
}

pub(crate) async fn list(engine: &Engine, query: &ScheduleQuery) -> Result<Page<StoredSchedule>> {
    let mut sql = Statement::new("SELECT id, record, revision FROM schedules WHERE TRUE");
    if let Some(workspace) = &query.workspace {
        sql.push(" AND workspace = $", workspace.as_str());
    }
    if let Some(by) = query.look_by {
        sql.push(" AND look_ms <= $", by.as_millis());
    }
    if let Some(after) = &query.after {
        sql.push(" AND id > $", after.as_str());
    }
    sql.push(" ORDER BY id LIMIT $", rows_wanted(query.limit));
    let found = engine.read(sql).await?;
    page(&found, query.limit, stored, |row| row.text("id").map(str::to_owned))
}

pub(crate) async fn remove(engine: &Engine, id: &ScheduleId) -> Result<()> {
    let statement = Statement::new("DELETE FROM schedules WHERE id = $1").bind(id.as_str());
    engine.write(statement).await.map(drop)
}

/// Reads a row with the columns `record` and `revision`.
fn stored(row: &Row) -> Result<StoredSchedule> {
    Ok(StoredSchedule::new(decode(row.text("record")?)?, Revision(row.counter("revision")?)))
}
