//! Operations and their ledger.

use std::time::Duration;

use stillpoint_core::{
    BackupId, Creation, Error, ErrorKind, Holder, Lease, LedgerEntry, OperationId, OperationQuery,
    OperationRecord, PAGE_LIMIT_MAX, Page, Result, StoredOperation,
};

use crate::engine::{Engine, Row, Statement};
use crate::leases::{absent, millis};
use crate::page::{Cursor, after, page, prefix_end, rows_wanted};
use crate::rows::{self, decode, encode, operation_columns};

/// How often a creation is tried again because what stood in its way was gone when it was looked at.
const CREATIONS_MAX: usize = 5;

/// One statement where nothing stands in the way; what does is read afterwards.
pub(crate) async fn create(
    engine: &Engine,
    record: &OperationRecord,
    holder: &Holder,
    ttl: Duration,
) -> Result<Creation> {
    let insert = Statement::new(
        "INSERT INTO operations
             (id, workspace, state, active, unfinished, started_ms, record, holder, epoch, expires_ms)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, 1, :now + $9
         WHERE NOT EXISTS (SELECT 1 FROM operations WHERE workspace = $2 AND active = 1)
         ON CONFLICT DO NOTHING RETURNING expires_ms",
    )
    .bind(record.id.as_str())
    .bind(record.workspace.as_str())
    .bind(record.state.as_str())
    .bind(record.state.is_active())
    .bind(!record.state.is_terminal())
    .bind(record.started_at.as_millis())
    .bind(encode(record)?)
    .bind(encode(holder)?)
    .bind(millis(ttl));
    for _ in 0..CREATIONS_MAX {
        if let Some(row) = engine.write(insert.clone()).await?.first() {
            return Ok(Creation::Created(Lease::new(record.id.clone(), 1, rows::expiry(row)?)));
        }
        if let Some(existing) = find(engine, &record.id).await? {
            return Ok(Creation::Exists(Box::new(existing)));
        }
        let active = Statement::new(concat!(
            "SELECT ",
            operation_columns!(),
            " FROM operations WHERE workspace = $1 AND active = 1"
        ))
        .bind(record.workspace.as_str());
        if let Some(row) = engine.read(active).await?.first() {
            return rows::operation(row).map(|running| Creation::Busy(Box::new(running)));
        }
    }
    let message = format!("operations on workspace {} come and go too fast; try again", record.workspace);
    Err(Error::new(ErrorKind::Unavailable, message))
}

pub(crate) async fn find(engine: &Engine, id: &OperationId) -> Result<Option<StoredOperation>> {
    let sql = concat!("SELECT ", operation_columns!(), " FROM operations WHERE id = $1");
    let found = engine.read(Statement::new(sql).bind(id.as_str())).await?;
    found.first().map(rows::operation).transpose()
}

pub(crate) async fn list(engine: &Engine, query: &OperationQuery) -> Result<Page<StoredOperation>> {
    let found = engine.read(select(query)?).await?;
    page(&found, query.limit, rows::operation, |row| after(row, "started_ms"))
}

/// The inner query sorts keys alone, so that no more records are read than the page holds.
pub(crate) fn select(query: &OperationQuery) -> Result<Statement> {
    let mut sql = Statement::new(concat!(
        "SELECT id, started_ms, ",
        operation_columns!(),
        " FROM operations WHERE id IN (SELECT id FROM operations WHERE TRUE"
    ));
    if let Some(workspace) = &query.workspace {
        sql.push(" AND workspace = $", workspace.as_str());
    }
    if let Some(state) = query.state {
        sql.push(" AND state = $", state.as_str());
    }
    if query.unfinished {
        sql.push_str(" AND unfinished = 1");
    }
    if let Some(prefix) = &query.id_prefix {
        sql.push(" AND id >= $", prefix.as_str());
        if let Some(end) = prefix_end(prefix) {
            sql.push(" AND id < $", end);
        }
    }
    if let Some(cursor) = query.after.as_deref().map(Cursor::parse).transpose()? {
        sql.push(" AND (started_ms, id) < ($", cursor.millis);
        sql.push(", $)", cursor.id);
    }
    sql.push(" ORDER BY started_ms DESC, id DESC LIMIT $", rows_wanted(query.limit));
    sql.push_str(") ORDER BY started_ms DESC, id DESC");
    Ok(sql)
}

pub(crate) async fn request_cancel(engine: &Engine, id: &OperationId) -> Result<()> {
    let statement = Statement::new("UPDATE operations SET cancel_requested = 1 WHERE id = $1 RETURNING id");
    let found = engine.write(statement.bind(id.as_str())).await?;
    if found.is_empty() { Err(absent(id)) } else { Ok(()) }
}

pub(crate) async fn ledger(engine: &Engine, id: &OperationId) -> Result<Vec<LedgerEntry>> {
    let statement = Statement::new("SELECT entry FROM ledger WHERE operation = $1 ORDER BY position");
    let entry = |row: &Row| decode(row.text("entry")?);
    engine.read(statement.bind(id.as_str())).await?.iter().map(entry).collect()
}

/// Ledger and reservations name their operation, so they go before it does.
pub(crate) async fn remove(engine: &Engine, ids: &[OperationId]) -> Result<Vec<OperationId>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut change = engine.begin_in_turn().await?;
    let mut removed: Vec<OperationId> = Vec::new();
    for row in change.run(leaving(ids)).await? {
        removed.push(row.text("id")?.parse()?);
    }
    if !removed.is_empty() {
        for from in ["ledger WHERE operation", "reservations WHERE operation", "operations WHERE id"] {
            let mut delete = Statement::new(format!("DELETE FROM {from} IN ("));
            for (place, id) in removed.iter().enumerate() {
                delete.push(if place == 0 { "$" } else { ", $" }, id.as_str());
            }
            delete.push_str(")");
            change.run(delete).await?;
        }
    }
    change.finish().await?;
    Ok(removed)
}

/// Those of the operations that may go. Their rows are written, so that nobody changes them before this is done.
fn leaving(ids: &[OperationId]) -> Statement {
    let mut sql = Statement::new("WITH named (id, backup) AS (VALUES ");
    let mut between = "";
    for id in ids.iter().take(PAGE_LIMIT_MAX) {
        sql.push_str(between);
        sql.push("($", id.as_str());
        sql.push(", $)", BackupId::of(id).as_str());
        between = ", ";
    }
    sql.push_str(
        ") UPDATE operations SET holder = NULL WHERE unfinished = 0 AND id IN (
             SELECT named.id FROM named WHERE NOT EXISTS (SELECT 1 FROM backups WHERE backups.id = named.backup)
         ) RETURNING id",
    );
    sql
}
