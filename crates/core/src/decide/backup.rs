//! How a backup goes: inspect, guard the sources, hold still, capture all components at once, let go, verify, record, seal.
//!
//! The workspace is let go as soon as everything is captured, when a clock runs out, or when the operation is
//! asked to stop, whichever comes first; what happens to the jobs after that is a matter of policy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::effect::{Effect, Event, Outcome, Step};
use super::findings::{blocked, said, warn};
use super::guard::Guard;
use super::hold::{Hold, HoldCount};
use super::job::{JobEnd, JobRun, JobStep, backoff};
use super::member::{Member, Proof};
use super::rest::Rest;
use super::seal;
use super::{
    Turn, WAIT, cancelled_error, deadline_error, fail, is_spent, look_again, look_pause, note_progress, waits,
};
use crate::catalog::BackupRecord;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, ErrorRecord};
use crate::id::{BackupId, OperationId};
use crate::operation::{
    BackupRequest, OnDeadline, OperationRecord, OperationState, Request, TIMEOUT_DEFAULT,
};
use crate::plan::Plan;
use crate::provider::{BackupJob, Issue, JobKey, JobRequest, RESOURCE_BUSY};
use crate::workspace::{Consistency, Protection};

/// The part of the operation's time for which jobs of others are waited for before anything is held still.
const BEHIND_PART: u32 = 4;

/// The stored state of a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackupMachine {
    /// What was found before anything was done.
    pub plan: Option<Plan>,
    /// Operations that are waited for before anything is held still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<OperationId>,
    /// How often they were looked at.
    #[serde(default)]
    pub looks: u32,
    /// The job of somebody else that is waited for before anything is held still, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<String>,
    /// Whether the workspace is held still.
    pub hold: Hold,
    /// When it was asked to hold still.
    pub held_from: Option<Timestamp>,
    /// When it answered that it holds still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_at: Option<Timestamp>,
    /// When it was first told to let go. From then on nothing is known to be still, whenever the answer comes.
    pub releasing_at: Option<Timestamp>,
    /// When it was let go.
    pub released_at: Option<Timestamp>,
    /// Whether a quiesce was sent out whose answer is still due.
    pub quiesce_unanswered: bool,
    /// How many holds were given up because somebody else had taken them.
    #[serde(default)]
    pub renewals: u32,
    /// How long those lasted at the most.
    #[serde(default)]
    pub held_before: Duration,
    /// How long it has been held still, and may be.
    #[serde(default)]
    pub hold_count: HoldCount,
    /// When and why it is held still once more.
    #[serde(default, skip_serializing_if = "Rest::is_none")]
    pub rest: Rest,
    /// One per protected component.
    pub members: Vec<Member>,
    /// Why the operation is being wound up before its jobs are done.
    pub stopping: Option<Stopping>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping_at: Option<Timestamp>,
    /// The sealed record while it is written to its places.
    pub record: Option<BackupRecord>,
    /// It is in its places, and in the catalog: only guards are still to be removed.
    #[serde(default)]
    pub sealed: bool,
    /// Failed tries of the step at hand.
    pub misses: u32,
    /// Do nothing before this time.
    pub retry_at: Option<Timestamp>,
}

/// Why an operation is wound up early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stopping {
    /// Somebody asked.
    Cancelled,
    /// A clock ran out.
    Expired,
}

impl BackupMachine {
    pub(super) fn turn(
        &mut self,
        record: &mut OperationRecord,
        event: &Event,
        now: Timestamp,
        turn: &mut Turn,
    ) {
        let Request::Backup(request) = record.request.clone() else {
            return;
        };
        let was_sealed = self.sealed;
        match event {
            Event::Begun => {}
            Event::Tick => self.members.iter_mut().for_each(|member| member.run.tick(now)),
            Event::Recovered => self.recover(),
            Event::Leaving => self.leave(record),
            Event::CancelRequested if self.record.is_some() => {
                record.warnings.push("a backup that is being sealed is carried to its end".into());
            }
            Event::CancelRequested => {
                if self.stopping != Some(Stopping::Cancelled) {
                    // Jobs get their time to stop from now on, also where a clock ran out long ago.
                    self.stopping_at = None;
                }
                self.stopping = Some(Stopping::Cancelled);
                self.retry_at = None;
            }
            Event::Done(step, result) => self.on_done(record, &request, step, result, now),
        }
        if record.state.is_terminal() {
            return;
        }
        self.watch_clocks(record, &request, now);
        self.wind_up(&request);
        self.give_jobs_up(now);
        self.follow_guards(now);
        self.watch_rest(record, now);
        self.release(record, now);
        self.count_hold(record, &request, now);
        note_progress(record, self.members.iter().map(|member| &member.run), now);
        self.settle(record, &request, now);
        self.conclude(record, was_sealed, turn);
        if !record.state.is_terminal() {
            self.collect_due(record, &request, now, turn);
        }
    }

    fn recover(&mut self) {
        self.members.iter_mut().for_each(Member::recover);
        // Whoever would hear the answer is gone, or was cut off from the catalog and may take its hold back at any time.
        if self.hold == Hold::Quiescing {
            self.quiesce_unanswered = false;
            self.hold = Hold::Renewing;
            self.misses = 0;
            self.retry_at = None;
        }
        if self.quiesce_unanswered {
            self.quiesce_unanswered = false;
            self.hold = Hold::Resuming(None);
        }
        self.hold_anew();
        // While nobody watched, the dead-man's switch may have let the workspace go: nothing can be claimed of it. Whoever
        // was about to let it go was to look whether the hold still stood, and did not live to tell.
        if let Hold::Held(level) | Hold::Resuming(Some(level)) = &mut self.hold {
            *level = Consistency::Fuzzy;
        }
    }

    fn on_done(
        &mut self,
        record: &mut OperationRecord,
        request: &BackupRequest,
        step: &Step,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        match step {
            Step::Inspect => match result {
                Ok(Outcome::Planned(plan)) => self.on_planned(record, request, plan, now),
                Ok(_) => {}
                Err(error) => {
                    if !look_again(&mut self.misses, &mut self.retry_at, error, now) {
                        fail(record, error.clone());
                    }
                }
            },
            Step::Guard(id) => self.with_member(id.as_str(), |member| member.on_guarded(record, result, now)),
            Step::Unguard(id) => {
                self.with_member(id.as_str(), |member| member.on_unguarded(record, result, now));
            }
            Step::Admit => self.on_admitted(record, result, now),
            Step::Quiesce => self.on_quiesced(record, result, now),
            Step::Resume => self.on_resumed(record, result, now),
            Step::WriteRecord => self.on_recorded(result, now),
            Step::Start(id) => self.with_member(id.as_str(), |member| member.run.on_start(result, now)),
            Step::Poll(id) => self.with_member(id.as_str(), |member| member.run.on_poll(result, now)),
            Step::CancelJob(id) => self.with_member(id.as_str(), |member| member.run.on_cancel(result)),
            Step::Verify(id) => self.with_member(id.as_str(), |member| member.on_verified(result, now)),
            Step::Delete(id) => self.with_member(id.as_str(), |member| member.on_discarded(result, now)),
            _ => {}
        }
    }

    fn with_member(&mut self, id: &str, act: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.iter_mut().find(|member| member.run.component().as_str() == id) {
            act(member);
        }
    }

    fn on_planned(
        &mut self,
        record: &mut OperationRecord,
        request: &BackupRequest,
        plan: &Plan,
        now: Timestamp,
    ) {
        if self.plan.is_some() {
            return;
        }
        if let Some(departure) = request.accepted_plan.as_ref().and_then(|accepted| accepted.departure(plan))
        {
            let message = format!("the workspace is not as it was planned ({departure}); plan again");
            fail(record, Error::new(ErrorKind::Conflict, message).record());
            return;
        }
        self.misses = 0;
        self.waits_for.clone_from(&plan.waits_for);
        if !self.waits_for.is_empty() {
            self.looks = self.looks.saturating_add(1);
            self.retry_at = Some(now.after(look_pause(self.looks)));
            return;
        }
        self.retry_at = None;
        let findings = plan.all_findings();
        if let Some(error) = blocked(findings.clone(), &request.waivers) {
            fail(record, error);
            return;
        }
        self.behind = self.held_up(record, request, plan, now);
        if self.behind.is_some() {
            self.retry_at = Some(now.after(WAIT));
            return;
        }
        warn(record, findings);
        for planned in &plan.components {
            if planned.component.protection != Protection::Protected {
                continue;
            }
            let key = JobKey::new(record.id.clone(), planned.component.id.clone(), 1);
            let backup = BackupId::of(&record.id);
            let component = planned.component.clone();
            let mut job =
                BackupJob::new(key, request.workspace.clone(), backup, component, record.started_at);
            job.base.clone_from(&planned.base);
            job.retain = request.retain;
            job.tags.clone_from(&plan.definition.snapshot_tags);
            let mut member = Member::new(JobRun::new(JobRequest::Backup(job), planned.in_process));
            if planned.guarded {
                member.guard = Guard::due();
            }
            self.members.push(member);
        }
        if self.members.is_empty() {
            fail(
                record,
                Error::new(ErrorKind::InvalidInput, "the workspace has no component to protect").record(),
            );
            return;
        }
        if request.timeout.is_none()
            && let Some(forecast) = plan.forecast
        {
            let total = forecast.total(TIMEOUT_DEFAULT);
            // Jobs in the process end with the deadline, so theirs never comes earlier than the default.
            let least = if plan.runs_in_process() { TIMEOUT_DEFAULT } else { total };
            record.deadline = now.after(total.max(least));
        }
        self.plan = Some(plan.clone());
    }

    /// The job of somebody else that this backup would stand behind, while there is time to wait for its end with the
    /// services running. Later it goes on: what is captured behind that job is late, and says so.
    fn held_up(
        &self,
        record: &OperationRecord,
        request: &BackupRequest,
        plan: &Plan,
        now: Timestamp,
    ) -> Option<String> {
        let patience = record.deadline.since(record.started_at) / BEHIND_PART;
        if now.since(record.started_at) >= patience
            || request.waivers.iter().any(|name| name == RESOURCE_BUSY)
        {
            return None;
        }
        plan.all_findings().find(|finding| finding.check == RESOURCE_BUSY).map(said)
    }

    fn on_recorded(&mut self, result: &Result<Outcome, ErrorRecord>, now: Timestamp) {
        let Some(sealed) = &mut self.record else { return };
        match result {
            Ok(_) => self.misses = 0,
            Err(error) => {
                self.misses += 1;
                self.retry_at = Some(now.after(backoff(self.misses)));
                if !is_spent(self.misses, error) {
                    return;
                }
                // The snapshots exist, so they are catalogued; but a backup whose record is not in all its places
                // is not a complete one.
                let issue = Issue::new(
                    "record",
                    "workspace",
                    format!("the record beside the data is missing: {error}"),
                );
                if let Some(component) = sealed.components.iter_mut().find(|c| c.snapshot.is_some()) {
                    component.issues.push(issue);
                }
                sealed.state = crate::catalog::BackupState::Partial;
            }
        }
        self.sealed = true;
    }

    /// Catalogues what is sealed, at once, and ends the operation when no source is guarded any more: a cloud that is away
    /// keeps no backup from the lists.
    fn conclude(&self, record: &mut OperationRecord, was_sealed: bool, turn: &mut Turn) {
        let Some(sealed) = self.record.as_ref().filter(|_| self.sealed) else { return };
        // Whoever holds or renames it meanwhile changes what is in the catalog.
        if !was_sealed {
            turn.put_backup = Some(sealed.clone());
        }
        if self.members.iter().all(|member| member.guard.is_settled()) {
            seal::conclude(record, sealed);
        }
    }

    fn has_snapshot(&self) -> bool {
        self.members.iter().any(|member| member.snapshot().is_some())
    }

    /// Stops jobs as far as the reason and the policy ask for it.
    fn wind_up(&mut self, request: &BackupRequest) {
        let Some(stopping) = self.stopping else { return };
        let stop_all = stopping == Stopping::Cancelled || request.on_deadline == OnDeadline::Cancel;
        let extend = stopping == Stopping::Expired && request.on_deadline == OnDeadline::Extend;
        for member in &mut self.members {
            if stopping == Stopping::Cancelled {
                member.undo();
            }
            // A job inside this process cannot outlive the operation; what it stored so far is kept.
            // What never began, because the workspace did not hold still in time, never will.
            if member.run.step == JobStep::Pending || !extend && (stop_all || member.run.in_process) {
                member.run.stop();
            }
            if !member.run.is_captured() && !extend {
                member.late = true;
            }
        }
    }

    /// Detaches, seals or ends the operation when its parts allow it.
    fn settle(&mut self, record: &mut OperationRecord, request: &BackupRequest, now: Timestamp) {
        if self.quiesce_unanswered || self.hold.may_hold() {
            return;
        }
        if self.plan.is_none() {
            match self.stopping {
                Some(Stopping::Cancelled) => self.end_cancelled(record),
                Some(Stopping::Expired) => fail(record, deadline_error(&self.never_begun())),
                None => {}
            }
            return;
        }
        let undone = self.stopping == Some(Stopping::Cancelled);
        if !self.members.iter().all(|member| member.is_judged(undone)) {
            let detaches =
                self.stopping == Some(Stopping::Expired) && request.on_deadline == OnDeadline::Detach;
            if detaches && self.members.iter().any(|member| !member.run.has_ended() && !member.run.in_process)
            {
                record.state = OperationState::Detached;
            }
            return;
        }
        let unguarded = self.members.iter().all(|member| member.is_settled(undone));
        if undone && unguarded {
            self.end_cancelled(record);
        } else if !undone && self.record.is_none() && (unguarded || self.has_snapshot()) {
            self.seal(record, request, now);
        }
    }

    fn never_begun(&self) -> String {
        match (self.waits_for.first(), &self.behind) {
            (Some(earlier), _) => format!("the deadline passed while operation {earlier} still ran"),
            (None, Some(behind)) => format!("the deadline passed while it was waited: {behind}"),
            (None, None) => "the deadline passed before the backup began".into(),
        }
    }

    fn seal(&mut self, record: &mut OperationRecord, request: &BackupRequest, now: Timestamp) {
        if self.has_snapshot() {
            self.record = seal::record(self, record, request, now);
            let statuses = self.members.iter().filter_map(|member| member.run.status.as_ref());
            record.warnings.extend(statuses.flat_map(|status| status.warnings.iter().cloned()));
            self.retry_at = None;
            self.misses = 0;
            return;
        }
        let first = self.members.iter().find_map(|member| match &member.run.step {
            JobStep::Ended(JobEnd::Failed(error)) => Some(error.clone()),
            _ => None,
        });
        let error = record.error.clone().or(first).unwrap_or_else(|| self.nothing_in_time());
        fail(record, error);
    }

    fn end_cancelled(&mut self, record: &mut OperationRecord) {
        for member in &self.members {
            if member.proof == Proof::Kept {
                record.issues.extend(member.issues.clone());
            }
            record.issues.extend(member.run.not_undone());
        }
        record.issues.extend(self.stuck(record));
        record.state = OperationState::Cancelled;
        record.step = "cancelled".into();
        record.error = Some(cancelled_error());
    }

    fn collect_due(
        &self,
        record: &mut OperationRecord,
        request: &BackupRequest,
        now: Timestamp,
        turn: &mut Turn,
    ) {
        if record.state == OperationState::Running && self.stopping == Some(Stopping::Cancelled) {
            record.state = OperationState::Cancelling;
        }
        record.step = self.step_name().into();
        self.wake_for_clocks(record, request, turn);
        self.wake_for_rest(now, turn);
        let due = |at: Option<Timestamp>| waits(at, now).is_none();
        if let Some(at) = waits(self.retry_at, now) {
            turn.wake(at);
        }
        let Some(plan) = &self.plan else {
            if due(self.retry_at) {
                turn.effects.push(Effect::InspectWorkspace);
            }
            return;
        };
        self.collect_admission(now, turn);
        let id = self.hold_id(&record.id);
        // Its answer is waited for also when the workspace was told to let go meanwhile.
        if self.quiesce_unanswered {
            let (budget, earlier) =
                (self.hold_budget(record, request, now), self.earlier_hold_id(&record.id));
            turn.effects.push(Effect::Quiesce { id: id.clone(), budget, earlier });
        }
        match self.hold {
            Hold::Resuming(_) | Hold::Renewing if due(self.retry_at) => {
                turn.effects.push(Effect::Resume { id })
            }
            _ => {}
        }
        for member in &self.members {
            member.collect_guard(&plan.definition.source_tags, now, turn);
        }
        if let Some(sealed) = &self.record {
            if due(self.retry_at) && !self.sealed {
                turn.effects.push(Effect::WriteRecord(Box::new(sealed.clone())));
            }
            return;
        }
        for member in &self.members {
            member.collect_due(self.stopping == Some(Stopping::Cancelled), now, turn);
        }
    }

    fn step_name(&self) -> &'static str {
        match (&self.record, &self.plan, self.hold) {
            (Some(_), _, _) if self.sealed => "unguarding",
            (Some(_), _, _) => "recording",
            (None, None, _) if !self.waits_for.is_empty() || self.behind.is_some() => "waiting",
            (None, None, _) => "inspecting",
            (None, Some(_), Hold::Free) if self.is_guarding() => "guarding",
            (None, Some(_), Hold::Quiescing | Hold::Renewing) => "quiescing",
            (None, Some(_), Hold::Resuming(_)) => "resuming",
            (None, Some(_), _) if self.rests() => "resting",
            _ if self.members.iter().all(|member| member.run.has_ended()) => "verifying",
            _ => "capturing",
        }
    }
}
