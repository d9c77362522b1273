//! Backups.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use stillpoint_core::{
    BackupId, BackupQuery, BackupRecord, Error, ErrorKind, Page, Result, Revision, StoredBackup,
};

use crate::database::{Database, finish};
use crate::error::fault;
use crate::page::{Cursor, cut, prefix_end, rows_wanted};
use crate::rows::{self, counter, encode};

pub(crate) async fn find(database: &Database, id: &BackupId) -> Result<Option<StoredBackup>> {
    let row = sqlx::query("SELECT record, revision FROM backups WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(database.readers())
        .await
        .map_err(fault)?;
    row.as_ref().map(rows::backup).transpose()
}

pub(crate) async fn list(database: &Database, query: &BackupQuery) -> Result<Page<StoredBackup>> {
    let mut sql = select(query)?;
    let found = sql.build().fetch_all(database.readers()).await.map_err(fault)?;
    let items = found.iter().map(rows::backup).collect::<Result<_>>()?;
    Ok(cut(items, query.limit, |stored| (stored.backup.created_at, stored.backup.id.as_str())))
}

/// The inner query sorts keys alone, so that no more records are read than the page holds.
fn select(query: &BackupQuery) -> Result<QueryBuilder<Sqlite>> {
    let mut sql = QueryBuilder::new(
        "SELECT record, revision FROM backups
         WHERE id IN (SELECT id FROM backups WHERE TRUE",
    );
    if let Some(workspace) = &query.workspace {
        sql.push(" AND workspace = ").push_bind(workspace.as_str());
    }
    if let Some(state) = query.state {
        sql.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(name) = &query.name {
        sql.push(" AND name = ").push_bind(name.as_str());
    }
    if let Some(prefix) = &query.id_prefix {
        sql.push(" AND id >= ").push_bind(prefix.as_str());
        if let Some(end) = prefix_end(prefix) {
            sql.push(" AND id < ").push_bind(end);
        }
    }
    if let Some(from) = query.created_from {
        sql.push(" AND created_ms >= ").push_bind(from.as_millis());
    }
    if let Some(before) = query.created_before {
        sql.push(" AND created_ms < ").push_bind(before.as_millis());
    }
    if let Some(cursor) = query.after.as_deref().map(Cursor::parse).transpose()? {
        sql.push(" AND (created_ms, id) < (")
            .push_bind(cursor.millis)
            .push(", ")
            .push_bind(cursor.id)
            .push(")");
    }
    sql.push(" ORDER BY created_ms DESC, id DESC LIMIT ").push_bind(rows_wanted(query.limit));
    sql.push(") ORDER BY created_ms DESC, id DESC");
    Ok(sql)
}

/// Writes a backup outside an operation, if it has the revision `expected`.
pub(crate) async fn put(
    database: &Database,
    record: &BackupRecord,
    expected: Option<Revision>,
) -> Result<Revision> {
    let mut change = database.begin().await?;
    let found = sqlx::query("SELECT revision FROM backups WHERE id = $1")
        .bind(record.id.as_str())
        .fetch_optional(&mut *change)
        .await
        .map_err(fault)?;
    let found = found.map(|row| counter(&row, "revision")).transpose()?.map(Revision);
    if found != expected {
        let kind = if expected.is_none() { ErrorKind::AlreadyExists } else { ErrorKind::Conflict };
        return Err(Error::new(kind, format!("backup {} was changed by somebody else", record.id)));
    }
    write(&mut change, record).await?;
    finish(change).await?;
    Ok(Revision(found.map_or(1, |revision| revision.0 + 1)))
}

/// Writes or overwrites a backup as part of a change.
pub(crate) async fn write(change: &mut SqliteConnection, record: &BackupRecord) -> Result<()> {
    sqlx::query(
        "INSERT INTO backups (id, workspace, state, name, created_ms, revision, record)
         VALUES ($1, $2, $3, $4, $5, 1, $6)
         ON CONFLICT (id) DO UPDATE SET
             workspace = excluded.workspace, state = excluded.state, name = excluded.name,
             created_ms = excluded.created_ms, revision = backups.revision + 1, record = excluded.record",
    )
    .bind(record.id.as_str())
    .bind(record.workspace.as_str())
    .bind(record.state.as_str())
    .bind(record.name.as_deref())
    .bind(record.created_at.as_millis())
    .bind(encode(record)?)
    .execute(change)
    .await
    .map_err(fault)?;
    Ok(())
}

/// Removes a backup as part of a change; one that is absent is removed already.
pub(crate) async fn remove(change: &mut SqliteConnection, id: &BackupId) -> Result<()> {
    sqlx::query("DELETE FROM backups WHERE id = $1")
        .bind(id.as_str())
        .execute(change)
        .await
        .map_err(fault)?;
    Ok(())
}
