//! The clocks of a backup: the deadline, the stall clock, the longest hold, and how long jobs are waited for.

use std::time::Duration;

use super::Turn;
use super::backup::{BackupMachine, Stopping};
use super::hold::Hold;
use super::job::{JobRun, STOP_WAIT_MAX};
use crate::clock::Timestamp;
use crate::operation::{BackupRequest, OperationRecord};
use crate::schedule::in_words;

/// How long jobs outside are followed after a deadline: longer than any cloud lets one run.
pub(super) const FOLLOWED_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

impl BackupMachine {
    /// Sees whether a clock ran out.
    pub(super) fn watch_clocks(
        &mut self,
        record: &mut OperationRecord,
        request: &BackupRequest,
        now: Timestamp,
    ) {
        self.count_hold(record, request, now);
        if self.stopping.is_none() && self.record.is_none() {
            let out = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
            let stalled = out(self.stalls_at(record, request));
            // Where a deadline is up as well, it is what ends the hold.
            let counted = record.deadline > now && out(self.counted_until());
            let held = counted || out(self.held_until(request));
            if stalled || held || record.deadline <= now {
                self.stopping = Some(Stopping::Expired);
                self.retry_at = None;
            }
            if stalled && let Some(limit) = self.stall_limit(request) {
                record.warnings.push(stalled_for(limit));
            } else if held {
                if record.deadline > now {
                    self.go_on_unheld(request.on_deadline, now);
                }
                record.warnings.push("the longest time that services may be held still was used up".into());
            }
        }
        if self.stopping.is_some() {
            self.stopping_at.get_or_insert(now);
        }
    }

    pub(super) fn wake_for_clocks(&self, record: &OperationRecord, request: &BackupRequest, turn: &mut Turn) {
        // What is being sealed is carried to its end whatever the clocks say.
        if self.stopping.is_none() && self.record.is_none() {
            turn.wake(record.deadline);
            let others = [self.stalls_at(record, request), self.held_until(request), self.counted_until()];
            others.into_iter().flatten().for_each(|at| turn.wake(at));
        } else if let Some(at) = self.gives_up_at() {
            turn.wake(at);
        }
    }

    /// When the stall clock runs out, while jobs are at work.
    fn stalls_at(&self, record: &OperationRecord, request: &BackupRequest) -> Option<Timestamp> {
        let limit = self.stall_limit(request)?;
        let works = matches!(self.hold, Hold::Held(_) | Hold::Released(_) | Hold::Stuck(_));
        (works && !self.rests()).then(|| record.last_advance.after(limit))
    }

    /// The longest time without progress.
    fn stall_limit(&self, request: &BackupRequest) -> Option<Duration> {
        // Jobs in the process would be stopped by a clock that nobody asked for.
        let outside = self.plan.as_ref().filter(|plan| !plan.runs_in_process());
        let forecast = outside.and_then(|plan| plan.forecast);
        request.stall_timeout.or_else(|| forecast?.stall())
    }

    /// When the hold has lasted as long as it may.
    fn held_until(&self, request: &BackupRequest) -> Option<Timestamp> {
        let holds = matches!(self.hold, Hold::Quiescing | Hold::Held(_));
        self.held_from.filter(|_| holds).map(|from| Some(from.after(request.hold_at_most?)))?
    }

    /// When the hold has lasted as long as was asked for, as its drivers counted it.
    fn counted_until(&self) -> Option<Timestamp> {
        let holds = matches!(self.hold, Hold::Quiescing | Hold::Held(_));
        self.hold_count.until.filter(|_| holds).map(|until| Some(until.after(self.hold_count.rest()?)))?
    }

    /// The longest time the workspace may be held still, asked for now.
    pub(super) fn hold_budget(
        &self,
        record: &OperationRecord,
        request: &BackupRequest,
        now: Timestamp,
    ) -> Duration {
        let ends = self.held_until(request).map_or(record.deadline, |until| until.min(record.deadline));
        self.hold_count.rest().map_or(ends.since(now), |rest| rest.min(ends.since(now)))
    }

    /// When jobs that do not end are no longer waited for.
    fn gives_up_at(&self) -> Option<Timestamp> {
        let waits = self.members.iter().any(|member| !member.run.has_ended());
        let limit = match self.stopping? {
            Stopping::Cancelled => STOP_WAIT_MAX,
            Stopping::Expired => FOLLOWED_MAX,
        };
        self.stopping_at.filter(|_| waits).map(|since| since.after(limit))
    }

    /// Gives up on jobs that neither stop nor end, and says so.
    pub(super) fn give_jobs_up(&mut self, now: Timestamp) {
        if self.gives_up_at().is_some_and(|at| at <= now) {
            self.members.iter_mut().map(|member| &mut member.run).for_each(JobRun::give_up_waiting);
        }
    }
}

/// Says that the stall clock ran out.
pub(super) fn stalled_for(limit: Duration) -> String {
    format!("nothing moved for {}, so the clock for standing still ran out", in_words(limit))
}
