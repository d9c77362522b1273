//! How a backup goes: inspect, guard the sources, hold still, capture all components at once, let go, verify, record, seal.
//!
//! The workspace is let go as soon as everything is captured, when a clock runs out, or when the operation is
//! asked to stop, whichever comes first; what happens to the jobs after that is a matter of policy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::effect::{Effect, Event, Outcome, Step};
use super::hold::{Hold, HoldCount};
use super::member::Member;
use super::rest::Rest;
use super::{Tries, Turn, fail, look_again, note_progress, waits};
use crate::catalog::BackupRecord;
use crate::clock::Timestamp;
use crate::error::ErrorRecord;
use crate::id::OperationId;
use crate::operation::{BackupRequest, OperationRecord, OperationState, Request};
use crate::plan::Plan;
use crate::workspace::Consistency;

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
    /// Failed tries to write it to its places.
    #[serde(default)]
    pub recording: Tries,
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
        let (id, earlier) = (self.hold_id(&record.id), self.renewals);
        // Its answer is waited for also when the workspace was told to let go meanwhile.
        if self.quiesce_unanswered {
            let budget = self.hold_budget(record, request, now);
            turn.effects.push(Effect::Quiesce { id: id.clone(), budget, earlier });
        }
        match self.hold {
            Hold::Resuming(_) | Hold::Renewing if due(self.retry_at) => {
                turn.effects.push(Effect::Resume { id, earlier })
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
