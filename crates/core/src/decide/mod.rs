//! The pure core: what to do next, as a function of what is stored and what happened.
//!
//! [`decide`] takes an operation's record and an event and answers the next record together with the effects that
//! are due. It reads no clock, makes no call and keeps nothing. The driver stores the next record, with an intent
//! for each outside call, *before* it runs any effect; after a crash the same function says what is still due.

mod backup;
mod backup_begin;
mod backup_end;
mod clocks;
mod copy;
mod delete;
mod effect;
mod findings;
mod guard;
mod hold;
mod job;
mod member;
mod rest;
mod restore;
mod restore_clocks;
mod restore_end;
mod restore_member;
mod seal;
mod search;
mod tries;
mod trouble;
mod verify;
mod witness;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use backup::{BackupMachine, Stopping};
pub use copy::{CopyMachine, Undoing};
pub use delete::{DeleteMachine, DeleteMember, DeleteStage};
pub(crate) use effect::FOREIGN;
pub use effect::{Effect, Event, Inspection, Outcome, Step};
pub use guard::{Guard, GuardStep};
pub use hold::{Hold, HoldCount};
pub use job::{JobEnd, JobRun, JobStep};
pub use member::{Member, Proof};
pub use rest::Rest;
pub use restore::{RestoreMachine, RestoreStage};
pub use restore_member::RestoreMember;
pub use tries::Tries;
pub use trouble::Trouble;
pub(crate) use verify::DAMAGED;
pub use verify::{VerifyMachine, VerifyMember, VerifyStage};

use crate::catalog::{BackupRecord, WorkspaceRecord};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, ErrorRecord};
use crate::id::BackupId;
use crate::operation::{OperationRecord, OperationState, Request};
use crate::provider::Progress;

/// The stored state of one operation, by its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "machine")]
#[non_exhaustive]
pub enum Machine {
    /// A backup.
    Backup(Box<BackupMachine>),
    /// A restore.
    Restore(Box<RestoreMachine>),
    /// A deletion.
    Delete(Box<DeleteMachine>),
    /// A verification.
    Verify(Box<VerifyMachine>),
    /// A copy.
    Copy(Box<CopyMachine>),
}

impl Machine {
    /// The first state of a request.
    pub fn new(request: &Request) -> Self {
        match request {
            Request::Backup(_) => Self::Backup(Box::default()),
            Request::Restore(_) => Self::Restore(Box::default()),
            Request::Delete(_) => Self::Delete(Box::default()),
            Request::Verify(_) => Self::Verify(Box::default()),
            Request::Copy(_) => Self::Copy(Box::default()),
        }
    }

    /// The jobs that it has planned.
    pub(crate) fn runs(&self) -> Vec<&JobRun> {
        match self {
            Self::Backup(backup) => backup.members.iter().map(|member| &member.run).collect(),
            Self::Restore(restore) => restore.members.iter().map(|member| &member.run).collect(),
            Self::Copy(copy) => copy.members.iter().map(|member| &member.run).collect(),
            Self::Delete(_) | Self::Verify(_) => Vec::new(),
        }
    }

    /// Whether nothing of it is at work any more, and it waits for what others do.
    pub(crate) fn only_waits(&self) -> bool {
        match self {
            Self::Backup(backup) => backup.is_resting(),
            Self::Restore(restore) => restore.only_waits(),
            Self::Delete(_) | Self::Verify(_) | Self::Copy(_) => false,
        }
    }

    /// Whether something may be left outside of it, once it has ended, that no backup names.
    pub(crate) fn may_have_left(&self) -> bool {
        let left = |members: &[Member], sealed| members.iter().any(|member| member.may_have_left(sealed));
        match self {
            Self::Backup(backup) => {
                matches!(backup.hold, Hold::Stuck(_)) || left(&backup.members, backup.record.is_some())
            }
            Self::Copy(copy) => left(&copy.members, copy.record.is_some()),
            Self::Restore(_) | Self::Delete(_) | Self::Verify(_) => false,
        }
    }

    /// Whether a workspace may be held still by it, as far as is known.
    pub(crate) fn may_hold(&self) -> bool {
        matches!(self, Self::Backup(backup) if backup.hold.may_hold() || backup.quiesce_unanswered)
    }
}

/// The answer of [`decide`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Decision {
    /// The operation from now on; to be stored before any effect runs.
    pub record: OperationRecord,
    /// Everything that is due. An effect whose [`Step`] already runs is not to be started again.
    pub effects: Vec<Effect>,
    /// When to look again although nothing happened ([`Event::Tick`]). After a tick it lies ahead: what that moment
    /// changes, the tick has changed.
    pub wake_at: Option<Timestamp>,
    /// A backup to store together with the record.
    pub put_backup: Option<BackupRecord>,
    /// A backup to remove together with the record.
    pub remove_backup: Option<BackupId>,
    /// A restored workspace to catalogue together with the record.
    pub restored: Option<WorkspaceRecord>,
}

/// What a machine answers to one event; [`decide`] makes a [`Decision`] of it.
#[derive(Debug, Default)]
struct Turn {
    effects: Vec<Effect>,
    wake_at: Option<Timestamp>,
    put_backup: Option<BackupRecord>,
    remove_backup: Option<BackupId>,
    restored: Option<WorkspaceRecord>,
}

impl Turn {
    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// Decides what an operation does next.
///
/// The function is total: an event that no longer matters changes nothing, and an ended operation has nothing due.
///
/// ```
/// use stillpoint_core::decide::{decide, Effect, Event};
/// use stillpoint_core::{BackupRequest, OperationRecord, Request, Timestamp};
///
/// let now = Timestamp::from_millis(0);
/// let request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
/// let record = OperationRecord::submitted(Request::Backup(request), now);
/// let decision = decide(&record, &Event::Begun, now);
/// assert!(matches!(decision.effects.as_slice(), [Effect::InspectWorkspace]));
/// ```
pub fn decide(record: &OperationRecord, event: &Event, now: Timestamp) -> Decision {
    let mut next = record.clone();
    if next.state.is_terminal() {
        return Decision {
            record: next,
            effects: Vec::new(),
            wake_at: None,
            put_backup: None,
            remove_backup: None,
            restored: None,
        };
    }
    let mut turn = Turn::default();
    let mut machine = next.machine.clone();
    match &mut machine {
        Machine::Backup(backup) => backup.turn(&mut next, event, now, &mut turn),
        Machine::Restore(restore) => restore.turn(&mut next, event, now, &mut turn),
        Machine::Delete(delete) => delete.turn(&mut next, event, now, &mut turn),
        Machine::Verify(verify) => verify.turn(&mut next, event, now, &mut turn),
        Machine::Copy(copy) => copy.turn(&mut next, event, now, &mut turn),
    }
    next.machine = machine;
    if next.state.is_terminal() {
        next.finished_at.get_or_insert(now);
        turn.effects.clear();
        turn.wake_at = None;
    }
    Decision {
        record: next,
        effects: turn.effects,
        wake_at: turn.wake_at,
        put_backup: turn.put_backup,
        remove_backup: turn.remove_backup,
        restored: turn.restored,
    }
}

/// What names the provider or workspace in the error of a call that could not be made, because it is not registered here.
pub(crate) const UNREGISTERED: &str = "unregistered";

/// How often a step that is refused is tried before it is given up.
const TRIES_MAX: u32 = 6;
/// How often a step is tried while the other side cannot be reached: most of an hour.
const OUTAGE_TRIES_MAX: u32 = 100;

/// How long the work of others is waited for before it is looked at again.
const WAIT: Duration = Duration::from_secs(60);

/// The same before the look of this number: what others do is often done soon.
fn look_pause(looks: u32) -> Duration {
    if looks <= QUICK_LOOKS { job::backoff(looks) } else { WAIT }
}

/// So many looks come sooner.
const QUICK_LOOKS: u32 = 7;

/// No step waits longer than this before it is tried again.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Until when a step waits that is to be tried again `at` that time; `None` where it is due. A time further ahead than
/// anything waits was told by another clock than the one that tells `now`, and is no reason to wait.
fn waits(at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    at.filter(|at| *at > now && at.since(now) <= WAIT_MAX)
}

/// Whether an error says that the other side is busy or away, and nothing about the request.
fn is_outage(error: &ErrorRecord) -> bool {
    matches!(error.kind, ErrorKind::RateLimited | ErrorKind::Unavailable)
}

/// A look at what there is failed with `error`: when it is taken again, unless it is given up (`false`).
fn look_again(
    outages: &mut u32,
    retry_at: &mut Option<Timestamp>,
    error: &ErrorRecord,
    now: Timestamp,
) -> bool {
    *outages += 1;
    *retry_at = Some(now.after(job::backoff(*outages)));
    is_outage(error) && *outages < OUTAGE_TRIES_MAX
}

/// Ends an operation without a result.
fn fail(record: &mut OperationRecord, error: ErrorRecord) {
    record.state = OperationState::Failed;
    record.step = "failed".into();
    record.error = Some(error);
}

/// The error of an operation whose total or stall clock ran out.
fn deadline_error(message: &str) -> ErrorRecord {
    Error::new(ErrorKind::DeadlineExceeded, message).record()
}

/// The error of an operation that was asked to stop.
fn cancelled_error() -> ErrorRecord {
    Error::new(ErrorKind::Cancelled, "the operation was cancelled on request").record()
}

/// Sums the progress of all jobs into the record, never backwards, and notes when it grew.
fn note_progress<'a>(record: &mut OperationRecord, runs: impl Iterator<Item = &'a JobRun>, now: Timestamp) {
    let mut sum = Progress { bytes_total: Some(0), files_total: Some(0), ..Progress::default() };
    for run in runs {
        let progress = run.progress();
        sum.bytes_done = sum.bytes_done.saturating_add(progress.bytes_done);
        sum.files_done = sum.files_done.saturating_add(progress.files_done);
        sum.bytes_total = sum.bytes_total.zip(progress.bytes_total).map(|(a, b)| a.saturating_add(b));
        sum.files_total = sum.files_total.zip(progress.files_total).map(|(a, b)| a.saturating_add(b));
    }
    let grown = sum.bytes_done > record.progress.bytes_done || sum.files_done > record.progress.files_done;
    sum.bytes_done = sum.bytes_done.max(record.progress.bytes_done);
    sum.files_done = sum.files_done.max(record.progress.files_done);
    record.progress = sum;
    if grown {
        record.last_advance = now;
    }
}
