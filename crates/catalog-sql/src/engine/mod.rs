//! The two databases behind one small interface: a statement goes in, rows come out.

mod row;
mod statement;

use stillpoint_core::Result;

pub(crate) use row::Row;
pub(crate) use statement::{Statement, Value};

#[cfg(feature = "postgres")]
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;

/// The database that a catalog lives in.
#[derive(Debug)]
pub(crate) enum Engine {
    Sqlite(Sqlite),
    #[cfg(feature = "postgres")]
    Postgres(Box<Postgres>),
}

impl Engine {
    /// Reads. A statement sees everything that was committed before it began.
    pub(crate) async fn read(&self, statement: Statement) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(database) => database.read(statement).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.read(statement).await,
        }
    }

    /// Makes one statement's change, durably, and answers the rows that it returns. An error that is `MaybeApplied`
    /// leaves open whether the change was made.
    pub(crate) async fn write(&self, statement: Statement) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(database) => database.write(statement).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.write(statement).await,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.close().await,
        }
    }
}
