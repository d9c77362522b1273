//! The shared server, and connections that are none of the catalog's.

use std::error::Error as StdError;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::Result;
use stillpoint_testkit::postgres::Postgres;

pub(crate) type Tested = std::result::Result<(), Box<dyn StdError>>;

/// A server and a schema of this test's own on it.
pub(crate) struct Place {
    pub(crate) server: Postgres,
    pub(crate) url: String,
}

impl Place {
    pub(crate) fn shared() -> Self {
        Self::on(Postgres::shared())
    }

    pub(crate) fn on(server: Postgres) -> Self {
        let url = server.fresh_url();
        Self { server, url }
    }

    pub(crate) async fn open(&self) -> Result<SqlCatalog> {
        SqlCatalog::open(&self.url, SqlOptions::default().with_connections(4)).await
    }

    pub(crate) fn schema(&self) -> &str {
        self.url.split("schema=").nth(1).unwrap_or_default()
    }

    /// A connection that is none of the catalog's, to its schema.
    pub(crate) async fn stranger(&self) -> sqlx::Result<PgConnection> {
        let address = self.url.split('?').next().unwrap_or_default();
        let options: PgConnectOptions = address.parse()?;
        options.options([("search_path", self.schema())]).connect().await
    }

    pub(crate) async fn execute(&self, sql: &str) -> sqlx::Result<u64> {
        let mut connection = self.stranger().await?;
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
        Ok(done.rows_affected())
    }
}
