//! How a copy goes: read the backup, copy all its snapshots at once, verify what was made, record, seal.
//!
//! A copy holds nothing still and is whole or not at all: what was copied before one part failed is deleted again.

use serde::{Deserialize, Serialize};

use super::clocks::FOLLOWED_MAX;
use super::effect::{Effect, Event, Inspection, Outcome, Step, missing_backup};
use super::findings::{blocked, warn};
use super::job::{JobEnd, JobRun, JobStep, STOP_WAIT_MAX};
use super::member::{Member, Proof};
use super::{Tries, Turn, cancelled_error, deadline_error, fail, look_again, note_progress, waits};
use crate::catalog::{BackupRecord, BackupState};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, ErrorRecord};
use crate::id::BackupId;
use crate::operation::{CopyRequest, OperationRecord, OperationState, Request};
use crate::provider::{CopyJob, Issue, JobKey, JobRequest};

/// The stored state of a copy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CopyMachine {
    /// The backup that is copied, once it was read.
    pub original: Option<BackupRecord>,
    /// One per snapshot.
    pub members: Vec<Member>,
    /// Why what was copied is being deleted again.
    pub undoing: Option<Undoing>,
    /// Since when it is being undone.
    #[serde(default)]
    pub undoing_at: Option<Timestamp>,
    /// The sealed record while it is written to its places.
    pub record: Option<BackupRecord>,
    /// Failed tries of the step at hand.
    #[serde(flatten)]
    pub tries: Tries,
    /// Do nothing before this time.
    pub retry_at: Option<Timestamp>,
}

/// Why a copy is undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Undoing {
    /// Somebody asked.
    Cancelled,
    /// A part of it failed.
    Failed(ErrorRecord),
}

impl CopyMachine {
    pub(super) fn turn(
        &mut self,
        record: &mut OperationRecord,
        event: &Event,
        now: Timestamp,
        turn: &mut Turn,
    ) {
        let Request::Copy(request) = record.request.clone() else {
            return;
        };
        match event {
            Event::Begun | Event::Leaving => {}
            Event::Tick => self.members.iter_mut().for_each(|member| member.run.tick(now)),
            Event::Recovered => self.members.iter_mut().for_each(|member| member.run.recover()),
            Event::CancelRequested if self.record.is_some() => {
                record.warnings.push("a copy that is being sealed is carried to its end".into());
            }
            Event::CancelRequested => self.undoing = Some(Undoing::Cancelled),
            Event::Done(step, result) => self.on_done(record, &request, step, result, now),
        }
        if record.state.is_terminal() {
            turn.put_backup = self.record.clone().filter(|_| record.backup.is_some());
            return;
        }
        if self.original.is_some() && self.record.is_none() {
            self.watch(record, now);
            self.settle(record, &request, now);
        } else if self.original.is_none() {
            self.end_unbegun(record, now);
        }
        if !record.state.is_terminal() {
            self.collect_due(record, now, turn);
        }
    }

    fn on_done(
        &mut self,
        record: &mut OperationRecord,
        request: &CopyRequest,
        step: &Step,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        match step {
            Step::Inspect if self.original.is_none() => match result {
                Ok(Outcome::Inspected(found)) => self.on_inspected(record, request, found, now),
                Ok(_) => {}
                Err(error) => {
                    if !look_again(&mut self.tries.outages, &mut self.retry_at, error, now) {
                        fail(record, error.clone());
                    }
                }
            },
            Step::WriteRecord => self.on_recorded(record, result, now),
            Step::Start(id) => self.with(id.as_str(), |member| member.run.on_start(result, now)),
            Step::Poll(id) => self.with(id.as_str(), |member| member.run.on_poll(result, now)),
            Step::CancelJob(id) => self.with(id.as_str(), |member| member.run.on_cancel(result)),
            Step::Verify(id) => self.with(id.as_str(), |member| member.on_verified(result, now)),
            Step::Delete(id) => self.with(id.as_str(), |member| member.on_discarded(result, now)),
            _ => {}
        }
    }

    fn with(&mut self, id: &str, act: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.iter_mut().find(|member| member.run.component().as_str() == id) {
            act(member);
        }
    }

    fn on_inspected(
        &mut self,
        record: &mut OperationRecord,
        request: &CopyRequest,
        found: &Inspection,
        now: Timestamp,
    ) {
        let Some(original) = &found.backup else {
            fail(record, missing_backup(&request.backup));
            return;
        };
        let refused = match original.state {
            BackupState::Deleting => Some("the backup is being deleted"),
            BackupState::Damaged => Some("the backup is damaged"),
            _ if original.components.iter().all(|component| component.snapshot.is_none()) => {
                Some("the backup has no snapshot")
            }
            _ => None,
        };
        if let Some(reason) = refused {
            fail(record, Error::new(ErrorKind::InvalidInput, format!("{reason}; choose another")).record());
            return;
        }
        if let Some(error) = blocked(found.findings.iter(), &request.waivers) {
            fail(record, error);
            return;
        }
        warn(record, found.findings.iter());
        for component in &original.components {
            let Some(snapshot) = &component.snapshot else { continue };
            let id = &component.component.id;
            let key = JobKey::new(record.id.clone(), id.clone(), 1);
            let provider = request.provider.clone().unwrap_or_else(|| snapshot.provider.clone());
            let mut job = CopyJob::new(key, provider, BackupId::of(&record.id), snapshot.clone());
            job.workspace = Some(original.workspace.clone());
            job.component = Some(component.component.clone());
            job.created_at = original.created_at;
            job.destination.clone_from(&request.destination);
            job.retain = request.retain;
            job.tags.clone_from(&original.definition.snapshot_tags);
            let in_process = found.in_process.get(id).copied().unwrap_or_default();
            let mut run = JobRun::new(JobRequest::Copy(job), in_process);
            run.begin(now);
            self.members.push(Member::new(run));
        }
        self.original = Some(original.clone());
        (self.tries, self.retry_at) = (Tries::default(), None);
    }

    /// Nothing was begun yet, so nothing is undone.
    fn end_unbegun(&self, record: &mut OperationRecord, now: Timestamp) {
        if self.undoing.is_some() {
            fail(record, cancelled_error());
            record.state = OperationState::Cancelled;
        } else if record.deadline <= now {
            fail(record, deadline_error("the deadline passed before the copy began"));
        }
    }

    /// Sees whether a part failed, and what the deadline asks for.
    fn watch(&mut self, record: &mut OperationRecord, now: Timestamp) {
        let failed = self.members.iter().find_map(|member| match (&member.run.step, member.proof) {
            (JobStep::Ended(JobEnd::Failed(error)), _) => Some(error.clone()),
            (JobStep::Ended(JobEnd::Cancelled), _) => {
                Some(Error::new(ErrorKind::Cancelled, "the provider stopped the job").record())
            }
            (JobStep::Ended(JobEnd::Succeeded), _) if member.snapshot().is_none() => {
                Some(Error::new(ErrorKind::Unexpected, "the job succeeded but named no snapshot").record())
            }
            (_, Proof::Doubtful) => {
                let found = member.issues.iter().map(|issue| issue.message.as_str()).collect::<Vec<_>>();
                let message = format!("the copy does not prove whole: {}", found.join("; "));
                Some(Error::new(ErrorKind::Corrupt, message).record())
            }
            _ => None,
        });
        let expired = record.deadline <= now;
        let dies = |member: &Member| member.run.in_process && !member.run.has_ended();
        let late = (expired && self.members.iter().any(dies))
            .then(|| deadline_error("the deadline passed while this process was copying"));
        if self.undoing.is_none() {
            self.undoing = failed.or(late).map(Undoing::Failed);
        }
        if self.undoing.is_some() {
            self.undoing_at.get_or_insert(now);
            for member in &mut self.members {
                member.undo();
                member.run.stop();
            }
        } else if expired && !self.members.iter().all(|member| member.is_settled(false)) {
            // The workspace is free for other operations while the provider copies on.
            record.state = OperationState::Detached;
        }
        if self.gives_up_at(record).is_some_and(|at| at <= now) {
            self.members.iter_mut().map(|member| &mut member.run).for_each(JobRun::give_up_waiting);
        }
        note_progress(record, self.members.iter().map(|member| &member.run), now);
    }

    /// When jobs that do not end are no longer waited for.
    fn gives_up_at(&self, record: &OperationRecord) -> Option<Timestamp> {
        let late = record.deadline.after(FOLLOWED_MAX);
        let at = self.undoing_at.map_or(late, |since| since.after(STOP_WAIT_MAX));
        self.members.iter().any(|member| !member.run.is_idle()).then_some(at)
    }

    /// Seals or ends the copy when all its parts allow it.
    fn settle(&mut self, record: &mut OperationRecord, request: &CopyRequest, now: Timestamp) {
        let undone = self.undoing.is_some();
        if !self.members.iter().all(|member| member.is_settled(undone)) {
            return;
        }
        let Some(undoing) = &self.undoing else {
            self.record = self.sealed(record, request, now);
            (self.tries, self.retry_at) = (Tries::default(), None);
            return;
        };
        let kept = self.members.iter().filter(|member| member.proof == Proof::Kept);
        record.issues.extend(kept.flat_map(|member| member.issues.clone()));
        record.issues.extend(self.members.iter().filter_map(|member| member.run.not_undone()));
        match undoing {
            Undoing::Cancelled => {
                fail(record, cancelled_error());
                record.state = OperationState::Cancelled;
            }
            Undoing::Failed(error) => fail(record, error.clone()),
        }
    }

    /// The copy's own record: the original's, with the snapshots that were made of its own.
    fn sealed(
        &self,
        record: &OperationRecord,
        request: &CopyRequest,
        now: Timestamp,
    ) -> Option<BackupRecord> {
        let mut copy = self.original.clone()?;
        copy.copy_of = Some(std::mem::replace(&mut copy.id, BackupId::of(&record.id)));
        copy.operation = record.id.clone();
        let place =
            |name: &str| request.destination.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let definition = &mut copy.definition;
        definition.account = place("account").or(definition.account.take());
        definition.region = place("region").or(definition.region.take());
        copy.copied_to.clone_from(&request.destination);
        copy.creator.clone_from(&request.creator);
        copy.finished_at = now;
        (copy.parent, copy.held, copy.added_bytes) = (None, false, 0);
        copy.expires_at = request.retain.map(|retain| record.started_at.after(retain));
        copy.written_by = env!("CARGO_PKG_VERSION").to_owned();
        for component in &mut copy.components {
            let made = self.members.iter().find(|member| *member.run.component() == component.component.id);
            let Some(member) = made else { continue };
            component.snapshot = member.snapshot().cloned();
            (component.verified, component.verified_at) = match member.proof {
                Proof::Verified(depth) => (Some(depth), Some(now)),
                _ => (None, None),
            };
            if let Some(status) = &member.run.status {
                let stored = status.counts.get("bytes_stored").copied().unwrap_or_default();
                copy.added_bytes = copy.added_bytes.saturating_add(stored);
            }
        }
        Some(copy)
    }

    fn on_recorded(
        &mut self,
        record: &mut OperationRecord,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        let Some(sealed) = &mut self.record else { return };
        if let Err(error) = result {
            if self.tries.again(&mut self.retry_at, error, now) {
                return;
            }
            let message = format!("the record beside the copy is missing: {error}");
            let issue = Issue::new("record", "workspace", message);
            if let Some(component) = sealed.components.iter_mut().find(|c| c.snapshot.is_some()) {
                component.issues.push(issue);
            }
            sealed.state = BackupState::Partial;
        }
        let sealed = sealed.clone();
        super::seal::conclude(record, &sealed);
    }

    fn collect_due(&self, record: &mut OperationRecord, now: Timestamp, turn: &mut Turn) {
        if self.undoing == Some(Undoing::Cancelled) && record.state == OperationState::Running {
            record.state = OperationState::Cancelling;
        }
        if record.state == OperationState::Running && self.record.is_none() && self.undoing.is_none() {
            turn.wake(record.deadline);
        }
        if let Some(at) = self.gives_up_at(record).filter(|at| self.record.is_none() && *at > now) {
            turn.wake(at);
        }
        if self.original.is_none() {
            record.step = "inspecting".into();
            match waits(self.retry_at, now) {
                Some(at) => turn.wake(at),
                None => turn.effects.push(Effect::InspectBackup),
            }
            return;
        }
        if let Some(sealed) = &self.record {
            record.step = "recording".into();
            match waits(self.retry_at, now) {
                Some(at) => turn.wake(at),
                None => turn.effects.push(Effect::WriteRecord(Box::new(sealed.clone()))),
            }
            return;
        }
        record.step = if self.undoing.is_some() { "undoing" } else { "copying" }.into();
        for member in &self.members {
            member.collect_due(self.undoing.is_some(), now, turn);
        }
    }
}
