//! Long-running operations of Azure Resource Manager.
//!
//! An operation that goes on after its answer names up to two addresses to ask: `Azure-AsyncOperation`, which tells a state,
//! and `Location`, which tells the result. Or none, and the resource's own `provisioningState` tells.
//! Source: <https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_core::{Error, ErrorKind, Result};
use url::Url;

use super::Connection;
use super::answer::Answer;
use super::call::Message;
use super::endpoint;
use super::refusal::{refusal, told};

/// The longest address that is kept; Azure's may have more than four kilobytes.
const URL_BYTES_MAX: usize = 32 << 10;

/// The longest address that is shown to people.
const ADDRESS_BYTES_MAX: usize = 1 << 10;
const VERSION: &str = "api-version";

/// What an answer to a PUT, PATCH or DELETE says of the operation that it began.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    /// Where to ask how it goes on; nothing where it is done, or only the resource itself tells.
    pub(crate) poll: Option<Poll>,
}

/// An address that tells of one operation. It must be repeated to the letter, and may be forgotten by Azure at any time:
/// what it stood for is then read from the resource itself, by its name.
/// `Debug` does not show it: it carries a signature.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Poll {
    kind: PollKind,
    url: String,
}

impl Poll {
    /// Its address for people: without its query, which holds a signature, but for the version that it must name.
    pub(crate) fn address(&self) -> Option<String> {
        let mut url = Url::parse(&self.url).ok()?;
        let version =
            url.query_pairs().find(|(name, _)| name == VERSION).map(|(_, value)| value.into_owned());
        url.set_query(None);
        url.set_fragment(None);
        if let Some(version) = version {
            url.query_pairs_mut().append_pair(VERSION, &version);
        }
        Some(url.into()).filter(|text: &String| text.len() <= ADDRESS_BYTES_MAX)
    }
}

impl fmt::Debug for Poll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poll").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PollKind {
    AsyncOperation,
    Location,
}

/// How an operation goes.
#[derive(Debug)]
pub(crate) enum Polled {
    /// Not ended. A word nobody knows is no end.
    Running {
        /// How soon to ask again.
        retry_after: Option<Duration>,
    },
    /// Done.
    Succeeded,
    /// Ended without its work done.
    Failed(Error),
    /// Azure no longer knows the address. That says nothing of the operation.
    Lost,
}

impl Begun {
    pub(super) fn of(answer: &Answer, arm: &Url) -> Self {
        let found = |kind, name| {
            let url = answer.header(name)?;
            let known = Url::parse(url).is_ok_and(|url| endpoint::is_within(arm, &url));
            // Our token goes nowhere else; the resource's own state tells the same.
            (known && url.len() <= URL_BYTES_MAX).then(|| Poll { kind, url: url.to_owned() })
        };
        let poll = found(PollKind::AsyncOperation, "azure-asyncoperation");
        Self { poll: poll.or_else(|| found(PollKind::Location, "location")) }
    }
}

impl Connection {
    /// Asks how the operation at `poll` goes, which was begun by `action`.
    ///
    /// # Errors
    /// Whatever asking can meet; what the operation itself met is [`Polled::Failed`].
    pub(crate) async fn poll(&self, action: &str, poll: &Poll) -> Result<Polled> {
        Ok(self.poll_result(action, poll).await?.0)
    }

    /// The same with what an address tells beside it: of an operation that began a job, which one.
    ///
    /// # Errors
    /// Those of [`Connection::poll`].
    pub(crate) async fn poll_result(&self, action: &str, poll: &Poll) -> Result<(Polled, Value)> {
        let url = Url::parse(&poll.url).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "an operation's address is none").with_source(error)
        })?;
        let answer = self.answer(&Message::get(action, url)).await?;
        let wait = answer.retry_after(self.now());
        let refused = || refusal(answer.status, &answer.body, wait, action);
        let polled = match (answer.status, poll.kind) {
            (404 | 410, _) => Polled::Lost,
            // These say nothing of the operation, only that it could not be asked about.
            (401 | 403 | 408 | 429 | 500.., _) => return Err(refused()),
            (202, PollKind::Location) => Polled::Running { retry_after: wait },
            (200..=299, PollKind::Location) => Polled::Succeeded,
            (200..=299, PollKind::AsyncOperation) => state_of(&answer, wait, action),
            _ => Polled::Failed(refused()),
        };
        Ok((polled, answer.document().unwrap_or_default()))
    }
}

fn state_of(answer: &Answer, wait: Option<Duration>, action: &str) -> Polled {
    let running = Polled::Running { retry_after: wait };
    let Some(body) = answer.document() else { return running };
    let word = body.get("status").and_then(Value::as_str).unwrap_or_default();
    match word.to_ascii_lowercase().as_str() {
        "succeeded" => Polled::Succeeded,
        "failed" | "canceled" | "cancelled" => {
            let error = body.get("error").filter(|error| !error.is_null()).cloned();
            let error = error.unwrap_or_else(|| json!({"code": word, "message": "no reason was given"}));
            // The answer came well; what it tells has no status of its own.
            Polled::Failed(told(0, &error, None, action))
        }
        _ => running,
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::tests::answer;
    use super::*;

    const ASYNC: &str = "https://management.azure.com/op/1?t=%2F&c=x";

    fn begun(status: u16, headers: &[(&'static str, &str)]) -> Option<Poll> {
        let arm = "https://management.azure.com".parse().unwrap();
        Begun::of(&answer(status, headers, ""), &arm).poll
    }

    #[test]
    fn the_address_that_tells_a_state_counts_more_than_the_one_that_tells_a_result() {
        let location = ("location", "https://management.azure.com/result/1");
        let both = begun(202, &[("azure-asyncoperation", ASYNC), location]);
        assert_eq!(both, Some(Poll { kind: PollKind::AsyncOperation, url: ASYNC.to_owned() }));
        assert_eq!(begun(202, &[location]).map(|poll| poll.kind), Some(PollKind::Location));
        assert_eq!(begun(200, &[]), None);
        assert!(!format!("{both:?}").contains("t=%2F"), "{both:?}");
    }

    #[test]
    fn an_address_elsewhere_or_without_end_is_not_kept() {
        assert_eq!(begun(202, &[("location", "https://evil.example.com/x")]), None);
        let long = format!("{ASYNC}{}", "x".repeat(5000));
        assert!(begun(202, &[("location", &long)]).is_some());
        let endless = format!("{ASYNC}{}", "x".repeat(URL_BYTES_MAX));
        assert!(begun(202, &[("location", &endless)]).is_none());
    }

    #[test]
    fn what_is_shown_of_an_address_proves_nothing() {
        let of = |url: &str| begun(202, &[("location", url)]).unwrap().address();
        let plain = "https://management.azure.com/operations/1?api-version=2025-01-02";
        assert_eq!(of(&format!("{plain}&t=1&c=cert&s=sig&h=hash#x")).as_deref(), Some(plain));
        assert_eq!(of(ASYNC).as_deref(), Some("https://management.azure.com/op/1"));
        assert_eq!(of(&format!("https://management.azure.com/{}", "x".repeat(2000))), None);
    }

    #[test]
    fn only_the_words_that_are_an_end_end_an_operation() {
        let state = |body: Value| state_of(&answer(200, &[], &body.to_string()), None, "a");
        assert!(matches!(state(json!({"status": "SUCCEEDED"})), Polled::Succeeded));
        for word in ["InProgress", "Hibernating", "", "Canceling"] {
            assert!(matches!(state(json!({"status": word})), Polled::Running { .. }), "{word}");
        }
        assert!(matches!(state(json!({})), Polled::Running { .. }));
        let failed = state(json!({"status": "Failed", "error": {"code": "QuotaExceeded", "message": "m"}}));
        let Polled::Failed(error) = failed else { panic!("{failed:?}") };
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
        let canceled = state(json!({"status": "Canceled", "error": null}));
        let Polled::Failed(error) = canceled else { panic!("{canceled:?}") };
        assert!(error.to_string().contains("Canceled: no reason"), "{error}");
    }
}
