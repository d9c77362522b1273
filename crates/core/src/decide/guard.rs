//! Guarding sources: protective tags stand on each of them before anything else is done to it, and go once its job has
//! ended for good, however that was.

use serde::{Deserialize, Serialize};

use super::backup::BackupMachine;
use super::effect::{Effect, Outcome};
use super::hold::Hold;
use super::member::Member;
use super::{OUTAGE_TRIES_MAX, Tries, Turn, waits};
use crate::clock::Timestamp;
use crate::error::ErrorRecord;
use crate::operation::OperationRecord;
use crate::provider::{JobRequest, Tags};

/// How often a guard is tried to be written while the other side cannot be reached: some five minutes, in which nothing is
/// held still yet.
const OUTAGE_WRITES_MAX: u32 = 16;

/// The guard of one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Guard {
    /// Where it stands.
    pub step: GuardStep,
    /// Failed tries of the step at hand.
    #[serde(flatten)]
    pub tries: Tries,
    /// Do nothing with it before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
}

/// Where the guard of a source stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GuardStep {
    /// None was asked for.
    #[default]
    None,
    /// It is being written. Its answer is heard out also when nothing needs it any more: what is removed before it is written
    /// would stay.
    Writing,
    /// It was written, or given up and may stand nevertheless.
    Standing,
    /// It is being removed.
    Removing,
    /// It is gone.
    Removed,
    /// It could not be removed, so a person or a reconciliation has to.
    Left,
}

impl Guard {
    /// A guard that is to be written before anything else is done.
    pub(super) fn due() -> Self {
        Self { step: GuardStep::Writing, ..Self::default() }
    }

    pub(super) fn is_none(&self) -> bool {
        self.step == GuardStep::None
    }

    /// Whether nothing is to be done about it any more.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.step, GuardStep::None | GuardStep::Removed | GuardStep::Left)
    }

    fn enter(&mut self, step: GuardStep) {
        *self = Self { step, ..Self::default() };
    }

    /// Counts a try that failed; answers whether it is tried again, where so many outages are the most.
    fn missed(&mut self, outages_max: u32, error: &ErrorRecord, now: Timestamp) -> bool {
        self.tries.again_within(outages_max, &mut self.retry_at, error, now)
    }
}

impl Member {
    /// After a takeover nothing is under way: what was begun is looked for or done again, if it is still needed.
    pub(super) fn recover(&mut self) {
        self.run.recover();
        let step = match self.guard.step {
            GuardStep::Writing if self.run.has_ended() => GuardStep::Removing,
            step => step,
        };
        self.guard.enter(step);
    }

    /// The guard follows the job: what is no longer needed is to be removed.
    fn follow_with_guard(&mut self, now: Timestamp) {
        let unneeded = self.run.has_ended() && !self.is_in_doubt();
        // A write that waits to be tried again is not under way.
        let at_rest = self.guard.step == GuardStep::Standing
            || self.guard.step == GuardStep::Writing && waits(self.guard.retry_at, now).is_some();
        if unneeded && at_rest {
            self.guard.enter(GuardStep::Removing);
        }
    }

    /// The call that its guard waits for.
    pub(super) fn collect_guard(&self, tags: &Tags, now: Timestamp, turn: &mut Turn) {
        let JobRequest::Backup(job) = &self.run.request else { return };
        let (component, operation) = (Box::new(job.component.clone()), job.key.operation().clone());
        let effect = match self.guard.step {
            GuardStep::Writing => Effect::Guard { component, operation, tags: tags.clone() },
            GuardStep::Removing => Effect::Unguard { component, operation },
            _ => return,
        };
        match waits(self.guard.retry_at, now) {
            Some(at) => turn.wake(at),
            None => turn.effects.push(effect),
        }
    }

    pub(super) fn on_guarded(
        &mut self,
        record: &mut OperationRecord,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        if self.guard.step != GuardStep::Writing {
            return;
        }
        let id = self.run.component();
        let said = match result {
            Ok(Outcome::Guarded(kept)) if !kept.is_empty() => {
                let kept: Vec<_> = kept.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                Some(format!(
                    "the source of {id} has protective tags with other values, which stay: {}",
                    kept.join(", ")
                ))
            }
            Ok(_) => None,
            Err(error) => {
                if self.guard.missed(OUTAGE_WRITES_MAX, error, now) {
                    return;
                }
                Some(format!(
                    "the source of {id} is captured without all its protective tags, so look that nobody collects it: {error}"
                ))
            }
        };
        // Whoever takes over may find once more what was found before.
        record.warnings.extend(said.filter(|said| !record.warnings.contains(said)));
        self.guard.enter(GuardStep::Standing);
    }

    pub(super) fn on_unguarded(
        &mut self,
        record: &mut OperationRecord,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        if self.guard.step != GuardStep::Removing {
            return;
        }
        let Err(error) = result else { return self.guard.enter(GuardStep::Removed) };
        if !self.guard.missed(OUTAGE_TRIES_MAX, error, now) {
            record.warnings.push(format!(
                "the protective tags on the source of {} could not be removed; reconcile, or remove those that its tags \
                 {} name: {error}",
                self.run.component(),
                crate::guard::GUARD_TAG,
            ));
            self.guard.enter(GuardStep::Left);
        }
    }
}

impl BackupMachine {
    /// Removes guards that nothing needs, and holds the workspace still once each is written or given up.
    pub(super) fn follow_guards(&mut self, now: Timestamp) {
        self.members.iter_mut().for_each(|member| member.follow_with_guard(now));
        let begins = self.hold == Hold::Free && self.plan.is_some() && self.stopping.is_none();
        if begins && !self.is_guarding() {
            self.hold = Hold::Quiescing;
            self.quiesce_unanswered = true;
        }
    }

    /// Whether a guard is being written.
    pub(super) fn is_guarding(&self) -> bool {
        self.members.iter().any(|member| member.guard.step == GuardStep::Writing)
    }
}
