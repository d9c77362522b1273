//! One component in a running restore: its job, and the resource the job makes.

use serde::{Deserialize, Serialize};

use super::effect::{Effect, Outcome};
use super::job::{JobEnd, JobRun, JobStep, backoff};
use super::{Turn, is_outage, is_spent, waits};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, ErrorRecord};
use crate::provider::{Issue, Readiness, RestoredResource};

/// After so many looks at a resource that is not ready yet the pause between them, four seconds at first, doubles.
const LOOKS_PER_PAUSE: u32 = 8;

/// One component in a running restore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RestoreMember {
    /// Its job.
    pub run: JobRun,
    /// How ready its resource is.
    pub readiness: Option<Readiness>,
    /// Whether its resource was removed again, or could not be.
    pub undone: bool,
    /// Failed tries of the step at hand.
    pub misses: u32,
    /// How often its resource was found not to be ready yet.
    #[serde(default)]
    pub looks: u32,
    /// What kept its resource from getting ready when that was last told, and may go away by itself or by somebody's help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<ErrorRecord>,
    /// Do nothing with the resource before this time.
    pub retry_at: Option<Timestamp>,
}

impl RestoreMember {
    pub(super) fn resource(&self) -> Option<&RestoredResource> {
        self.run.status.as_ref()?.restored.as_ref()
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.readiness, Some(Readiness::Available | Readiness::Initialized))
    }

    /// The resource that its job made and that is not ready yet.
    pub(super) fn unready(&self) -> Option<&RestoredResource> {
        let succeeded = self.run.step == JobStep::Ended(JobEnd::Succeeded);
        self.resource().filter(|_| succeeded && !self.is_ready())
    }

    pub(super) fn fill(&self, now: Timestamp, turn: &mut Turn) {
        if let Some(at) = self.run.wake_at(now) {
            turn.wake(at);
        }
        turn.effects.extend(self.run.due());
        let Some(resource) = self.unready() else { return };
        match waits(self.retry_at, now) {
            Some(at) => turn.wake(at),
            None => turn.effects.push(Effect::FinishRestore(resource.clone())),
        }
    }

    /// Whether its resource needs a person, and is therefore not thrown away: somebody else may use it already.
    pub(super) fn needs_attention(&self) -> bool {
        self.trouble.as_ref().is_some_and(|error| error.kind == ErrorKind::NeedsAttention)
    }

    /// The answer to finishing the resource; an error once it was tried too often. What took hours to restore is not given
    /// up for what somebody can put right: that is said, and looked at again for as long as there is time.
    pub(super) fn on_finished(
        &mut self,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
        warnings: &mut Vec<String>,
    ) -> Option<ErrorRecord> {
        match result {
            Ok(Outcome::Finished(Readiness::Pending)) => self.look_later(now),
            Ok(Outcome::Finished(readiness)) => {
                self.readiness = Some(*readiness);
                self.trouble = None;
            }
            Ok(_) => {}
            Err(error) if can_be_put_right(error) => {
                if self.trouble.as_ref().is_none_or(|before| before.kind != error.kind) {
                    warnings.push(format!("{} is restored and not ready yet: {error}", self.run.component()));
                }
                self.trouble = Some(error.clone());
                self.look_later(now);
            }
            Err(error) => {
                self.misses += 1;
                self.retry_at = Some(now.after(backoff(self.misses)));
                return is_spent(self.misses, error).then(|| error.clone());
            }
        }
        None
    }

    fn look_later(&mut self, now: Timestamp) {
        self.looks = self.looks.saturating_add(1);
        self.retry_at = Some(now.after(backoff(4 + self.looks / LOOKS_PER_PAUSE)));
    }

    /// The answer to discarding the resource; an issue once it was tried too often.
    pub(super) fn on_discarded(
        &mut self,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) -> Option<Issue> {
        let Err(error) = result else {
            self.undone = true;
            return None;
        };
        self.misses += 1;
        self.retry_at = Some(now.after(backoff(self.misses)));
        self.undone = is_spent(self.misses, error);
        self.undone.then(|| Issue::new("not-undone", self.run.component().as_str(), error.to_string()))
    }
}

/// Whether waiting, or a person, can put right what an error tells of.
fn can_be_put_right(error: &ErrorRecord) -> bool {
    is_outage(error)
        || matches!(
            error.kind,
            ErrorKind::Busy
                | ErrorKind::Conflict
                | ErrorKind::InvalidConfig
                | ErrorKind::NeedsAttention
                | ErrorKind::PermissionDenied
                | ErrorKind::QuotaExceeded
                | ErrorKind::Unauthenticated
        )
}
