//! Operations, their leases and their ledger.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use stillpoint_core::{
    Claim, Creation, DamagedRow, Error, ErrorKind, Holder, Lease, LedgerEntry, OperationChange, OperationId,
    OperationQuery, OperationRecord, Page, Renewal, Result, StoredOperation, Timestamp,
};

use crate::backups;
use crate::database::{Database, finish};
use crate::error::{fault, is_unique_violation};
use crate::page::{Cursor, cut, prefix_end, rows_wanted};
use crate::rows::{self, counter, decode, encode};

pub(crate) async fn create(
    database: &Database,
    record: &OperationRecord,
    holder: &Holder,
    ttl: Duration,
) -> Result<Creation> {
    let (text, holder) = (encode(record)?, encode(holder)?);
    let mut change = database.begin().await?;
    let now = database.now();
    if let Some(existing) = stored(&mut change, &record.id, now).await? {
        return Ok(Creation::Exists(Box::new(existing)));
    }
    if let Some(running) = active_on(&mut change, record.workspace.as_str(), now).await? {
        return Ok(Creation::Busy(Box::new(running)));
    }
    let lease = Lease::new(record.id.clone(), 1, now.after(ttl));
    sqlx::query(
        "INSERT INTO operations
             (id, workspace, state, active, unfinished, started_ms, record, holder, epoch, expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)",
    )
    .bind(record.id.as_str())
    .bind(record.workspace.as_str())
    .bind(record.state.as_str())
    .bind(record.state.is_active())
    .bind(!record.state.is_terminal())
    .bind(record.started_at.as_millis())
    .bind(text)
    .bind(holder)
    .bind(lease.expires_at.as_millis())
    .execute(&mut *change)
    .await
    .map_err(fault)?;
    finish(change).await?;
    Ok(Creation::Created(lease))
}

pub(crate) async fn find(database: &Database, id: &OperationId) -> Result<Option<StoredOperation>> {
    let mut connection = database.readers().acquire().await.map_err(fault)?;
    stored(&mut connection, id, database.now()).await
}

pub(crate) async fn list(database: &Database, query: &OperationQuery) -> Result<Page<StoredOperation>> {
    let mut sql = select(query)?;
    let found = sql.build().fetch_all(database.readers()).await.map_err(fault)?;
    let now = database.now();
    let place = |row| -> sqlx::Result<_> {
        let row: &SqliteRow = row;
        Ok((Timestamp::from_millis(row.try_get("started_ms")?), row.try_get::<String, _>("id")?))
    };
    let mut rows = Vec::with_capacity(found.len());
    for row in &found {
        rows.push((place(row).map_err(fault)?, rows::operation(row, now)));
    }
    let cut = cut(rows, query.limit, |((at, id), _)| (*at, id.as_str()));
    let mut page = Page::new(Vec::with_capacity(cut.items.len()), cut.next);
    for ((_, id), stored) in cut.items {
        match stored {
            Ok(stored) => page.items.push(stored),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                page.damaged.push(DamagedRow::new(id, error.record()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}

/// The inner query sorts keys alone, so that no more records are read than the page holds.
fn select(query: &OperationQuery) -> Result<QueryBuilder<Sqlite>> {
    let mut sql = QueryBuilder::new(
        "SELECT id, started_ms, record, holder, epoch, expires_ms, cancel_requested FROM operations
         WHERE id IN (SELECT id FROM operations WHERE TRUE",
    );
    if let Some(workspace) = &query.workspace {
        sql.push(" AND workspace = ").push_bind(workspace.as_str());
    }
    if let Some(state) = query.state {
        sql.push(" AND state = ").push_bind(state.as_str());
    }
    if query.unfinished {
        sql.push(" AND unfinished = 1");
    }
    if let Some(prefix) = &query.id_prefix {
        sql.push(" AND id >= ").push_bind(prefix.as_str());
        if let Some(end) = prefix_end(prefix) {
            sql.push(" AND id < ").push_bind(end);
        }
    }
    if let Some(cursor) = query.after.as_deref().map(Cursor::parse).transpose()? {
        sql.push(" AND (started_ms, id) < (")
            .push_bind(cursor.millis)
            .push(", ")
            .push_bind(cursor.id)
            .push(")");
    }
    sql.push(" ORDER BY started_ms DESC, id DESC LIMIT ").push_bind(rows_wanted(query.limit));
    sql.push(") ORDER BY started_ms DESC, id DESC");
    Ok(sql)
}

pub(crate) async fn claim(
    database: &Database,
    id: &OperationId,
    holder: &Holder,
    ttl: Duration,
    takeover: Option<u64>,
) -> Result<Claim> {
    let holder = encode(holder)?;
    let mut change = database.begin().await?;
    let now = database.now();
    let row = sqlx::query("SELECT holder, epoch, expires_ms FROM operations WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(&mut *change)
        .await
        .map_err(fault)?;
    let lease = rows::lease(&row.ok_or_else(|| absent(id))?, now)?;
    if lease.live && takeover != Some(lease.epoch) {
        return Ok(Claim::Held(lease));
    }
    let expires_at = now.after(ttl);
    let row = sqlx::query(
        "UPDATE operations SET epoch = epoch + 1, holder = $2, expires_ms = $3 WHERE id = $1 RETURNING epoch",
    )
    .bind(id.as_str())
    .bind(holder)
    .bind(expires_at.as_millis())
    .fetch_one(&mut *change)
    .await
    .map_err(fault)?;
    let epoch = counter(&row, "epoch")?;
    finish(change).await?;
    Ok(Claim::Claimed(Lease::new(id.clone(), epoch, expires_at)))
}

pub(crate) async fn renew(database: &Database, lease: &Lease, ttl: Duration) -> Result<Renewal> {
    let mut change = database.begin().await?;
    let expires_at = database.now().after(ttl);
    let row = sqlx::query(
        "UPDATE operations SET expires_ms = $3 WHERE id = $1 AND epoch = $2 RETURNING cancel_requested",
    )
    .bind(lease.operation.as_str())
    .bind(epoch(lease))
    .bind(expires_at.as_millis())
    .fetch_optional(&mut *change)
    .await
    .map_err(fault)?;
    let cancel_requested = row.ok_or_else(|| fenced(lease))?.try_get("cancel_requested").map_err(fault)?;
    finish(change).await?;
    Ok(Renewal::new(Lease::new(lease.operation.clone(), lease.epoch, expires_at), cancel_requested))
}

pub(crate) async fn release(database: &Database, lease: &Lease) -> Result<()> {
    let mut change = database.begin().await?;
    sqlx::query("UPDATE operations SET holder = NULL WHERE id = $1 AND epoch = $2")
        .bind(lease.operation.as_str())
        .bind(epoch(lease))
        .execute(&mut *change)
        .await
        .map_err(fault)?;
    finish(change).await
}

pub(crate) async fn commit(database: &Database, lease: &Lease, step: &OperationChange<'_>) -> Result<()> {
    let text = encode(step.operation)?;
    let mut change = database.begin().await?;
    advance(&mut change, lease, step.operation, text).await?;
    append(&mut change, &lease.operation, step.ledger).await?;
    if let Some(backup) = step.put_backup {
        backups::write(&mut change, backup).await?;
    }
    if let Some(id) = step.remove_backup {
        backups::remove(&mut change, id).await?;
    }
    finish(change).await
}

pub(crate) async fn request_cancel(database: &Database, id: &OperationId) -> Result<()> {
    let mut change = database.begin().await?;
    let done = sqlx::query("UPDATE operations SET cancel_requested = 1 WHERE id = $1")
        .bind(id.as_str())
        .execute(&mut *change)
        .await
        .map_err(fault)?;
    if done.rows_affected() == 0 {
        return Err(absent(id));
    }
    finish(change).await
}

pub(crate) async fn ledger(database: &Database, id: &OperationId) -> Result<Vec<LedgerEntry>> {
    let rows = sqlx::query("SELECT entry FROM ledger WHERE operation = $1 ORDER BY position")
        .bind(id.as_str())
        .fetch_all(database.readers())
        .await
        .map_err(fault)?;
    rows.iter().map(|row| decode(row.try_get("entry").map_err(fault)?)).collect()
}

/// Writes the operation's next record, if `lease` is still the newest.
async fn advance(
    change: &mut SqliteConnection,
    lease: &Lease,
    record: &OperationRecord,
    text: String,
) -> Result<()> {
    let written = sqlx::query(
        "UPDATE operations
         SET workspace = $3, state = $4, active = $5, unfinished = $6, started_ms = $7, record = $8
         WHERE id = $1 AND epoch = $2",
    )
    .bind(lease.operation.as_str())
    .bind(epoch(lease))
    .bind(record.workspace.as_str())
    .bind(record.state.as_str())
    .bind(record.state.is_active())
    .bind(!record.state.is_terminal())
    .bind(record.started_at.as_millis())
    .bind(text)
    .execute(change)
    .await;
    match written {
        Ok(done) if done.rows_affected() == 0 => Err(fenced(lease)),
        Ok(_) => Ok(()),
        Err(error) if is_unique_violation(&error) => {
            let message = format!("another operation is active on workspace {}", record.workspace);
            Err(Error::new(ErrorKind::Busy, message).with_source(error))
        }
        Err(error) => Err(fault(error)),
    }
}

async fn append(change: &mut SqliteConnection, id: &OperationId, entries: &[LedgerEntry]) -> Result<()> {
    for entry in entries {
        sqlx::query(
            "INSERT INTO ledger (operation, position, entry)
             SELECT $1, COALESCE(MAX(position), 0) + 1, $2 FROM ledger WHERE operation = $1",
        )
        .bind(id.as_str())
        .bind(encode(entry)?)
        .execute(&mut *change)
        .await
        .map_err(fault)?;
    }
    Ok(())
}

async fn stored(
    connection: &mut SqliteConnection,
    id: &OperationId,
    now: Timestamp,
) -> Result<Option<StoredOperation>> {
    let row = sqlx::query(
        "SELECT record, holder, epoch, expires_ms, cancel_requested FROM operations WHERE id = $1",
    )
    .bind(id.as_str())
    .fetch_optional(connection)
    .await
    .map_err(fault)?;
    row.map(|row| rows::operation(&row, now)).transpose()
}

async fn active_on(
    connection: &mut SqliteConnection,
    workspace: &str,
    now: Timestamp,
) -> Result<Option<StoredOperation>> {
    let row = sqlx::query(
        "SELECT record, holder, epoch, expires_ms, cancel_requested FROM operations
         WHERE workspace = $1 AND active = 1",
    )
    .bind(workspace)
    .fetch_optional(connection)
    .await
    .map_err(fault)?;
    row.map(|row| rows::operation(&row, now)).transpose()
}

/// Epochs are counted by the database, so one that it cannot hold is nobody's.
fn epoch(lease: &Lease) -> i64 {
    i64::try_from(lease.epoch).unwrap_or(i64::MAX)
}

fn fenced(lease: &Lease) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("operation {} was taken over by another process", lease.operation),
    )
}

fn absent(id: &OperationId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no operation {id}"))
}
