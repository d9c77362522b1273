//! The identity of an App Service, a Function or a container app.
//! Source: <https://learn.microsoft.com/azure/app-service/overview-managed-identity>.

use std::fmt;

use async_trait::async_trait;
use azure_core::credentials::Secret;
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::{Method, Pipeline, Request};
use stillpoint_core::{Result, Timestamp};
use url::Url;

use super::super::answer::exchange;
use super::{Source, Token, reply};

const VERSION: &str = "2019-08-01";

/// The identity of an App Service.
pub(super) struct AppService {
    url: Url,
    /// Proves that the request comes from within.
    header: Secret,
    client: Option<String>,
    pipeline: Pipeline,
}

impl AppService {
    pub(super) fn new(url: Url, header: String, client: Option<String>, pipeline: Pipeline) -> Self {
        Self { url, header: Secret::new(header), client, pipeline }
    }
}

impl fmt::Debug for AppService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppService").field("client", &self.client).finish_non_exhaustive()
    }
}

#[async_trait]
impl Source for AppService {
    async fn token(&self, audience: &str, now: Timestamp) -> Result<Token> {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("api-version", VERSION).append_pair("resource", audience);
        if let Some(client) = &self.client {
            url.query_pairs_mut().append_pair("client_id", client);
        }
        let mut request = Request::new(url, Method::Get);
        let header = HeaderValue::from(self.header.secret().to_owned());
        request.insert_header(HeaderName::from_static("x-identity-header"), header);
        let answer = exchange(&self.pipeline, request, "the identity of the App Service", false).await?;
        reply::token("the identity of the App Service", &answer, now)
    }
}
