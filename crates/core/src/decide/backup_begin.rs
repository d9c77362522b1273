//! How a backup begins: with what its workspace is, unless something stands against it or is to be waited for.

use super::backup::BackupMachine;
use super::findings::{blocked, said, warn};
use super::guard::Guard;
use super::job::JobRun;
use super::member::Member;
use super::{WAIT, fail, look_pause};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::BackupId;
use crate::operation::{BackupRequest, OperationRecord, TIMEOUT_DEFAULT};
use crate::plan::Plan;
use crate::provider::{BackupJob, JobKey, JobRequest, RESOURCE_BUSY};
use crate::workspace::Protection;

/// The part of the operation's time for which jobs of others are waited for before anything is held still.
const BEHIND_PART: u32 = 4;

impl BackupMachine {
    pub(super) fn on_planned(
        &mut self,
        record: &mut OperationRecord,
        request: &BackupRequest,
        plan: &Plan,
        now: Timestamp,
    ) {
        if self.plan.is_some() {
            return;
        }
        if let Some(departure) = request.accepted_plan.as_ref().and_then(|accepted| accepted.departure(plan))
        {
            let message = format!("the workspace is not as it was planned ({departure}); plan again");
            fail(record, Error::new(ErrorKind::Conflict, message).record());
            return;
        }
        self.misses = 0;
        self.waits_for.clone_from(&plan.waits_for);
        if !self.waits_for.is_empty() {
            self.looks = self.looks.saturating_add(1);
            self.retry_at = Some(now.after(look_pause(self.looks)));
            return;
        }
        self.retry_at = None;
        let findings = plan.all_findings();
        if let Some(error) = blocked(findings.clone(), &request.waivers) {
            fail(record, error);
            return;
        }
        self.behind = self.held_up(record, request, plan, now);
        if self.behind.is_some() {
            self.retry_at = Some(now.after(WAIT));
            return;
        }
        warn(record, findings);
        for planned in &plan.components {
            if planned.component.protection != Protection::Protected {
                continue;
            }
            let key = JobKey::new(record.id.clone(), planned.component.id.clone(), 1);
            let backup = BackupId::of(&record.id);
            let component = planned.component.clone();
            let mut job =
                BackupJob::new(key, request.workspace.clone(), backup, component, record.started_at);
            job.base.clone_from(&planned.base);
            job.retain = request.retain;
            job.tags.clone_from(&plan.definition.snapshot_tags);
            let mut member = Member::new(JobRun::new(JobRequest::Backup(job), planned.in_process));
            if planned.guarded {
                member.guard = Guard::due();
            }
            self.members.push(member);
        }
        if self.members.is_empty() {
            fail(
                record,
                Error::new(ErrorKind::InvalidInput, "the workspace has no component to protect").record(),
            );
            return;
        }
        if request.timeout.is_none()
            && let Some(forecast) = plan.forecast
        {
            let total = forecast.total(TIMEOUT_DEFAULT);
            // Jobs in the process end with the deadline, so theirs never comes earlier than the default.
            let least = if plan.runs_in_process() { TIMEOUT_DEFAULT } else { total };
            record.deadline = now.after(total.max(least));
        }
        self.plan = Some(plan.clone());
    }

    /// The job of somebody else that this backup would stand behind, while there is time to wait for its end with the
    /// services running. Later it goes on: what is captured behind that job is late, and says so.
    fn held_up(
        &self,
        record: &OperationRecord,
        request: &BackupRequest,
        plan: &Plan,
        now: Timestamp,
    ) -> Option<String> {
        let patience = record.deadline.since(record.started_at) / BEHIND_PART;
        if now.since(record.started_at) >= patience
            || request.waivers.iter().any(|name| name == RESOURCE_BUSY)
        {
            return None;
        }
        plan.all_findings().find(|finding| finding.check == RESOURCE_BUSY).map(said)
    }
}
