//! Errors as HTTP answers: RFC 9457 problem documents that keep what the contract says about an error.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::{Deserialize, Serialize};
use stillpoint_core::{Error, ErrorKind, Retry};
use utoipa::ToSchema;

use crate::document::ErrorDocument;

/// The media type of a problem document.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// An error as the API answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct ProblemDocument {
    /// Always `about:blank`: `kind` tells problems apart.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// One sentence that says what to do; the same as `message`.
    pub detail: String,
    /// The error as the contract has it.
    #[serde(flatten)]
    pub error: ErrorDocument,
}

/// An error on its way to a caller of the API.
#[derive(Debug)]
pub(crate) struct Problem(Box<Error>, StatusCode);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = status(error.kind());
        Self(Box::new(error), status)
    }
}

impl Problem {
    /// The same, answered with a status that says more than the error's kind.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self(self.0, status)
    }

    /// The document.
    pub(crate) fn document(&self) -> ProblemDocument {
        let status = self.1;
        let operation = self.0.context("operation").and_then(|id| id.parse().ok());
        let mut record = self.0.record();
        if status.is_server_error() {
            // What went wrong inside is for the log: it may name places that are not the caller's business.
            record.message = self.0.to_string();
        }
        let error = ErrorDocument::new(&record, operation.as_ref());
        ProblemDocument {
            type_uri: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: error.message.clone(),
            error,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (document, status) = (self.document(), self.1);
        if status.is_server_error() {
            tracing::error!(error = self.0.to_string_chain(), "a request failed");
        }
        let mut response = (status, axum::Json(&document)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Retry::After { delay_ms } = self.0.retry() {
            headers.insert(RETRY_AFTER, HeaderValue::from(delay_ms.div_ceil(1000).max(1)));
        }
        response
    }
}

/// The HTTP status of an error's kind.
pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::Busy | ErrorKind::Cancelled => {
            StatusCode::CONFLICT
        }
        ErrorKind::InvalidInput => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorKind::Unsupported | ErrorKind::InvalidConfig | ErrorKind::NeedsAttention => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
        ErrorKind::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
