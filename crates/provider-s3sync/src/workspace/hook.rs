//! Holding a directory's writers still: the host's part.

use std::fmt::Debug;

use async_trait::async_trait;
use stillpoint_core::{Consistency, HoldInfo, OpContext, QuiesceId, QuiesceOptions, Result};

/// Stops and starts whatever writes into a directory.
///
/// What [`Workspace::quiesce`](stillpoint_core::Workspace::quiesce) and
/// [`resume`](stillpoint_core::Workspace::resume) owe, this owes: it stores the id and the prior state where any
/// process finds them, and answers the same when it is called again after a crash.
#[async_trait]
pub trait QuiesceHook: Debug + Send + Sync + 'static {
    /// Holds the writers still and answers what consistency that gives while it lasts.
    ///
    /// # Errors
    /// `Busy` while another id holds them.
    async fn quiesce(&self, cx: &OpContext, id: &QuiesceId, options: &QuiesceOptions) -> Result<Consistency>;

    /// Lets the writers go; where `id` holds nothing, it is a success that changes nothing.
    ///
    /// # Errors
    /// `NeedsAttention` where the prior state cannot be brought back.
    async fn resume(&self, cx: &OpContext, id: &QuiesceId) -> Result<()>;

    /// Who holds the writers still, read back from where it was stored; see
    /// [`Workspace::hold`](stillpoint_core::Workspace::hold).
    ///
    /// # Errors
    /// Whatever reading it can meet.
    async fn hold(&self, cx: &OpContext) -> Result<Option<HoldInfo>>;
}
