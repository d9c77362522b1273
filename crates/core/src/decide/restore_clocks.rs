//! The clocks of a restore: the deadline, the stall clock, and how long calls and jobs that do not end are waited for.

use std::time::Duration;

use super::backup::Stopping;
use super::clocks::{FOLLOWED_MAX, stalled_for};
use super::job::{JobRun, STOP_WAIT_MAX};
use super::restore::{RestoreMachine, RestoreStage};
use super::{Turn, cancelled_error, deadline_error};
use crate::clock::Timestamp;
use crate::operation::{OperationRecord, RestoreRequest};
use crate::provisioner::Provisioned;

/// How long a call to the control plane is waited for after somebody asked the restore to stop.
const CALL_WAIT: Duration = Duration::from_secs(60);
/// How long a step of the control plane may take after everything was restored, whatever the deadline.
const LATE_STEP_MAX: Duration = Duration::from_secs(3600);

impl RestoreMachine {
    /// Sees whether a clock ran out, and stops what has to stop.
    pub(super) fn wind_up(&mut self, record: &mut OperationRecord, request: &RestoreRequest, now: Timestamp) {
        self.entered_at.get_or_insert(now);
        let stalled = self.stalls_at(record, request).is_some_and(|at| at <= now);
        let out = stalled || record.deadline <= now;
        if self.stopping.is_none() && out && self.stage != RestoreStage::Undoing {
            self.stopping = Some(Stopping::Expired);
            if record.deadline > now
                && let Some(limit) = request.stall_timeout
            {
                record.warnings.push(stalled_for(limit));
            }
        }
        let Some(stopping) = self.stopping else { return };
        self.stopping_at.get_or_insert(now);
        for member in &mut self.members {
            // A job outside is not thrown away because our clock ran out; it is followed to its end.
            if stopping == Stopping::Cancelled || member.run.in_process || self.failure.is_some() {
                member.run.stop();
            }
        }
        if self.gives_up_at().is_some_and(|at| at <= now) {
            self.members.iter_mut().map(|member| &mut member.run).for_each(JobRun::give_up_waiting);
        }
        if self.readiness_ends_at(record).is_some_and(|at| at <= now) {
            self.drop_unready();
        }
        if self.call_ends_at(record).is_some_and(|at| at <= now) {
            self.drop_call(request, stopping);
            self.entered_at.get_or_insert(now);
        }
    }

    pub(super) fn wake_for_clocks(
        &self,
        record: &OperationRecord,
        request: &RestoreRequest,
        turn: &mut Turn,
    ) {
        let first = match self.stopping {
            // What is being undone is undone to its end whatever the clocks say.
            None if self.stage == RestoreStage::Undoing => [None; 3],
            None => [Some(record.deadline), self.stalls_at(record, request), None],
            Some(_) => [self.gives_up_at(), self.readiness_ends_at(record), self.call_ends_at(record)],
        };
        first.into_iter().flatten().for_each(|at| turn.wake(at));
    }

    fn stalls_at(&self, record: &OperationRecord, request: &RestoreRequest) -> Option<Timestamp> {
        let fills = self.stage == RestoreStage::Filling && self.stopping.is_none();
        request.stall_timeout.filter(|_| fills).map(|limit| record.last_advance.after(limit))
    }

    /// When jobs that do not end are no longer waited for.
    fn gives_up_at(&self) -> Option<Timestamp> {
        let waits = self.members.iter().any(|member| !member.run.is_idle());
        let limit = match self.stopping? {
            Stopping::Cancelled => STOP_WAIT_MAX,
            Stopping::Expired => FOLLOWED_MAX,
        };
        self.stopping_at.filter(|_| waits).map(|since| since.after(limit))
    }

    /// When resources that jobs have made and that do not get ready are no longer waited for. A mount that nobody makes
    /// would otherwise be waited for without end.
    fn readiness_ends_at(&self, record: &OperationRecord) -> Option<Timestamp> {
        let waits = self.stopping == Some(Stopping::Expired) && self.is_unready();
        self.stopping_at.filter(|_| waits).map(|since| since.max(record.last_advance).after(LATE_STEP_MAX))
    }

    /// Whether all jobs have ended and something that they made is not ready.
    fn is_unready(&self) -> bool {
        self.stage == RestoreStage::Filling
            && self.members.iter().all(|member| member.run.has_ended())
            && self.members.iter().any(|member| member.unready().is_some())
    }

    /// Whether it waits for what others do to something that its jobs have made, a mount or a permission for example.
    pub(super) fn only_waits(&self) -> bool {
        self.is_unready() && self.members.iter().any(|member| member.unready().is_some() && member.looks > 0)
    }

    /// Gives up what was restored and did not get ready.
    fn drop_unready(&mut self) {
        let unready = self.members.iter().filter_map(|member| {
            let made = member.unready()?;
            let trouble = member.needs_attention().or(member.troubles.last());
            let trouble = trouble.map(|error| format!(" ({error})")).unwrap_or_default();
            Some(format!("{} as {}{trouble}", member.run.component(), made.resource))
        });
        let message = format!(
            "an hour after the deadline this was restored and not ready: {}; see what it waits for, such as a mount, and \
             restore again with a longer timeout",
            unready.collect::<Vec<_>>().join(", ")
        );
        self.failure.get_or_insert(deadline_error(&message));
    }

    /// When a call to the control plane is no longer waited for. None that makes a workspace outlives the deadline; once
    /// everything is restored a call has its hour in any case, since what was restored would be lost with it.
    fn call_ends_at(&self, record: &OperationRecord) -> Option<Timestamp> {
        let calls = [RestoreStage::Provisioning, RestoreStage::Attaching, RestoreStage::Activating];
        let entered = self.entered_at.filter(|_| calls.contains(&self.stage))?;
        match self.stopping? {
            Stopping::Cancelled => self.stopping_at.map(|since| since.after(CALL_WAIT)),
            Stopping::Expired if self.stage == RestoreStage::Provisioning => Some(record.deadline),
            Stopping::Expired => Some(entered.after(LATE_STEP_MAX).max(record.deadline)),
        }
    }

    /// Undoes the restore although the control plane has not answered. The call may still have been carried out, as
    /// after a crash, so what it made is found from the operation alone.
    fn drop_call(&mut self, request: &RestoreRequest, stopping: Stopping) {
        self.late_birth = self.stage == RestoreStage::Provisioning;
        self.made.get_or_insert_with(|| Provisioned::new(request.target.clone()));
        let error = match stopping {
            Stopping::Cancelled => cancelled_error(),
            Stopping::Expired => deadline_error("the deadline passed while the new workspace was being made"),
        };
        self.failure.get_or_insert(error);
        self.go(RestoreStage::Undoing);
    }
}
