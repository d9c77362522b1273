//! How many operations are at work at a time, in all and at each provider.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::error::Result;
use crate::id::{ProviderId, WorkspaceId};
use crate::layer::{FairQueue, Place};
use crate::operation::OperationRecord;

/// How many operations one orchestrator has at work at a time.
///
/// An operation waits for its place before it holds its workspace still or makes anything, first come first served;
/// those that wait take no place, nor does one that is past its deadline, that waits for a person once its jobs have ended, or whose
/// services run between two holds: it waits for a place before the next one. One
/// that is taken over is under way already: it counts but does not wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationLimits {
    /// In all; `None` for any number.
    pub all: Option<usize>,
    /// With jobs at one provider; `None` for any number.
    pub per_provider: Option<usize>,
}

impl OperationLimits {
    /// `all` at a time, and `per_provider` at each provider; `None` for any number.
    pub fn new(all: Option<usize>, per_provider: Option<usize>) -> Self {
        Self { all, per_provider }
    }
}

/// The places for operations.
#[derive(Debug, Default)]
pub(super) struct Admission {
    all: Option<FairQueue>,
    per_provider: Option<usize>,
    providers: Mutex<BTreeMap<ProviderId, FairQueue>>,
}

impl Admission {
    pub(super) fn new(limits: OperationLimits) -> Self {
        Self {
            all: limits.all.map(FairQueue::new),
            per_provider: limits.per_provider,
            providers: Mutex::default(),
        }
    }

    /// The queues that an operation passes, always in the same order, so that no two wait for each other.
    fn queues(&self, providers: &BTreeSet<ProviderId>) -> Vec<FairQueue> {
        let mut queues = Vec::new();
        if let Some(places) = self.per_provider {
            let mut known = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
            queues.extend(
                providers
                    .iter()
                    .map(|id| known.entry(id.clone()).or_insert_with(|| FairQueue::new(places)).clone()),
            );
        }
        queues.extend(self.all.clone());
        queues
    }

    /// Waits for a place at each of these providers and among all.
    pub(super) async fn enter(
        &self,
        workspace: &WorkspaceId,
        providers: &BTreeSet<ProviderId>,
    ) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        for queue in self.queues(providers) {
            places.push(queue.enter(workspace.as_str()).await?);
        }
        Ok(places)
    }

    /// Takes the places of an operation that is under way already.
    pub(super) fn enter_at_once(&self, record: &OperationRecord) -> Vec<Place> {
        let runs = record.machine.runs();
        if runs.is_empty() {
            return Vec::new();
        }
        let providers = runs.into_iter().map(|run| run.request.provider().clone());
        self.queues(&providers.collect()).iter().map(FairQueue::enter_at_once).collect()
    }
}
