//! Durable steps of operations: record, ledger and backups change together, under the newest lease only.

use stillpoint_core::{Lease, OperationChange, Result};

use crate::backups;
#[cfg(feature = "postgres")]
use crate::backups::{backup_columns, backup_overwrite};
use crate::engine::{Engine, Statement};
use crate::leases::{fenced, number};
use crate::reservations;
use crate::rows::encode;
use crate::sqlite::Sqlite;
use crate::workspaces;
#[cfg(feature = "postgres")]
use crate::workspaces::originate;

pub(crate) async fn commit(engine: &Engine, lease: &Lease, step: &OperationChange<'_>) -> Result<()> {
    match engine {
        Engine::Sqlite(database) => one_by_one(database, lease, step).await,
        #[cfg(feature = "postgres")]
        Engine::Postgres(database) => {
            let done = database.write(all_at_once(lease, step)?).await?;
            if done.is_empty() { Err(fenced(lease)) } else { Ok(()) }
        }
    }
}

/// SQLite is inside the process: its statements cost next to nothing, and none of them can change more than one table.
async fn one_by_one(database: &Sqlite, lease: &Lease, step: &OperationChange<'_>) -> Result<()> {
    let mut change = database.begin().await?;
    if change.run(advance(lease, step)?).await?.is_empty() {
        return Err(fenced(lease));
    }
    for entry in step.ledger {
        let append = Statement::new(
            "INSERT INTO ledger (operation, position, entry)
             SELECT $1, COALESCE(MAX(position), 0) + 1, $2 FROM ledger WHERE operation = $1",
        );
        change.run(append.bind(lease.operation.as_str()).bind(encode(entry)?)).await?;
    }
    if let Some(backup) = step.put_backup {
        change.run(backups::overwrite(backup)?).await?;
    }
    if let Some(id) = step.remove_backup {
        change.run(backups::remove(id)).await?;
    }
    if let Some(restored) = step.restored {
        change.run(workspaces::restored(restored)?).await?;
    }
    if !step.operation.state.is_active() {
        change.run(reservations::released(&lease.operation)).await?;
    }
    change.finish().await
}

/// Writes the operation's next record, if `lease` is still the newest; returns a row if it is.
fn advance(lease: &Lease, step: &OperationChange<'_>) -> Result<Statement> {
    let record = step.operation;
    let statement = Statement::new(
        "UPDATE operations
         SET workspace = $3, state = $4, active = $5, unfinished = $6, started_ms = $7, record = $8
         WHERE id = $1 AND epoch = $2 RETURNING id",
    );
    Ok(statement
        .bind(lease.operation.as_str())
        .bind(number(lease.epoch))
        .bind(record.workspace.as_str())
        .bind(record.state.as_str())
        .bind(record.state.is_active())
        .bind(!record.state.is_terminal())
        .bind(record.started_at.as_millis())
        .bind(encode(record)?))
}

/// PostgreSQL is a network away: the whole step is one statement, hence one round trip, and none of its parts does
/// anything unless the first one found the lease to be the newest.
#[cfg(feature = "postgres")]
fn all_at_once(lease: &Lease, step: &OperationChange<'_>) -> Result<Statement> {
    let mut all = Statement::new("WITH step AS (");
    all.append(advance(lease, step)?);
    all.push_str(")");
    if !step.ledger.is_empty() {
        // A text in JSON cannot hold the character that the texts of PostgreSQL cannot hold, so neither can these.
        let entries = step.ledger.iter().map(encode).collect::<Result<Vec<String>>>()?;
        let append = Statement::new(
            ", appended AS (
                 INSERT INTO ledger (operation, position, entry)
                 SELECT step.id, new.line + (SELECT COALESCE(MAX(position), 0) FROM ledger WHERE operation = $1),
                        new.entry
                 FROM step, json_array_elements_text($2::json) WITH ORDINALITY AS new (entry, line))",
        );
        all.append(append.bind(lease.operation.as_str()).bind(encode(&entries)?));
    }
    // One that is written and removed is removed; no statement can do both to one row.
    if let Some(backup) = step.put_backup.filter(|backup| step.remove_backup != Some(&backup.id)) {
        let put = concat!(
            ", put AS (INSERT INTO backups (",
            backup_columns!(),
            ") SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1 FROM step ",
            backup_overwrite!(),
            ")"
        );
        all.append(backups::values(Statement::new(put), backup)?);
    }
    if let Some(id) = step.remove_backup {
        let removed = ", removed AS (DELETE FROM backups USING step WHERE backups.id = $1)";
        all.append(Statement::new(removed).bind(id.as_str()));
    }
    if let Some(restored) = step.restored {
        let made = concat!(
            ", made AS (INSERT INTO workspaces (id, seen_ms, record, origin) SELECT $1, $2, $3, $4 FROM step ",
            originate!(),
            ")"
        );
        all.append(workspaces::values(Statement::new(made), restored)?);
    }
    if !step.operation.state.is_active() {
        all.push_str(
            ", released AS (DELETE FROM reservations USING step WHERE reservations.operation = step.id)",
        );
    }
    all.push_str(" SELECT id FROM step");
    Ok(all)
}
