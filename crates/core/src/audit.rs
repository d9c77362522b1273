//! Who asked for what, and what was done outside for it: an operation's record and ledger as a list for auditors.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::operation::{LedgerEntry, LedgerKind, OperationRecord, Request};

/// The ledger's action for somebody's wish to stop an operation.
pub(crate) const CANCEL_REQUESTED: &str = "cancel-requested";
/// The ledger's action for a process that went on with what another one had begun.
pub(crate) const TAKEN_OVER: &str = "taken-over";

/// One line for auditors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditRecord {
    /// When it was.
    pub at: Timestamp,
    /// Who asked for it, where the request says so; the holder for a takeover.
    pub who: Option<String>,
    /// What was asked or done: `backup-requested`, `waived`, `start`, `resume`, `ended`, …
    pub what: String,
    /// What it concerns: the workspace, a component, a preflight check.
    pub subject: String,
    /// What came of it, where that is known.
    pub outcome: Option<String>,
}

/// The operation as a list for auditors, oldest first: the request and its waivers, each call outside with its
/// outcome, takeovers, wishes to stop, and the end.
///
/// ```
/// use stillpoint_core::*;
///
/// let mut request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
/// request.creator = Some("grace".into());
/// request.waivers.push("source-busy".into());
/// let record = OperationRecord::submitted(Request::Backup(request), Timestamp::from_millis(0));
/// let lines = audit(&record, &[]);
/// assert_eq!((lines[0].what.as_str(), lines[0].who.as_deref()), ("backup-requested", Some("grace")));
/// assert_eq!((lines[1].what.as_str(), lines[1].subject.as_str()), ("waived", "source-busy"));
/// ```
pub fn audit(record: &OperationRecord, ledger: &[LedgerEntry]) -> Vec<AuditRecord> {
    let (creator, waivers): (_, &[String]) = match &record.request {
        Request::Backup(request) => (&request.creator, &request.waivers),
        Request::Restore(request) => (&request.creator, &request.waivers),
        Request::Delete(request) => (&request.creator, &[]),
        Request::Verify(request) => (&request.creator, &[]),
        Request::Copy(request) => (&request.creator, &request.waivers),
    };
    let line = |at, what: &str, subject: &str, outcome: Option<String>| AuditRecord {
        at,
        who: creator.clone(),
        what: what.to_owned(),
        subject: subject.to_owned(),
        outcome,
    };
    let asked = format!("{}-requested", record.request.kind());
    let mut lines = vec![line(record.started_at, &asked, record.workspace.as_str(), None)];
    lines.extend(waivers.iter().map(|check| line(record.started_at, "waived", check, None)));
    for (index, entry) in ledger.iter().enumerate() {
        match entry.kind {
            LedgerKind::Intent => {
                let outcome = ledger[index..].iter().find(|later| {
                    later.kind == LedgerKind::Outcome
                        && (&later.action, &later.subject) == (&entry.action, &entry.subject)
                });
                let outcome = outcome.and_then(|outcome| outcome.outcome.clone());
                lines.push(line(entry.at, &entry.action, &entry.subject, outcome));
            }
            LedgerKind::Outcome if entry.action == TAKEN_OVER => {
                let mut taken = line(entry.at, TAKEN_OVER, &entry.subject, None);
                taken.who.clone_from(&entry.outcome);
                lines.push(taken);
            }
            LedgerKind::Outcome if entry.action == CANCEL_REQUESTED => {
                let mut wish = line(entry.at, CANCEL_REQUESTED, &entry.subject, None);
                wish.who = None;
                lines.push(wish);
            }
            LedgerKind::Outcome => {}
        }
    }
    if let Some(at) = record.finished_at {
        let why = record.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        let outcome = format!("{}{why}", record.state.as_str());
        lines.push(line(at, "ended", record.workspace.as_str(), Some(outcome)));
    }
    lines
}
