//! Taking the snapshot of a disk, once for each key.

use serde_json::{Value, json};
use stillpoint_core::{BackupJob, Effect, Error, ErrorKind, OpContext, Result, Tags};

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
        let id = source.snapshot(&job.key)?;
        let written = tags::placed(tags::of_backup(job)?, &id);
        let token = job.key.token();
        // So that a name that will not fit is refused before anything is made.
        name(&id, &token, &"0".repeat(64)).of(self.provider_id())?;
        if let Some(known) = Snapshot::known(self.connection(), &id).await? {
            // The disk may be gone by now; its snapshot is not.
            let disk = Disk::known(self.connection(), &source.id).await?;
            return adopted(&known, &id, &source, &token, disk.as_ref());
        }
        let disk = Disk::get(self.connection(), &source.id).await?;
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
    let taken_of = made_of.source_unique_id.as_ref();
    let now = disk.and_then(|disk| disk.properties.unique_id.as_ref());
    if let (Some(taken_of), Some(now)) = (taken_of, now)
        && taken_of != now
    {
        let message = format!(
            "the snapshot {id} was taken of a disk that has been replaced by another {}; begin another backup",
            source.id
        );
        return Err(Error::new(ErrorKind::Conflict, message).with("snapshot", id));
    }
    Ok(name(id, token, taken_of.or(now).map_or("", String::as_str)))
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
    // What cannot be exported from the disk must not be from its snapshot.
    if let Some(properties) = body["properties"].as_object_mut() {
        properties.extend(disk.properties.access.members());
    }
    body
}

/// A refusal with the rules that it may follow. What may have been carried out is left as it is.
fn limited(error: Error, disk: &ResourceId) -> Error {
    let rule = match error.kind() {
        _ if error.effect() == Effect::MaybeApplied => return error,
        ErrorKind::QuotaExceeded => format!(
            "a disk may have {SNAPSHOTS_MAX} incremental snapshots, and a region so many as its quota says; delete old \
             backups of {disk}, or ask for a larger quota"
        ),
        ErrorKind::RateLimited => format!(
            "a disk may be captured {SNAPSHOTS_IN_FIVE_MINUTES} times in five minutes, and a subscription called so often; \
             wait"
        ),
        _ => return error,
    };
    let limited = Error::new(error.kind(), rule).with_retry(error.retry()).with("resource", disk);
    let limited = match error.context("code") {
        Some(code) => limited.with("code", code),
        None => limited,
    };
    limited.with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK_ID: &str = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Compute/disks/db";

    fn source() -> Source {
        let component =
            stillpoint_core::Component::new("db".parse().unwrap(), "disk", "azure".parse().unwrap(), DISK_ID);
        Source::of(&component).unwrap()
    }

    #[test]
    fn what_may_have_been_carried_out_stays_so_whatever_rule_it_broke() {
        let id: ResourceId = DISK_ID.parse().unwrap();
        let busy = || Error::new(ErrorKind::RateLimited, "ServerBusy").with("code", "ServerBusy");
        assert_eq!(limited(busy().maybe_applied(), &id).effect(), Effect::MaybeApplied);
        let told = limited(busy(), &id);
        assert_eq!((told.effect(), told.context("code")), (Effect::NotApplied, Some("ServerBusy")));
        assert!(told.to_string().contains("five minutes"), "{told}");
    }

    #[test]
    fn a_snapshot_that_does_not_tell_its_disk_is_still_ours() {
        let source = source();
        let id =
            source.snapshot(&stillpoint_core::JobKey::new("op".parse().unwrap(), "db".parse().unwrap(), 1));
        let id = id.unwrap();
        let snapshot = |unique: Value| -> Snapshot {
            serde_json::from_value(
                json!({"id": id.to_string(), "location": "westeurope", "tags": {tags::JOB: "t"},
                "properties": {"creationData": {"sourceResourceId": DISK_ID, "sourceUniqueId": unique}}}),
            )
            .unwrap()
        };
        let disk: Disk = serde_json::from_value(
            json!({"id": DISK_ID, "location": "westeurope", "properties": {"uniqueId": "u"}}),
        )
        .unwrap();
        let adopted = |unique: Value| adopted(&snapshot(unique), &id, &source, "t", Some(&disk));
        assert_eq!(adopted(Value::Null).unwrap(), name(&id, "t", "u"), "one job, whoever asks");
        assert_eq!(adopted("u".into()).unwrap(), name(&id, "t", "u"));
        assert_eq!(adopted("another".into()).unwrap_err().kind(), ErrorKind::Conflict);
    }

    #[test]
    fn what_cannot_be_exported_from_the_disk_cannot_be_from_its_snapshot() {
        let properties = |disk: Value| {
            let disk = json!({"id": DISK_ID, "location": "westeurope", "properties": disk});
            body(&serde_json::from_value(disk).unwrap(), &source(), &Tags::new())["properties"].clone()
        };
        let open = properties(json!({"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled"}));
        assert_eq!(open.as_object().unwrap().keys().collect::<Vec<_>>(), ["creationData", "incremental"]);
        let private = json!({"networkAccessPolicy": "AllowPrivate", "diskAccessId": "/a", "publicNetworkAccess": "Disabled"});
        let kept = properties(private.clone());
        for (name, value) in private.as_object().unwrap() {
            assert_eq!(&kept[name], value, "{name}");
        }
        assert_eq!(properties(json!({"networkAccessPolicy": "DenyAll"}))["networkAccessPolicy"], "DenyAll");
    }
}
