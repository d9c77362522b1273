//! What each mutating call does to the cloud's state.

use stillpoint_core::{
    CancelOutcome, DeleteState, Error, ErrorKind, JobId, JobRequest, OperationId, ProviderId, Readiness,
    Result, SnapshotId, Timestamp,
};

use super::job::{Job, Phase};
use super::listing;
use super::state::{MADE_BY, PointPhase, State, missing};

impl State {
    /// Starts a job, or answers the one that this token, or else the tags, show to be started already.
    pub(super) fn start(
        &mut self,
        provider: &ProviderId,
        request: &JobRequest,
        now: Timestamp,
    ) -> Result<JobId> {
        if let JobRequest::Restore(restore) = request
            && !restore.include.is_empty()
        {
            return Err(Error::new(ErrorKind::Unsupported, "whole resources only can be restored"));
        }
        let token = request.key().token();
        if let Some((job, at)) = self.tokens.get(&token)
            && now.since(*at) < self.config.token_lifetime
        {
            return Ok(job.clone());
        }
        if let Some(job) = listing::started_before(self, provider, request, now) {
            return Ok(job.id);
        }
        let nth = self.jobs.iter().filter(|job| !job.twin && same_component(job, request)).count();
        let nth = u32::try_from(nth).unwrap_or(u32::MAX).saturating_add(1);
        let fate = self.faults.on_job(request.key().component(), nth, now);
        let doubled = fate.doubled && matches!(request, JobRequest::Backup(_));
        let id = self.add_job(request, fate.clone(), false, now)?;
        if doubled {
            self.add_job(request, fate, true, now)?;
        }
        self.tokens.insert(token, (id.clone(), now));
        Ok(id)
    }

    fn add_job(
        &mut self,
        request: &JobRequest,
        fate: super::fault::Fate,
        twin: bool,
        now: Timestamp,
    ) -> Result<JobId> {
        let number = self.number();
        let id = JobId::new(format!("job-{number}"))?;
        let (resource, snapshot) = match request {
            JobRequest::Backup(job) => {
                (job.component.resource.clone(), Some(SnapshotId::new(format!("snap-{number}"))?))
            }
            JobRequest::Copy(_) => {
                (format!("copied-{number}"), Some(SnapshotId::new(format!("snap-{number}"))?))
            }
            _ => (format!("restored-{number}"), None),
        };
        let request = Some(request.clone());
        let phase = Phase::Queued;
        self.jobs.push(Job {
            id: id.clone(),
            request,
            resource,
            created_at: now,
            fate,
            phase,
            bytes: 0,
            snapshot,
            base_lost: None,
            twin,
        });
        Ok(id)
    }

    pub(super) fn cancel(&mut self, id: &JobId, now: Timestamp) -> Result<CancelOutcome> {
        let (backups, restores) = (self.config.cancels_backups, self.config.cancels_restores);
        let delay = self.config.cancel_delay;
        let Some(job) = self.job_mut(id).filter(|job| !job.has_ended()) else {
            return Ok(CancelOutcome::AlreadyTerminal);
        };
        // A cloud knows accounts, not owners: what looks like ours in every way can be stopped by us.
        if job.request.is_none() && job.snapshot.is_none() {
            return Err(Error::new(ErrorKind::PermissionDenied, format!("job {id} is somebody else's")));
        }
        if !(if job.is_restore() { restores } else { backups }) {
            return Ok(CancelOutcome::Unsupported);
        }
        let from = job.started_at();
        if !matches!(job.phase, Phase::Cancelling { .. }) {
            job.phase = Phase::Cancelling { from, until: now.after(delay) };
        }
        Ok(CancelOutcome::Requested)
    }

    pub(super) fn delete(&mut self, id: &SnapshotId, now: Timestamp) -> Result<DeleteState> {
        let until = now.after(self.config.delete_delay);
        let Some(point) = self.points.get_mut(id) else { return Ok(DeleteState::Gone) };
        if point.phase == PointPhase::Creating {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("{id} is still being made; wait for its job to end"),
            ));
        }
        if let Some(lock) = point.lock
            && lock.is_none_or(|until| now < until)
        {
            let reason = "the vault is locked; wait for the lock to end".to_owned();
            return Ok(DeleteState::Locked { until: lock, reason });
        }
        if point.sticky {
            let reason =
                "the cloud lacks the role to delete it; give it the role and delete again".to_owned();
            return Ok(DeleteState::Stuck { reason });
        }
        if point.phase == PointPhase::Available {
            point.phase = PointPhase::Deleting { until };
        }
        self.advance(now);
        Ok(if self.points.contains_key(id) { DeleteState::Pending } else { DeleteState::Gone })
    }

    /// Writes our tags on a restored resource when it is first seen.
    pub(super) fn tag_restored(&mut self, id: &JobId) {
        let Some(Job { request: Some(JobRequest::Restore(restore)), resource, .. }) = self.job(id).cloned()
        else {
            return;
        };
        if let Some(made) = self.resources.get_mut(&resource).filter(|made| made.restored) {
            made.tags.extend(restore.tags);
            made.tags.insert(MADE_BY.to_owned(), restore.key.operation().to_string());
        }
    }

    pub(super) fn finish_restore(&mut self, resource: &str, now: Timestamp) -> Result<Readiness> {
        let found = self.resources.get(resource).ok_or_else(|| Error::from(missing(resource)))?;
        let ready = found.created_at.after(self.config.ready_after) <= now;
        Ok(if ready { Readiness::Available } else { Readiness::Pending })
    }

    pub(super) fn discard(&mut self, resource: &str, operation: Option<&OperationId>) -> Result<()> {
        let Some(found) = self.resources.get(resource) else { return Ok(()) };
        let mark = found.tags.get(MADE_BY).map(String::as_str);
        if mark.is_none() || mark != operation.map(OperationId::as_str) {
            let message = format!("{resource} was not made by this restore");
            return Err(Error::new(ErrorKind::PermissionDenied, message));
        }
        self.resources.remove(resource);
        Ok(())
    }
}

/// Whether a job was started for the same component by the same kind of request.
fn same_component(job: &Job, request: &JobRequest) -> bool {
    let backup = matches!(request, JobRequest::Backup(_));
    job.key().is_some_and(|key| key.component() == request.key().component() && job.is_restore() != backup)
}
