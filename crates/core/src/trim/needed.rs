//! Whether an operation that ended left something for which its record is needed.

use crate::decide::Machine;
use crate::error::ErrorKind;
use crate::operation::OperationRecord;

/// Whether the operation has ended and left nothing outside that anybody would have to see to, as far as its record says.
///
/// A reconciliation deletes what an operation left only while the catalog knows that the operation has ended.
pub(super) fn is_done_with(record: &OperationRecord) -> bool {
    let needs_a_person = record.error.as_ref().is_some_and(|error| error.kind == ErrorKind::NeedsAttention);
    if !record.state.is_terminal() || needs_a_person {
        return false;
    }
    if record.issues.iter().any(|issue| issue.kind == "not-undone" || issue.kind == "still-held") {
        return false;
    }
    // What a restore stands for was to be done once, however long ago: another process asks for it by its id.
    !matches!(record.machine, Machine::Restore(_)) && !record.machine.may_have_left()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::decide::{BackupMachine, Guard, GuardStep, Hold, JobEnd, JobRun, JobStep, Member, Proof};
    use crate::error::Error;
    use crate::operation::{BackupRequest, OperationState, Request};
    use crate::provider::{BackupJob, Issue, JobKey, JobRequest, JobState, JobStatus};
    use crate::snapshot::SnapshotRef;
    use crate::workspace::Component;

    /// A backup that failed, with one member that was cancelled before it began.
    fn failed(change: impl FnOnce(&mut BackupMachine)) -> OperationRecord {
        let request = BackupRequest::new("op".parse().unwrap(), "ada".parse().unwrap());
        let now = Timestamp::from_millis(0);
        let mut record = OperationRecord::submitted(Request::Backup(request), now);
        let component = Component::new("home".parse().unwrap(), "disk", "p".parse().unwrap(), "disk-1");
        let key = JobKey::new(record.id.clone(), component.id.clone(), 1);
        let job = BackupJob::new(key, record.workspace.clone(), "b".parse().unwrap(), component, now);
        let mut member = Member::new(JobRun::new(JobRequest::Backup(job), false));
        member.run.step = JobStep::Ended(JobEnd::Cancelled);
        let mut machine = BackupMachine { members: vec![member], ..BackupMachine::default() };
        change(&mut machine);
        record.machine = Machine::Backup(Box::new(machine));
        record.state = OperationState::Failed;
        record
    }

    fn made() -> Option<JobStatus> {
        let mut status = JobStatus::new(JobState::Expired);
        status.snapshot = Some(SnapshotRef::new("p".parse().unwrap(), "snap-1".parse().unwrap()));
        Some(status)
    }

    #[test]
    fn what_may_be_left_outside_keeps_its_operation() {
        let with = |change: &dyn Fn(&mut Member)| {
            is_done_with(&failed(|machine| machine.members.iter_mut().for_each(change)))
        };
        assert!(with(&|_| {}));
        assert!(!with(&|member| member.run.status = made()), "a snapshot that no backup names");
        assert!(with(&|member| (member.run.status, member.proof) = (made(), Proof::Discarded)));
        assert!(!with(&|member| member.proof = Proof::Kept));
        assert!(!with(&|member| member.run.losses = 1));
        assert!(!with(&|member| member.run.ruled_out.push("job-1".parse().unwrap())));
        let stuck = Error::new(ErrorKind::NeedsAttention, "look").record();
        assert!(!with(&|member| member.run.step = JobStep::Ended(JobEnd::Failed(stuck.clone()))));
        let guard = |step| Guard { step, ..Guard::default() };
        assert!(!with(&|member| member.guard = guard(GuardStep::Left)));
        assert!(with(&|member| member.guard = guard(GuardStep::Removed)));
        assert!(!is_done_with(&failed(|machine| machine.hold = Hold::Stuck(None))));
    }

    #[test]
    fn what_a_person_is_to_see_to_keeps_its_operation() {
        let mut record = failed(|_| {});
        record.issues.push(Issue::new("failed", "home", "refused"));
        assert!(is_done_with(&record));
        record.issues.push(Issue::new("not-undone", "home", "the snapshot remains"));
        assert!(!is_done_with(&record));
        let mut record = failed(|_| {});
        record.error = Some(Error::new(ErrorKind::NeedsAttention, "look").record());
        assert!(!is_done_with(&record));
        let mut record = failed(|_| {});
        record.state = OperationState::Detached;
        assert!(!is_done_with(&record));
    }
}
