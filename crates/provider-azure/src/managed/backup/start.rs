//! Taking the snapshot of a disk, once for each key.

use serde_json::{Value, json};
use stillpoint_core::{BackupJob, Error, ErrorKind, OpContext, Result, Tags};

use super::super::AzureProvider;
use super::super::compute::{Disk, Snapshot};
use super::super::names::{JobKind, JobName};
use super::super::resource_id::ResourceId;
use super::super::settings::Source;
use super::super::tags;
use super::{DISK, KEY};

/// How many incremental snapshots one disk may have, and how many within five minutes.
/// Source: <https://learn.microsoft.com/azure/virtual-machines/disks-incremental-snapshots>.
pub(in super::super) const SNAPSHOTS_MAX: usize = 500;
pub(in super::super) const SNAPSHOTS_IN_FIVE_MINUTES: usize = 7;

impl AzureProvider {
    pub(in super::super) async fn start_backup(&self, cx: &OpContext, job: &BackupJob) -> Result<JobName> {
        let source = Source::of(&job.component)?;
        let written = tags::of_backup(job)?;
        let id = source.snapshot(&job.key)?;
        let token = job.key.token();
        // So that a name that will not fit is refused before anything is made.
        name(&id, &token, &"0".repeat(64)).of(self.provider_id())?;
        let known = Snapshot::known(self.connection(), &id).await?;
        let disk = Disk::get(self.connection(), &source.id).await;
        if let Some(known) = known {
            // The disk may be gone by now; its snapshot is not.
            return adopted(&known, &id, &source, &token, disk.ok().as_ref());
        }
        let disk = disk?;
        let unique = disk.properties.unique_id.clone().unwrap_or_default();
        cx.check()?;
        let body = body(&disk, &source, &written);
        match Snapshot::put(self.connection(), &id, &body).await {
            Ok(begun) => {
                self.under_way().keep(&id.to_string(), &begun);
                Ok(name(&id, &token, &unique))
            }
            // Somebody with our key was faster.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists) => {
                match Snapshot::known(self.connection(), &id).await? {
                    Some(known) => adopted(&known, &id, &source, &token, Some(&disk)),
                    None => Err(error),
                }
            }
            Err(error) => Err(limited(error, &source.id)),
        }
    }
}

/// The job that makes `id`.
pub(super) fn name(id: &ResourceId, token: &str, unique: &str) -> JobName {
    JobName::new(JobKind::Backup, id.clone()).with(KEY, token).with(DISK, unique)
}

/// The job that made `known`, where that is what this request asks for.
///
/// # Errors
/// `AlreadyExists` where it carries another mark, or was taken of something else; `Conflict` where the disk was made anew
/// since.
fn adopted(
    known: &Snapshot,
    id: &ResourceId,
    source: &Source,
    token: &str,
    disk: Option<&Disk>,
) -> Result<JobName> {
    let made_of = &known.properties.creation_data;
    if known.tags.get(tags::JOB).map(String::as_str) != Some(token) || !made_of.is_of(&source.id) {
        let message = format!("the snapshot {id} is there and not ours; remove it, or begin another backup");
        return Err(Error::new(ErrorKind::AlreadyExists, message).with("snapshot", id));
    }
    let unique = made_of.source_unique_id.clone().unwrap_or_default();
    let now = disk.and_then(|disk| disk.properties.unique_id.as_ref());
    if now.is_some_and(|now| *now != unique) {
        let message = format!(
            "the snapshot {id} was taken of a disk that has been replaced by another {}; begin another backup",
            source.id
        );
        return Err(Error::new(ErrorKind::Conflict, message).with("snapshot", id));
    }
    Ok(name(id, token, &unique))
}

fn body(disk: &Disk, source: &Source, tags: &Tags) -> Value {
    let mut body = json!({
        "location": disk.location,
        "tags": tags,
        "properties": {
            "incremental": true,
            "creationData": {"createOption": "Copy", "sourceResourceId": source.id.to_string()},
        },
    });
    if let (Some(sku), Some(body)) = (&source.snapshot_sku, body.as_object_mut()) {
        body.insert("sku".to_owned(), json!({"name": sku}));
    }
    body
}

/// A refusal with the rule that it most likely follows.
fn limited(error: Error, disk: &ResourceId) -> Error {
    let rule = match error.kind() {
        ErrorKind::QuotaExceeded => {
            format!("a disk may have {SNAPSHOTS_MAX} incremental snapshots; delete old backups of {disk}")
        }
        ErrorKind::RateLimited => {
            format!("a disk may be captured {SNAPSHOTS_IN_FIVE_MINUTES} times in five minutes; wait")
        }
        _ => return error,
    };
    let limited = Error::new(error.kind(), rule).with_retry(error.retry()).with("resource", disk);
    let limited = match error.context("code") {
        Some(code) => limited.with("code", code),
        None => limited,
    };
    limited.with_source(error)
}
