//! The catalog in a PostgreSQL database, shared by any number of orchestrators on any number of machines.

mod address;
mod error;
mod pool;
mod schema;

use stillpoint_core::{Error, Result};

use self::address::Address;
pub(crate) use self::address::is_postgres;
use self::error::{fault, is_lost, is_undone, unsettled};
use self::pool::{Failure, Pool};
use crate::engine::{Row, Statement};
use crate::options::SqlOptions;

/// How often a statement is tried that others have undone, or a question whose connection was lost.
const TRIES: usize = 4;

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

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}
