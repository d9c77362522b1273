//! Tokens and the audit log in memory, for trials and tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use stillpoint_core::Result;

use super::audit::AuditLine;
use super::store::AccessStore;
use super::token::TokenRecord;

/// The most lines that are kept.
const LINES_MAX: usize = 10_000;

/// Tokens and the audit log in memory; they end with the process.
#[derive(Debug, Default)]
pub struct MemoryAccess(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tokens: BTreeMap<String, TokenRecord>,
    lines: VecDeque<AuditLine>,
}

impl MemoryAccess {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl AccessStore for MemoryAccess {
    async fn put_token(&self, record: &TokenRecord) -> Result<bool> {
        let mut inner = self.inner();
        if inner.tokens.contains_key(&record.id) {
            return Ok(false);
        }
        inner.tokens.insert(record.id.clone(), record.clone());
        Ok(true)
    }

    async fn token_of_digest(&self, digest: &str) -> Result<Option<TokenRecord>> {
        Ok(self.inner().tokens.values().find(|token| token.digest == digest).cloned())
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>> {
        Ok(self.inner().tokens.values().cloned().collect())
    }

    async fn remove_token(&self, id: &str) -> Result<bool> {
        Ok(self.inner().tokens.remove(id).is_some())
    }

    async fn append_audit(&self, line: &AuditLine) -> Result<()> {
        let lines = &mut self.inner().lines;
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line.clone());
        Ok(())
    }

    async fn audit(&self, limit: usize) -> Result<Vec<AuditLine>> {
        Ok(self.inner().lines.iter().rev().take(limit).cloned().collect())
    }
}
