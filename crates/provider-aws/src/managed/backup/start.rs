//! Starting a backup job: once for each key, and never beside another job on the resource.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_backup::types::Lifecycle;
use stillpoint_core::{BackupJob, Error, ErrorKind, Evidence, OpContext, Result};

use super::super::AwsProvider;
use super::super::clients::Clients;
use super::super::listing::TOKEN_LIFE;
use super::super::names::JobName;
use super::super::refusal::undone;
use super::super::settings::{BackupSettings, Source};
use super::super::tags;
use super::super::vault::Vault;
use super::find::{Found, found, name};

const DAY_SECONDS: u64 = 24 * 3600;

impl AwsProvider {
    pub(in super::super) async fn start_backup(&self, cx: &OpContext, job: &BackupJob) -> Result<JobName> {
        let source = Source::of(&job.component)?;
        let settings = BackupSettings::of(&job.component)?;
        let clients = self.clients(&source.arn.region)?;
        let look = async || found(&clients, cx, &source, &settings, &job.key, job.created_at).await;
        if let Some(name) = settle(cx, &clients, job, look().await?)? {
            return Ok(name);
        }
        check_lock(&clients, &settings, job).await?;
        match call(&clients, &source, &settings, job).await {
            Ok(id) => Ok(name(&clients, &id, &job.key)),
            // The place on the resource may have been taken meanwhile, which AWS calls a limit.
            Err(error) if error.kind() == ErrorKind::QuotaExceeded => {
                settle(cx, &clients, job, look().await?)?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }
}

/// What the jobs on a resource say about starting one: that it was started, that it cannot be now, or nothing.
fn settle(cx: &OpContext, clients: &Clients, job: &BackupJob, found: Vec<Found>) -> Result<Option<JobName>> {
    if let Some(ours) = found.iter().find(|found| found.evidence == Evidence::Proven) {
        return Ok(Some(name(clients, &ours.job.id, &job.key)));
    }
    for Found { job: other, evidence } in found {
        let age = other.created.map(|created| cx.clock().now().since(created)).unwrap_or_default();
        if evidence == Evidence::Likely && age < TOKEN_LIFE {
            // If it is ours, the token says so; if not, AWS lets ours wait behind it.
            continue;
        }
        let message = format!(
            "backup job {} {} holds {}; wait for its end or stop it ({})",
            other.id,
            other.whose(),
            other.resource,
            other.state
        );
        return Err(other.error(ErrorKind::Busy, &message));
    }
    Ok(None)
}

/// A retention that the vault's lock does not allow lets a job fail only when it has begun, hours later maybe.
async fn check_lock(clients: &Clients, settings: &BackupSettings, job: &BackupJob) -> Result<()> {
    let vault = Vault::describe(clients, &settings.vault).await?;
    let Some(why) = vault.refuses(job.retain) else { return Ok(()) };
    let message =
        format!("the lock of vault {} refuses the backup: {why}; set another retention", vault.name);
    Err(Error::new(ErrorKind::InvalidInput, message).with("vault", &vault.name))
}

/// Makes the call. Everything in it follows from the request, so that a repeat is the same to the byte.
async fn call(
    clients: &Clients,
    source: &Source,
    settings: &BackupSettings,
    job: &BackupJob,
) -> Result<String> {
    let minutes = |window: Duration| i64::try_from(window.as_secs() / 60).unwrap_or(i64::MAX);
    let tags: HashMap<String, String> = tags::of_backup(job)?.into_iter().collect();
    let answer = clients
        .backup
        .start_backup_job()
        .backup_vault_name(&settings.vault)
        .resource_arn(source.arn.to_string())
        .iam_role_arn(&settings.role_arn)
        .idempotency_token(job.key.token())
        .start_window_minutes(minutes(settings.start_window))
        .complete_window_minutes(minutes(settings.complete_window))
        .set_lifecycle(job.retain.map(lifecycle))
        .set_recovery_point_tags(Some(tags))
        .send()
        .await
        .map_err(undone("StartBackupJob"))?;
    answer
        .backup_job_id
        .ok_or_else(|| Error::new(ErrorKind::Unexpected, "StartBackupJob answered no job").maybe_applied())
}

/// Keep for `retain`, in the whole days that AWS counts in.
pub(in super::super) fn lifecycle(retain: Duration) -> Lifecycle {
    Lifecycle::builder().delete_after_days(retention_days(retain)).build()
}

/// `retain` in whole days, never less than asked for and never none.
pub(in super::super) fn retention_days(retain: Duration) -> i64 {
    i64::try_from(retain.as_secs().div_ceil(DAY_SECONDS)).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_is_never_shortened() {
        for (seconds, days) in
            [(0, 1), (1, 1), (DAY_SECONDS, 1), (DAY_SECONDS + 1, 2), (90 * DAY_SECONDS, 90)]
        {
            assert_eq!(retention_days(Duration::from_secs(seconds)), days, "{seconds}");
        }
    }
}
