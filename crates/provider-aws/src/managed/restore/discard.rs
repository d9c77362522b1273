//! What a failed restore made is removed, where it carries that restore's own mark and nowhere else.

use std::time::Duration;

use aws_sdk_efs::types::LifeCycleState;
use stillpoint_core::{Error, ErrorKind, OpContext, RestoredResource, Result};

use super::finish::owned;
use crate::managed::AwsProvider;
use crate::managed::arn::Arn;
use crate::managed::clients::Clients;

/// How long AWS takes to delete a mount target.
const TARGETS_GO_AFTER: Duration = Duration::from_secs(15);

impl AwsProvider {
    pub(in crate::managed) async fn discard_resource(
        &self,
        cx: &OpContext,
        resource: &RestoredResource,
    ) -> Result<()> {
        let arn: Arn = resource.resource.parse()?;
        let clients = self.clients(&arn.region)?;
        let answer = match (arn.service.as_str(), arn.resource_type()) {
            ("ec2", "volume") => discard_volume(cx, &clients, arn.resource_id()).await,
            ("elasticfilesystem", "file-system") => {
                discard_file_system(cx, &clients, arn.resource_id()).await
            }
            _ => {
                Err(Error::new(ErrorKind::PermissionDenied, format!("{arn} is no resource of this provider")))
            }
        };
        match answer {
            Err(error) if error.kind() == ErrorKind::NotFound => self.reach_resource(&arn).await,
            other => other,
        }
    }
}

async fn discard_volume(cx: &OpContext, clients: &Clients, id: &str) -> Result<()> {
    let volume = clients.ec2().volume(id).await?;
    if matches!(volume.state.as_str(), "deleting" | "deleted") {
        return Ok(());
    }
    owned(cx, id, &volume.tags)?;
    clients.ec2().delete_volume(id).await
}

async fn discard_file_system(cx: &OpContext, clients: &Clients, id: &str) -> Result<()> {
    let efs = clients.efs();
    let system = efs.file_system(id).await?;
    if matches!(system.state, LifeCycleState::Deleting | LifeCycleState::Deleted) {
        return Ok(());
    }
    owned(cx, id, &system.tags)?;
    let targets = efs.mount_targets(id).await?;
    for target in &targets {
        if !matches!(target.state, LifeCycleState::Deleting | LifeCycleState::Deleted) {
            efs.delete_mount_target(&target.id).await?;
        }
    }
    match efs.delete_file_system(id).await {
        Err(error) if error.kind() == ErrorKind::Busy && !targets.is_empty() => Err(Error::new(
            ErrorKind::Unavailable,
            format!("the mount targets of {id} are still going; it is deleted once they are gone"),
        )
        .with_source(error)
        .retry_after(TARGETS_GO_AFTER)),
        other => other,
    }
}
