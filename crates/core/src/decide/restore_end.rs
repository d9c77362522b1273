//! How a restore is judged and ends: by what became of its jobs, as a whole one, or undone.

use super::backup::Stopping;
use super::job::{JobEnd, JobStep};
use super::restore::{RestoreMachine, RestoreStage};
use super::restore_member::RestoreMember;
use super::{cancelled_error, deadline_error, fail};
use crate::catalog::{Origin, WorkspaceRecord};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::operation::{OnFailure, OperationRecord, OperationState, RestoreRequest};
use crate::provider::{Issue, Landing};
use crate::workspace::Definition;

impl RestoreMachine {
    /// Whether the same restore could go on from what is there: jobs inside the process take up what they left, and
    /// nothing is wrong with it.
    pub(super) fn can_go_on(&self) -> bool {
        let passing = self.failure.as_ref().is_some_and(|failure| {
            matches!(
                failure.kind,
                ErrorKind::DeadlineExceeded
                    | ErrorKind::Unavailable
                    | ErrorKind::RateLimited
                    | ErrorKind::Busy
            )
        });
        passing && self.members.iter().all(|member| member.run.in_process)
    }

    pub(super) fn judge_jobs(&mut self, record: &mut OperationRecord, request: &RestoreRequest) {
        let broken = self.members.iter().find_map(|member| match &member.run.step {
            JobStep::Ended(JobEnd::Failed(error)) => Some(error.clone()),
            _ => None,
        });
        if !self.members.iter().all(|member| member.run.is_idle()) {
            // What is to be thrown away need not be restored to its end first.
            if request.on_failure == OnFailure::Discard {
                self.failure = self.failure.take().or(broken);
            }
            if self.stopping == Some(Stopping::Expired) && self.failure.is_none() {
                record.state = OperationState::Detached;
            }
            if self.failure.is_some() {
                self.members.iter_mut().for_each(|member| member.run.stop());
            }
            return;
        }
        let stopped = self.members.iter().find_map(|member| match &member.run.step {
            JobStep::Ended(JobEnd::Cancelled) if self.stopping == Some(Stopping::Expired) => {
                Some(deadline_error("the deadline passed; the same restore again goes on from here"))
            }
            JobStep::Ended(JobEnd::Cancelled) => Some(cancelled_error()),
            _ => None,
        });
        if self.stopping == Some(Stopping::Cancelled) {
            self.failure = Some(cancelled_error());
        }
        self.failure = self.failure.take().or(broken).or(stopped);
        if self.failure.is_some() {
            if self.stage != RestoreStage::Undoing {
                self.go(RestoreStage::Undoing);
            }
        } else if self.stage == RestoreStage::Filling && self.members.iter().all(RestoreMember::is_ready) {
            self.go(RestoreStage::Attaching);
        } else if self.stopping == Some(Stopping::Expired) {
            record.state = OperationState::Detached;
        }
    }

    pub(super) fn end_undone(&mut self, record: &mut OperationRecord) {
        let failure = self.failure.clone().unwrap_or_else(cancelled_error);
        fail(record, failure);
        record.issues.extend(self.members.iter().filter_map(|member| member.run.not_undone()));
        record.issues.extend(self.kept_for_a_person());
        if self.stopping == Some(Stopping::Cancelled) {
            record.state = OperationState::Cancelled;
            record.step = "cancelled".into();
        }
    }

    /// Whether a part of it needs a person, so that nothing of it is undone.
    pub(super) fn is_for_a_person(&self) -> bool {
        self.members.iter().any(|member| member.needs_attention().is_some())
    }

    /// What was not undone because a part of it needs a person, one by one: the resources, and whatever else was made for
    /// the new workspace.
    fn kept_for_a_person(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        if !self.is_for_a_person() {
            return issues;
        }
        for member in self.members.iter().filter(|member| !member.undone) {
            let Some(made) = member.resource() else { continue };
            let trouble = member.needs_attention();
            let why = trouble.map_or("another part needs a person".to_owned(), ToString::to_string);
            let message = format!("{} was kept: {why}", made.resource);
            issues.push(Issue::new("not-undone", member.run.component().as_str(), message));
        }
        if let Some(made) = &self.made {
            let message = format!(
                "what was made for {} was kept, because a part of it needs a person; remove it by hand once nobody wants it",
                made.workspace
            );
            issues.push(Issue::new("not-undone", "workspace", message));
        }
        issues
    }

    /// What the catalog is to know of the new workspace, once it is whole as far as the backup is. Its own definition is
    /// whatever the next look at it finds: the backup's names places and settings of the workspace that was backed up.
    pub(super) fn restored(
        &self,
        record: &OperationRecord,
        request: &RestoreRequest,
        now: Timestamp,
    ) -> Option<WorkspaceRecord> {
        let made = self.made.as_ref()?;
        let backup = self.backup.as_ref()?;
        // Of what stood at its target already it brought back a part at the most.
        let replaces = matches!(request.landing, Landing::Empty | Landing::Replace);
        if !replaces || !matches!(record.state, OperationState::Completed | OperationState::Partial) {
            return None;
        }
        let mut definition = Definition::new(made.workspace.clone());
        definition.software_version.clone_from(&made.software_version);
        definition.environment = made.environment.clone().or_else(|| backup.definition.environment.clone());
        let mut origin = Origin::new(backup, record.id.clone(), now);
        origin.software_version.clone_from(&made.software_version);
        let mut restored = WorkspaceRecord::new(definition, Vec::new(), now);
        restored.origin = Some(origin);
        Some(restored)
    }

    pub(super) fn conclude(&mut self, record: &mut OperationRecord) {
        for status in self.members.iter().filter_map(|member| member.run.status.as_ref()) {
            record.issues.extend(status.issues.iter().cloned());
            record.warnings.extend(status.warnings.iter().cloned());
        }
        let then = self.backup.as_ref().and_then(|backup| backup.definition.software_version.as_deref());
        let now = self.made.as_ref().and_then(|made| made.software_version.as_deref());
        if let (Some(then), Some(now)) = (then, now)
            && then != now
        {
            let message =
                format!("the backup is of software version {then}, and the new workspace runs {now}");
            record.warnings.push(message);
        }
        let whole = record.issues.is_empty();
        record.state = if whole { OperationState::Completed } else { OperationState::Partial };
        record.step = "restored".into();
    }
}
