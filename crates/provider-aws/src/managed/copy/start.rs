//! Starting a copy job, once for each key.

use stillpoint_core::{CopyJob, Error, ErrorKind, OpContext, Result, Wanted};

use super::super::AwsProvider;
use super::super::backup::lifecycle;
use super::super::known;
use super::super::listing::{HORIZON, before};
use super::super::marks::Marks;
use super::super::names::{JobName, PointName};
use super::super::points::{PointState, Usable};
use super::super::refusal::undone;
use super::super::vault::{CREATE_VAULT, NewVault, Vault};
use super::{Copy, Destination};

impl AwsProvider {
    /// Everything that follows from the request.
    pub(super) async fn copy(&self, job: &CopyJob) -> Result<Copy> {
        let point: PointName = job.snapshot.id.as_str().parse()?;
        let clients = self.clients(&point.arn.region)?;
        let recorded = job.component.as_ref().map(|component| &component.settings);
        let role = Wanted::new(&job.destination, recorded).needed("role_arn", "a copy job of AWS Backup")?;
        let destination = Destination::of(&job.destination, &clients, &point).await?;
        let own = clients.caller().await?.account;
        let there = self.of_account(&own, &destination.0.account)?.clients(&destination.0.region)?;
        let (token, marks) = (job.key.token(), Marks::of_copy(job)?);
        Ok(Copy { token, point, clients, destination, there, role, marks })
    }

    pub(in super::super) async fn start_copy(&self, cx: &OpContext, job: &CopyJob) -> Result<JobName> {
        let copy = self.copy(job).await?;
        // So that a name that will not fit is refused before anything is made.
        copy.name(&"0".repeat(64)).of(self.provider_id())?;
        let state = PointState::describe(&copy.clients, &copy.point).await?;
        let now = cx.clock().now();
        let found = copy.found(&state.resource, before(now, HORIZON)).await?;
        if let Some(name) = known::started(found, now)? {
            return Ok(name);
        }
        let refused = |kind, what: &str| {
            Err(Error::new(kind, format!("the recovery point is {}; {what}", state.in_words())))
        };
        match state.usable() {
            Usable::Now => {
                copy.make_vault(job).await?;
                copy.call(job).await
            }
            Usable::NotYet | Usable::Unknown => refused(ErrorKind::Busy, "it cannot be copied yet"),
            Usable::Never => refused(ErrorKind::InvalidInput, "it cannot be copied; choose another backup"),
        }
    }
}

impl Copy {
    /// Makes the vault that is to take the copy, where that is asked for and it is not there.
    async fn make_vault(&self, job: &CopyJob) -> Result<()> {
        let Some(new) = NewVault::of(&job.destination)? else { return Ok(()) };
        let vault = &self.destination.0;
        if self.clients.caller().await?.account != vault.account {
            let message = format!(
                "a vault in another account takes copies only when its access policy says so; have it made in account {}",
                vault.account
            );
            return Err(Error::new(ErrorKind::InvalidConfig, message).with("setting", CREATE_VAULT));
        }
        Vault::ready(&self.there, vault, Some(&new)).await.map(drop)
    }

    /// Makes the call, which answers the same job as often as it is made within the life of its token.
    pub(super) async fn call(&self, job: &CopyJob) -> Result<JobName> {
        let call = self.clients.backup.start_copy_job().recovery_point_arn(self.point.arn.to_string());
        let answer = call
            .source_backup_vault_name(&self.point.vault)
            .destination_backup_vault_arn(self.destination.0.to_string())
            .iam_role_arn(&self.role)
            .idempotency_token(&self.token)
            .set_lifecycle(job.retain.map(lifecycle))
            .send()
            .await
            .map_err(undone("StartCopyJob"))?;
        match answer.copy_job_id {
            Some(id) => Ok(self.name(&id)),
            None => Err(Error::new(ErrorKind::Unexpected, "StartCopyJob answered no job").maybe_applied()),
        }
    }
}
