//! What a restored resource still needs before it can be used, done step by step and safe to repeat at any of them.

mod access_points;
mod mount_targets;
mod mounts;
mod moved;
mod plan;
mod reroot;
mod settings;
mod stage;

use std::path::Path;
use std::time::Duration;

use aws_sdk_efs::types::LifeCycleState;
use stillpoint_core::{Error, ErrorKind, OpContext, Readiness, RestoredResource, Result, Tags, Timestamp};

pub(super) use plan::Plan;
pub(super) use stage::{Stage, says_itself_of};

use crate::managed::AwsProvider;
use crate::managed::arn::Arn;
use crate::managed::clients::Clients;
use crate::managed::efs::FileSystem;
use crate::managed::tags::{self, OPERATION};
use access_points::PutBack;
use reroot::Reroot;

/// How long after a volume was made EC2 tells of its blocks at the latest.
/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/initalize-volume.html>, with room for clocks that differ.
const TOLD_AFTER: Duration = Duration::from_secs(15 * 60);

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
        let finished = match (arn.service.as_str(), arn.resource_type()) {
            ("ec2", "volume") => finish_volume(cx, &clients, arn.resource_id()).await,
            ("elasticfilesystem", "file-system") => {
                finish_file_system(cx, &clients, &arn, self.mount_table()).await
            }
            _ => Err(Error::new(ErrorKind::NotFound, format!("{arn} is no resource of this provider"))),
        };
        match finished {
            // What another account knows nothing of is not gone.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(self.reach_resource(&arn).await.err().unwrap_or(error))
            }
            other => other,
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
        "error" => return Err(broken(id)),
        _ => return Ok(Readiness::Pending),
    }
    // Its blocks arrive while it is used already.
    let percent = clients.ec2().initialized_percent(id).await?;
    let created = volume.created.as_ref().and_then(|time| time.parse().ok());
    Ok(if is_whole(percent, created, cx.clock().now()) {
        Readiness::Initialized
    } else {
        Readiness::Available
    })
}

/// Whether all of a volume's blocks are there. EC2 stops telling once they have been for long, and has not begun to tell of a
/// volume that is new.
fn is_whole(percent: Option<u8>, created: Option<Timestamp>, now: Timestamp) -> bool {
    let told_of = || created.is_some_and(|created| created.after(TOLD_AFTER) <= now);
    percent.map_or_else(told_of, |percent| percent >= 100)
}

async fn finish_file_system(cx: &OpContext, clients: &Clients, arn: &Arn, table: &Path) -> Result<Readiness> {
    let system = clients.efs().file_system(arn.resource_id()).await?;
    owned(cx, &system.id, &system.tags)?;
    match system.state {
        LifeCycleState::Available => {}
        LifeCycleState::Error => return Err(broken(&system.id)),
        _ => return Ok(Readiness::Pending),
    }
    if Stage::of(&system) == Stage::Done {
        clients.efs().untag(&system.id, Plan::keys(&system.tags)).await?;
        return Ok(readiness(&left_of(&system.tags)));
    }
    let mut plan = planned(&system)?;
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
    let to_do = to_do(&plan, files, left);
    close(clients, &system, &to_do).await?;
    Ok(readiness(&to_do))
}

/// The plan of `system` itself.
///
/// # Errors
/// `NeedsAttention` where nothing on it says what finishes it: without that it is not known to be whole.
fn planned(system: &FileSystem) -> Result<Plan> {
    let plan = if Stage::of(system) == Stage::Planned { Plan::of_tags(&system.tags)? } else { None };
    plan.ok_or_else(|| {
        let message = format!(
            "the tags of {} that say what finishes it are gone; compare its mount targets, policies and access points with \
             the source's, or restore it again",
            system.id
        );
        Error::new(ErrorKind::NeedsAttention, message)
    })
}

/// Whether what is left to do keeps the file system from being what it was: whoever may use it is a part of that, and where
/// its files lie is told by the job.
fn readiness(to_do: &[String]) -> Readiness {
    if to_do.iter().any(|part| part == "policy") { Readiness::Available } else { Readiness::Initialized }
}

/// Nothing leads out of this state, and there is nothing in it to keep.
fn broken(id: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("AWS reports state error for {id}; restore it again"))
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
/// That its files are still in AWS's folder.
const REROOT: &str = "reroot";

/// What the tags say that is left to do.
fn left_of(tags: &Tags) -> Vec<String> {
    tags.get(LEFT).map(|left| left.split(' ').map(str::to_owned).collect()).unwrap_or_default()
}

/// What the plan could not do, where `left` access points wait for the files to be moved.
fn to_do(plan: &Plan, files: Files, left: usize) -> Vec<String> {
    let mut to_do = plan.left_out.clone();
    if files == Files::InFolder {
        to_do.push(REROOT.to_owned());
    }
    if left > 0 && !to_do.iter().any(|part| part == "access_points") {
        to_do.push("access_points".to_owned());
    }
    to_do
}

/// The plan is carried out: that and what it could not do is said, and its tags go.
async fn close(clients: &Clients, system: &FileSystem, to_do: &[String]) -> Result<()> {
    let mut said = Stage::Done.tag(&system.id);
    if !to_do.is_empty() {
        said.insert(LEFT.to_owned(), to_do.join(" "));
    }
    clients.efs().tag(&system.id, &said).await?;
    let mut over = Plan::keys(&system.tags);
    // Another file system's, copied.
    over.extend((to_do.is_empty() && system.tags.contains_key(LEFT)).then(|| LEFT.to_owned()));
    clients.efs().untag(&system.id, over).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_volume_of_which_nothing_is_told_is_not_whole() {
        let now = Timestamp::from_millis(10_000_000_000);
        let old = Timestamp::from_millis(1_000_000_000);
        assert!(!is_whole(None, Some(now), now));
        assert!(!is_whole(None, None, now));
        assert!(is_whole(None, Some(old), now));
        assert!(is_whole(Some(100), Some(now), now));
        assert!(!is_whole(Some(99), Some(old), now));
    }

    #[test]
    fn a_lost_policy_is_named_and_not_called_done() {
        let plan = Plan { left_out: vec!["policy".to_owned()], ..Plan::default() };
        let left = to_do(&plan, Files::InFolder, 2);
        assert_eq!(left, ["policy", "reroot", "access_points"]);
        assert_eq!(readiness(&left), Readiness::Available);
        let tags = [(LEFT.to_owned(), left.join(" "))].into();
        assert_eq!(left_of(&tags), left, "a repeat says the same");
        assert_eq!(readiness(&to_do(&Plan::default(), Files::InFolder, 0)), Readiness::Initialized);
    }
}
