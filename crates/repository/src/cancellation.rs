//! Asking a running operation to stop.

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// A request to stop that any number of holders can make and watch. Clones are the same request.
///
/// An operation that is cancelled ends within about the time of one read or write, leaves only whole objects and whole
/// files behind, and can be taken up again.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    token: CancellationToken,
}

impl Cancellation {
    /// A request nobody has made yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the request; it cannot be taken back.
    pub fn cancel(&self) {
        self.token.cancel();
    }

    /// Whether the request was made.
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until the request is made.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// A request of its own that is also made when this one is.
    pub(crate) fn child(&self) -> Self {
        Self { token: self.token.child_token() }
    }

    /// Makes the request when the answer is dropped, as happens to a future nobody waits for any more.
    pub(crate) fn on_drop(&self) -> impl Drop + use<> {
        self.token.clone().drop_guard()
    }

    /// Fails if the request was made.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled("asked to stop")) } else { Ok(()) }
    }
}
