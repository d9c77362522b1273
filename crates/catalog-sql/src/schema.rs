//! The schema: which file is a catalog, and how an older one becomes current. Migrations only go forward.

use std::borrow::Cow;
use std::path::Path;

use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migration, MigrationType};
use sqlx::{Connection, SqlSafeStr, SqliteConnection};
use stillpoint_core::{Error, ErrorKind, Result};

use crate::error::unopened;

/// Marks a SQLite file as a catalog ("Stlp" in ASCII); the first migration writes it.
const APPLICATION_ID: i64 = 0x5374_6C70;

/// Where SQLx notes which migrations were applied.
const TABLE: &str = "_sqlx_migrations";

/// Every migration, oldest first. One that was released is never edited: its checksum is stored.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "catalog", include_str!("../migrations/sqlite/0001_catalog.sql")),
    (2, "schedules", include_str!("../migrations/sqlite/0002_schedules.sql")),
];

/// Refuses the file of another program before anything is written to it.
pub(crate) async fn recognise(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
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
pub(crate) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let failed = |error| unopened(path, error);
    let mut change = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    change.ensure_migrations_table(TABLE).await.map_err(|error| unapplied(path, error))?;
    let applied = change.list_applied_migrations(TABLE).await.map_err(|error| unapplied(path, error))?;
    let known: Vec<_> = MIGRATIONS.iter().map(migration).collect();
    check(path, &known, &applied)?;
    for missing in known.iter().skip(applied.len()) {
        change.apply(TABLE, missing).await.map_err(|error| unapplied(path, error))?;
    }
    change.commit().await.map_err(failed)
}

fn migration(&(version, name, sql): &(i64, &'static str, &'static str)) -> Migration {
    Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql.into_sql_str(), false)
}

/// Refuses a schema that this version did not make: what was applied must be what is known, from the first on.
fn check(path: &Path, known: &[Migration], applied: &[AppliedMigration]) -> Result<()> {
    let newest = known.last().map_or(0, |migration| migration.version);
    if let Some(newer) = applied.iter().find(|applied| applied.version > newest) {
        let message = format!(
            "the catalog {} was written by a newer Stillpoint (schema {}, this one knows {newest}); update this one",
            path.display(),
            newer.version
        );
        return Err(Error::new(ErrorKind::InvalidConfig, message));
    }
    let same = |(known, applied): (&Migration, &AppliedMigration)| {
        known.version == applied.version && known.checksum == applied.checksum
    };
    if applied.len() <= known.len() && known.iter().zip(applied).all(same) {
        return Ok(());
    }
    let message =
        format!("the schema of the catalog {} was altered by hand; restore or rebuild it", path.display());
    Err(Error::new(ErrorKind::Corrupt, message))
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
