//! What came back of a request: read to the end, and no further than a bound.

use std::time::Duration;

use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{AsyncRawResponse, Context, Pipeline};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stillpoint_core::{Error, ErrorKind, Result, Timestamp};

/// The longest answer that is read, in bytes. A page of a thousand resources with all their tags takes less.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// The longest wait that a server's hint is followed for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// An answer of whatever status.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Headers,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers.get_optional_str(&HeaderName::from_static(name)).filter(|text| !text.is_empty())
    }

    /// How long the other side asks to wait: in seconds, in milliseconds, or until a date.
    pub(super) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let number = |name, unit: fn(u64) -> Duration| self.header(name)?.trim().parse().ok().map(unit);
        let date = || Some(http_date(self.header("retry-after")?)?.since(now));
        let hint = number("x-ms-retry-after-ms", Duration::from_millis)
            .or_else(|| number("retry-after-ms", Duration::from_millis))
            .or_else(|| number("retry-after", Duration::from_secs))
            .or_else(date)?;
        Some(hint.min(RETRY_AFTER_MAX))
    }

    /// When the other side says that it answered.
    pub(super) fn date(&self) -> Option<Timestamp> {
        http_date(self.header("date")?)
    }

    /// The body, where there is one.
    ///
    /// # Errors
    /// What the JSON parser says.
    pub(super) fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }

    /// The body as a document; `None` where it is empty or none.
    pub(super) fn document(&self) -> Option<Value> {
        self.json().ok().filter(|body: &Value| !body.is_null())
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    let at = azure_core::time::parse_rfc7231(text).ok()?;
    Some(Timestamp::from_millis(at.unix_timestamp().checked_mul(1000)?))
}

/// What an error says in its context where no connection came about.
pub(super) const UNREACHED: &str = "unreached";

/// Sends `request` once through `pipeline`; `operation` names it in errors. `mutates` says whether a lost answer leaves its
/// effect open.
///
/// # Errors
/// `Unavailable` where no answer came.
pub(super) async fn exchange(
    pipeline: &Pipeline,
    mut request: azure_core::http::Request,
    operation: &str,
    mutates: bool,
) -> Result<Answer> {
    let lost = |error: azure_core::Error| {
        let unsent = matches!(error.kind(), azure_core::error::ErrorKind::Connection);
        // An address may carry a signature, and the innermost cause names none.
        let cause = innermost(&error);
        let lost =
            Error::new(ErrorKind::Unavailable, format!("{operation} got no answer")).with_source(cause);
        if unsent {
            lost.with(UNREACHED, "nobody answers there")
        } else if mutates {
            lost.maybe_applied()
        } else {
            lost
        }
    };
    let options = azure_core::http::PipelineStreamOptions { skip_checks: true, ..Default::default() };
    let answer = pipeline.stream(&Context::new(), &mut request, Some(options)).await.map_err(lost)?;
    let (status, headers, mut stream) = AsyncRawResponse::deconstruct(answer);
    let mut body = Vec::new();
    while let Some(part) = stream.next().await {
        body.extend_from_slice(&part.map_err(lost)?);
        if body.len() > ANSWER_BYTES_MAX {
            let message = format!("the answer of {operation} is longer than {ANSWER_BYTES_MAX} bytes");
            let error = Error::new(ErrorKind::Unexpected, message);
            return Err(if mutates { error.maybe_applied() } else { error });
        }
    }
    Ok(Answer { status: u16::from(status), headers, body })
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut given = Headers::new();
        for (name, value) in headers {
            given.insert(*name, (*value).to_owned());
        }
        Answer { status, headers: given, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_hint_to_wait_is_read_in_each_of_its_forms_and_bounded() {
        let now = Timestamp::from_millis(784_111_777_000);
        for (name, text, expected) in [
            ("retry-after", "17", Some(Duration::from_secs(17))),
            ("x-ms-retry-after-ms", "250", Some(Duration::from_millis(250))),
            ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT", Some(Duration::from_secs(30))),
            ("retry-after", "Sun, 06 Nov 1994 08:40:07 GMT", Some(Duration::ZERO)),
            ("retry-after", "999999", Some(RETRY_AFTER_MAX)),
            ("retry-after", "soon", None),
        ] {
            assert_eq!(answer(429, &[(name, text)], "").retry_after(now), expected, "{name}: {text}");
        }
    }
}
