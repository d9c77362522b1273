//! When a restored disk can be used.

use stillpoint_core::{Error, ErrorKind, OpContext, Readiness, RestoredResource, Result};

use super::super::AzureProvider;
use super::super::compute::Disk;
use super::super::kind::Kind;
use super::super::resource_id::ResourceId;
use super::super::tags;

impl AzureProvider {
    pub(in super::super) async fn finish(
        &self,
        cx: &OpContext,
        resource: &RestoredResource,
    ) -> Result<Readiness> {
        let id: ResourceId = resource.resource.parse()?;
        if Kind::of_id(&id) == Kind::Volume {
            return self.finish_volume(cx, &id).await;
        }
        let disk = Disk::get(self.connection(), &id).await?;
        tags::owned(cx, &id, &disk.tags)?;
        let word = disk.properties.provisioning_state.as_deref().unwrap_or("Succeeded");
        match word.to_ascii_lowercase().as_str() {
            "succeeded" => {}
            "failed" | "canceled" | "cancelled" | "deleting" => {
                let message = format!("the restored disk {id} is {word}; restore again");
                return Err(
                    Error::new(ErrorKind::Unavailable, message).with_retry(stillpoint_core::Retry::Never)
                );
            }
            _ => return Ok(Readiness::Pending),
        }
        // Its data arrives while it is used already; of most disks Azure does not tell how much has.
        Ok(match disk.properties.completion_percent {
            Some(percent) if percent >= 100.0 => Readiness::Initialized,
            _ => Readiness::Available,
        })
    }
}
