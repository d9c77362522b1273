//! Which file is a catalog, and how an older one becomes current.

use std::path::Path;

use sqlx::migrate::{Migrate, MigrateError};
use sqlx::{Connection, SqliteConnection};
use stillpoint_core::{Error, ErrorKind, Result};

use super::error::unopened;
use crate::migrations::{self, Dialect};

/// Marks a SQLite file as a catalog ("Stlp" in ASCII); the first migration writes it.
const APPLICATION_ID: i64 = 0x5374_6C70;

/// Where SQLx notes which migrations were applied.
const TABLE: &str = "_sqlx_migrations";

/// Refuses the file of another program before anything is written to it.
pub(super) async fn recognise(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let failed = |error| unopened(path, error);
    let mut snapshot = connection.begin().await.map_err(failed)?;
    let application: i64 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *snapshot).await.map_err(failed)?;
    let objects: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *snapshot)
        .await
        .map_err(failed)?;
    snapshot.rollback().await.map_err(failed)?;
    if application == APPLICATION_ID || (application == 0 && objects == 0) {
        return Ok(());
    }
    let message =
        format!("{} is the SQLite database of another program, not a Stillpoint catalog", path.display());
    Err(Error::new(ErrorKind::InvalidConfig, message))
}

/// Brings the schema up to date under the write lock: all missing migrations, or none.
pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let failed = |error| unopened(path, error);
    let mut change = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    change.ensure_migrations_table(TABLE).await.map_err(|error| unapplied(path, error))?;
    let applied = change.list_applied_migrations(TABLE).await.map_err(|error| unapplied(path, error))?;
    let known = migrations::all(Dialect::Sqlite);
    migrations::check(path.display(), &known, &applied)?;
    for missing in known.iter().skip(applied.len()) {
        change.apply(TABLE, missing).await.map_err(|error| unapplied(path, error))?;
    }
    change.commit().await.map_err(failed)
}

fn unapplied(path: &Path, error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => unopened(path, error),
        other => {
            Error::new(ErrorKind::Unexpected, format!("the catalog {} cannot be migrated", path.display()))
                .with_source(other)
        }
    }
}
