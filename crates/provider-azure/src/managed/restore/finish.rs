//! When a restored disk can be used.

use stillpoint_core::{Error, ErrorKind, OpContext, Readiness, RestoredResource, Result};

use super::super::AzureProvider;
use super::super::compute::Disk;
use super::super::kind::Kind;
use super::super::resource_id::ResourceId;
use super::super::storage::CONTAINERS;
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
        if Kind::of_id(&id) == Kind::Share {
            return self.finish_share(cx, &id).await;
        }
        if id.is(CONTAINERS) {
            return self.finish_container(cx, &id).await;
        }
        let disk = Disk::get(self.connection(), &id).await?;
        tags::owned(cx, &id, &disk.tags)?;
        let word = disk.properties.provisioning_state.as_deref().unwrap_or("Succeeded");
        match word.to_ascii_lowercase().as_str() {
            "succeeded" => {}
            "failed" | "canceled" | "cancelled" | "deleting" => {
                let message = format!("the restored disk {id} is {word}; restore again");
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            _ => return Ok(Readiness::Pending),
        }
        Ok(readiness(&disk))
    }
}

/// Whether all of a disk's data is there. It arrives while the disk is used already, and only of some SKUs does Azure tell how
/// much has: the others show 100 percent all the while.
/// Source: <https://learn.microsoft.com/azure/virtual-machines/scripts/create-managed-disk-from-snapshot>.
fn readiness(disk: &Disk) -> Readiness {
    match disk.properties.completion_percent {
        Some(percent) if percent >= 100.0 && disk.sku.is_paced() => Readiness::Initialized,
        _ => Readiness::Available,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_of_some_skus_a_whole_is_believed() {
        let of = |sku: &str, percent: Option<f64>| {
            let disk = json!({"id": "d", "location": "w", "sku": {"name": sku},
                "properties": {"completionPercent": percent}});
            readiness(&serde_json::from_value(disk).unwrap())
        };
        assert_eq!(of("PremiumV2_LRS", Some(100.0)), Readiness::Initialized);
        assert_eq!(of("UltraSSD_LRS", Some(99.0)), Readiness::Available);
        assert_eq!(of("Premium_LRS", Some(100.0)), Readiness::Available);
        assert_eq!(of("PremiumV2_LRS", None), Readiness::Available);
    }
}
