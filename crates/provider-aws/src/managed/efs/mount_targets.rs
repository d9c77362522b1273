//! Mount targets: a file system's addresses, one per zone.

use aws_sdk_efs::types::{LifeCycleState, MountTargetDescription};
use stillpoint_core::{ErrorKind, Result};

use super::Efs;
use crate::managed::pages::pages;
use crate::managed::refusal::{undone, unread};

/// A mount target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MountTarget {
    pub(crate) id: String,
    pub(crate) subnet: String,
    pub(crate) zone: Option<String>,
    /// The IPv4 address under which hosts mount it.
    pub(crate) address: Option<String>,
    pub(crate) state: LifeCycleState,
}

impl Efs<'_> {
    /// The mount targets of the file system `id`.
    ///
    /// # Errors
    /// `NotFound` where there is no such file system.
    pub(crate) async fn mount_targets(&self, id: &str) -> Result<Vec<MountTarget>> {
        let listed = pages("DescribeMountTargets", async |marker| {
            let call = self.clients.efs.describe_mount_targets().file_system_id(id).set_marker(marker);
            let answer = call.send().await.map_err(unread("DescribeMountTargets"))?;
            Ok((answer.mount_targets.unwrap_or_default(), answer.next_marker))
        });
        let target = |target: MountTargetDescription| MountTarget {
            id: target.mount_target_id,
            subnet: target.subnet_id,
            zone: target.availability_zone_name,
            address: target.ip_address,
            state: target.life_cycle_state,
        };
        Ok(listed.await?.into_iter().map(target).collect())
    }

    /// The security groups of the mount target `id`.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub(crate) async fn security_groups(&self, id: &str) -> Result<Vec<String>> {
        let call = self.clients.efs.describe_mount_target_security_groups().mount_target_id(id);
        let answer = call.send().await;
        let answer = answer.map_err(unread("DescribeMountTargetSecurityGroups"))?;
        Ok(answer.security_groups().to_vec())
    }

    /// Makes a mount target. `groups` empty leaves it to the subnet's default group.
    ///
    /// # Errors
    /// `AlreadyExists` where the zone has one already: read it back and compare.
    pub(crate) async fn create_mount_target(&self, id: &str, subnet: &str, groups: &[String]) -> Result<()> {
        let groups = (!groups.is_empty()).then(|| groups.to_vec());
        let call = self.clients.efs.create_mount_target().file_system_id(id).subnet_id(subnet);
        let call = call.set_security_groups(groups);
        call.send().await.map_err(undone("CreateMountTarget"))?;
        Ok(())
    }

    /// Deletes the mount target `id`. Absent is a success.
    ///
    /// # Errors
    /// Whatever the call meets.
    pub(crate) async fn delete_mount_target(&self, id: &str) -> Result<()> {
        let call = self.clients.efs.delete_mount_target().mount_target_id(id);
        match call.send().await.map_err(undone("DeleteMountTarget")) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other.map(drop),
        }
    }
}
