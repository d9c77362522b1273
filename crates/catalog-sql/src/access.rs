//! What a server of the catalog keeps beside it: tokens and the log of who did what. What is in their records only the
//! server knows.

use stillpoint_core::{Result, Timestamp};

use crate::catalog::SqlCatalog;
use crate::engine::{Row, Statement};

/// The most rows that one call answers.
const ROWS_MAX: usize = 1000;

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

    /// Adds a line to the log; `id` is one that no other line has.
    ///
    /// # Errors
    /// Whatever storing can meet.
    pub async fn append_access_log(&self, id: &str, at: Timestamp, record: &str) -> Result<()> {
        let sql = "INSERT INTO access_log (id, at_ms, record) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let statement = Statement::new(sql).bind(id).bind(at.as_millis()).bind(record);
        self.engine().write(statement).await.map(drop)
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
