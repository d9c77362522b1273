//! A credential that the host has.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind as AzureKind;
use stillpoint_core::{Error, ErrorKind, Result, Timestamp};

use super::{Source, Token};

/// A credential of `azure_identity`, or the host's own.
#[derive(Debug)]
pub(in super::super) struct Given(pub(in super::super) Arc<dyn TokenCredential>);

#[async_trait]
impl Source for Given {
    async fn token(&self, audience: &str, now: Timestamp) -> Result<Token> {
        let scope = format!("{audience}/.default");
        let given = self.0.get_token(&[&scope], None).await.map_err(|error| {
            let kind = match error.kind() {
                AzureKind::Connection | AzureKind::Io => ErrorKind::Unavailable,
                _ => ErrorKind::Unauthenticated,
            };
            Error::new(kind, "the given credential gave no token").with_source(error)
        })?;
        let expires = given.expires_on.unix_timestamp().saturating_mul(1000);
        Ok(Token::new(given.token.secret().to_owned(), now, Timestamp::from_millis(expires)))
    }
}
