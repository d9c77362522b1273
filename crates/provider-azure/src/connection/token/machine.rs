//! The identity of the machine that this runs on, from its metadata service.
//! Source: <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>.

use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::{Method, Pipeline, Request};
use stillpoint_core::{Error, ErrorKind, Result, Timestamp};
use url::Url;

use super::super::answer::{UNREACHED, exchange};
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
    /// Whether nobody said that there is one.
    presumed: bool,
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
        Ok(Self { url, presumed: host.is_none(), client, pipeline })
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
        let nobody = || {
            let message = "the metadata service of this machine does not answer; it has no identity of Azure";
            Error::new(ErrorKind::Unauthenticated, message)
        };
        let answer = match tokio::time::timeout(ANSWERS_WITHIN, asked).await {
            Err(late) => return Err(nobody().with_source(late)),
            // Off Azure its address leads nowhere, which does not pass.
            Ok(Err(error)) if self.presumed && error.context(UNREACHED).is_some() => {
                return Err(nobody().with_source(error));
            }
            Ok(answered) => answered?,
        };
        reply::token("the metadata service of this machine", &answer, now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::pipeline;
    use super::*;

    #[tokio::test]
    async fn where_nobody_listens_at_the_usual_address_a_machine_has_no_identity() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut machine =
            Machine::new(Some(&format!("http://127.0.0.1:{port}")), None, pipeline(true).unwrap()).unwrap();
        let told = machine.token("a", Timestamp::from_millis(0)).await.unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Unavailable, "one that was named may come back");
        machine.presumed = true;
        let off = machine.token("a", Timestamp::from_millis(0)).await.unwrap_err();
        assert_eq!(off.kind(), ErrorKind::Unauthenticated, "{off:?}");
    }
}
