//! Stopping a backup job.

use stillpoint_core::{CancelOutcome, Error, ErrorKind, OpContext, Result};

use super::super::AwsProvider;
use super::super::clients::Clients;
use super::super::names::JobName;
use super::super::refusal::undone;
use super::super::tags;
use super::KEY;
use super::job::Job;

impl AwsProvider {
    pub(in super::super) async fn cancel_backup(
        &self,
        _cx: &OpContext,
        name: &JobName,
    ) -> Result<CancelOutcome> {
        let clients = self.clients(&name.region)?;
        let Some(job) = known(&clients, name).await? else { return Ok(CancelOutcome::AlreadyTerminal) };
        if !job.is_active() {
            return Ok(CancelOutcome::AlreadyTerminal);
        }
        check_ours(&clients, name, &job).await?;
        if job.state != "ABORTING" {
            let asked = clients.backup.stop_backup_job().backup_job_id(&name.id).send().await;
            match asked.map_err(undone("StopBackupJob")) {
                Ok(_) => {}
                // It ended, or was asked to stop, between the two calls.
                Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        match known(&clients, name).await? {
            Some(job) if job.is_active() => Ok(CancelOutcome::Requested),
            _ => Ok(CancelOutcome::AlreadyTerminal),
        }
    }
}

async fn known(clients: &Clients, name: &JobName) -> Result<Option<Job>> {
    match Job::describe(clients, &name.id).await {
        Ok(job) => Ok(Some(job)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Refuses a job that is known to be somebody else's.
async fn check_ours(clients: &Clients, name: &JobName, job: &Job) -> Result<()> {
    let refused = |whose: &str| -> Result<()> {
        let message = format!("backup job {} {whose} and is not stopped", job.id);
        Err(Error::new(ErrorKind::PermissionDenied, message).with("job", &job.id))
    };
    if job.plan.is_some() {
        return refused(&format!("is one {}", job.whose()));
    }
    let Some(point) = job.point() else { return Ok(()) };
    match point.tags(clients).await {
        Ok(tags) if tags.get(tags::JOB).is_some_and(|mark| name.note(KEY) != Some(mark.as_str())) => {
            refused("carries another request's mark")
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
