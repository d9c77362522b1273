//! Mount targets of a restored file system, which AWS does not make.

use aws_sdk_efs::types::LifeCycleState;
use stillpoint_core::{Error, ErrorKind, Result};

use super::Plan;
use crate::managed::clients::Clients;
use crate::managed::efs::{FileSystem, MountTarget};

/// Makes the mount targets that the plan asks for; answers whether all of them can be used.
///
/// # Errors
/// `Conflict` where a zone has another one already; `NeedsAttention` where one is broken, or cannot be made because its subnet
/// or a security group is gone.
pub(super) async fn make(clients: &Clients, system: &FileSystem, plan: &Plan) -> Result<bool> {
    if plan.subnets.is_empty() {
        return Ok(true);
    }
    let mut targets = clients.efs().mount_targets(&system.id).await?;
    let mut made = false;
    for subnet in &plan.subnets {
        if targets.iter().any(|target| target.subnet == *subnet) {
            continue;
        }
        match clients.efs().create_mount_target(&system.id, subnet, &plan.security_groups).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // Either an earlier try, whose answer was lost, or somebody else's.
                targets = clients.efs().mount_targets(&system.id).await?;
                if !targets.iter().any(|target| target.subnet == *subnet) {
                    return Err(taken(&system.id, subnet, &targets).with_source(error));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(unmakable(&system.id, subnet, &plan.security_groups).with_source(error));
            }
            other => other?,
        }
        made = true;
    }
    if made {
        targets = clients.efs().mount_targets(&system.id).await?;
    }
    let mut ready = true;
    for target in targets.iter().filter(|target| plan.subnets.contains(&target.subnet)) {
        compare(clients, target, plan).await?;
        ready &= is_ready(target)?;
    }
    Ok(ready && plan.subnets.iter().all(|subnet| targets.iter().any(|target| target.subnet == *subnet)))
}

fn unmakable(id: &str, subnet: &str, groups: &[String]) -> Error {
    let groups = if groups.is_empty() {
        String::new()
    } else {
        format!(" with the security groups {}", groups.join(", "))
    };
    let message = format!(
        "{id} is restored and cannot have the mount target in {subnet}{groups}, since not all of them exist; make another \
         one by hand and use the file system as it is, or restore again with subnets and security groups that exist"
    );
    Error::new(ErrorKind::NeedsAttention, message)
}

fn taken(id: &str, subnet: &str, targets: &[MountTarget]) -> Error {
    let standing: Vec<String> = targets
        .iter()
        .map(|target| format!("{} in {}", target.subnet, target.zone.as_deref().unwrap_or("its zone")))
        .collect();
    let message = format!(
        "{id} cannot have a mount target in {subnet}: a zone takes one and all are in one VPC, and there are {}",
        standing.join(", ")
    );
    Error::new(ErrorKind::Conflict, message)
}

async fn compare(clients: &Clients, target: &MountTarget, plan: &Plan) -> Result<()> {
    if plan.security_groups.is_empty() {
        return Ok(());
    }
    let (mut found, mut wanted) =
        (clients.efs().security_groups(&target.id).await?, plan.security_groups.clone());
    found.sort();
    wanted.sort();
    if found == wanted {
        return Ok(());
    }
    let message = format!(
        "mount target {} has the security groups {}, not {}; change them, or the destination",
        target.id,
        found.join(", "),
        wanted.join(", ")
    );
    Err(Error::new(ErrorKind::Conflict, message))
}

fn is_ready(target: &MountTarget) -> Result<bool> {
    match target.state {
        LifeCycleState::Available => Ok(true),
        LifeCycleState::Error | LifeCycleState::Deleting | LifeCycleState::Deleted => Err(Error::new(
            ErrorKind::NeedsAttention,
            format!("mount target {} is {}; make another one", target.id, target.state.as_str()),
        )),
        _ => Ok(false),
    }
}
