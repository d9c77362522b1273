//! What a restored resource still needs before it can be used, done step by step and safe to repeat at any of them.

mod access_points;
mod mount_targets;
mod mounts;
mod plan;
mod reroot;
mod settings;

use std::path::Path;

use aws_sdk_efs::types::LifeCycleState;
use stillpoint_core::{Error, ErrorKind, OpContext, Readiness, RestoredResource, Result, Tags};

pub(super) use plan::Plan;

use crate::managed::AwsProvider;
use crate::managed::arn::Arn;
use crate::managed::clients::Clients;
use crate::managed::efs::FileSystem;
use crate::managed::tags::{self, OPERATION};
use access_points::PutBack;
use reroot::Reroot;

/// Where a restored file system's files are, once that is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Files {
    AtRoot,
    /// In AWS's folder, whose name nothing but a mount tells.
    InFolder,
}

impl AwsProvider {
    pub(in crate::managed) async fn finish(
        &self,
        cx: &OpContext,
        resource: &RestoredResource,
    ) -> Result<Readiness> {
        cx.check()?;
        let arn: Arn = resource.resource.parse()?;
        let clients = self.clients(&arn.region)?;
        match (arn.service.as_str(), arn.resource_type()) {
            ("ec2", "volume") => finish_volume(cx, &clients, arn.resource_id()).await,
            ("elasticfilesystem", "file-system") => {
                finish_file_system(cx, &clients, &arn, self.mount_table()).await
            }
            _ => Err(Error::new(ErrorKind::NotFound, format!("{arn} is no resource of this provider"))),
        }
    }
}

/// Whether what has the tags `carried` was made by the operation that the call serves.
///
/// # Errors
/// `PermissionDenied` where it was not.
pub(super) fn owned(cx: &OpContext, resource: &str, carried: &Tags) -> Result<()> {
    let mark = carried.get(OPERATION).map(String::as_str);
    let ours = cx.operation().map(|id| tags::value(id.as_str()));
    if mark.is_some() && mark == ours.as_deref() {
        return Ok(());
    }
    let made_by =
        mark.map_or_else(|| "carries no mark of ours".to_owned(), |id| format!("was made by operation {id}"));
    Err(Error::new(ErrorKind::PermissionDenied, format!("{resource} {made_by}; it is left alone")))
}

async fn finish_volume(cx: &OpContext, clients: &Clients, id: &str) -> Result<Readiness> {
    let volume = clients.ec2().volume(id).await?;
    owned(cx, id, &volume.tags)?;
    match volume.state.as_str() {
        "available" | "in-use" => {}
        "error" => return Err(broken(id, "error")),
        _ => return Ok(Readiness::Pending),
    }
    // Its blocks arrive while it is used already; EC2 stops telling once it has been whole for long.
    let whole = clients.ec2().initialized_percent(id).await?.is_none_or(|percent| percent >= 100);
    Ok(if whole { Readiness::Initialized } else { Readiness::Available })
}

async fn finish_file_system(cx: &OpContext, clients: &Clients, arn: &Arn, table: &Path) -> Result<Readiness> {
    let system = clients.efs().file_system(arn.resource_id()).await?;
    owned(cx, &system.id, &system.tags)?;
    match system.state {
        LifeCycleState::Available => {}
        LifeCycleState::Error => return Err(broken(&system.id, "error")),
        _ => return Ok(Readiness::Pending),
    }
    let Some(mut plan) = Plan::of_tags(&system.tags)? else { return Ok(Readiness::Initialized) };
    refill(clients, arn, &mut plan).await?;
    let reachable = mount_targets::make(clients, &system, &plan).await?;
    settings::put_back(clients, &system, &plan).await?;
    if !reachable {
        return Ok(Readiness::Pending);
    }
    let files = match reroot::reroot(clients, &system, &plan, table).await? {
        Reroot::Waiting => return Ok(Readiness::Pending),
        Reroot::Done => Files::AtRoot,
        Reroot::Impossible => Files::InFolder,
    };
    let PutBack::Done { left } = access_points::put_back(cx, clients, &system, &plan, files).await? else {
        return Ok(Readiness::Pending);
    };
    // Last, since it may deny us everything else.
    settings::put_back_policy(clients, &system, arn, &plan).await?;
    close(clients, &system, &plan, files, left).await?;
    Ok(Readiness::Initialized)
}

fn broken(id: &str, state: &str) -> Error {
    Error::new(ErrorKind::NeedsAttention, format!("AWS reports state {state} for {id}; restore it again"))
}

/// Settings that the plan could not carry, from the source while it exists.
async fn refill(clients: &Clients, arn: &Arn, plan: &mut Plan) -> Result<()> {
    if plan.left_out.is_empty() {
        return Ok(());
    }
    let source: Arn = plan.source.parse()?;
    if source.region != arn.region || source.account != arn.account {
        return Ok(());
    }
    let (efs, id) = (clients.efs(), source.resource_id());
    for part in std::mem::take(&mut plan.left_out) {
        let read = match part.as_str() {
            "policy" => efs.policy(id).await.map(|policy| plan.settings.policy = policy),
            "access_points" => efs.access_points(id).await.map(|points| plan.settings.access_points = points),
            _ => efs.lifecycle(id).await.map(|lifecycle| plan.settings.lifecycle = lifecycle),
        };
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => plan.left_out.push(part),
            other => other?,
        }
    }
    Ok(())
}

/// What says on the file system that something is left for a person.
const LEFT: &str = "stillpoint:left-to-do";

/// The plan is carried out: its tags go, and what it could not do is said in their place.
async fn close(clients: &Clients, system: &FileSystem, plan: &Plan, files: Files, left: usize) -> Result<()> {
    let mut to_do: Vec<&str> = plan.left_out.iter().map(String::as_str).collect();
    if files == Files::InFolder {
        to_do.push("reroot");
    }
    if left > 0 && !to_do.contains(&"access_points") {
        to_do.push("access_points");
    }
    if !to_do.is_empty() {
        let tag = (LEFT.to_owned(), to_do.join(" "));
        clients.efs().tag(&system.id, &[tag].into()).await?;
    }
    clients.efs().untag(&system.id, Plan::keys(&system.tags)).await
}
