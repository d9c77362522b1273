//! The API of a server, called over HTTP.

use std::fmt;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_server::ProblemDocument;
use url::Url;

use crate::settings::{ServerUrl, token};

/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long an answer may be silent. Streams send something every fifteen seconds.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// How long an answer may be silent that comes after many deletions.
const LONG_SILENCE_MAX: Duration = Duration::from_secs(6 * 3600);
/// How often a silent peer is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A server, and the token for it.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    token: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What stands before the host may be a password.
        let place = (self.base.host_str(), self.base.port());
        f.debug_struct("Client").field("place", &place).finish_non_exhaustive()
    }
}

impl Client {
    /// The server at `url`, with the token of the environment.
    ///
    /// # Errors
    /// `Unauthenticated` without a token.
    pub(super) fn new(url: &ServerUrl) -> Result<Self> {
        let token = token().ok_or_else(|| {
            Error::new(ErrorKind::Unauthenticated, "put the server's token into STILLPOINT_TOKEN")
        })?;
        Ok(Self { http: connections(SILENCE_MAX)?, base: url.url().clone(), token })
    }

    /// The same server, whose answer may take as long as the longest deletion.
    ///
    /// # Errors
    /// `Unexpected` where no connection can be made at all.
    pub(super) fn patient(&self) -> Result<Self> {
        let http = connections(LONG_SILENCE_MAX)?;
        Ok(Self { http, base: self.base.clone(), token: self.token.clone() })
    }

    /// A call of the path of these parts, each of which may hold any letter.
    pub(super) fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<RequestBuilder> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().extend(["api", "v1"]).extend(path);
            }
            Err(()) => return Err(Error::new(ErrorKind::InvalidInput, "--server takes a URL with a host")),
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(self.http.request(method, url).bearer_auth(&self.token))
    }

    /// What the server answers to a look.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T> {
        read(self.call(Method::GET, path, query)?).await
    }

    /// What the server answers to a wish. With `key` the same wish twice is one operation.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<T> {
        let mut request = self.call(method, path, &[])?;
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        read(request).await
    }
}

/// Connections whose answers may be silent for so long. A peer that is gone is noticed earlier.
fn connections(silence: Duration) -> Result<reqwest::Client> {
    let built = reqwest::Client::builder()
        .connect_timeout(CONNECT_MAX)
        .read_timeout(silence)
        .tcp_keepalive(KEEP_ALIVE)
        .redirect(reqwest::redirect::Policy::none())
        .build();
    built.map_err(|error| Error::new(ErrorKind::Unexpected, "no connection can be made").with_source(error))
}

async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T> {
    let response = open(request).await?;
    let bytes = response.bytes().await.map_err(unreachable)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = "the server's answer cannot be read; is it the same version?";
        Error::new(ErrorKind::Unexpected, message).with_source(error)
    })
}

/// An answer that is no problem.
pub(super) async fn open(request: RequestBuilder) -> Result<Response> {
    let response = request.send().await.map_err(unreachable)?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let bytes = response.bytes().await.map_err(unreachable)?;
    let Ok(problem) = serde_json::from_slice::<ProblemDocument>(&bytes) else {
        let message =
            format!("the server answered {status} and nothing that can be read; is it a Stillpoint server?");
        return Err(Error::new(ErrorKind::Unavailable, message));
    };
    let told = problem.error;
    let mut error = Error::new(told.kind, told.message).with_retry(told.retry);
    if told.effect == stillpoint_core::Effect::MaybeApplied {
        error = error.maybe_applied();
    }
    if let Some(operation) = told.operation_id {
        error = error.with("operation", operation);
    }
    Err(error)
}

/// A request that had no answer. Whether it arrived is unknown, unless there was no connection.
fn unreachable(error: reqwest::Error) -> Error {
    let reached = !error.is_connect() && !error.is_builder();
    let error =
        Error::new(ErrorKind::Unavailable, "the server cannot be reached; check the URL and the network")
            .with_source(error.without_url());
    if reached { error.maybe_applied() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_form_of_a_client_holds_no_secret() {
        let base = Url::parse("https://ada:secret@backups.example.com:8443/stillpoint").unwrap();
        let client = Client { http: reqwest::Client::new(), base, token: "stp_secret".to_owned() };
        let shown = format!("{client:?}");
        assert!(shown.contains("backups.example.com") && !shown.contains("secret"), "{shown}");
    }
}
