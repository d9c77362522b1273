//! How a verification goes: look at every snapshot to the depth asked for, then judge the backup by what was found, in
//! the catalog and in its record beside the data.
//!
//! Nothing is judged before everything was looked at, and a snapshot that could not be looked at says nothing.

use serde::{Deserialize, Serialize};

use super::effect::{Effect, Event, Outcome, Step, missing_backup};
use super::{Tries, Turn, cancelled_error, deadline_error, fail, look_again, waits};
use crate::catalog::{BackupRecord, BackupState, ComponentRecord, ComponentState, Revision, StoredBackup};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, ErrorRecord};
use crate::id::ComponentId;
use crate::operation::{OperationRecord, OperationState, Request, VerifyRequest};
use crate::provider::Issue;
use crate::snapshot::{Depth, SnapshotRef, Verification};
use crate::workspace::Protection;

/// The kind of an issue that a verification found.
pub(crate) const DAMAGED: &str = "damaged";
/// Times a backup may be changed by others between looking at it and judging it.
const JUDGEMENTS_MAX: u32 = 8;
/// The most problems that are itemised of one snapshot.
const PROBLEMS_MAX: usize = 100;

/// The stored state of a verification.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VerifyMachine {
    /// Where it stands.
    pub stage: VerifyStage,
    /// The backup: as it was inspected, later as it was judged.
    pub backup: Option<BackupRecord>,
    /// The revision it was inspected at.
    pub revision: u64,
    /// One per snapshot.
    pub members: Vec<VerifyMember>,
    /// When the last snapshot had been looked at.
    pub verified_at: Option<Timestamp>,
    /// Failed tries of the step at hand.
    #[serde(flatten)]
    pub tries: Tries,
    /// Looks at the backup in a row that failed.
    #[serde(default)]
    pub looks: u32,
    /// Do nothing before this time.
    pub retry_at: Option<Timestamp>,
}

/// Where a verification stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VerifyStage {
    /// The backup is being read.
    #[default]
    Inspecting,
    /// Its snapshots are being looked at.
    Verifying,
    /// The verdict is being written to the catalog, if nobody changed the backup meanwhile.
    Judging,
    /// The verdict is being written beside the data.
    Recording,
}

/// One snapshot in a running verification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VerifyMember {
    /// Whose snapshot.
    pub component: ComponentId,
    /// The snapshot.
    pub snapshot: SnapshotRef,
    /// What was found.
    pub found: Option<Verification>,
    /// Tries in a row that could not look at it.
    #[serde(flatten)]
    pub tries: Tries,
    /// Do not look again before this time.
    pub retry_at: Option<Timestamp>,
}

impl VerifyMachine {
    pub(super) fn turn(
        &mut self,
        record: &mut OperationRecord,
        event: &Event,
        now: Timestamp,
        turn: &mut Turn,
    ) {
        let Request::Verify(request) = record.request.clone() else {
            return;
        };
        let harmless = matches!(self.stage, VerifyStage::Inspecting | VerifyStage::Verifying);
        match event {
            Event::CancelRequested if harmless => {
                fail(record, cancelled_error());
                record.state = OperationState::Cancelled;
            }
            Event::CancelRequested => {
                record.warnings.push("a verdict that is being written is written to its end".into());
            }
            Event::Done(Step::Inspect, Ok(Outcome::Inspected(found)))
                if self.stage == VerifyStage::Inspecting =>
            {
                self.on_inspected(record, &request, found.backup.as_ref(), found.revision);
            }
            Event::Done(Step::Inspect, Err(error)) if self.stage == VerifyStage::Inspecting => {
                self.on_unseen(record, error, now);
            }
            Event::Done(Step::Verify(id), result) => self.on_looked(record, id, result, now),
            Event::Done(Step::Mark, result) if self.stage == VerifyStage::Judging => {
                self.on_judged(record, result, now);
            }
            Event::Done(Step::WriteRecord, result) if self.stage == VerifyStage::Recording => {
                self.on_recorded(record, result, now);
            }
            _ => {}
        }
        if record.state.is_terminal() {
            return;
        }
        if record.deadline <= now && harmless {
            fail(record, deadline_error("the deadline passed before every snapshot had been looked at"));
            return;
        }
        if self.stage == VerifyStage::Verifying && self.members.iter().all(|member| member.found.is_some()) {
            self.judge(now);
        }
        self.collect_due(record, &request, now, turn);
    }

    fn on_unseen(&mut self, record: &mut OperationRecord, error: &ErrorRecord, now: Timestamp) {
        if !look_again(&mut self.looks, &mut self.retry_at, error, now) {
            fail(record, error.clone());
        }
    }

    fn on_inspected(
        &mut self,
        record: &mut OperationRecord,
        request: &VerifyRequest,
        backup: Option<&BackupRecord>,
        revision: Option<Revision>,
    ) {
        let Some(backup) = backup else {
            fail(record, missing_backup(&request.backup));
            return;
        };
        if backup.state == BackupState::Deleting {
            fail(record, Error::new(ErrorKind::InvalidInput, "the backup is being deleted").record());
            return;
        }
        let snapshots: Vec<_> = backup.components.iter().filter_map(member).collect();
        if snapshots.is_empty() {
            fail(record, Error::new(ErrorKind::InvalidInput, "the backup has no snapshot").record());
            return;
        }
        // After somebody else's change, what was found of the same snapshots still holds.
        let known = std::mem::take(&mut self.members);
        self.members = snapshots;
        for member in &mut self.members {
            let same = |old: &&VerifyMember| {
                (&old.component, &old.snapshot) == (&member.component, &member.snapshot)
            };
            member.found = known.iter().find(same).and_then(|old| old.found.clone());
        }
        self.backup = Some(backup.clone());
        self.revision = revision.map_or(0, |revision| revision.0);
        record.backup = Some(backup.id.clone());
        self.stage = VerifyStage::Verifying;
        (self.looks, self.retry_at) = (0, None);
    }

    fn on_looked(
        &mut self,
        record: &mut OperationRecord,
        id: &ComponentId,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        let waiting = |member: &&mut VerifyMember| member.component == *id && member.found.is_none();
        let Some(member) = self.members.iter_mut().find(waiting) else { return };
        match result {
            Ok(Outcome::Verified(found)) => {
                member.found = Some(found.clone());
                record.last_advance = now;
            }
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::NotFound => {
                let gone =
                    Issue::new("missing", member.snapshot.id.as_str(), "the snapshot no longer exists");
                member.found = Some(Verification::new(Depth::Listed, vec![gone]));
            }
            Err(error) => {
                if !member.tries.again(&mut member.retry_at, error, now) {
                    fail(record, error.clone());
                }
            }
        }
    }

    /// Everything was looked at: makes the verdict.
    fn judge(&mut self, now: Timestamp) {
        let at = *self.verified_at.get_or_insert(now);
        if let Some(backup) = &mut self.backup {
            verdict(backup, &self.members, at);
        }
        self.stage = VerifyStage::Judging;
    }

    fn on_judged(
        &mut self,
        record: &mut OperationRecord,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        let Err(error) = result else {
            (self.stage, self.tries, self.retry_at) = (VerifyStage::Recording, Tries::default(), None);
            return;
        };
        let again = self.tries.again(&mut self.retry_at, error, now);
        if !again && error.kind != ErrorKind::Conflict || self.tries.misses > JUDGEMENTS_MAX {
            fail(record, error.clone());
        }
        // Somebody changed it, or the answer of our own write was lost: read it, and judge it again.
        self.stage = VerifyStage::Inspecting;
    }

    fn on_recorded(
        &mut self,
        record: &mut OperationRecord,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        let mut unwritten = None;
        if let Err(error) = result {
            if self.tries.again(&mut self.retry_at, error, now) {
                return;
            }
            let message = format!("the record beside the data does not hold the verdict: {error}");
            unwritten = Some(Issue::new("record", "workspace", message));
        }
        let Some(backup) = &self.backup else { return };
        record.issues = backup.issues().filter(|issue| issue.kind == DAMAGED).cloned().collect();
        record.issues.extend(unwritten);
        record.state =
            if record.issues.is_empty() { OperationState::Completed } else { OperationState::Partial };
        record.step = "verified".into();
    }

    fn collect_due(
        &self,
        record: &mut OperationRecord,
        request: &VerifyRequest,
        now: Timestamp,
        turn: &mut Turn,
    ) {
        if matches!(self.stage, VerifyStage::Inspecting | VerifyStage::Verifying) {
            turn.wake(record.deadline);
        }
        if let Some(at) = waits(self.retry_at, now) {
            turn.wake(at);
            return;
        }
        match (self.stage, &self.backup) {
            (VerifyStage::Inspecting, _) => {
                record.step = "inspecting".into();
                turn.effects.push(Effect::InspectBackup);
            }
            (VerifyStage::Verifying, Some(backup)) => {
                record.step = "verifying".into();
                for member in self.members.iter().filter(|member| member.found.is_none()) {
                    match waits(member.retry_at, now) {
                        Some(at) => turn.wake(at),
                        None => turn.effects.push(Effect::Verify {
                            component: member.component.clone(),
                            snapshot: member.snapshot.clone(),
                            depth: request.depth,
                            made_by: backup.operation.clone(),
                        }),
                    }
                }
            }
            (VerifyStage::Judging, Some(backup)) => {
                record.step = "judging".into();
                let judged = StoredBackup::new(backup.clone(), Revision(self.revision));
                turn.effects.push(Effect::MarkBackup(Box::new(judged)));
            }
            (VerifyStage::Recording, Some(backup)) => {
                record.step = "recording".into();
                turn.effects.push(Effect::WriteRecord(Box::new(backup.clone())));
            }
            (_, None) => {}
        }
    }
}

fn member(component: &ComponentRecord) -> Option<VerifyMember> {
    Some(VerifyMember {
        component: component.component.id.clone(),
        snapshot: component.snapshot.clone()?,
        found: None,
        tries: Tries::default(),
        retry_at: None,
    })
}

/// Writes what was found into the backup. A second verdict of the same findings changes nothing.
fn verdict(backup: &mut BackupRecord, members: &[VerifyMember], at: Timestamp) {
    for component in &mut backup.components {
        let of = |member: &&VerifyMember| {
            member.component == component.component.id
                && Some(&member.snapshot) == component.snapshot.as_ref()
        };
        let Some(found) = members.iter().find(of).and_then(|member| member.found.as_ref()) else { continue };
        component.issues.retain(|issue| issue.kind != DAMAGED);
        component.verified_at = Some(at);
        component.verified = found.is_good().then_some(found.depth);
        component.issues.extend(found.problems.iter().take(PROBLEMS_MAX).map(|problem| {
            Issue::new(DAMAGED, &problem.item, format!("{}: {}", problem.kind, problem.message))
        }));
        component.state = match component.state {
            ComponentState::Completed if !found.is_good() => ComponentState::Damaged,
            ComponentState::Damaged if found.is_good() && component.issues.is_empty() => {
                ComponentState::Completed
            }
            ComponentState::Damaged if found.is_good() => ComponentState::Partial,
            state => state,
        };
    }
    let whole = backup
        .components
        .iter()
        .filter(|component| component.component.protection == Protection::Protected)
        .all(|component| component.state == ComponentState::Completed);
    backup.state = match backup.state {
        _ if backup.issues().any(|issue| issue.kind == DAMAGED) => BackupState::Damaged,
        BackupState::Damaged if whole => BackupState::Completed,
        BackupState::Damaged => BackupState::Partial,
        state => state,
    };
}
