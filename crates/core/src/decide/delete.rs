//! How a deletion goes: mark the backup, delete each snapshot and read back that it is gone, remove the records.
//!
//! The mark comes first, so that a backup that may have lost a snapshot is never offered for restore.

use serde::{Deserialize, Serialize};

use super::effect::{Effect, Event, Outcome, Step, missing_backup};
use super::job::backoff;
use super::trouble::Trouble;
use super::{Tries, Turn, cancelled_error, deadline_error, fail, look_again, waits};
use crate::catalog::{BackupRecord, BackupState, Revision, StoredBackup};
use crate::clock::Timestamp;
use crate::error::{Effect as EffectOf, Error, ErrorKind, ErrorRecord};
use crate::id::ComponentId;
use crate::operation::{OperationRecord, OperationState, Request};
use crate::provider::DeleteState;
use crate::snapshot::SnapshotRef;

/// Times a backup may be changed by others between looking at it and marking it.
const MARKS_MAX: u32 = 8;

/// The stored state of a deletion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeleteMachine {
    /// Where it stands.
    pub stage: DeleteStage,
    /// The backup as it was before it was marked, or as it will be once the mark is taken away.
    pub backup: Option<BackupRecord>,
    /// The revision it was inspected at.
    #[serde(default)]
    pub revision: u64,
    /// One per snapshot.
    pub members: Vec<DeleteMember>,
    /// Whether an earlier deletion had marked it, of which nobody knows here how far it came.
    #[serde(default)]
    pub marked_before: bool,
    /// Failed tries of the step at hand.
    #[serde(flatten)]
    pub tries: Tries,
    /// Do nothing before this time.
    pub retry_at: Option<Timestamp>,
    /// What keeps the step at hand from being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// Why nothing could be deleted: the mark is being taken away again, and then the deletion has failed with this.
    #[serde(default)]
    pub refusal: Option<ErrorRecord>,
}

/// Where a deletion stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeleteStage {
    /// Nothing was done yet.
    #[default]
    Inspecting,
    /// The backup is being marked, if nobody changed it since it was inspected.
    Marking,
    /// The backup is marked; its snapshots are going.
    Deleting,
    /// The snapshots are gone; the records beside the data are going.
    RemovingRecord,
    /// The mark is taken away again; the records beside the data are written, which whoever saw the mark may have removed.
    Recording,
}

/// One snapshot in a running deletion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeleteMember {
    /// Whose snapshot.
    pub component: ComponentId,
    /// The snapshot.
    pub snapshot: SnapshotRef,
    /// Whether it was read back as gone.
    pub gone: bool,
    /// Failed tries to delete it.
    #[serde(flatten)]
    pub tries: Tries,
    /// Looks at a deletion that is under way outside.
    #[serde(default)]
    pub looks: u32,
    /// Whether any answer so far leaves open that something of it is gone. Records of older versions do not say.
    #[serde(default = "unknown")]
    pub touched: bool,
    /// Do not ask again before this time.
    pub retry_at: Option<Timestamp>,
}

/// What a record that does not say whether a snapshot was touched has to be taken for.
fn unknown() -> bool {
    true
}

impl DeleteMachine {
    pub(super) fn turn(
        &mut self,
        record: &mut OperationRecord,
        event: &Event,
        now: Timestamp,
        turn: &mut Turn,
    ) {
        let Request::Delete(request) = record.request.clone() else {
            return;
        };
        match event {
            // How long nobody tried it is no trouble of the store.
            Event::Recovered => self.trouble = None,
            Event::CancelRequested if self.stage == DeleteStage::Inspecting && self.refusal.is_none() => {
                self.give_up(record, cancelled_error());
            }
            Event::CancelRequested => {
                record.warnings.push("a deletion that has begun is carried to its end".into());
            }
            Event::Done(Step::Inspect, Ok(Outcome::Inspected(found)))
                if self.stage == DeleteStage::Inspecting =>
            {
                match (&found.backup, self.refusal.clone()) {
                    (Some(backup), Some(refusal)) => {
                        self.prepare_unmark(record, backup, found.revision, refusal);
                    }
                    (None, refusal) => {
                        end(record, refusal.unwrap_or_else(|| missing_backup(&request.backup)));
                    }
                    (Some(_), None) if found.in_use.is_some() => {
                        self.give_up(record, found.in_use.clone().unwrap_or_else(cancelled_error));
                    }
                    (Some(backup), None) => self.prepare(record, backup, found.revision),
                }
            }
            Event::Done(Step::Mark, result) if self.stage == DeleteStage::Marking => {
                self.on_marked(record, result, now);
            }
            Event::Done(Step::Inspect, Err(error)) => self.on_unseen(record, error, now),
            Event::Done(Step::Delete(id), result) => self.on_deleted(record, id, result, now),
            Event::Done(Step::WriteRecord, result) if self.stage == DeleteStage::Recording => {
                self.on_recorded(record, result, now);
            }
            Event::Done(Step::DeleteRecord, result) => self.on_record_gone(record, result, now, turn),
            _ => {}
        }
        if record.state.is_terminal() {
            return;
        }
        if record.deadline <= now && self.refusal.is_none() {
            let error = deadline_error("the deadline passed; deleting the backup again goes on from here");
            match self.stage {
                // Whether the mark was set is not known before its answer.
                DeleteStage::Marking => {}
                DeleteStage::Inspecting => self.give_up(record, error),
                DeleteStage::Deleting | DeleteStage::RemovingRecord | DeleteStage::Recording => {
                    fail(record, error)
                }
            }
            if record.state.is_terminal() {
                return;
            }
        }
        if self.stage == DeleteStage::Deleting && self.members.iter().all(|member| member.gone) {
            self.stage = DeleteStage::RemovingRecord;
        }
        self.collect_due(record, now, turn);
    }

    fn on_unseen(&mut self, record: &mut OperationRecord, error: &ErrorRecord, now: Timestamp) {
        if !look_again(&mut self.tries.outages, &mut self.retry_at, error, now) {
            end(record, self.refusal.clone().unwrap_or_else(|| error.clone()));
        }
    }

    /// Ends it, or first takes away the mark that an earlier try may have left: a backup that lost nothing stays of use.
    fn give_up(&mut self, record: &mut OperationRecord, error: ErrorRecord) {
        if self.backup.is_none() || self.marked_before {
            end(record, error);
            return;
        }
        self.refusal = Some(error);
        (self.stage, self.tries, self.retry_at) = (DeleteStage::Inspecting, Tries::default(), None);
    }

    fn prepare(&mut self, record: &mut OperationRecord, backup: &BackupRecord, revision: Option<Revision>) {
        if backup.held {
            let message = "the backup is held; release the hold first";
            fail(record, Error::new(ErrorKind::PermissionDenied, message).record());
            return;
        }
        record.backup = Some(backup.id.clone());
        let mut original = backup.clone();
        let before = original.before_deletion.take();
        let own = self.backup.take();
        if original.state == BackupState::Deleting {
            // A mark whose answer was lost is our own; it must not pass for the state before it.
            self.marked_before |= own.is_none();
            original.state = own.map(|own| own.state).or(before).unwrap_or(original.state);
        }
        self.backup = Some(original);
        self.revision = revision.map_or(0, |revision| revision.0);
        self.members.clear();
        for component in &backup.components {
            if let Some(snapshot) = &component.snapshot {
                self.members.push(DeleteMember {
                    component: component.component.id.clone(),
                    snapshot: snapshot.clone(),
                    gone: false,
                    tries: Tries::default(),
                    looks: 0,
                    touched: false,
                    retry_at: None,
                });
            }
        }
        self.stage = DeleteStage::Marking;
    }

    /// Gives the backup the state back that it had before the mark, and keeps whatever else was changed meanwhile.
    fn prepare_unmark(
        &mut self,
        record: &mut OperationRecord,
        backup: &BackupRecord,
        revision: Option<Revision>,
        refusal: ErrorRecord,
    ) {
        let before = self.backup.as_ref().map(|backup| backup.state);
        let known = before.filter(|before| *before != BackupState::Deleting);
        let Some(state) = known.filter(|_| backup.state == BackupState::Deleting) else {
            end(record, refusal);
            return;
        };
        let mut unmarked = backup.clone();
        (unmarked.state, unmarked.before_deletion) = (state, None);
        self.backup = Some(unmarked);
        self.revision = revision.map_or(0, |revision| revision.0);
        self.stage = DeleteStage::Marking;
    }

    fn on_marked(
        &mut self,
        record: &mut OperationRecord,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        match (result, &self.refusal) {
            (Ok(_), Some(_)) => {
                (self.stage, self.tries, self.retry_at) = (DeleteStage::Recording, Tries::default(), None);
            }
            (Ok(_), None) => {
                (self.stage, self.tries, self.retry_at) = (DeleteStage::Deleting, Tries::default(), None);
            }
            (Err(error), None) if error.kind == ErrorKind::Busy => self.give_up(record, error.clone()),
            (Err(error), refusal) => {
                let again = self.tries.again(&mut self.retry_at, error, now);
                if !again && error.kind != ErrorKind::Conflict || self.tries.misses > MARKS_MAX {
                    match refusal {
                        Some(refusal) => end(record, refusal.clone()),
                        None => self.give_up(record, error.clone()),
                    }
                    return;
                }
                // Whoever changed it may have put a hold on it: look again.
                self.stage = DeleteStage::Inspecting;
            }
        }
    }

    fn on_deleted(
        &mut self,
        record: &mut OperationRecord,
        id: &ComponentId,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        let Some(member) = self.members.iter_mut().find(|member| member.component == *id) else {
            return;
        };
        let untouched = match result {
            Ok(outcome) => matches!(outcome, Outcome::Deleted(DeleteState::Locked { .. })),
            Err(error) => is_denied(error) && error.effect == EffectOf::NotApplied,
        };
        let locked = matches!(result, Ok(Outcome::Deleted(DeleteState::Locked { .. })));
        let refused = match result {
            Ok(Outcome::Deleted(DeleteState::Gone)) => {
                member.gone = true;
                self.trouble = None;
                return;
            }
            Ok(Outcome::Deleted(DeleteState::Locked { until, reason })) => {
                let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
                Some(
                    Error::new(ErrorKind::PermissionDenied, format!("{id} is locked{until}: {reason}"))
                        .record(),
                )
            }
            Ok(Outcome::Deleted(DeleteState::Stuck { reason })) => {
                let message =
                    format!("the provider kept the snapshot of {id} although it answered success: {reason}");
                Some(Error::new(ErrorKind::NeedsAttention, message).record())
            }
            // A deletion on its way is asked about until the deadline, and was accepted after whatever had kept it.
            Ok(_) => {
                (self.trouble, member.tries) = (None, Tries::default());
                member.looks = member.looks.saturating_add(1);
                member.retry_at = Some(now.after(backoff(member.looks)));
                None
            }
            Err(error) => {
                let spent = !member.tries.again(&mut member.retry_at, error, now);
                let what = format!("deleting the snapshot of {id}");
                Trouble::note(&mut self.trouble, &what, error, spent, now, &mut record.warnings)
            }
        };
        member.touched |= !untouched;
        let Some(error) = refused else { return };
        // Where every answer was a refusal, the backup is as good as it was. What an earlier deletion left is known to be
        // there only where a lock says so: the first one is asked for first each time.
        let known = locked || !self.marked_before;
        if known && self.members.iter().all(|member| !member.gone && !member.touched) {
            self.refusal = Some(error);
            (self.stage, self.tries, self.retry_at) = (DeleteStage::Inspecting, Tries::default(), None);
        } else {
            fail(record, error);
        }
    }

    /// The backup is again what it was before the deletion, which ends with what refused it.
    fn on_recorded(
        &mut self,
        record: &mut OperationRecord,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        if let Err(error) = result {
            if self.tries.again(&mut self.retry_at, error, now) {
                return;
            }
            record.warnings.push(format!(
                "the backup stays, and whether its record beside the data does is unknown; reconcile: {error}"
            ));
        }
        end(record, self.refusal.clone().unwrap_or_else(cancelled_error));
    }

    fn on_record_gone(
        &mut self,
        record: &mut OperationRecord,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
        turn: &mut Turn,
    ) {
        match result {
            Ok(_) => {
                record.state = OperationState::Completed;
                record.step = "deleted".into();
                turn.remove_backup.clone_from(&record.backup);
            }
            Err(error) => {
                let spent = !self.tries.again(&mut self.retry_at, error, now);
                let (trouble, what) = (&mut self.trouble, "removing the records beside the data");
                let over = Trouble::note(trouble, what, error, spent, now, &mut record.warnings);
                if let Some(error) = over {
                    fail(record, error);
                }
            }
        }
    }

    fn collect_due(&self, record: &mut OperationRecord, now: Timestamp, turn: &mut Turn) {
        if record.deadline > now {
            turn.wake(record.deadline);
        }
        match (self.stage, &self.backup) {
            (DeleteStage::Inspecting, _) => {
                record.step = "inspecting".into();
                match waits(self.retry_at, now) {
                    Some(at) => turn.wake(at),
                    None => turn.effects.push(Effect::InspectBackup),
                }
            }
            (DeleteStage::Marking, Some(backup)) => {
                record.step = "marking".into();
                let mut marked = backup.clone();
                if self.refusal.is_none() {
                    let before = std::mem::replace(&mut marked.state, BackupState::Deleting);
                    marked.before_deletion = Some(before).filter(|before| *before != BackupState::Deleting);
                }
                let marked = StoredBackup::new(marked, Revision(self.revision));
                turn.effects.push(Effect::MarkBackup(Box::new(marked)));
            }
            (DeleteStage::Deleting, _) => {
                record.step = "deleting".into();
                // One after the other, so that a refusal says what is still whole.
                if let Some(member) = self.members.iter().find(|member| !member.gone) {
                    match waits(member.retry_at, now) {
                        Some(at) => turn.wake(at),
                        None => turn.effects.push(Effect::DeleteSnapshot {
                            component: member.component.clone(),
                            snapshot: member.snapshot.clone(),
                        }),
                    }
                }
            }
            (DeleteStage::RemovingRecord, Some(backup)) => {
                record.step = "removing records".into();
                match waits(self.retry_at, now) {
                    Some(at) => turn.wake(at),
                    None => turn.effects.push(Effect::DeleteRecord(Box::new(backup.clone()))),
                }
            }
            (DeleteStage::Recording, Some(backup)) => {
                record.step = "recording".into();
                match waits(self.retry_at, now) {
                    Some(at) => turn.wake(at),
                    None => turn.effects.push(Effect::WriteRecord(Box::new(backup.clone()))),
                }
            }
            (DeleteStage::Marking | DeleteStage::RemovingRecord | DeleteStage::Recording, None) => {}
        }
    }
}

/// Whether the other side refused before it did anything.
fn is_denied(error: &ErrorRecord) -> bool {
    matches!(error.kind, ErrorKind::PermissionDenied | ErrorKind::Unauthenticated)
}

/// Ends a deletion that deleted nothing.
fn end(record: &mut OperationRecord, error: ErrorRecord) {
    let cancelled = error.kind == ErrorKind::Cancelled;
    fail(record, error);
    if cancelled {
        record.state = OperationState::Cancelled;
    }
}
