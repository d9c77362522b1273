//! The identity of the machine that this runs on, from its metadata service.
//! Source: <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>.

use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::{Method, Pipeline, Request};
use stillpoint_core::{Error, ErrorKind, Result, Timestamp};
use url::Url;

use super::super::answer::exchange;
use super::super::endpoint;
use super::{Source, Token, reply};

/// Where every machine of Azure finds it.
const METADATA: &str = "http://169.254.169.254";
const PATH: &str = "metadata/identity/oauth2/token";
const VERSION: &str = "2018-02-01";
/// How long the metadata service may take to answer; off Azure nobody does.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// The identity of a machine.
#[derive(Debug)]
pub(super) struct Machine {
    url: Url,
    client: Option<String>,
    pipeline: Pipeline,
}

impl Machine {
    /// The machine's own identity, or that of the client `client`, from the metadata service at `host`.
    ///
    /// # Errors
    /// `InvalidConfig` where `host` is no address, or plain http to another machine.
    pub(super) fn new(host: Option<&str>, client: Option<String>, pipeline: Pipeline) -> Result<Self> {
        let mut url = endpoint::checked_local(host.unwrap_or(METADATA))?;
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{PATH}"));
        Ok(Self { url, client, pipeline })
    }
}

#[async_trait]
impl Source for Machine {
    async fn token(&self, audience: &str, now: Timestamp) -> Result<Token> {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("api-version", VERSION).append_pair("resource", audience);
        if let Some(client) = &self.client {
            url.query_pairs_mut().append_pair("client_id", client);
        }
        let mut request = Request::new(url, Method::Get);
        request.insert_header(HeaderName::from_static("metadata"), HeaderValue::from_static("true"));
        let asked = exchange(&self.pipeline, request, "the metadata service of this machine", false);
        let answer = tokio::time::timeout(ANSWERS_WITHIN, asked).await.map_err(|late| {
            let message = "the metadata service of this machine does not answer; it has no identity of Azure";
            Error::new(ErrorKind::Unauthenticated, message).with_source(late)
        })??;
        reply::token("the metadata service of this machine", &answer, now)
    }
}
