//! A client of the directory that proves itself by a secret, or by the assertion of the workload that it is.
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.

use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use azure_core::credentials::Secret;
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::{Method, Pipeline, Request};
use stillpoint_core::{Error, ErrorKind, Result, Timestamp};
use url::{Url, form_urlencoded};

use super::super::answer::exchange;
use super::{Source, Token, reply};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The longest assertion that is read, in bytes.
const ASSERTION_BYTES_MAX: usize = 64 << 10;

/// How a client proves who it is.
pub(super) enum Proof {
    /// By what it was given once.
    Secret(Secret),
    /// By what stands in this file now: whoever runs the workload writes a new assertion before the old one ends.
    Assertion(PathBuf),
}

/// A client of the directory.
pub(super) struct Client {
    url: Url,
    client: String,
    proof: Proof,
    pipeline: Pipeline,
}

impl Client {
    /// The client `client` of `tenant`, which `authority` gives tokens to.
    ///
    /// # Errors
    /// `InvalidConfig` where the tenant cannot be one.
    pub(super) fn new(
        authority: Url,
        tenant: &str,
        client: String,
        proof: Proof,
        pipeline: Pipeline,
    ) -> Result<Self> {
        if !tenant.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.') {
            return Err(Error::new(ErrorKind::InvalidConfig, format!("{tenant:?} is no tenant of Azure")));
        }
        let base = authority.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}/{tenant}/oauth2/v2.0/token")).map_err(|error| {
            Error::new(ErrorKind::InvalidConfig, format!("{authority} gives no tokens")).with_source(error)
        })?;
        Ok(Self { url, client, proof, pipeline })
    }

    async fn form(&self, audience: &str) -> Result<String> {
        let proof = match &self.proof {
            Proof::Secret(secret) => vec![("client_secret", secret.secret().to_owned())],
            Proof::Assertion(file) => vec![
                ("client_assertion_type", ASSERTION_TYPE.to_owned()),
                ("client_assertion", assertion(file).await?),
            ],
        };
        let scope = format!("{audience}/.default");
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials").append_pair("client_id", &self.client);
        Ok(form.append_pair("scope", &scope).extend_pairs(proof).finish())
    }
}

async fn assertion(file: &Path) -> Result<String> {
    let unreadable = |why: &str| {
        let message = format!("the assertion in {} {why}", file.display());
        Error::new(ErrorKind::Unauthenticated, message)
    };
    let read = tokio::task::spawn_blocking({
        let file = file.to_owned();
        move || std::fs::read(file)
    });
    let bytes = read.await.map_err(|error| unreadable("was not read").with_source(error))?;
    let bytes = bytes.map_err(|error| unreadable("cannot be read").with_source(error))?;
    if bytes.len() > ASSERTION_BYTES_MAX {
        return Err(unreadable("is too long"));
    }
    let text = String::from_utf8(bytes).map_err(|_quoted| unreadable("is no text"))?;
    Ok(text.trim().to_owned())
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proof = match &self.proof {
            Proof::Secret(_) => "a secret",
            Proof::Assertion(_) => "an assertion",
        };
        f.debug_struct("Client").field("client", &self.client).field("proof", &proof).finish_non_exhaustive()
    }
}

#[async_trait]
impl Source for Client {
    async fn token(&self, audience: &str, now: Timestamp) -> Result<Token> {
        let mut request = Request::new(self.url.clone(), Method::Post);
        request.insert_header(
            HeaderName::from_static("content-type"),
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        request.set_body(self.form(audience).await?.into_bytes());
        let answer = exchange(&self.pipeline, request, "the directory of Azure", false).await?;
        reply::token("the directory of Azure", &answer, now)
    }
}
