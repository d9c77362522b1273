//! One component in a running backup: its job, and what becomes of the snapshot the job makes.

use serde::{Deserialize, Serialize};

use super::effect::{Effect, FOREIGN, Outcome};
use super::guard::{Guard, GuardStep};
use super::job::{JobEnd, JobRun, JobStep, backoff};
use super::{TRIES_MAX, Tries, Turn, waits};
use crate::clock::Timestamp;
use crate::error::ErrorRecord;
use crate::provider::{DeleteState, Issue};
use crate::snapshot::{Depth, SnapshotRef};

/// One component in a running backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// Its job.
    pub run: JobRun,
    /// What protects its source meanwhile.
    #[serde(default, skip_serializing_if = "Guard::is_none")]
    pub guard: Guard,
    /// Whether its content was captured only after the workspace was let go.
    pub late: bool,
    /// What became of its snapshot after the job ended.
    pub proof: Proof,
    /// What went wrong beyond what the job reports.
    pub issues: Vec<Issue>,
    /// Failed tries of the step at hand.
    #[serde(flatten)]
    pub tries: Tries,
    /// Do nothing with the snapshot before this time.
    pub retry_at: Option<Timestamp>,
}

/// What is known of a member's snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Proof {
    /// Not looked at yet.
    Open,
    /// Verified to this depth.
    Verified(Depth),
    /// Verification found damage, or could not be done.
    Doubtful,
    /// Deleted again, because the operation was cancelled.
    Discarded,
    /// The operation was cancelled but the snapshot could not be deleted.
    Kept,
}

impl Member {
    pub(crate) fn new(run: JobRun) -> Self {
        let guard = Guard::default();
        Self {
            run,
            guard,
            late: false,
            proof: Proof::Open,
            issues: Vec::new(),
            tries: Tries::default(),
            retry_at: None,
        }
    }

    /// The snapshot, once the job ended with one.
    pub fn snapshot(&self) -> Option<&SnapshotRef> {
        match self.run.step {
            JobStep::Ended(JobEnd::Succeeded) => self.run.status.as_ref()?.snapshot.as_ref(),
            _ => None,
        }
    }

    /// What our job left although it has no result.
    fn remains(&self) -> Option<&SnapshotRef> {
        match self.run.step {
            JobStep::Ended(JobEnd::Cancelled | JobEnd::Failed(_)) if !self.run.unproven => {
                self.run.status.as_ref()?.snapshot.as_ref()
            }
            _ => None,
        }
    }

    /// Whether something of it may be outside that no backup names, so that somebody has to see to it. `sealed` says whether
    /// there is a backup that names what it captured.
    pub(super) fn may_have_left(&self, sealed: bool) -> bool {
        let made = self.run.status.as_ref().and_then(|status| status.snapshot.as_ref());
        let named = sealed && self.snapshot().is_some();
        let unnamed = made.is_some() && !named && self.proof != Proof::Discarded;
        unnamed || self.guard.step == GuardStep::Left || self.proof == Proof::Kept || self.run.may_be_lost()
    }

    /// The snapshot that something is still to be done with once the job ended; `undone` where the operation is.
    fn left(&self, undone: bool) -> Option<&SnapshotRef> {
        self.snapshot().or_else(|| self.remains().filter(|_| undone))
    }

    /// Whether its job has ended and nothing is to be done any more about what that made.
    pub(super) fn is_judged(&self, undone: bool) -> bool {
        self.run.has_ended() && (self.proof != Proof::Open || self.left(undone).is_none())
    }

    /// The same, and nothing protects its source any more.
    pub(super) fn is_settled(&self, undone: bool) -> bool {
        self.is_judged(undone) && self.guard.is_settled()
    }

    /// Whether the job that ended may yet turn out to be somebody else's, while ours still runs.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.run.unproven && self.proof == Proof::Open && self.snapshot().is_some()
    }

    /// The operation was cancelled: a snapshot that was already judged is to be deleted as well.
    pub(super) fn undo(&mut self) {
        if matches!(self.proof, Proof::Verified(_) | Proof::Doubtful) {
            self.proof = Proof::Open;
            self.tries = Tries::default();
            self.retry_at = None;
        }
    }

    pub(super) fn collect_due(&self, cancelled: bool, now: Timestamp, turn: &mut Turn) {
        if let Some(at) = self.run.wake_at(now) {
            turn.wake(at);
        }
        turn.effects.extend(self.run.due());
        let Some(snapshot) = self.left(cancelled).filter(|_| self.proof == Proof::Open) else {
            return;
        };
        if let Some(at) = waits(self.retry_at, now) {
            turn.wake(at);
            return;
        }
        let component = self.run.component().clone();
        let snapshot = snapshot.clone();
        // What is not proven to be ours is looked at before it is deleted.
        turn.effects.push(if cancelled && !self.run.unproven {
            Effect::DeleteSnapshot { component, snapshot }
        } else {
            let made_by = self.run.request.key().operation().clone();
            Effect::Verify { component, snapshot, depth: Depth::Sized, made_by }
        });
    }

    pub(super) fn on_verified(&mut self, result: &Result<Outcome, ErrorRecord>, now: Timestamp) {
        if self.proof != Proof::Open {
            return;
        }
        match result {
            Ok(Outcome::Verified(verification)) if verification.problems.iter().any(is_foreign) => {
                self.run.disown();
            }
            // Now that it is proven it is judged like any other one.
            Ok(Outcome::Verified(_)) if self.run.unproven => self.run.unproven = false,
            Ok(Outcome::Verified(verification)) if verification.is_good() => {
                self.proof = Proof::Verified(verification.depth);
            }
            Ok(Outcome::Verified(verification)) => {
                self.proof = Proof::Doubtful;
                self.issues.extend(verification.problems.iter().cloned());
            }
            Ok(_) => {}
            Err(error) => {
                if !self.tries.again(&mut self.retry_at, error, now) {
                    self.proof = Proof::Doubtful;
                    self.issues.push(self.issue("unverified", error.to_string()));
                }
            }
        }
    }

    pub(super) fn on_discarded(&mut self, result: &Result<Outcome, ErrorRecord>, now: Timestamp) {
        if self.proof != Proof::Open {
            return;
        }
        let kept = match result {
            Ok(Outcome::Deleted(DeleteState::Gone)) => {
                self.proof = Proof::Discarded;
                return;
            }
            Ok(Outcome::Deleted(DeleteState::Locked { reason, .. } | DeleteState::Stuck { reason })) => {
                Some(reason.clone())
            }
            Ok(_) => {
                self.tries.misses += 1;
                self.retry_at = Some(now.after(backoff(self.tries.misses)));
                (self.tries.misses >= TRIES_MAX).then(|| "it is still being deleted".to_owned())
            }
            Err(error) => {
                let again = self.tries.again(&mut self.retry_at, error, now);
                (!again).then(|| error.to_string())
            }
        };
        if let Some(reason) = kept {
            self.proof = Proof::Kept;
            self.issues.push(
                self.issue("not-undone", format!("the snapshot of the cancelled backup remains: {reason}")),
            );
        }
    }

    fn issue(&self, kind: &str, message: String) -> Issue {
        Issue::new(kind, self.run.component().as_str(), message)
    }
}

fn is_foreign(problem: &Issue) -> bool {
    problem.kind == FOREIGN
}
