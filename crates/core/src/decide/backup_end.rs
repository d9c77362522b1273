//! How a backup ends: its jobs are wound up, what they made is recorded and catalogued, or it fails and says why.

use super::backup::{BackupMachine, Stopping};
use super::effect::Outcome;
use super::job::{JobEnd, JobStep};
use super::member::Proof;
use super::{Turn, cancelled_error, deadline_error, fail, seal};
use crate::clock::Timestamp;
use crate::error::ErrorRecord;
use crate::operation::{BackupRequest, OnDeadline, OperationRecord, OperationState};
use crate::provider::Issue;

impl BackupMachine {
    pub(super) fn on_recorded(&mut self, result: &Result<Outcome, ErrorRecord>, now: Timestamp) {
        let Some(sealed) = &mut self.record else { return };
        match result {
            Ok(_) => {}
            Err(error) => {
                if self.recording.again(&mut self.retry_at, error, now) {
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
    pub(super) fn conclude(&self, record: &mut OperationRecord, was_sealed: bool, turn: &mut Turn) {
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
    pub(super) fn wind_up(&mut self, request: &BackupRequest) {
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
    pub(super) fn settle(&mut self, record: &mut OperationRecord, request: &BackupRequest, now: Timestamp) {
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
}
