//! A bounded number of calls at a time and a second, shared fairly between operations.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::around::{Call, ProviderLayer};
use super::fair::{FairQueue, Place};
use crate::clock::Timestamp;
use crate::context::OpContext;
use crate::error::Result;
use crate::id::OperationId;
use crate::provider::Provider;

/// How many calls a provider gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallLimits {
    /// At a time; `None` for any number.
    pub at_once: Option<usize>,
    /// A second; `None` for any number.
    pub per_second: Option<u32>,
}

impl CallLimits {
    /// `at_once` at a time and `per_second` a second; `None` for any number.
    pub fn new(at_once: Option<usize>, per_second: Option<u32>) -> Self {
        Self { at_once, per_second }
    }
}

/// A provider that is called by a bounded number of callers at a time, and so often a second.
///
/// Operations take turns: one with many components does not keep another one waiting. Calls outside an operation are
/// one party among them. What is read from a snapshot once it is open is not counted. A call that no longer waits loses its turn and nothing else.
pub struct Limited {
    inner: Arc<dyn Provider>,
    places: Option<FairQueue>,
    pace: Option<Pace>,
}

impl fmt::Debug for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Spaces calls evenly.
#[derive(Debug)]
struct Pace {
    apart: Duration,
    next: Mutex<Timestamp>,
}

impl Pace {
    async fn wait(&self, cx: &OpContext) {
        let now = cx.clock().now();
        let mine = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = (*next).max(now);
            *next = mine.after(self.apart);
            mine
        };
        if mine > now {
            cx.clock().sleep(mine.since(now)).await;
        }
    }
}

impl Limited {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn Provider>, limits: CallLimits) -> Self {
        let pace = limits.per_second.filter(|rate| *rate > 0).map(|rate| Pace {
            // Timestamps count milliseconds, and no call may come too early.
            apart: Duration::from_millis(1000u64.div_ceil(u64::from(rate))),
            next: Mutex::new(Timestamp::from_millis(0)),
        });
        Self { inner, places: limits.at_once.map(FairQueue::new), pace }
    }

    async fn enter(&self, cx: &OpContext) -> Result<Option<Place>> {
        let place = match &self.places {
            Some(places) => Some(places.enter(cx.operation().map_or("", OperationId::as_str)).await?),
            None => None,
        };
        if let Some(pace) = &self.pace {
            pace.wait(cx).await;
        }
        Ok(place)
    }
}

impl ProviderLayer for Limited {
    fn inner(&self) -> &dyn Provider {
        &*self.inner
    }

    async fn around<T: Send, F: Future<Output = Result<T>> + Send>(
        &self,
        cx: &OpContext,
        _call: Call,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<T> {
        let _place = self.enter(cx).await?;
        attempt().await
    }
}
