//! Faults on demand.

use std::time::Duration;

/// What a client meets instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Status 503 with code `SlowDown`; the request is not carried out.
    SlowDown,
    /// Status 500 with code `InternalError`; the request is not carried out.
    InternalError,
    /// Status 403 with code `AccessDenied`; the request is not carried out.
    AccessDenied,
    /// Status 507 with code `InsufficientStorage`, as stores that run full answer; the request is not carried out.
    Full,
    /// Status 200 with a document that answers nothing, as a proxy may give; the request is not carried out.
    Page,
    /// The connection is dropped; the request is not carried out.
    Drop,
    /// The request is carried out and the connection is dropped before the answer.
    DropAnswer,
    /// The request is carried out and never answered; the connection stays.
    HangAnswer,
    /// The request is neither carried out nor answered; the connection stays.
    Hang,
    /// The request is carried out after a further wait.
    Delay(Duration),
}

/// Which requests meet which fault.
#[derive(Debug, Clone)]
pub struct FaultRule {
    pub(super) fault: Fault,
    pub(super) method: Option<String>,
    pub(super) key_part: Option<String>,
    pub(super) spared: Option<String>,
    pub(super) every: u64,
    pub(super) skip: u64,
    pub(super) times: u64,
    pub(super) seen: u64,
}

impl FaultRule {
    /// Every request meets `fault`, until narrowed by the methods below.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            method: None,
            key_part: None,
            spared: None,
            every: 1,
            skip: 0,
            times: u64::MAX,
            seen: 0,
        }
    }

    /// Only requests with this HTTP method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests whose path and query contain `part`.
    #[must_use]
    pub fn key(mut self, part: &str) -> Self {
        self.key_part = Some(part.to_owned());
        self
    }

    /// Not requests whose path and query contain `part`.
    #[must_use]
    pub fn except(mut self, part: &str) -> Self {
        self.spared = Some(part.to_owned());
        self
    }

    /// Only every `n`th of the matching requests.
    #[must_use]
    pub fn every(mut self, n: u64) -> Self {
        self.every = n.max(1);
        self
    }

    /// Lets the first `n` matching requests pass.
    #[must_use]
    pub fn after(mut self, n: u64) -> Self {
        self.skip = n;
        self
    }

    /// Stops after `n` faults.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.times = n;
        self
    }

    /// Counts a request that this rule is about, and says whether the fault falls on it.
    pub(super) fn meets(&mut self, method: &str, target: &str) -> Option<Fault> {
        if self.method.as_deref().is_some_and(|wanted| wanted != method)
            || self.key_part.as_deref().is_some_and(|part| !target.contains(part))
            || self.spared.as_deref().is_some_and(|part| target.contains(part))
        {
            return None;
        }
        self.seen += 1;
        let due =
            self.seen > self.skip && (self.seen - self.skip).is_multiple_of(self.every) && self.times > 0;
        if due {
            self.times -= 1;
        }
        due.then_some(self.fault)
    }
}
