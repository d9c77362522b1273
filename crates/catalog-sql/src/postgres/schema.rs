//! How the catalog's schema is made and brought up to date.

use sqlx::migrate::{Migrate, MigrateError, Migration};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use stillpoint_core::{Error, ErrorKind, Result};

use super::address::Address;
use super::error::fault;
use crate::migrations::{self, Dialect};

/// Where SQLx notes which migrations were applied. The schema is the catalog's own, so the name is free.
const TABLE: &str = "_sqlx_migrations";
/// The advisory lock of whoever migrates: "Stlpcat\0" in ASCII. It ends with its transaction.
const LOCK: i64 = 0x5374_6C70_6361_7400;

/// Brings the schema up to date: all missing migrations, or none. Where nothing is missing nothing is locked, and no
/// more than reading is asked of the user's privileges.
pub(super) async fn migrate(connection: &mut PgConnection, address: &Address) -> Result<()> {
    let known = migrations::all(Dialect::Postgres);
    if exists(connection, "to_regclass", &format!("{}.{TABLE}", address.schema)).await?
        && missing(connection, address, &known).await? == 0
    {
        return Ok(());
    }
    let mut change = connection.begin().await.map_err(fault)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *change).await.map_err(fault)?;
    if !exists(&mut change, "to_regnamespace", &address.schema).await? {
        let make = format!("CREATE SCHEMA {}", address.schema);
        sqlx::query(AssertSqlSafe(make)).execute(&mut *change).await.map_err(fault)?;
    }
    change.ensure_migrations_table(TABLE).await.map_err(|error| unapplied(address, error))?;
    let missing = missing(&mut change, address, &known).await?;
    for migration in known.iter().skip(known.len().saturating_sub(missing)) {
        change.apply(TABLE, migration).await.map_err(|error| unapplied(address, error))?;
    }
    change.commit().await.map_err(fault)
}

/// How many of the newest migrations were not applied yet.
async fn missing(connection: &mut PgConnection, address: &Address, known: &[Migration]) -> Result<usize> {
    let applied = connection.list_applied_migrations(TABLE).await;
    let applied = applied.map_err(|error| unapplied(address, error))?;
    migrations::check(address, known, &applied)?;
    Ok(known.len().saturating_sub(applied.len()))
}

/// Asks PostgreSQL's `lookup` function for `name`.
async fn exists(connection: &mut PgConnection, lookup: &str, name: &str) -> Result<bool> {
    let sql = format!("SELECT {lookup}($1) IS NOT NULL");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(name).fetch_one(connection).await.map_err(fault)?;
    row.try_get(0).map_err(fault)
}

fn unapplied(address: &Address, error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            fault(error).with("catalog", address)
        }
        other => Error::new(ErrorKind::Unexpected, format!("the catalog {address} cannot be migrated"))
            .with_source(other),
    }
}
