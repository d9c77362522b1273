//! Trimming: operations that ended long ago and that nothing needs any more leave the catalog, so that it does not grow for ever.

mod needed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::catalog::{Catalog, OperationQuery, PAGE_LIMIT_MAX, StoredOperation, cursor_after};
use crate::clock::{Clock, Timestamp};
use crate::context::Cancellation;
use crate::error::Result;
use crate::id::{OperationId, WorkspaceId};
use crate::operation::Request;
use crate::schedule::ScheduleQuery;

/// No operation leaves the catalog sooner than this after its end: whoever asks again under its id gets its end until then.
const KEPT_FOR_LEAST: Duration = Duration::from_secs(24 * 3600);
/// So many operations are looked at in one round.
const LOOKED_AT: usize = 200;
/// How often a round is made: often enough for ten thousand workspaces with a backup each night, most of which stay catalogued.
const ROUND_EVERY: Duration = Duration::from_secs(60);

/// Which ended operations the catalog keeps: those within a time, and the newest ones of each workspace whatever their age.
/// One that something still needs stays in any case; see [`Trimming`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryKept {
    /// So long after its end; a day at least.
    pub kept_for: Duration,
    /// So many of each workspace; 1000 at most.
    pub newest: usize,
}

impl Default for HistoryKept {
    /// Ninety days, and the newest hundred of each workspace.
    fn default() -> Self {
        Self::new(Duration::from_secs(90 * 24 * 3600), 100)
    }
}

impl HistoryKept {
    /// What ended within `kept_for`, and the `newest` of each workspace.
    pub fn new(kept_for: Duration, newest: usize) -> Self {
        Self { kept_for: kept_for.max(KEPT_FOR_LEAST), newest: newest.min(PAGE_LIMIT_MAX) }
    }
}

/// What one round of [`Trimming`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trimmed {
    /// The operations that left the catalog, each with its ledger.
    pub removed: Vec<OperationId>,
    /// Whether everything that is old enough was looked at; the next round begins anew.
    pub through: bool,
}

/// Removes operations that ended long ago, with their ledgers, a bounded number at a time.
///
/// An operation stays as long as something needs it, whatever its age: while it is among the newest of its workspace, while the
/// backup that it made is catalogued, while a deletion that failed may be repeated, while a schedule names it as its last
/// run, and where it may have left something outside that a person or a reconciliation has to see to. Restores never go: their
/// ids stand for what was to be done once. What is submitted again under the id of an operation that is gone is a new operation.
///
/// Ages count back from the newest operation where that is earlier than the clock says, so that a clock that is ahead
/// removes nothing from a catalog in which nothing happens. Any number of hosts may trim one catalog. Each removal is one step; a process that
/// dies in between leaves the rest to the next round.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use stillpoint_core::*;
/// use stillpoint_core::memory::MemoryCatalog;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
/// let catalog = Arc::new(MemoryCatalog::new());
/// let trimming = Trimming::new(catalog, clock, HistoryKept::new(Duration::from_secs(30 * 86_400), 20));
/// let trimmed = trimming.round().await?;
/// assert!(trimmed.removed.is_empty() && trimmed.through);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Trimming {
    catalog: Arc<dyn Catalog>,
    clock: Arc<dyn Clock>,
    kept: HistoryKept,
    /// Where the next round goes on.
    place: Mutex<Option<String>>,
}

impl Trimming {
    /// Trims `catalog` to what `kept` says, by the time of `clock`.
    pub fn new(catalog: Arc<dyn Catalog>, clock: Arc<dyn Clock>, kept: HistoryKept) -> Self {
        Self { catalog, clock, kept, place: Mutex::default() }
    }

    /// Looks at the next operations that are old enough, and removes those that nothing needs.
    ///
    /// # Errors
    /// Whatever reading and writing the catalog can meet; the next round looks at the same ones again. `Unsupported` where the
    /// catalog removes no operations.
    pub async fn round(&self) -> Result<Trimmed> {
        let before = self.ended_before().await?;
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // What began after the border did not end before it.
        let after = Some(place.unwrap_or_else(|| cursor_after(before, "")));
        let query = OperationQuery { after, limit: LOOKED_AT, ..OperationQuery::all() };
        let page = self.catalog.operations(&query).await?;
        let mut leaving = Vec::new();
        let mut newest = BTreeMap::new();
        for stored in &page.items {
            let old = stored.operation.finished_at.is_some_and(|ended| ended < before);
            // What keeps most of them is asked before what costs whole lists.
            if old
                && needed::is_done_with(&stored.operation)
                && !self.names_a_backup(stored).await?
                && !self.is_among_newest(stored, &mut newest).await?
            {
                leaving.push(stored.operation.id.clone());
            }
        }
        if !leaving.is_empty() {
            let scheduled = self.last_runs().await?;
            leaving.retain(|id| !scheduled.contains(id));
        }
        let removed = match leaving.is_empty() {
            true => Vec::new(),
            false => self.catalog.remove_operations(&leaving).await?,
        };
        let gone = |stored: &&StoredOperation| removed.contains(&stored.operation.id);
        for operation in page.items.iter().filter(gone).map(|stored| &stored.operation) {
            let (kind, state) = (operation.request.kind(), operation.state.as_str());
            tracing::info!(target: "stillpoint::audit", operation = %operation.id, workspace = %operation.workspace, kind, state,
                "the operation ended long ago and has left the catalog");
        }
        let through = page.next.is_none();
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = page.next;
        Ok(Trimmed { removed, through })
    }

    /// Makes rounds until everything that is old enough was looked at; answers what left the catalog. For hosts that run no
    /// task.
    ///
    /// # Errors
    /// As [`Trimming::round`].
    pub async fn all(&self) -> Result<usize> {
        let mut removed = 0;
        loop {
            let trimmed = self.round().await?;
            removed += trimmed.removed.len();
            if trimmed.through {
                return Ok(removed);
            }
        }
    }

    /// Makes a round at once and then every minute until `stop` is raised. What a round meets is told in the log, and the next
    /// one tries again.
    pub async fn run(&self, stop: &Cancellation) {
        while !stop.is_cancelled() {
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "cannot remove operations that ended long ago; the next round tries again");
            }
            tokio::select! {
                () = self.clock.sleep(ROUND_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// What ended before this time may go.
    async fn ended_before(&self) -> Result<Timestamp> {
        let query = OperationQuery { limit: 1, ..OperationQuery::all() };
        let newest = self.catalog.operations(&query).await?.items.pop();
        let now = self.clock.now();
        let now = newest.map_or(now, |stored| now.min(stored.operation.started_at));
        Ok(now.before(self.kept.kept_for))
    }

    /// The runs that schedules name as their last ones.
    async fn last_runs(&self) -> Result<BTreeSet<OperationId>> {
        let (mut query, mut runs) = (ScheduleQuery::all(), BTreeSet::new());
        loop {
            let page = self.catalog.schedules(&query).await?;
            runs.extend(page.items.into_iter().filter_map(|stored| Some(stored.record.last?.operation)));
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(runs),
            }
        }
    }

    /// Whether it is among the newest of its workspace. `known` holds the oldest of these of each workspace that was asked for,
    /// and nothing where there are no others.
    async fn is_among_newest(
        &self,
        stored: &StoredOperation,
        known: &mut BTreeMap<WorkspaceId, Option<(Timestamp, OperationId)>>,
    ) -> Result<bool> {
        let operation = &stored.operation;
        if self.kept.newest == 0 {
            return Ok(false);
        }
        if !known.contains_key(&operation.workspace) {
            let workspace = Some(operation.workspace.clone());
            let query = OperationQuery { workspace, limit: self.kept.newest, ..OperationQuery::all() };
            let page = self.catalog.operations(&query).await?;
            let last = page.items.last().filter(|_| page.next.is_some());
            let oldest = last.map(|last| (last.operation.started_at, last.operation.id.clone()));
            known.insert(operation.workspace.clone(), oldest);
        }
        let oldest = known.get(&operation.workspace).and_then(Option::as_ref);
        let place = (operation.started_at, &operation.id);
        Ok(oldest.is_none_or(|(time, id)| place >= (*time, id)))
    }

    /// Whether a backup that it is to answer for is catalogued still. Verifications wrote what they found into theirs.
    async fn names_a_backup(&self, stored: &StoredOperation) -> Result<bool> {
        let operation = &stored.operation;
        let answers = !matches!(operation.request, Request::Verify(_));
        match operation.backup.as_ref().filter(|_| answers) {
            Some(backup) => Ok(self.catalog.backup(backup).await?.is_some()),
            None => Ok(false),
        }
    }
}
