//! One signed call in AWS's JSON protocol, version 1.1.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stillpoint_core::{Error, ErrorKind, Result};

use super::answer::json_refusal;
use super::{Connection, Service};

/// The longest answer that is read, in bytes. A page of a hundred tags takes a fraction of it.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// One operation of a service.
#[derive(Debug)]
pub(crate) struct JsonCall<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) service: &'static Service,
    pub(crate) operation: &'static str,
    /// Whether it changes anything, so that a lost answer leaves its effect open.
    pub(crate) mutates: bool,
}

impl JsonCall<'_> {
    /// Makes the call once; it is for the caller to try again.
    ///
    /// # Errors
    /// Whatever the service refuses, as the kind that says what to do; `Unavailable` where no answer came.
    pub(crate) async fn send<A: DeserializeOwned>(&self, input: &(impl Serialize + Sync)) -> Result<A> {
        let body = serde_json::to_vec(input).map_err(|error| {
            Error::new(ErrorKind::Unexpected, format!("the input of {} has no JSON", self.operation))
                .with_source(error)
        })?;
        let request = self.signed(body).await?;
        let lost = |error: reqwest::Error| {
            let message = format!("{} of {} got no answer", self.operation, self.service.id);
            let error = Error::new(ErrorKind::Unavailable, message).with_source(error.without_url());
            if self.mutates { error.maybe_applied() } else { error }
        };
        let mut response = self.connection.http.execute(request).await.map_err(lost)?;
        let status = response.status();
        let said = response.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let said = said.map(str::to_owned);
        let mut answer = Vec::new();
        while let Some(part) = response.chunk().await.map_err(lost)? {
            answer.extend_from_slice(&part);
            if answer.len() > ANSWER_BYTES_MAX {
                let message = format!("{} answered more than {ANSWER_BYTES_MAX} bytes", self.operation);
                return Err(Error::new(ErrorKind::Unexpected, message));
            }
        }
        if !status.is_success() {
            let error = json_refusal(status.as_u16(), said.as_deref(), &answer, self.operation);
            let open = self.mutates && status.is_server_error();
            return Err(if open { error.maybe_applied() } else { error });
        }
        let answer = if answer.is_empty() { b"{}".as_slice() } else { &answer };
        serde_json::from_slice(answer).map_err(|error| {
            let message = format!("the answer of {} cannot be understood", self.operation);
            Error::new(ErrorKind::Unexpected, message).with_source(error)
        })
    }

    async fn signed(&self, body: Vec<u8>) -> Result<reqwest::Request> {
        let connection = self.connection;
        let url = connection.endpoint(self.service)?;
        let request = http::Request::post(url.as_str())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("{}.{}", self.service.target, self.operation))
            .body(body)
            .map_err(|error| {
                Error::new(ErrorKind::InvalidConfig, format!("{url} cannot be called")).with_source(error)
            })?;
        let request = self.sign(request).await?;
        reqwest::Request::try_from(request).map_err(|error| {
            Error::new(ErrorKind::InvalidConfig, format!("{url} cannot be called")).with_source(error)
        })
    }

    async fn sign(&self, mut request: http::Request<Vec<u8>>) -> Result<http::Request<Vec<u8>>> {
        let connection = self.connection;
        let denied = |message: &str| Error::new(ErrorKind::Unauthenticated, message);
        let provider = connection.config.credentials_provider();
        let provider = provider.ok_or_else(|| denied("no AWS credentials are configured"))?;
        let credentials = provider.provide_credentials().await.map_err(|error| {
            denied("no AWS credentials were found; a Studio space has those of its execution role")
                .with_source(error)
        })?;
        let millis = u64::try_from(connection.clock.now().as_millis()).unwrap_or(0);
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
