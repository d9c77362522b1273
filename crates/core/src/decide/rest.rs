//! Rests: a workspace that was held still for nothing is let go for a while, and held still again before the next try.
//!
//! It is so where no job could begin, because the other side refused each start or left what it accepted in its queue, and
//! where the workspace itself asked to be held still later. Once a job has begun, the hold lasts until it is done.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backup::BackupMachine;
use super::effect::{Effect, Outcome};
use super::hold::Hold;
use super::job::{JobEnd, JobRun, JobStep};
use super::member::Member;
use super::{Turn, WAIT, deadline_error};
use crate::clock::Timestamp;
use crate::error::ErrorRecord;
use crate::operation::{OnDeadline, OperationRecord};
use crate::provider::JobState;
use crate::schedule::in_words;

/// How long a workspace is held still while starts are refused.
const REFUSED_MAX: Duration = Duration::from_secs(5 * 60);
/// How long it is held still for a job that was accepted and waits to begin.
const QUEUED_MAX: Duration = Duration::from_secs(15 * 60);
/// How long the answer to a start under way is waited for after that.
const ANSWER_MAX: Duration = Duration::from_secs(2 * 60);
/// The rests of a backup whose jobs do not begin; after them it goes on with the services running.
const RESTS: [Duration; 3] =
    [Duration::from_secs(15 * 60), Duration::from_secs(30 * 60), Duration::from_secs(60 * 60)];
/// The first rest after the workspace asked for one, doubled by each that follows.
const PUT_OFF: Duration = Duration::from_secs(5);
/// The longest of those.
const PUT_OFF_MAX: Duration = Duration::from_secs(5 * 60);

/// When and why a workspace is held still once more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Rest {
    /// It is held still again then; none while it is not resting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How often it was let go because no job began.
    pub idle: u32,
    /// How often in a row the workspace asked to be held still later.
    pub put_off: u32,
    /// What it answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<ErrorRecord>,
    /// The workspace itself answered that it holds nothing still: no service waits for a job, so there is nothing to rest from.
    pub needless: bool,
}

impl Rest {
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What a hold comes to under which no job begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idle {
    /// The workspace is let go for so long.
    Rest(Duration),
    /// A start is under way, whose answer is heard first.
    Unanswered,
    /// Nothing is gained by another hold.
    GoesOn,
}

/// What to do about jobs that all wait in vain, the last of them since `overdue`, after `rests`, with `left` until the
/// deadline and `budget` for all holds to come.
fn idle(runs: &[&JobRun], rests: u32, overdue: Duration, left: Duration, budget: Duration) -> Idle {
    let rest = usize::try_from(rests).ok().and_then(|rests| RESTS.get(rests).copied());
    let Some(rest) = rest.filter(|rest| left > rest.saturating_add(REFUSED_MAX)) else { return Idle::GoesOn };
    // A hold that ends before a job has had its time to begin is worth nothing.
    if runs.iter().any(|run| !run.has_ended() && budget <= run.vain_after()) {
        return Idle::GoesOn;
    }
    let is_starting = |run: &&JobRun| run.step == JobStep::Starting;
    let without_result =
        |run: &JobRun| matches!(run.step, JobStep::Ended(JobEnd::Failed(_) | JobEnd::Cancelled));
    let untouched = |run: &&JobRun| run.has_not_begun() || is_starting(run) || without_result(run);
    if !runs.iter().all(untouched) || runs.iter().all(|run| run.has_ended()) {
        Idle::GoesOn
    } else if !runs.iter().any(is_starting) {
        Idle::Rest(rest)
    } else if overdue < ANSWER_MAX {
        Idle::Unanswered
    } else {
        Idle::GoesOn
    }
}

impl JobRun {
    /// Whether nothing of it is captured yet, for sure: it waits for its turn, here or outside.
    fn has_not_begun(&self) -> bool {
        matches!(self.step, JobStep::Pending | JobStep::Waiting { .. }) || self.is_queued()
    }

    fn is_queued(&self) -> bool {
        matches!(self.step, JobStep::Running { .. })
            && self.status.as_ref().is_some_and(|status| status.state == JobState::Queued)
    }

    /// Whether it was seen at work, or has ended with a result.
    fn has_begun(&self) -> bool {
        match &self.step {
            JobStep::Running { .. } | JobStep::Stopping { .. } => self.status.is_some() && !self.is_queued(),
            JobStep::Ended(end) => *end == JobEnd::Succeeded,
            _ => false,
        }
    }

    /// Until when a workspace is held still for it while it does not begin.
    fn in_vain_from(&self) -> Option<Timestamp> {
        Some(self.idle_since?.after(self.vain_after()))
    }

    fn vain_after(&self) -> Duration {
        if self.is_queued() { QUEUED_MAX } else { REFUSED_MAX }
    }

    /// Whether it has waited to begin for longer than a workspace is held still for that.
    pub(super) fn waits_in_vain(&self, now: Timestamp) -> bool {
        self.in_vain_from().is_some_and(|from| from <= now)
    }

    /// Takes back what has not begun, so that the next hold begins it.
    fn withdraw(&mut self) {
        if matches!(self.step, JobStep::Waiting { .. }) {
            self.step = JobStep::Pending;
            self.misses = 0;
        }
    }
}

impl BackupMachine {
    /// Whether the workspace is let go, or about to be, to be held still again.
    pub(super) fn rests(&self) -> bool {
        self.rest.until.is_some()
    }

    /// The workspace refused to be held still: whether it is asked again later. Until then it is let go, since it may have
    /// stopped in part.
    pub(super) fn put_off(
        &mut self,
        record: &mut OperationRecord,
        error: &ErrorRecord,
        now: Timestamp,
    ) -> bool {
        if !super::is_outage(error) || self.stopping.is_some() {
            return false;
        }
        if self.rest.refusal.is_none() {
            record.warnings.push(format!(
                "the workspace asked to be held still later, so it is let go and asked again: {error}"
            ));
        }
        let pause = PUT_OFF.saturating_mul(1 << self.rest.put_off.min(10)).min(PUT_OFF_MAX);
        self.rest.put_off = self.rest.put_off.saturating_add(1);
        self.rest.refusal = Some(error.clone());
        self.let_go_until(now.after(pause));
        true
    }

    /// The workspace holds still: its jobs have their time from now on.
    pub(super) fn held_again(&mut self) {
        self.rest.put_off = 0;
        self.rest.refusal = None;
        self.members.iter_mut().for_each(|member| member.run.meet_hold());
    }

    /// Nothing was captured under a hold whose jobs waited in vain: whether the hold is over, or stands until an answer is in.
    pub(super) fn lets_rest(&mut self, record: &mut OperationRecord, now: Timestamp) -> bool {
        if self.stopping.is_some() {
            return false;
        }
        let runs: Vec<_> = self.members.iter().map(|member| &member.run).collect();
        let overdue = runs.iter().filter_map(|run| run.in_vain_from()).max().map(|from| now.since(from));
        let since = runs.iter().filter_map(|run| run.idle_since).min().unwrap_or(now);
        let left = record.deadline.since(now);
        let budget = self.hold_count.rest().unwrap_or(left);
        let idle = idle(&runs, self.rest.idle, overdue.unwrap_or_default(), left, budget);
        if let Idle::Rest(pause) = idle {
            self.rest.idle += 1;
            record.warnings.push(format!(
                "no job began for {}, so the workspace was let go and is held still again in {}",
                in_words(now.since(since)),
                in_words(pause)
            ));
            self.let_go_until(now.after(pause));
        }
        if idle != Idle::GoesOn {
            self.members.iter_mut().for_each(|member| member.run.withdraw());
        }
        idle != Idle::GoesOn
    }

    /// Nothing was begun under the hold that is let go: what was refused begins under the next one.
    pub(super) fn withdraw_all(&mut self) {
        let waits = |member: &Member| matches!(member.run.step, JobStep::Pending | JobStep::Waiting { .. });
        if self.members.iter().all(waits) {
            self.members.iter_mut().for_each(|member| member.run.withdraw());
        }
    }

    fn let_go_until(&mut self, until: Timestamp) {
        self.rest.until = Some(until);
        self.hold = Hold::Resuming(None);
        self.misses = 0;
        self.retry_at = None;
    }

    /// What becomes of a rest: it ends with its time, with the operation, and with a job that began without the hold.
    pub(super) fn watch_rest(&mut self, record: &mut OperationRecord, now: Timestamp) {
        if !self.rests() {
            return self.watch_return(record, now);
        }
        self.members.iter_mut().for_each(|member| member.run.withdraw());
        let over = self.members.iter().all(|member| member.run.has_ended());
        let begun = self.members.iter().any(|member| member.run.has_begun());
        let stuck = matches!(self.hold, Hold::Stuck(_));
        if self.stopping.is_some() || stuck {
            self.end_rest(record, now);
        } else if begun || over {
            self.end_rest(record, now);
            self.members.iter_mut().for_each(|member| member.goes_on_late(now));
        }
    }

    /// Whether it keeps nothing at work: services run, and no job has begun.
    pub(super) fn is_resting(&self) -> bool {
        self.rests() && self.hold == Hold::Released(None)
    }

    /// The place that is waited for once a rest is over: it was left to others meanwhile.
    pub(super) fn collect_admission(&self, now: Timestamp, turn: &mut Turn) {
        if self.is_resting() && self.rest_ends_at(now).is_none() {
            let providers = self.members.iter().map(|member| member.run.request.provider().clone());
            turn.effects.push(Effect::Admit { providers: providers.collect() });
        }
    }

    /// It has its place again, so the workspace is held still once more.
    pub(super) fn on_admitted(
        &mut self,
        record: &mut OperationRecord,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        if !self.is_resting() || self.stopping.is_some() {
            return;
        }
        if result.is_err() {
            self.rest.until = Some(now.after(WAIT));
            return;
        }
        self.end_rest(record, now);
        self.leave_hold_behind();
        self.renewals += 1;
        self.hold = Hold::Quiescing;
        self.quiesce_unanswered = true;
    }

    /// No more time is left to hold still in, and after a rest that is no reason to lose what can be captured without: it is
    /// begun late, where the policy lets jobs run on.
    pub(super) fn go_on_unheld(&mut self, policy: OnDeadline, now: Timestamp) {
        if policy == OnDeadline::Cancel || self.rest.idle == 0 && self.rest.put_off == 0 {
            return;
        }
        let may =
            |run: &JobRun| run.step == JobStep::Pending && (policy == OnDeadline::Extend || !run.in_process);
        self.members.iter_mut().filter(|member| may(&member.run)).for_each(|member| member.goes_on_late(now));
    }

    /// Nothing could move during the rest, so the stall clock has its whole time from now on.
    fn end_rest(&mut self, record: &mut OperationRecord, now: Timestamp) {
        self.rest.until = None;
        record.last_advance = now;
    }

    /// What becomes of a hold that was asked for after a rest: until it stands nothing begins that can wait, and a job
    /// outside that begins all the same ends it.
    fn watch_return(&mut self, record: &mut OperationRecord, now: Timestamp) {
        let returns = self.rest.idle > 0 && matches!(self.hold, Hold::Quiescing | Hold::Renewing);
        if !returns || self.stopping.is_some() {
            return;
        }
        self.members.iter_mut().for_each(|member| member.run.withdraw());
        // What was begun under an earlier hold goes on beside this one.
        let begun = |member: &Member| member.run.has_begun() && !member.run.outlasted_hold;
        if self.members.iter().any(begun) {
            self.hold = Hold::Resuming(None);
            (self.misses, self.retry_at) = (0, None);
            self.end_rest(record, now);
            self.members.iter_mut().for_each(|member| member.goes_on_late(now));
        }
    }

    /// When the workspace is to be held still again, where that lies ahead. No rest is longer than the longest, whatever
    /// another driver's clock said.
    fn rest_ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        let longest = RESTS.iter().max().copied().unwrap_or_default();
        self.rest.until.filter(|until| *until > now && until.since(now) <= longest)
    }

    /// Why nothing was captured until the deadline.
    pub(super) fn nothing_in_time(&self) -> ErrorRecord {
        match &self.rest.refusal {
            Some(refusal) => {
                deadline_error(&format!("the deadline passed before the workspace held still: {refusal}"))
            }
            None => deadline_error(
                "the deadline passed; what was stored so far is kept and the next backup goes on from there",
            ),
        }
    }

    /// Wakes when a rest ends, or a hold has lasted in vain.
    pub(super) fn wake_for_rest(&self, now: Timestamp, turn: &mut Turn) {
        if self.hold == Hold::Released(None) {
            self.rest_ends_at(now).into_iter().for_each(|at| turn.wake(at));
        }
        if matches!(self.hold, Hold::Held(_)) {
            let vain = self.members.iter().filter_map(|member| member.run.in_vain_from());
            vain.flat_map(|at| [at, at.after(ANSWER_MAX)])
                .filter(|at| *at > now)
                .for_each(|at| turn.wake(at));
        }
    }
}

impl Member {
    /// The workspace is let go: what is not captured yet is not all captured under its hold, and what never began is late.
    pub(super) fn outlast_hold(&mut self, now: Timestamp) {
        if self.run.waits_in_vain(now) {
            self.goes_on_late(now);
        }
        self.run.outlasted_hold |= !self.run.is_captured();
    }

    /// It is captured without the workspace holding still, whatever the other side's clock will say of when that was.
    pub(super) fn goes_on_late(&mut self, now: Timestamp) {
        self.late = true;
        self.run.outlasted_hold = true;
        self.run.begin(now);
    }
}
