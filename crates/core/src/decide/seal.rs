//! Sealing a backup: its record, its state, and the consistency it can claim.

use super::backup::BackupMachine;
use super::hold::Hold;
use super::job::{JobEnd, JobStep};
use super::member::{Member, Proof};
use crate::catalog::{BackupRecord, BackupState, ComponentRecord, ComponentState};
use crate::clock::Timestamp;
use crate::id::BackupId;
use crate::operation::{BackupRequest, OperationRecord, OperationState};
use crate::plan::PlannedComponent;
use crate::provider::{CaptureWindow, Issue, JobRequest, JobState};
use crate::workspace::{Consistency, Protection};

/// The record of a backup whose members are all settled.
pub(super) fn record(
    machine: &BackupMachine,
    operation: &OperationRecord,
    request: &BackupRequest,
    now: Timestamp,
) -> Option<BackupRecord> {
    let plan = machine.plan.as_ref()?;
    let id = BackupId::of(&operation.id);
    let mut sealed =
        BackupRecord::new(id, operation.id.clone(), plan.definition.clone(), operation.started_at);
    for planned in &plan.components {
        let member = machine.members.iter().find(|member| *member.run.component() == planned.component.id);
        sealed.components.push(match (member, &planned.component.protection) {
            (Some(member), _) => component(member, planned),
            (None, _) => ComponentRecord::new(planned.component.clone(), ComponentState::Excluded),
        });
    }
    sealed.restored_from.clone_from(&plan.restored_from);
    sealed.name.clone_from(&request.name);
    sealed.creator.clone_from(&request.creator);
    sealed.waivers.clone_from(&request.waivers);
    sealed.finished_at = now;
    // What was built on nothing has no parent.
    let built = |member: &Member| {
        let named = matches!(&member.run.request, JobRequest::Backup(job) if job.base.is_some());
        named && member.run.status.as_ref().is_none_or(|status| status.base_lost.is_none())
    };
    sealed.parent = plan.parent.clone().filter(|_| machine.members.iter().any(built));
    sealed.expires_at = request.retain.map(|retain| operation.started_at.after(retain));
    sealed.size_bytes = sum(&sealed, "bytes_scanned");
    sealed.added_bytes = sum(&sealed, "bytes_stored");
    let budget_ends = machine.held_from.zip(request.hold_at_most).map(|(from, most)| from.after(most));
    sealed.consistency =
        consistency(machine, budget_ends.unwrap_or(operation.deadline).min(operation.deadline));
    let stuck = machine.stuck(operation);
    if let (Some(from), Some(to)) = (machine.held_from, machine.released_at.or(stuck.as_ref().map(|_| now))) {
        sealed.downtime = to.since(from) + machine.held_before;
        sealed.quiesced = Some(CaptureWindow::new(from, to));
    }
    let whole = sealed
        .components
        .iter()
        .filter(|component| component.component.protection == Protection::Protected)
        .all(|component| component.state == ComponentState::Completed);
    // It is whole, but its workspace is not well, which nobody must overlook.
    let whole = whole && stuck.is_none();
    if let Some(component) = sealed.components.iter_mut().find(|component| component.snapshot.is_some()) {
        component.issues.extend(stuck);
    }
    sealed.state = if whole { BackupState::Completed } else { BackupState::Partial };
    Some(sealed)
}

/// Ends the operation with its sealed backup.
pub(super) fn conclude(record: &mut OperationRecord, sealed: &BackupRecord) {
    record.state = match sealed.state {
        BackupState::Completed => OperationState::Completed,
        _ => OperationState::Partial,
    };
    record.step = "sealed".into();
    record.backup = Some(sealed.id.clone());
    record.issues = sealed.issues().cloned().collect();
}

fn component(member: &Member, planned: &PlannedComponent) -> ComponentRecord {
    let id = planned.component.id.clone();
    let mut out = ComponentRecord::new(planned.component.clone(), ComponentState::Failed);
    out.issues.clone_from(&member.issues);
    out.base_lost.clone_from(&planned.base_lost);
    if let Some(status) = &member.run.status {
        out.base_lost = status.base_lost.clone().or(out.base_lost);
        out.captured = status.captured;
        out.counts.clone_from(&status.counts);
        out.issues.extend(status.issues.iter().cloned());
    }
    out.snapshot = member.snapshot().cloned();
    out.took = out.snapshot.as_ref().and_then(|_| member.run.took());
    out.state = match &member.run.step {
        JobStep::Ended(JobEnd::Cancelled) => {
            out.issues.push(Issue::new("cancelled", id.as_str(), "the job was stopped before it was done"));
            ComponentState::Cancelled
        }
        JobStep::Ended(JobEnd::Failed(error)) => {
            out.issues.push(Issue::new("failed", id.as_str(), error.to_string()));
            ComponentState::Failed
        }
        _ if out.snapshot.is_none() => {
            out.issues.push(Issue::new("failed", id.as_str(), "the job succeeded but named no snapshot"));
            ComponentState::Failed
        }
        _ => state_of_captured(member, &mut out),
    };
    if let Proof::Verified(depth) = member.proof {
        out.verified = Some(depth);
    }
    out
}

fn state_of_captured(member: &Member, out: &mut ComponentRecord) -> ComponentState {
    if member.late {
        out.issues.push(Issue::new(
            "late",
            out.component.id.as_str(),
            "captured after the workspace was let go; a base for the next backup, not part of a consistent set",
        ));
        return ComponentState::Late;
    }
    let remarked =
        member.run.status.as_ref().is_some_and(|status| status.state == JobState::SucceededWithIssues);
    if remarked && out.issues.is_empty() {
        out.issues.push(Issue::new(
            "issues",
            out.component.id.as_str(),
            "the provider completed with issues",
        ));
    }
    if out.issues.is_empty() && matches!(member.proof, Proof::Verified(_)) {
        ComponentState::Completed
    } else {
        ComponentState::Partial
    }
}

/// What the set can claim: the level the workspace was held at, if every capture lies inside the hold; one moment
/// per component, if each capture is one moment; else nothing.
///
/// The hold counts from the moment at which the workspace answered that it stands, since a job that was queued outside during
/// a rest may begin while services stop. Such a job is inside only if it was seen in its queue under the hold: a clock outside
/// that is ahead would put its beginning there in any case. It counts until it was first told to let go, and never beyond its budget: a
/// workspace may let itself go then (`QuiesceOptions::budget`) while nobody is there to see it.
fn consistency(machine: &BackupMachine, budget_ends: Timestamp) -> Consistency {
    let windows: Option<Vec<_>> = machine
        .members
        .iter()
        .filter(|member| member.snapshot().is_some())
        .map(|member| member.run.status.as_ref().and_then(|status| status.captured))
        .collect();
    let outlasted = machine.members.iter().any(|member| member.run.outlasted_hold);
    let Some(windows) = windows.filter(|windows| !windows.is_empty()) else {
        return Consistency::Fuzzy;
    };
    let level = match machine.hold {
        Hold::Released(Some(level)) | Hold::Stuck(Some(level)) => level,
        Hold::Held(level) | Hold::Resuming(Some(level)) => level,
        _ => Consistency::Fuzzy,
    };
    let held = machine.held_at.or(machine.held_from);
    let mut made = machine.members.iter().filter(|member| member.snapshot().is_some());
    let all_began = made.all(|member| member.run.began_under_hold());
    let inside = |from: Timestamp, to: Timestamp| {
        held.is_some_and(|held| held <= from)
            && to <= machine.releasing_at.map_or(budget_ends, |let_go| let_go.min(budget_ends))
    };
    let points = windows.iter().all(|window| window.from == window.to);
    let all_inside = !outlasted && all_began && windows.iter().all(|window| inside(window.from, window.to));
    if all_inside && level > Consistency::Fuzzy {
        level
    } else if points {
        Consistency::Crash
    } else {
        Consistency::Fuzzy
    }
}

fn sum(record: &BackupRecord, count: &str) -> u64 {
    record
        .components
        .iter()
        .filter_map(|component| component.counts.get(count))
        .fold(0, |sum, count| sum.saturating_add(*count))
}
