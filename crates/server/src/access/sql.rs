//! Tokens and the audit log beside the SQL catalog, where every server of that catalog finds them.

use async_trait::async_trait;
use stillpoint_catalog_sql::{SqlCatalog, TokenRow};
use stillpoint_core::{Entropy, Error, ErrorKind, OperationId, Result, SystemEntropy};

use super::audit::AuditLine;
use super::store::AccessStore;
use super::token::TokenRecord;

#[async_trait]
impl AccessStore for SqlCatalog {
    async fn put_token(&self, record: &TokenRecord) -> Result<bool> {
        let text = encode(record)?;
        Self::put_token(self, &TokenRow::new(&record.id, &record.digest, text)).await
    }

    async fn token_of_digest(&self, digest: &str) -> Result<Option<TokenRecord>> {
        Self::token_of_digest(self, digest).await?.map(token).transpose()
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>> {
        // One that cannot be read lets nobody in, and keeps nobody from the others: a newer version may have made it.
        let read = |row: TokenRow| {
            let id = row.id.clone();
            token(row)
                .inspect_err(|error| tracing::error!(token = %id, %error, "a token is passed over"))
                .ok()
        };
        Ok(Self::tokens(self).await?.into_iter().filter_map(read).collect())
    }

    async fn remove_token(&self, id: &str) -> Result<bool> {
        Self::remove_token(self, id).await
    }

    async fn append_audit(&self, line: &AuditLine) -> Result<()> {
        let entropy: &dyn Entropy = &SystemEntropy::default();
        let id = OperationId::generate(entropy);
        self.append_access_log(id.as_str(), line.at, &encode(line)?).await
    }

    async fn audit(&self, limit: usize) -> Result<Vec<AuditLine>> {
        let read = |text: &String| {
            decode(text)
                .inspect_err(|error| tracing::error!(%error, "a line of the audit log is passed over"))
                .ok()
        };
        Ok(self.access_log(limit).await?.iter().filter_map(read).collect())
    }
}

fn token(row: TokenRow) -> Result<TokenRecord> {
    let mut record: TokenRecord = decode(&row.record)?;
    record.digest = row.digest;
    Ok(record)
}

fn encode(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "a record cannot be written as JSON").with_source(error)
    })
}

fn decode<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "a token or a line of the audit log cannot be read").with_source(error)
    })
}
