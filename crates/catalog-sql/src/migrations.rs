//! The one set of migrations, from which the schema of either database is made. Migrations only go forward.
//!
//! They are written in SQLite's words. What PostgreSQL says differently is replaced by a few fixed rules, so there is
//! no second text that could fall behind the first.

use std::borrow::Cow;
use std::fmt::Display;

use sqlx::SqlSafeStr;
use sqlx::migrate::{AppliedMigration, Migration, MigrationType};
use stillpoint_core::{Error, ErrorKind, Result};

/// Every migration, oldest first, with what PostgreSQL needs besides. One that was released is never edited: its
/// checksum is stored.
const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (
        1,
        "catalog",
        include_str!("../migrations/0001_catalog.sql"),
        include_str!("../migrations/postgres_clock.sql"),
    ),
    (2, "schedules", include_str!("../migrations/0002_schedules.sql"), ""),
    (3, "access", include_str!("../migrations/0003_access.sql"), ""),
    (4, "filters", include_str!("../migrations/0004_filters.sql"), ""),
    (5, "sorts", include_str!("../migrations/0005_sorts.sql"), ""),
    (6, "origins", include_str!("../migrations/0006_origins.sql"), ""),
    (7, "reservations", include_str!("../migrations/0007_reservations.sql"), ""),
];

/// Whose words a migration is wanted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

/// Every migration, oldest first.
pub(crate) fn all(dialect: Dialect) -> Vec<Migration> {
    let migration = |&(version, name, sql, besides): &(i64, &'static str, &'static str, &'static str)| {
        let sql = match dialect {
            Dialect::Sqlite => sql.into_sql_str(),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => sqlx::AssertSqlSafe(postgres(sql) + besides).into_sql_str(),
        };
        #[cfg(not(feature = "postgres"))]
        let _for_postgres_only = besides;
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    };
    MIGRATIONS.iter().map(migration).collect()
}

/// A migration in PostgreSQL's words.
///
/// - Integers have 64 bits, as all of SQLite's have.
/// - Texts are ordered by their bytes, as SQLite does and as pages and prefixes rely on, whatever the database's locale.
/// - Strictness is a matter of course, and nobody needs telling what program a schema belongs to.
#[cfg(feature = "postgres")]
fn postgres(sql: &str) -> String {
    let lines = sql.lines().filter(|line| !line.starts_with("PRAGMA "));
    let mut translated = String::new();
    for line in lines {
        let line = line
            .replace(" INTEGER", " BIGINT")
            .replace(" TEXT", " TEXT COLLATE \"C\"")
            .replace(") STRICT, WITHOUT ROWID;", ");")
            .replace(") STRICT;", ");");
        translated.push_str(&line);
        translated.push('\n');
    }
    translated
}

/// Refuses a schema that this version did not make: what was applied must be what is known, from the first on.
pub(crate) fn check(catalog: impl Display, known: &[Migration], applied: &[AppliedMigration]) -> Result<()> {
    let newest = known.last().map_or(0, |migration| migration.version);
    if let Some(newer) = applied.iter().find(|applied| applied.version > newest) {
        let message = format!(
            "the catalog {catalog} was written by a newer Stillpoint (schema {}, this one knows {newest}); \
             update this one",
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
    let message = format!("the schema of the catalog {catalog} was altered by hand; restore or rebuild it");
    Err(Error::new(ErrorKind::Corrupt, message))
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_only_sqlite_understands_is_left_for_postgresql() {
        for migration in all(Dialect::Postgres) {
            let sql = migration.sql.as_str();
            for word in ["PRAGMA", "STRICT", "ROWID", "INTEGER", "AUTOINCREMENT", "BLOB"] {
                assert!(!sql.contains(word), "{word} in {sql}");
            }
            let texts = sql.matches(" TEXT").count();
            assert_eq!(
                sql.matches(" TEXT COLLATE \"C\"").count(),
                texts,
                "every text is ordered by its bytes"
            );
        }
    }

    #[test]
    fn sqlite_gets_every_migration_as_it_is_written() {
        for (migration, (version, _, sql, _)) in all(Dialect::Sqlite).iter().zip(MIGRATIONS) {
            assert_eq!((migration.version, migration.sql.as_str()), (*version, *sql));
        }
    }
}
