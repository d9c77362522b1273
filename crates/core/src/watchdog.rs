//! The dead-man's switch: lets workspaces go whose hold has lasted too long, with nothing but the workspace at hand.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{FutureExt, join_all};

use crate::catalog::{Catalog, OperationQuery};
use crate::clock::Clock;
use crate::context::OpContext;
use crate::error::Result;
use crate::id::{QuiesceId, WorkspaceId};
use crate::workspace::{HoldInfo, Workspace};

/// How long after a hold's budget whoever took it may still let it go in order.
const GRACE_DEFAULT: Duration = Duration::from_secs(60);
/// How often workspaces are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// So long a catalog is waited for that is to tell whether an operation has ended.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// So many workspaces are looked at together; as many more a moment later.
const BURST: usize = 64;
const BURST_EVERY: Duration = Duration::from_secs(1);

/// What a look at a workspace came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Watched {
    /// Nothing holds it still.
    Free,
    /// It is held still, and may be for now.
    Held(HoldInfo),
    /// It was held still for longer than it should have been, and was let go.
    Released(HoldInfo),
}

/// Lets a workspace go when its hold outlasts its budget.
///
/// It asks the workspace alone ([`Workspace::hold`]): no catalog, lease or provider has to be there, and whoever took
/// the hold may be gone for good. One that has a catalog ([`Watchdog::with_catalog`]) also lets go, at once and again and again, what an
/// operation left held still that has ended. Any number of watchdogs may look after one workspace; letting go twice changes
/// nothing. An orchestrator runs one over the workspaces registered with it; a host may run another anywhere.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use stillpoint_core::memory::MemoryWorkspace;
/// use stillpoint_core::*;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let workspace = MemoryWorkspace::new(Definition::new("ada".parse()?), vec![]);
/// let id = QuiesceId::of(&"op-1".parse()?);
/// workspace.quiesce(&OpContext::background(), &id, &QuiesceOptions::new(Duration::ZERO)).await?;
///
/// let watchdog = Watchdog::new(Arc::new(SystemClock::default())).with_grace(Duration::ZERO);
/// assert!(matches!(watchdog.look(&workspace).await?, Watched::Released(hold) if hold.id == id));
/// assert_eq!(watchdog.look(&workspace).await?, Watched::Free);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Watchdog {
    clock: Arc<dyn Clock>,
    grace: Duration,
    catalog: Option<Arc<dyn Catalog>>,
}

impl Watchdog {
    /// A watchdog that lets go a minute after a hold's budget.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, grace: GRACE_DEFAULT, catalog: None }
    }

    /// The same with another time that whoever took the hold has to let go in order.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The same, which also lets go what an operation of `catalog` left held still: one that has ended, since it was refused
    /// until it gave up. A catalog that does not answer keeps no overdue hold standing.
    #[must_use]
    pub fn with_catalog(mut self, catalog: Arc<dyn Catalog>) -> Self {
        self.catalog = Some(catalog);
        self
    }

    /// Looks at a workspace, and lets it go where its hold has lasted too long.
    ///
    /// # Errors
    /// Whatever looking and letting go can meet; look again.
    pub async fn look(&self, workspace: &dyn Workspace) -> Result<Watched> {
        let cx = OpContext::new(Arc::clone(&self.clock));
        let Some(hold) = workspace.hold(&cx).await? else { return Ok(Watched::Free) };
        let overdue = self.clock.now() >= hold.ends_at().after(self.grace);
        if overdue {
            self.let_go(&cx, workspace, &hold, "held still for too long; let go").await?;
        } else if self.is_left(workspace.id(), &hold).await {
            self.let_go(&cx, workspace, &hold, "held still by what has ended; let go").await?;
        } else {
            return Ok(Watched::Held(hold));
        }
        Ok(Watched::Released(hold))
    }

    /// Whether the catalog says that nobody will let the hold go in order.
    async fn is_left(&self, workspace: &WorkspaceId, hold: &HoldInfo) -> bool {
        let Some(catalog) = &self.catalog else { return false };
        tokio::select! {
            biased;
            left = is_left(catalog.as_ref(), workspace, hold) => left.unwrap_or_else(|error| {
                tracing::debug!(%workspace, %error, "cannot tell whether who holds it still has ended");
                false
            }),
            () = self.clock.sleep(TOLD_WITHIN) => false,
        }
    }

    /// Looks once more; answers the hold that lasts, and when it was first seen. `first` is the answer before.
    async fn look_again(
        &self,
        workspace: &dyn Workspace,
        first: Option<(QuiesceId, Duration)>,
    ) -> Result<Option<(QuiesceId, Duration)>> {
        let Watched::Held(hold) = self.look(workspace).await? else { return Ok(None) };
        let now = self.clock.elapsed();
        let since = first.filter(|(id, _)| *id == hold.id).map_or(now, |(_, since)| since);
        if now.saturating_sub(since) < hold.budget.saturating_add(self.grace) {
            return Ok(Some((hold.id, since)));
        }
        let cx = OpContext::new(Arc::clone(&self.clock));
        self.let_go(&cx, workspace, &hold, "held still for too long; let go").await?;
        Ok(None)
    }

    async fn let_go(
        &self,
        cx: &OpContext,
        workspace: &dyn Workspace,
        hold: &HoldInfo,
        why: &str,
    ) -> Result<()> {
        workspace.resume(cx, &hold.id).await?;
        tracing::warn!(workspace = %workspace.id(), hold = %hold.id, since = %hold.since, "{why}");
        Ok(())
    }

    /// Looks after workspaces for ever, once a minute each. What fails is told in the log and tried again, and one that does
    /// not answer keeps none of the others waiting.
    ///
    /// A hold that was seen for as long as its budget is let go whatever the clock says: it may have been set back.
    pub async fn look_after(&self, workspaces: &[Arc<dyn Workspace>]) -> Infallible {
        let looks = workspaces.iter().enumerate().map(|(place, workspace)| {
            let later = BURST_EVERY.saturating_mul(u32::try_from(place / BURST).unwrap_or(u32::MAX));
            self.look_after_one(workspace.as_ref(), later)
        });
        join_all(looks).await;
        // Nobody to look after.
        std::future::pending().await
    }

    async fn look_after_one(&self, workspace: &dyn Workspace, later: Duration) -> Infallible {
        let mut seen: Option<(QuiesceId, Duration)> = None;
        self.clock.sleep(later).await;
        loop {
            // A host's mistake ends neither this look-out nor those for its other workspaces.
            match AssertUnwindSafe(self.look_again(workspace, seen.clone())).catch_unwind().await {
                Ok(Ok(held)) => seen = held,
                Ok(Err(error)) => {
                    tracing::warn!(workspace = %workspace.id(), %error, "cannot see whether it is held still");
                }
                Err(_panicked) => {
                    tracing::error!(workspace = %workspace.id(), "looking whether it is held still ended in a panic");
                }
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
    }
}

/// Whether the operation that took the hold has ended and no other backup may hold the workspace still, which lets it go
/// before it does so. One that only waits has an hour or a day to go until then.
async fn is_left(catalog: &dyn Catalog, workspace: &WorkspaceId, hold: &HoldInfo) -> Result<bool> {
    let Some(id) = &hold.operation else { return Ok(false) };
    // One that this catalog does not know may be under way in another one.
    if !catalog.operation(id).await?.is_some_and(|stored| stored.operation.state.is_terminal()) {
        return Ok(false);
    }
    let mut query = OperationQuery::unfinished();
    query.workspace = Some(workspace.clone());
    let page = catalog.operations(&query).await?;
    Ok(!page.items.iter().any(|stored| stored.operation.machine.may_hold()))
}
