//! The two databases behind one small interface: a statement goes in, rows come out.

mod row;
mod statement;

use std::marker::PhantomData;

use stillpoint_core::Result;

pub(crate) use row::Row;
pub(crate) use statement::{Statement, Value};

#[cfg(feature = "postgres")]
use crate::postgres::{self, Postgres};
use crate::sqlite::{self, Sqlite};

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

    /// Begins a change of several statements that no other of its kind overlaps, in this process or another.
    pub(crate) async fn begin_in_turn(&self) -> Result<Change<'_>> {
        match self {
            Self::Sqlite(database) => Ok(Change::Sqlite(database.begin().await?, PhantomData)),
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => Ok(Change::Postgres(database.begin_in_turn().await?)),
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

/// A change of several statements under way; dropped before it is finished, it changed nothing.
pub(crate) enum Change<'a> {
    Sqlite(sqlite::Change, PhantomData<&'a Engine>),
    #[cfg(feature = "postgres")]
    Postgres(postgres::Change<'a>),
}

impl Change<'_> {
    pub(crate) async fn run(&mut self, statement: Statement) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(change, _) => change.run(statement).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(change) => change.run(statement).await,
        }
    }

    /// Makes the change durable.
    pub(crate) async fn finish(self) -> Result<()> {
        match self {
            Self::Sqlite(change, _) => change.finish().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(change) => change.finish().await,
        }
    }
}
