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
    /// What the address asks for beside the version.
    pub(crate) query: Vec<(&'static str, String)>,
    /// What is asked for in headers.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Request {
    pub(crate) fn new(action: &'static str, path: impl Into<String>, version: &'static str) -> Self {
        Self { action, path: path.into(), version, query: Vec::new(), headers: Vec::new() }
    }

    /// The same with one more pair in its query.
    pub(crate) fn asking(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// The same with one more header.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What is sent: one method to one address.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) method: Method,
    pub(super) action: &'a str,
    pub(super) url: Url,
    pub(super) headers: &'a [(&'static str, String)],
    pub(super) body: Option<&'a Value>,
}

impl<'a> Message<'a> {
    /// Reads what is at `url`.
    pub(super) fn get(action: &'a str, url: Url) -> Self {
        Self { method: Method::Get, action, url, headers: &[], body: None }
    }
}

impl Connection {
    /// Reads one thing.
    ///
    /// # Errors
    /// `NotFound` where it does not exist; whatever a call can meet.
    pub(crate) async fn get<T: DeserializeOwned>(&self, request: &Request) -> Result<T> {
        let answer = self.send(&self.message(Method::Get, request, None)?).await?;
        answer.json().map_err(|error| unreadable(request.action, error))
    }

    /// Reads one thing, or nothing where it does not exist.
    ///
    /// # Errors
    /// Whatever else a call can meet.
    pub(crate) async fn known<T: DeserializeOwned>(&self, request: &Request) -> Result<Option<T>> {
        match self.get(request).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes what the service itself names, and reads what it is.
    ///
    /// # Errors
    /// Those of [`Connection::put`].
    pub(crate) async fn put_new<T: DeserializeOwned>(&self, request: &Request, body: &Value) -> Result<T> {
        let answer = self.send(&self.message(Method::Put, request, Some(body))?).await?;
        answer.json().map_err(|error| unreadable(request.action, error).maybe_applied())
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

    /// Begins what has no name before the service gives it one, and answers what it is told at once.
    ///
    /// # Errors
    /// Those of [`Connection::put`].
    pub(crate) async fn post(&self, request: &Request, body: Option<&Value>) -> Result<(Begun, Value)> {
        let answer = self.send(&self.message(Method::Post, request, body)?).await?;
        Ok((Begun::of(&answer, &self.arm), answer.document().unwrap_or_default()))
    }

    /// Deletes what has this name. Absent is done.
    ///
    /// # Errors
    /// Those of [`Connection::put`].
    pub(crate) async fn delete(&self, request: &Request) -> Result<Begun> {
        self.begin(Method::Delete, request, None).await
    }

    async fn begin(&self, method: Method, request: &Request, body: Option<&Value>) -> Result<Begun> {
        let answer = self.send(&self.message(method, request, body)?).await?;
        Ok(Begun::of(&answer, &self.arm))
    }

    fn message<'a>(
        &self,
        method: Method,
        request: &'a Request,
        body: Option<&'a Value>,
    ) -> Result<Message<'a>> {
        let (action, headers) = (request.action, request.headers.as_slice());
        Ok(Message { method, action, url: self.url(request)?, headers, body })
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
        url.query_pairs_mut().append_pair("api-version", request.version).extend_pairs(&request.query);
        Ok(url)
    }

    /// Sends a request with a token, and answers a success.
    ///
    /// # Errors
    /// What the refusal says; `Unauthenticated` without a token; `Unavailable` where no answer came.
    pub(super) async fn send(&self, message: &Message<'_>) -> Result<Answer> {
        let answer = self.answer(message).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        let error = refusal(answer.status, &answer.body, answer.retry_after(self.now()), message.action);
        let open = message.method != Method::Get && (answer.status >= 500 || answer.status == 408);
        Err(if open { error.maybe_applied() } else { error })
    }

    /// The answer of whatever status. A token that is refused although it should be good is asked for anew, once: what was
    /// refused so was not carried out.
    pub(super) async fn answer(&self, message: &Message<'_>) -> Result<Answer> {
        let token = self.tokens.token(self.tokens.arm()).await?;
        let answer = self.exchange(message, token.text()).await?;
        if answer.status != UNAUTHORIZED {
            return Ok(answer);
        }
        self.tokens.forget(&token);
        let fresh = self.tokens.token(self.tokens.arm()).await?;
        self.exchange(message, fresh.text()).await
    }

    async fn exchange(&self, message: &Message<'_>, token: &str) -> Result<Answer> {
        let mut request = azure_core::http::Request::new(message.url.clone(), message.method);
        let own = [("authorization", format!("Bearer {token}")), ("accept", "application/json".to_owned())];
        for (name, value) in own.iter().chain(message.headers) {
            request.insert_header(HeaderName::from_static(name), HeaderValue::from(value.clone()));
        }
        if let Some(body) = message.body {
            request.insert_header(
                HeaderName::from_static("content-type"),
                HeaderValue::from_static("application/json"),
            );
            request.set_body(body.to_string().into_bytes());
        }
        let answer = exchange(&self.pipeline, request, message.action, message.method != Method::Get).await?;
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
