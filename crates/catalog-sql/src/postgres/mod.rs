//! The catalog in a PostgreSQL database, shared by any number of orchestrators on any number of machines.

mod address;
mod error;
mod pool;
mod schema;

use stillpoint_core::{Error, Result};

use self::address::Address;
pub(crate) use self::address::is_postgres;
use self::error::{fault, is_lost, is_undone, unsettled};
use self::pool::{Borrowed, Failure, Pool};
use crate::engine::{Row, Statement};
use crate::options::SqlOptions;

/// How often a statement is tried that others have undone, or a question whose connection was lost.
const TRIES: usize = 4;

/// The advisory lock of changes that are made in turn: "Stlpturn" in ASCII. It ends with its transaction.
const TURNS: i64 = 0x5374_6C70_7475_726E;

#[derive(Debug)]
pub(crate) struct Postgres {
    pool: Pool,
}

impl Postgres {
    /// Opens the database at `url`, and makes the catalog's schema or brings it up to date as needed.
    pub(crate) async fn open(url: &str, options: &SqlOptions) -> Result<Self> {
        let pool = Pool::new(Address::parse(url)?, options);
        let mut connection = pool.connect().await?;
        schema::migrate(&mut connection, &pool.address).await?;
        pool.put_back(connection);
        Ok(Self { pool })
    }

    /// A question whose connection was lost is asked again: it changes nothing.
    pub(crate) async fn read(&self, statement: Statement) -> Result<Vec<Row>> {
        self.run(statement, |error| is_lost(error) || is_undone(error), fault).await
    }

    /// A change whose connection was lost may have been made, which only the caller can find out.
    pub(crate) async fn write(&self, statement: Statement) -> Result<Vec<Row>> {
        self.run(statement, is_undone, unsettled).await
    }

    async fn run(
        &self,
        statement: Statement,
        again: impl Fn(&sqlx::Error) -> bool,
        contract: impl Fn(sqlx::Error) -> Error,
    ) -> Result<Vec<Row>> {
        let (sql, values) = statement.for_postgres();
        let mut tries = 1;
        loop {
            match self.pool.run(&sql, &values).await {
                Ok(rows) => return Ok(rows.into_iter().map(Row::Postgres).collect()),
                Err(Failure::NotSent(error)) => return Err(error),
                Err(Failure::Answered(error)) if tries < TRIES && again(&error) => tries += 1,
                Err(Failure::Answered(error)) => return Err(contract(error)),
            }
        }
    }

    /// Begins a change of several statements that no other of its kind overlaps, in this process or another.
    pub(crate) async fn begin_in_turn(&self) -> Result<Change<'_>> {
        let mut change = Change(self.pool.borrow().await?);
        change.run(Statement::new("BEGIN")).await?;
        // The statements after this one see what was committed while it waited.
        change.run(Statement::new("SELECT pg_advisory_xact_lock($1)").bind(TURNS)).await?;
        Ok(change)
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// A change under way; dropped before it is finished, it changed nothing.
pub(crate) struct Change<'a>(Borrowed<'a>);

impl Change<'_> {
    pub(crate) async fn run(&mut self, statement: Statement) -> Result<Vec<Row>> {
        let (sql, values) = statement.for_postgres();
        let rows = self.0.run(&sql, &values).await.map_err(fault)?;
        Ok(rows.into_iter().map(Row::Postgres).collect())
    }

    /// Makes the change durable.
    pub(crate) async fn finish(mut self) -> Result<()> {
        self.0.run("COMMIT", &[]).await.map_err(unsettled)?;
        self.0.give_back();
        Ok(())
    }
}
