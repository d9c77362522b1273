//! What a failed restore made is removed, where it carries that restore's own mark and nowhere else.

use stillpoint_core::{Error, ErrorKind, OpContext, RestoredResource, Result};

use super::super::AzureProvider;
use super::super::compute::{DISKS, Disk};
use super::super::kind::Kind;
use super::super::resource_id::ResourceId;
use super::super::storage::CONTAINERS;
use super::super::tags;

impl AzureProvider {
    pub(in super::super) async fn discard_resource(
        &self,
        cx: &OpContext,
        resource: &RestoredResource,
    ) -> Result<()> {
        let id: ResourceId = resource.resource.parse()?;
        if Kind::of_id(&id) == Kind::Volume {
            return self.discard_volume(cx, &id).await;
        }
        if Kind::of_id(&id) == Kind::Share {
            return self.discard_share(cx, &id).await;
        }
        if id.is(CONTAINERS) {
            return self.discard_container(cx, &id).await;
        }
        if !id.is(DISKS) {
            let message = format!("{id} is no resource that this provider makes");
            return Err(Error::new(ErrorKind::PermissionDenied, message));
        }
        let Some(disk) = Disk::known(self.connection(), &id).await? else { return Ok(()) };
        tags::owned(cx, &id, &disk.tags)?;
        if disk
            .properties
            .provisioning_state
            .as_deref()
            .is_some_and(|word| word.eq_ignore_ascii_case("Deleting"))
        {
            return Ok(());
        }
        if let Some(machine) = &disk.managed_by {
            let message = format!("{machine} has the disk {id}; detach it, then it is removed");
            return Err(Error::new(ErrorKind::Busy, message).with("resource", &id));
        }
        match Disk::delete(self.connection(), &id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}
