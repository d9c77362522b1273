//! Stopping a job, where its service can.

use stillpoint_core::{CancelOutcome, Error, ErrorKind, OpContext, Result};

use super::super::AzureProvider;
use super::super::names::JobName;
use super::follow::Found;
use super::item::Item;
use super::source::Service;
use super::{MARK, recovery};

impl AzureProvider {
    /// Data Protection has no call that stops a job. Recovery Services has one.
    pub(in super::super) async fn cancel_vault_job(
        &self,
        cx: &OpContext,
        name: &JobName,
        item: &Item,
    ) -> Result<CancelOutcome> {
        if item.service == Service::Protection {
            return Ok(CancelOutcome::Unsupported);
        }
        if name.note(MARK).is_none() {
            let message = format!("nothing proves that job {name} is ours; it is not stopped");
            return Err(Error::new(ErrorKind::PermissionDenied, message));
        }
        let job = match self.vault_job(cx, item, name).await? {
            Found::Job(job) => job,
            Found::Told(status) if !status.state.is_terminal() => {
                let message = "the vault has accepted the job and does not list it yet; ask again to stop it";
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
            Found::Told(_) | Found::Nothing => return Ok(CancelOutcome::AlreadyTerminal),
        };
        if !job.is_active() {
            return Ok(CancelOutcome::AlreadyTerminal);
        }
        let vault = item.vault()?;
        if !job.status.eq_ignore_ascii_case("Cancelling") {
            match recovery::cancel(self.connection(), &vault, &job.id).await {
                Ok(()) => {}
                // It ended, or was asked to stop, between the two calls.
                Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        match item.job(self.connection(), &job.id).await {
            Ok(job) if job.is_active() => Ok(CancelOutcome::Requested),
            Ok(_) => Ok(CancelOutcome::AlreadyTerminal),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(CancelOutcome::AlreadyTerminal),
            Err(error) => Err(error),
        }
    }
}
