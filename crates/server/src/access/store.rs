//! Where tokens and the audit log are kept.

use std::fmt::Debug;

use async_trait::async_trait;
use stillpoint_core::Result;

use super::audit::AuditLine;
use super::token::TokenRecord;

/// Keeps tokens and the audit log. Several servers of one catalog share one.
///
/// ```
/// use stillpoint_core::{SeededEntropy, SystemClock};
/// use stillpoint_server::access::{AccessStore, MemoryAccess, NewToken, Role};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> stillpoint_core::Result<()> {
/// let store = MemoryAccess::default();
/// let (secret, record) =
///     NewToken::new("ada", Role::Operator).make(&SystemClock::default(), &SeededEntropy::new(1))?;
/// store.put_token(&record).await?;
///
/// let found = store.token_of_digest(&secret.digest()).await?.expect("it was put there");
/// assert_eq!(found.role, Role::Operator);
/// assert!(store.remove_token(&record.id).await?);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait AccessStore: Debug + Send + Sync + 'static {
    /// Stores a token. Where its id is taken already nothing changes, and the answer is `false`.
    ///
    /// # Errors
    /// Whatever storing can meet.
    async fn put_token(&self, record: &TokenRecord) -> Result<bool>;

    /// The token with this digest.
    ///
    /// # Errors
    /// Whatever reading can meet; absent is `None`.
    async fn token_of_digest(&self, digest: &str) -> Result<Option<TokenRecord>>;

    /// Every token, by id; at most a thousand.
    ///
    /// # Errors
    /// Whatever reading can meet.
    async fn tokens(&self) -> Result<Vec<TokenRecord>>;

    /// Removes a token and answers whether it was there.
    ///
    /// # Errors
    /// Whatever storing can meet.
    async fn remove_token(&self, id: &str) -> Result<bool>;

    /// Adds a line to the audit log.
    ///
    /// # Errors
    /// Whatever storing can meet.
    async fn append_audit(&self, line: &AuditLine) -> Result<()>;

    /// The newest lines of the audit log, newest first; at most `limit`.
    ///
    /// # Errors
    /// Whatever reading can meet.
    async fn audit(&self, limit: usize) -> Result<Vec<AuditLine>>;
}
