//! A row of either database.

use sqlx::Row as _;
#[cfg(feature = "postgres")]
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use stillpoint_core::{Error, ErrorKind, Result};

/// A row of either database, read by the names of its columns.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(PgRow),
}

impl Row {
    pub(crate) fn text(&self, column: &str) -> Result<&str> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(unreadable)
    }

    pub(crate) fn optional_text(&self, column: &str) -> Result<Option<&str>> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(unreadable)
    }

    pub(crate) fn number(&self, column: &str) -> Result<i64> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(unreadable)
    }

    pub(crate) fn truth(&self, column: &str) -> Result<bool> {
        self.number(column).map(|number| number != 0)
    }

    /// A column that counts upwards.
    pub(crate) fn counter(&self, column: &str) -> Result<u64> {
        u64::try_from(self.number(column)?).map_err(|error| {
            let message = format!("the catalog holds a negative {column}; restore or rebuild it");
            Error::new(ErrorKind::Corrupt, message).with_source(error)
        })
    }
}

fn unreadable(error: sqlx::Error) -> Error {
    let message = "a row of the catalog cannot be read; restore or rebuild the catalog";
    Error::new(ErrorKind::Corrupt, message).with_source(error)
}
