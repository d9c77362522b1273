//! One call to Azure Resource Manager: sent once, its effect told truthfully.

use std::sync::atomic::Ordering;

use azure_core::http::Method;
use azure_core::http::headers::{HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::Value;
use stillpoint_core::{Error, ErrorKind, Result};
use url::Url;

use super::Connection;
use super::answer::{Answer, exchange};
use super::operation::Begun;
use super::refusal::refusal;

/// The code of a token that was good until somebody took it back, or until the server's clock passed it.
const UNAUTHORIZED: u16 = 401;

/// What is asked of Azure Resource Manager.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The action that role definitions call it by.
    pub(crate) action: &'static str,
    /// Path below the endpoint, beginning with a slash.
    pub(crate) path: String,
    /// Version of the provider's interface.
    pub(crate) version: &'static str,
}

impl Request {
    pub(crate) fn new(action: &'static str, path: impl Into<String>, version: &'static str) -> Self {
        Self { action, path: path.into(), version }
    }
}

impl Connection {
    /// Reads one thing.
    ///
    /// # Errors
    /// `NotFound` where it does not exist; whatever a call can meet.
    pub(crate) async fn get<T: DeserializeOwned>(&self, request: &Request) -> Result<T> {
        let answer = self.send(Method::Get, request.action, self.url(request)?, None).await?;
        answer.json().map_err(|error| unreadable(request.action, error))
    }

    /// Makes or replaces what has this name.
    ///
    /// # Errors
    /// Whatever a call can meet; where no answer came, it may have been carried out.
    pub(crate) async fn put(&self, request: &Request, body: &Value) -> Result<Begun> {
        self.begin(Method::Put, request, Some(body)).await
    }

    /// Changes some members of what has this name.
    ///
    /// # Errors
    /// Those of [`Connection::put`].
    pub(crate) async fn patch(&self, request: &Request, body: &Value) -> Result<Begun> {
        self.begin(Method::Patch, request, Some(body)).await
    }

    /// Deletes what has this name. Absent is done.
    ///
    /// # Errors
    /// Those of [`Connection::put`].
    pub(crate) async fn delete(&self, request: &Request) -> Result<Begun> {
        self.begin(Method::Delete, request, None).await
    }

    async fn begin(&self, method: Method, request: &Request, body: Option<&Value>) -> Result<Begun> {
        let answer = self.send(method, request.action, self.url(request)?, body).await?;
        Ok(Begun::of(&answer, &self.arm))
    }

    /// The address of a request.
    ///
    /// # Errors
    /// `InvalidInput` where the path leads elsewhere.
    pub(super) fn url(&self, request: &Request) -> Result<Url> {
        let base = self.arm.as_str().trim_end_matches('/');
        let refused = || Error::new(ErrorKind::InvalidInput, format!("{:?} is no path", request.path));
        let mut url =
            Url::parse(&format!("{base}{}", request.path)).map_err(|error| refused().with_source(error))?;
        if !request.path.starts_with('/') || url.host() != self.arm.host() || url.query().is_some() {
            return Err(refused());
        }
        url.query_pairs_mut().append_pair("api-version", request.version);
        Ok(url)
    }

    /// Sends a request with a token, and answers a success.
    ///
    /// # Errors
    /// What the refusal says; `Unauthenticated` without a token; `Unavailable` where no answer came.
    pub(super) async fn send(
        &self,
        method: Method,
        action: &str,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let mutates = method != Method::Get;
        let answer = self.answer(method, action, url, body).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        let error = refusal(answer.status, &answer.body, answer.retry_after(self.now()), action);
        let open = mutates && (answer.status >= 500 || answer.status == 408);
        Err(if open { error.maybe_applied() } else { error })
    }

    /// The answer of whatever status. A token that is refused although it should be good is asked for anew, once: what was
    /// refused so was not carried out.
    pub(super) async fn answer(
        &self,
        method: Method,
        action: &str,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let token = self.tokens.token(self.tokens.arm()).await?;
        let answer = self.exchange(method, action, &url, body, token.text()).await?;
        if answer.status != UNAUTHORIZED {
            return Ok(answer);
        }
        self.tokens.forget(&token);
        let fresh = self.tokens.token(self.tokens.arm()).await?;
        self.exchange(method, action, &url, body, fresh.text()).await
    }

    async fn exchange(
        &self,
        method: Method,
        action: &str,
        url: &Url,
        body: Option<&Value>,
        token: &str,
    ) -> Result<Answer> {
        let mut request = azure_core::http::Request::new(url.clone(), method);
        request.insert_header(
            HeaderName::from_static("authorization"),
            HeaderValue::from(format!("Bearer {token}")),
        );
        request
            .insert_header(HeaderName::from_static("accept"), HeaderValue::from_static("application/json"));
        if let Some(body) = body {
            request.insert_header(
                HeaderName::from_static("content-type"),
                HeaderValue::from_static("application/json"),
            );
            request.set_body(body.to_string().into_bytes());
        }
        let answer = exchange(&self.pipeline, request, action, method != Method::Get).await?;
        if let Some(told) = answer.date() {
            let ahead = told.as_millis().saturating_sub(self.now().as_millis());
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        Ok(answer)
    }
}

/// The error of an answer that only read and cannot be understood.
pub(super) fn unreadable(action: &str, error: serde_json::Error) -> Error {
    let message = format!("the answer of {action} cannot be understood");
    Error::new(ErrorKind::Unexpected, message).with_source(error).with("action", action)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Environment;

    #[test]
    fn a_path_stays_on_its_own_host() {
        let endpoint = Environment::new([("AZURE_RESOURCE_MANAGER_ENDPOINT", "http://127.0.0.1:81/")]);
        let connection = Connection::from_settings(&endpoint).unwrap();
        let url = |path: &str| connection.url(&Request::new("a", path, "1"));
        let good = url("/subscriptions/1").unwrap();
        assert_eq!(good.as_str(), "http://127.0.0.1:81/subscriptions/1?api-version=1");
        for bad in ["", "subscriptions", "@evil.example.com/", ".evil.example.com/x", "/x?api-version=2"] {
            assert_eq!(url(bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
        }
    }
}
