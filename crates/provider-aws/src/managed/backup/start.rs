//! Starting a backup job: once for each key, and never beside another job on the resource.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_backup::types::Lifecycle;
use stillpoint_core::{BackupJob, Error, ErrorKind, Evidence, OpContext, Result, Timestamp};

use super::super::AwsProvider;
use super::super::clients::Clients;
use super::super::listing::{CLOCKS_DIFFER, before};
use super::super::names::JobName;
use super::super::refusal::undone;
use super::super::settings::{BackupSettings, Source};
use super::super::tags;
use super::super::vault::Vault;
use super::copying::Copying;
use super::find::{Found, found, ours};

/// What AWS refused as a limit may be the place on the resource, taken by a job too new to be listed: ask again after this
/// time. A quota is still reached then.
const LIMIT_PAUSE: Duration = Duration::from_secs(30);
/// The longest retention that AWS Backup takes, in days.
/// Source: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Lifecycle.html>.
const RETENTION_DAYS_MAX: i64 = 36_500;
const DAY_SECONDS: u64 = 24 * 3600;

impl AwsProvider {
    pub(in super::super) async fn start_backup(&self, cx: &OpContext, job: &BackupJob) -> Result<JobName> {
        let source = Source::of(&job.component)?;
        let settings = BackupSettings::of(&job.component)?;
        let clients = self.clients(&source.arn.region)?;
        // Whichever job is new enough for it is told by the token.
        let likely = before(job.created_at, CLOCKS_DIFFER)..=Timestamp::from_millis(i64::MAX);
        let look = async || found(&clients, cx, &source, &settings, job, likely.clone()).await;
        let known = look().await?;
        let is_new = known.is_empty();
        if let Some(name) = settle(cx, &clients, job, known)? {
            return Ok(name);
        }
        if is_new && let Some(copying) = Copying::on(&clients, &source.arn).await?.first() {
            return Err(copying.error(&source.arn));
        }
        check_retention(&clients, &source, &settings, job).await?;
        match call(&clients, &source, &settings, job).await {
            Ok(id) => Ok(ours(&clients, &id, &job.key)),
            // The place on the resource may have been taken meanwhile, which AWS calls a limit.
            Err(error) if error.kind() == ErrorKind::QuotaExceeded => {
                settle(cx, &clients, job, look().await?)?.ok_or_else(|| error.retry_after(LIMIT_PAUSE))
            }
            Err(error) => Err(error),
        }
    }
}

/// What the jobs on a resource say about starting one: that it was started, that it cannot be now, or nothing.
fn settle(cx: &OpContext, clients: &Clients, job: &BackupJob, found: Vec<Found>) -> Result<Option<JobName>> {
    if let Some(proven) = found.iter().find(|found| found.evidence == Evidence::Proven) {
        return Ok(Some(ours(clients, &proven.job.id, &job.key)));
    }
    // If a new one is ours, the token says so; if not, AWS lets ours wait behind it.
    let now = cx.clock().now();
    if let Some(Found { job: other, .. }) = found.into_iter().find(|found| !found.is_told_by_token(now)) {
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

/// A retention that AWS or the vault's lock does not allow is refused here; the lock would let a job fail only when it has
/// begun, hours later maybe.
async fn check_retention(
    clients: &Clients,
    source: &Source,
    settings: &BackupSettings,
    job: &BackupJob,
) -> Result<()> {
    if let Some(message) = too_long(job.retain) {
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let vault = Vault::ready(clients, &settings.vault_arn(&source.arn), settings.new_vault.as_ref()).await?;
    let Some(message) = refusal(&vault, job.retain) else { return Ok(()) };
    Err(Error::new(ErrorKind::InvalidInput, message).with("vault", &vault.name))
}

/// Why AWS keeps nothing for so long, where it does not.
pub(in super::super) fn too_long(retain: Option<Duration>) -> Option<String> {
    let days = retain.map(retention_days).filter(|days| *days > RETENTION_DAYS_MAX)?;
    Some(format!(
        "AWS keeps a backup for {RETENTION_DAYS_MAX} days at most, not {days}; ask for less, or for ever"
    ))
}

/// Why the lock of `vault` refuses a backup that is kept for `retain`, where it does.
pub(in super::super) fn refusal(vault: &Vault, retain: Option<Duration>) -> Option<String> {
    let why = vault.refuses(retain)?;
    Some(format!(
        "the lock of vault {} refuses the backup: {why}; set another retention (--retain)",
        vault.name
    ))
}

/// Makes the call. Everything in it follows from the request, so that a repeat is the same to the byte.
pub(super) async fn call(
    clients: &Clients,
    source: &Source,
    settings: &BackupSettings,
    job: &BackupJob,
) -> Result<String> {
    let minutes = |window: Duration| i64::try_from(window.as_secs() / 60).unwrap_or(i64::MAX);
    let tags: HashMap<String, String> =
        tags::of_backup(job, &settings.vault_arn(&source.arn))?.into_iter().collect();
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
