//! What a server of the catalog keeps beside it: tokens and the log of who did what. What is in their records only the
//! server knows.

use std::sync::atomic::Ordering;

use stillpoint_core::{Result, Timestamp};

use crate::catalog::SqlCatalog;
use crate::engine::{Row, Statement};

/// The most rows that one call answers.
const ROWS_MAX: usize = 1000;
/// Lines of the log that are kept at least; older ones go.
const LOG_LINES_KEPT: usize = 100_000;
/// How many lines a process adds from one look for those that may go to the next.
const LINES_PER_TRIM: u64 = 256;

/// One token as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRow {
    /// Names it; no secret.
    pub id: String,
    /// The digest of its secret, by which it is found.
    pub digest: String,
    /// What the server knows of it.
    pub record: String,
}

impl TokenRow {
    /// A token as it is to be stored.
    pub fn new(id: impl Into<String>, digest: impl Into<String>, record: impl Into<String>) -> Self {
        Self { id: id.into(), digest: digest.into(), record: record.into() }
    }
}

impl SqlCatalog {
    /// Stores a token. Where its id or digest is taken already nothing changes, and the answer is `false`.
    ///
    /// # Errors
    /// Whatever storing can meet.
    pub async fn put_token(&self, row: &TokenRow) -> Result<bool> {
        let sql = "INSERT INTO access_tokens (id, digest, record) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING RETURNING id";
        let statement =
            Statement::new(sql).bind(row.id.as_str()).bind(row.digest.as_str()).bind(row.record.as_str());
        Ok(!self.engine().write(statement).await?.is_empty())
    }

    /// The token with this digest.
    ///
    /// # Errors
    /// Whatever reading can meet; absent is `None`.
    pub async fn token_of_digest(&self, digest: &str) -> Result<Option<TokenRow>> {
        let sql = "SELECT id, digest, record FROM access_tokens WHERE digest = $1";
        let rows = self.engine().read(Statement::new(sql).bind(digest)).await?;
        rows.first().map(token).transpose()
    }

    /// Every token, by id; at most a thousand.
    ///
    /// # Errors
    /// Whatever reading can meet.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>> {
        let mut statement = Statement::new("SELECT id, digest, record FROM access_tokens ORDER BY id");
        statement.push(" LIMIT $", rows(ROWS_MAX));
        self.engine().read(statement).await?.iter().map(token).collect()
    }

    /// Removes a token and answers whether it was there.
    ///
    /// # Errors
    /// Whatever storing can meet.
    pub async fn remove_token(&self, id: &str) -> Result<bool> {
        let statement = Statement::new("DELETE FROM access_tokens WHERE id = $1 RETURNING id").bind(id);
        Ok(!self.engine().write(statement).await?.is_empty())
    }

    /// Adds a line to the log; `id` is one that no other line has. The newest 100,000 lines are kept; older ones go, at
    /// the latest when each process has added 256 more.
    ///
    /// # Errors
    /// Whatever storing can meet.
    pub async fn append_access_log(&self, id: &str, at: Timestamp, record: &str) -> Result<()> {
        let sql = "INSERT INTO access_log (id, at_ms, record) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let statement = Statement::new(sql).bind(id).bind(at.as_millis()).bind(record);
        self.engine().write(statement).await?;
        if self.logged().fetch_add(1, Ordering::Relaxed).is_multiple_of(LINES_PER_TRIM) {
            self.trim_access_log().await?;
        }
        Ok(())
    }

    async fn trim_access_log(&self) -> Result<()> {
        let sql =
            "DELETE FROM access_log WHERE at_ms < (SELECT at_ms FROM access_log ORDER BY at_ms DESC, id DESC
             LIMIT 1 OFFSET $1)";
        self.engine().write(Statement::new(sql).bind(rows(LOG_LINES_KEPT - 1))).await.map(drop)
    }

    /// The newest lines of the log, newest first; at most `limit`, and never more than a thousand.
    ///
    /// # Errors
    /// Whatever reading can meet.
    pub async fn access_log(&self, limit: usize) -> Result<Vec<String>> {
        let mut statement = Statement::new("SELECT record FROM access_log ORDER BY at_ms DESC, id DESC");
        statement.push(" LIMIT $", rows(limit.min(ROWS_MAX)));
        let found = self.engine().read(statement).await?;
        found.iter().map(|row| row.text("record").map(str::to_owned)).collect()
    }
}

fn token(row: &Row) -> Result<TokenRow> {
    Ok(TokenRow::new(row.text("id")?, row.text("digest")?, row.text("record")?))
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::SqlOptions;

    #[tokio::test]
    async fn the_log_keeps_its_newest_lines_and_lets_older_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("catalog.db").display());
        let catalog = SqlCatalog::open(&url, SqlOptions::default()).await.unwrap();
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
             INSERT INTO access_log (id, at_ms, record) SELECT 'line-' || i, i, '{}' FROM n";
        catalog.engine().write(Statement::new(sql).bind(rows(LOG_LINES_KEPT + 7))).await.unwrap();
        let now = Timestamp::from_millis(rows(LOG_LINES_KEPT + 8));
        catalog.append_access_log("newest", now, "newest").await.unwrap();

        let sql = "SELECT record, at_ms FROM access_log ORDER BY at_ms";
        let left = catalog.engine().read(Statement::new(sql)).await.unwrap();
        assert_eq!(left.len(), LOG_LINES_KEPT);
        assert_eq!(left.last().unwrap().text("record").unwrap(), "newest");
        assert_eq!(catalog.access_log(1).await.unwrap(), ["newest"]);
    }
}
