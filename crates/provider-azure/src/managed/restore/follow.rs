//! A new disk followed until it is there.

use std::time::Duration;

use stillpoint_core::{
    Error, ErrorKind, JobState, JobStatus, OpContext, Progress, RestoredResource, Result, Retry, Tags,
};

use super::super::AzureProvider;
use super::super::compute::Disk;
use super::super::names::JobName;
use super::super::resource_id::ResourceId;
use super::super::tags;
use super::super::under_way::Reason;
use super::COMPONENT;

const WRITE: &str = "Microsoft.Compute/disks/write";
const POLL_AFTER: Duration = Duration::from_secs(5);

impl AzureProvider {
    pub(in super::super) async fn poll_disk(&self, cx: &OpContext, name: &JobName) -> Result<JobStatus> {
        cx.check()?;
        let Some(disk) = Disk::known(self.connection(), &name.id).await? else {
            return self.no_disk(cx, name).await;
        };
        self.under_way().shown(&name.id.to_string());
        let wanted = tags::noted(name);
        if disk.tags.get(tags::JOB) != wanted.get(tags::JOB) {
            let message = format!("the disk {} is not what this job makes", name.id);
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let mut status = JobStatus::new(self.disk_state(name, &disk).await?);
        status.restored =
            Some(RestoredResource::new(self.provider_id().clone(), component(name)?, name.id.to_string()));
        let total = disk.properties.disk_size_bytes;
        let done = total.filter(|_| status.state == JobState::Succeeded).unwrap_or(0);
        status.progress = Progress::new(done, 0).of(total, None);
        status.poll_after = Some(POLL_AFTER).filter(|_| !status.state.is_terminal());
        if status.state == JobState::Succeeded {
            status.warnings.extend(self.put_back(&name.id, &wanted, &disk.tags).await?);
        }
        Ok(status)
    }

    /// Writes those of `wanted` again that somebody took off the disk, which had the tags `seen`, and says so.
    async fn put_back(&self, id: &ResourceId, wanted: &Tags, seen: &Tags) -> Result<Option<String>> {
        if tags::missing(wanted, seen).is_empty() {
            return Ok(None);
        }
        // All of them are written at once, so that what somebody else has just added must be among them.
        let mut all = Disk::get(self.connection(), id).await?.tags;
        let missing = tags::missing(wanted, &all);
        if missing.is_empty() {
            return Ok(None);
        }
        all.extend(missing.clone());
        Disk::write_tags(self.connection(), id, &all).await?;
        let keys: Vec<&str> = missing.keys().map(String::as_str).collect();
        Ok(Some(format!(
            "somebody took the tags {} off {id} while it was restored; they are back on it",
            keys.join(", ")
        )))
    }

    async fn disk_state(&self, name: &JobName, disk: &Disk) -> Result<JobState> {
        let word = disk.properties.provisioning_state.as_deref().unwrap_or("Succeeded");
        Ok(match word.to_ascii_lowercase().as_str() {
            "succeeded" => JobState::Succeeded,
            "creating" | "updating" | "accepted" | "running" => JobState::Running,
            "deleting" => failed(ErrorKind::Unavailable, format!("somebody deletes the disk {}", name.id)),
            "failed" | "canceled" | "cancelled" => {
                let message = format!("the disk {} could not be made: it is {word}", name.id);
                let asked = self.under_way().ask(self.connection(), WRITE, &name.id.to_string()).await;
                JobState::Failed(asked.reason(message).record())
            }
            _ => JobState::Unknown(word.to_owned()),
        })
    }

    async fn no_disk(&self, cx: &OpContext, name: &JobName) -> Result<JobStatus> {
        let (id, now) = (name.id.to_string(), cx.clock().now());
        let message =
            format!("Azure knows no disk {id}; look for a housekeeper that deletes what lacks its tag");
        self.under_way().unseen(self.connection(), WRITE, &id, now, (POLL_AFTER, message)).await
    }
}

fn failed(kind: ErrorKind, message: String) -> JobState {
    JobState::Failed(Error::new(kind, message).with_retry(Retry::Never).record())
}

/// The component that a job's name notes.
fn component(name: &JobName) -> Result<stillpoint_core::ComponentId> {
    let missing = || Error::new(ErrorKind::NotFound, format!("job {name} does not say what it restores"));
    name.note(COMPONENT).ok_or_else(missing)?.parse()
}
