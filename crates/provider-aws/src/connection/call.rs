//! One signed call to a service: sent once, its answer bounded, its effect told truthfully.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use stillpoint_core::{Error, ErrorKind, Result};

use super::credentials::unsigned;
use super::wire::{Exchange, text};
use super::{Connection, Service};

/// The longest answer that is read, in bytes. A page of a thousand volumes with all their tags takes less.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// One operation of a service.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) service: &'static Service,
    pub(crate) operation: &'static str,
    /// Whether it changes anything, so that a lost answer leaves its effect open.
    pub(crate) mutates: bool,
}

/// What came back, of whatever protocol.
pub(super) struct Answer {
    status: reqwest::StatusCode,
    /// The header in which some protocols name the error.
    error_type: Option<String>,
    body: Vec<u8>,
}

impl Call<'_> {
    /// Sends `body` once with `headers` and answers the body of a success; `refused` reads the error of another answer
    /// from its status, its error header and its body.
    pub(super) async fn send(
        &self,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
        refused: impl FnOnce(u16, Option<&str>, &[u8]) -> Error + Send,
    ) -> Result<Vec<u8>> {
        let answer = self.exchange(self.signed(headers, body).await?).await?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let error = refused(answer.status.as_u16(), answer.error_type.as_deref(), &answer.body);
        if error.kind() == ErrorKind::Unauthenticated {
            self.connection.credentials.forget().await;
        }
        let open = self.mutates && answer.status.is_server_error();
        Err(if open { error.maybe_applied() } else { error })
    }

    /// The error of a success that cannot be read; what the call did is done.
    pub(super) fn unreadable(&self, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let message = format!("the answer of {} cannot be understood", self.operation);
        let error = Error::new(ErrorKind::Unexpected, message).with_source(why);
        if self.mutates { error.maybe_applied() } else { error }
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<Answer> {
        let lost = |error: reqwest::Error| {
            let message = format!("{} of {} got no answer", self.operation, self.service.id);
            let error = Error::new(ErrorKind::Unavailable, message).with_source(error.without_url());
            if self.mutates { error.maybe_applied() } else { error }
        };
        let sent = self.connection.wire.0.is_some().then(|| request.try_clone()).flatten();
        let mut response = self.connection.http.execute(request).await.map_err(lost)?;
        let status = response.status();
        let error_type = response.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let error_type = error_type.map(str::to_owned);
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(lost)? {
            body.extend_from_slice(&part);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(self.unreadable(format!("it is longer than {ANSWER_BYTES_MAX} bytes")));
            }
        }
        let answer = Answer { status, error_type, body };
        if let Some(sent) = sent {
            self.connection.wire.tell(|| self.told(&sent, &answer));
        }
        Ok(answer)
    }

    fn told(&self, sent: &reqwest::Request, answer: &Answer) -> Exchange {
        let operation = sent.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
        Exchange {
            service: self.service.signing_name,
            method: sent.method().to_string(),
            target: sent.url().path().to_owned(),
            operation: operation.map(str::to_owned),
            request: text(sent.body().and_then(reqwest::Body::as_bytes).unwrap_or_default()),
            status: answer.status.as_u16(),
            error: answer.error_type.clone(),
            response: text(&answer.body),
        }
    }

    async fn signed(&self, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<reqwest::Request> {
        let url = self.connection.endpoint(self.service)?;
        let uncallable = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::InvalidConfig, format!("{url} cannot be called")).with_source(error)
        };
        let mut request = http::Request::post(url.as_str());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(body).map_err(|error| uncallable(error.into()))?;
        let request = self.sign(request).await?;
        reqwest::Request::try_from(request).map_err(|error| uncallable(error.into()))
    }

    async fn sign(&self, mut request: http::Request<Vec<u8>>) -> Result<http::Request<Vec<u8>>> {
        let connection = self.connection;
        let denied = |message: &str| Error::new(ErrorKind::Unauthenticated, message);
        let provider = connection.config.credentials_provider();
        let provider = provider.ok_or_else(|| denied("no AWS credentials are configured"))?;
        let now = connection.clock.now();
        let credentials = connection.credentials.get(&provider, now).await.map_err(|error| {
            let refused = unsigned(self.operation, &error);
            refused.unwrap_or_else(|| denied("no AWS credentials were found")).with_source(error)
        })?;
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        let identity = credentials.into();
        let unsigned = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::Unexpected, format!("{} cannot be signed", self.operation))
                .with_source(error)
        };
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&connection.region)
            .name(self.service.signing_name)
            .time(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unsigned(error.into()))?;
        let uri = request.uri().to_string();
        let headers = request.headers().iter();
        let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable =
            SignableRequest::new("POST", uri.as_str(), headers, SignableBody::Bytes(request.body()))
                .map_err(|error| unsigned(error.into()))?;
        let (instructions, _signature) =
            sign(signable, &params.into()).map_err(|error| unsigned(error.into()))?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}
