//! How a restore goes: inspect, provision the new workspace, fill it, finish, attach, activate; or undo.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backup::Stopping;
use super::effect::{Effect, Event, Inspection, Outcome, Step, missing_backup};
use super::findings::{blocked, warn};
use super::job::JobRun;
use super::restore_member::RestoreMember;
use super::{
    OUTAGE_TRIES_MAX, TRIES_MAX, Tries, Turn, deadline_error, fail, is_outage, look_again, look_pause,
    note_progress, waits,
};
use crate::catalog::{BackupRecord, BackupState};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, ErrorRecord, Retry};
use crate::forecast::forecast_restore;
use crate::id::{OperationId, WorkspaceId};
use crate::operation::{
    OnFailure, OperationRecord, OperationState, Request, RestoreRequest, TIMEOUT_DEFAULT,
};
use crate::provider::{Issue, JobKey, JobRequest, RestoreJob};
use crate::provisioner::{ProvisionRequest, Provisioned};
use crate::workspace::Protection;

/// The stored state of a restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RestoreMachine {
    /// Where it stands.
    pub stage: RestoreStage,
    /// Operations that are waited for before anything is made, because they work where it is to be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<OperationId>,
    /// How often they were looked at.
    #[serde(default)]
    pub looks: u32,
    /// The backup, as it was when the restore began.
    pub backup: Option<BackupRecord>,
    /// The new workspace, once it is made.
    pub made: Option<Provisioned>,
    /// One per component that has a snapshot.
    pub members: Vec<RestoreMember>,
    /// Why it is being wound up.
    pub stopping: Option<Stopping>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping_at: Option<Timestamp>,
    /// When the stage at hand was entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<Timestamp>,
    /// A call that makes something was given up without an answer, so what it may still make is looked for once more.
    #[serde(default)]
    pub late_birth: bool,
    /// Why it is being undone.
    pub failure: Option<ErrorRecord>,
    /// Failed tries of the step at hand.
    #[serde(flatten)]
    pub tries: Tries,
    /// Do nothing before this time.
    pub retry_at: Option<Timestamp>,
}

/// How long after a discard something that was still being made is looked for once more.
const LATE_BIRTH: Duration = Duration::from_secs(120);

/// Where a restore stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RestoreStage {
    /// Nothing was done yet.
    #[default]
    Inspecting,
    /// The new workspace is being made.
    Provisioning,
    /// Restore jobs run, and what they made is finished.
    Filling,
    /// What was restored is being attached.
    Attaching,
    /// The new workspace is being started.
    Activating,
    /// What was made is being removed.
    Undoing,
}

impl RestoreMachine {
    pub(super) fn turn(
        &mut self,
        record: &mut OperationRecord,
        event: &Event,
        now: Timestamp,
        turn: &mut Turn,
    ) {
        let Request::Restore(request) = record.request.clone() else {
            return;
        };
        match event {
            Event::Begun | Event::Leaving => {}
            Event::Tick => self.members.iter_mut().for_each(|member| member.run.tick(now)),
            Event::Recovered => self.members.iter_mut().for_each(|member| member.run.recover()),
            Event::CancelRequested => {
                if self.stopping != Some(Stopping::Cancelled) {
                    // Jobs get their time to stop from now on, also where a clock ran out long ago.
                    self.stopping_at = None;
                }
                self.stopping = Some(Stopping::Cancelled);
            }
            Event::Done(step, result) => self.on_done(record, &request, step, result, now),
        }
        if record.state.is_terminal() {
            turn.restored = self.restored(record, &request, now);
            return;
        }
        self.wind_up(record, &request, now);
        note_progress(record, self.members.iter().map(|member| &member.run), now);
        self.advance(record, &request);
        self.entered_at.get_or_insert(now);
        if !record.state.is_terminal() {
            self.collect_due(record, &request, now, turn);
        }
    }

    fn on_done(
        &mut self,
        record: &mut OperationRecord,
        request: &RestoreRequest,
        step: &Step,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        match (step, result) {
            (Step::Inspect, Ok(Outcome::Inspected(found))) => {
                self.on_inspected(record, request, found, now);
            }
            (Step::Inspect, Err(error)) if self.stage == RestoreStage::Inspecting => {
                self.on_unseen(record, error, now);
            }
            (Step::Provision, Ok(Outcome::Provisioned(made))) => {
                self.on_provisioned(record, request, made, now)
            }
            (Step::Attach, Ok(_)) if self.stage == RestoreStage::Attaching => {
                self.go(RestoreStage::Activating)
            }
            (Step::Activate, Ok(_)) if self.stage == RestoreStage::Activating => self.conclude(record),
            (Step::Provision, Err(error)) if self.stage == RestoreStage::Provisioning => {
                self.on_step_failed(record, &request.target, error, now);
            }
            (Step::Attach, Err(error)) if self.stage == RestoreStage::Attaching => {
                self.on_step_failed(record, &request.target, error, now);
            }
            (Step::Activate, Err(error)) if self.stage == RestoreStage::Activating => {
                self.on_step_failed(record, &request.target, error, now);
            }
            (Step::DiscardWorkspace, result) => self.on_workspace_discarded(record, result, now),
            (Step::Start(id), result) => self.with(id.as_str(), |member| member.run.on_start(result, now)),
            (Step::Poll(id), result) => self.with(id.as_str(), |member| member.run.on_poll(result, now)),
            (Step::CancelJob(id), result) => self.with(id.as_str(), |member| member.run.on_cancel(result)),
            (Step::FinishRestore(id), result) => {
                let (mut failure, warnings) = (None, &mut record.warnings);
                self.with(id.as_str(), |member| failure = member.on_finished(result, now, warnings));
                self.failure = self.failure.take().or(failure);
            }
            (Step::Discard(id), result) => {
                self.with(id.as_str(), |member| record.issues.extend(member.on_discarded(result, now)));
            }
            _ => {}
        }
    }

    fn on_unseen(&mut self, record: &mut OperationRecord, error: &ErrorRecord, now: Timestamp) {
        if !look_again(&mut self.tries.outages, &mut self.retry_at, error, now) {
            fail(record, error.clone());
        }
    }

    fn with(&mut self, id: &str, act: impl FnOnce(&mut RestoreMember)) {
        if let Some(member) = self.members.iter_mut().find(|member| member.run.component().as_str() == id) {
            act(member);
        }
    }

    pub(super) fn go(&mut self, stage: RestoreStage) {
        self.stage = stage;
        self.entered_at = None;
        self.tries = Tries::default();
        self.retry_at = None;
    }

    fn on_inspected(
        &mut self,
        record: &mut OperationRecord,
        request: &RestoreRequest,
        found: &Inspection,
        now: Timestamp,
    ) {
        if self.stage != RestoreStage::Inspecting {
            return;
        }
        let Some(backup) = &found.backup else {
            fail(record, missing_backup(&request.backup));
            return;
        };
        let refused = match backup.state {
            BackupState::Deleting => Some("the backup is being deleted"),
            BackupState::Partial if !request.allow_partial => Some("the backup is only a partial one"),
            BackupState::Damaged if !request.allow_partial => Some("the backup is damaged"),
            _ => None,
        };
        if let Some(reason) = refused {
            fail(record, Error::new(ErrorKind::InvalidInput, format!("{reason}; choose another")).record());
            return;
        }
        self.waits_for.clone_from(&found.waits_for);
        if !self.waits_for.is_empty() {
            self.looks = self.looks.saturating_add(1);
            self.retry_at = Some(now.after(look_pause(self.looks)));
            return;
        }
        if let Some(error) = blocked(found.findings.iter(), &request.waivers) {
            fail(record, error);
            return;
        }
        warn(record, found.findings.iter());
        record.backup = Some(backup.id.clone());
        if request.timeout.is_none()
            && let Some(forecast) = forecast_restore(backup)
        {
            record.deadline = record.deadline.max(record.started_at.after(forecast.total(TIMEOUT_DEFAULT)));
        }
        for component in &backup.components {
            self.plan_component(record, component, found);
        }
        if self.members.is_empty() {
            fail(record, nothing_to_restore());
            return;
        }
        self.backup = Some(backup.clone());
        self.go(RestoreStage::Provisioning);
    }

    fn plan_component(
        &mut self,
        record: &mut OperationRecord,
        component: &crate::catalog::ComponentRecord,
        found: &Inspection,
    ) {
        let id = &component.component.id;
        if let Protection::Excluded { reason } = &component.component.protection {
            record.warnings.push(format!("{id} is not in the backup: {reason}"));
            return;
        }
        let Some(snapshot) = &component.snapshot else {
            record.issues.push(Issue::new(
                "missing",
                id.as_str(),
                "the backup has no snapshot of this component",
            ));
            return;
        };
        record.issues.extend(component.issues.iter().cloned());
        let Request::Restore(request) = &record.request else {
            return;
        };
        let key = JobKey::new(record.id.clone(), id.clone(), 1);
        let mut job = RestoreJob::new(
            key,
            snapshot.clone(),
            component.component.clone(),
            request.target.clone(),
            std::collections::BTreeMap::new(),
        );
        job.include.clone_from(&request.include);
        job.landing = request.landing;
        let in_process = found.in_process.get(id).copied().unwrap_or(false);
        self.members.push(RestoreMember {
            run: JobRun::new(JobRequest::Restore(job), in_process),
            readiness: None,
            undone: false,
            tries: Tries::default(),
            looks: 0,
            troubles: Vec::new(),
            retry_at: None,
        });
    }

    fn on_provisioned(
        &mut self,
        record: &mut OperationRecord,
        request: &RestoreRequest,
        made: &Provisioned,
        now: Timestamp,
    ) {
        if self.stage != RestoreStage::Provisioning {
            return;
        }
        for member in &mut self.members {
            let JobRequest::Restore(job) = &mut member.run.request else {
                continue;
            };
            let Some(destination) = made.destinations.get(&job.component.id) else {
                let message = format!(
                    "provisioner {} named no destination for {}",
                    request.provisioner, job.component.id
                );
                self.failure = Some(Error::new(ErrorKind::InvalidConfig, message).record());
                continue;
            };
            job.destination = destination.clone();
            job.target = made.workspace.clone();
            job.tags.clone_from(&made.tags);
            if self.stopping.is_none() {
                member.run.begin(now);
            }
        }
        if self.stopping.is_some() {
            self.failure = Some(deadline_error("the deadline passed before anything was restored"));
        }
        if self.members.is_empty() {
            self.failure = Some(nothing_to_restore());
        }
        if let Some(backup) = &self.backup {
            let roles = &backup.definition.roles;
            record.warnings.extend(
                (!roles.is_empty()).then(|| {
                    format!("{} roles of the old workspace are recorded but not applied", roles.len())
                }),
            );
        }
        if made.workspace != request.target {
            let (new, asked) = (&made.workspace, &request.target);
            record
                .warnings
                .push(format!("the new workspace is {new}, as its provisioner answered, and not {asked}"));
        }
        self.made = Some(made.clone());
        record.last_advance = now;
        self.go(if self.failure.is_some() { RestoreStage::Undoing } else { RestoreStage::Filling });
    }

    fn on_step_failed(
        &mut self,
        record: &mut OperationRecord,
        target: &WorkspaceId,
        error: &ErrorRecord,
        now: Timestamp,
    ) {
        let may_help = is_outage(error) || matches!(error.retry, Retry::After { .. });
        // Once everything is restored, only the clocks end what an outage keeps from being done.
        let restored = matches!(self.stage, RestoreStage::Attaching | RestoreStage::Activating);
        let outages_max = if restored { u32::MAX } else { OUTAGE_TRIES_MAX };
        let again = self.tries.again_within(outages_max, &mut self.retry_at, error, now);
        if is_outage(error) && self.tries.outages == TRIES_MAX {
            let step = &record.step;
            record.warnings.push(format!("{step} has failed {TRIES_MAX} times and is tried again: {error}"));
        }
        if !may_help || !again {
            self.failure = Some(error.clone());
            // What was made before the answer was lost is found by the provisioner from the operation alone.
            self.made.get_or_insert_with(|| Provisioned::new(target.clone()));
            self.go(RestoreStage::Undoing);
        }
    }

    fn on_workspace_discarded(
        &mut self,
        record: &mut OperationRecord,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        if let Err(error) = result {
            if self.tries.again(&mut self.retry_at, error, now) {
                return;
            }
            record.issues.push(Issue::new("not-undone", "workspace", error.to_string()));
        } else if std::mem::take(&mut self.late_birth) {
            self.retry_at = Some(now.after(LATE_BIRTH));
            return;
        }
        self.made = None;
    }

    /// Goes to the next stage when the parts of this one are done.
    fn advance(&mut self, record: &mut OperationRecord, request: &RestoreRequest) {
        let cancelled = self.stopping == Some(Stopping::Cancelled);
        if self.stage == RestoreStage::Inspecting && self.stopping == Some(Stopping::Expired) {
            let reason = match self.waits_for.first() {
                Some(other) => {
                    format!("the deadline passed while operation {other} still worked at the target")
                }
                None => "the deadline passed before the restore began".into(),
            };
            fail(record, deadline_error(&reason));
            return;
        }
        if self.stage == RestoreStage::Filling || (cancelled && self.stage == RestoreStage::Inspecting) {
            self.judge_jobs(record, request);
        }
        if self.stage == RestoreStage::Undoing {
            let keep = request.on_failure == OnFailure::Keep || self.can_go_on() || self.is_for_a_person();
            let undone = self.members.iter().all(|member| member.undone || member.resource().is_none());
            if keep || (undone && self.made.is_none()) {
                self.end_undone(record);
            }
        }
    }

    fn collect_due(
        &self,
        record: &mut OperationRecord,
        request: &RestoreRequest,
        now: Timestamp,
        turn: &mut Turn,
    ) {
        if self.stopping == Some(Stopping::Cancelled) && record.state == OperationState::Running {
            record.state = OperationState::Cancelling;
        }
        record.step = self.step_name().into();
        self.wake_for_clocks(record, request, turn);
        if let Some(at) = waits(self.retry_at, now) {
            turn.wake(at);
            return;
        }
        match (self.stage, &self.backup, &self.made) {
            (RestoreStage::Inspecting, _, _) => turn.effects.push(Effect::InspectBackup),
            (RestoreStage::Provisioning, Some(backup), _) => {
                let request = ProvisionRequest::new(request.clone(), backup.clone());
                turn.effects.push(Effect::Provision(Box::new(request)));
            }
            (RestoreStage::Filling, _, _) => self.members.iter().for_each(|member| member.fill(now, turn)),
            (RestoreStage::Attaching, _, Some(made)) => {
                let resources = self.members.iter().filter_map(|member| member.resource().cloned()).collect();
                turn.effects.push(Effect::Attach { made: made.clone(), resources });
            }
            (RestoreStage::Activating, _, Some(made)) => turn.effects.push(Effect::Activate(made.clone())),
            (RestoreStage::Undoing, _, made) => self.undo(made.as_ref(), now, turn),
            _ => {}
        }
    }

    /// Removes resources newest first, then the workspace.
    fn undo(&self, made: Option<&Provisioned>, now: Timestamp, turn: &mut Turn) {
        for member in self.members.iter().rev() {
            if let Some(resource) = member.resource().filter(|_| !member.undone) {
                match waits(member.retry_at, now) {
                    Some(at) => turn.wake(at),
                    None => turn.effects.push(Effect::Discard(resource.clone())),
                }
                return;
            }
        }
        if let Some(made) = made {
            turn.effects.push(Effect::DiscardWorkspace(made.clone()));
        }
    }

    fn step_name(&self) -> &'static str {
        match self.stage {
            RestoreStage::Inspecting if !self.waits_for.is_empty() => "waiting",
            RestoreStage::Inspecting => "inspecting",
            RestoreStage::Provisioning => "provisioning",
            RestoreStage::Filling => "filling",
            RestoreStage::Attaching => "attaching",
            RestoreStage::Activating => "activating",
            RestoreStage::Undoing => "undoing",
        }
    }
}

fn nothing_to_restore() -> ErrorRecord {
    let message =
        "the backup holds no snapshot that could be restored; what it left out and why is in the warnings";
    Error::new(ErrorKind::NotFound, message).record()
}
