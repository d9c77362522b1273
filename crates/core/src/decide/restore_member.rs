//! One component in a running restore: its job, and the resource the job makes.

use serde::{Deserialize, Serialize};

use super::effect::{Effect, Outcome};
use super::job::{JobEnd, JobRun, JobStep, backoff};
use super::{Tries, Turn, waits};
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
    #[serde(flatten)]
    pub tries: Tries,
    /// How often its resource was found not to be ready yet.
    #[serde(default)]
    pub looks: u32,
    /// What has kept its resource from getting ready and may go away by itself or by somebody's help: the newest of each
    /// kind, the newest of all last. Empty again once it is ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<ErrorRecord>,
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

    /// Why its resource needs a person, and is therefore not thrown away: somebody else may use it already. That holds
    /// whatever later looks meet, until it is ready.
    pub(super) fn needs_attention(&self) -> Option<&ErrorRecord> {
        self.troubles.iter().find(|error| error.kind == ErrorKind::NeedsAttention)
    }

    /// The answer to finishing the resource; an error once it was tried too often. What took hours to restore is not given
    /// up for what somebody can put right: that is said once of each kind, and looked at again for as long as there is time.
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
                self.troubles.clear();
            }
            Ok(_) => {}
            Err(error) if is_lost(error) => {
                if !self.tries.again(&mut self.retry_at, error, now) {
                    // Throwing it away is a step of its own, with tries of its own.
                    self.tries = Tries::default();
                    return Some(error.clone());
                }
            }
            Err(error) => {
                let told = self.troubles.len();
                self.troubles.retain(|before| before.kind != error.kind);
                if self.troubles.len() == told {
                    warnings.push(format!("{} is restored and not ready yet: {error}", self.run.component()));
                }
                self.troubles.push(error.clone());
                self.look_later(now);
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
        self.undone = !self.tries.again(&mut self.retry_at, error, now);
        self.undone.then(|| Issue::new("not-undone", self.run.component().as_str(), error.to_string()))
    }
}

/// Whether an error says that neither waiting nor a person makes the resource ready: it is gone, broken for good, or nothing
/// that can be finished. Whatever else is answered says nothing of what was restored.
fn is_lost(error: &ErrorRecord) -> bool {
    matches!(
        error.kind,
        ErrorKind::Cancelled | ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported
    )
}
