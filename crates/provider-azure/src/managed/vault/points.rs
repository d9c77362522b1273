//! Recovery points: opened, found by the jobs that made them, and what becomes of them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    DeleteState, Depth, EntryPage, Error, ErrorKind, Issue, Locked, OpContext, ProviderId, Result, Snapshot,
    SnapshotId, SnapshotInfo, SnapshotRef, Tags, Timestamp, Verification,
};

use super::super::AzureProvider;
use super::super::resource_id::ResourceId;
use super::super::tags;
use super::REMEMBERED;
use super::item::{Item, Point};
use super::job::Job;
use super::mark::Mark;
use crate::connection::Connection;

/// What stands between the id of a recovery point and the mark of the job that made it.
const MARKED: &str = "?mark=";

/// A recovery point, and the mark that its job was proven by. A recovery point carries nothing of its maker's, and jobs are
/// forgotten after some months; so what is to be known of it stands in its name here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct VaultPoint {
    pub(super) id: ResourceId,
    /// Nothing where no proof was had.
    pub(super) mark: Option<String>,
}

impl VaultPoint {
    pub(super) fn of(&self, provider: &ProviderId) -> Result<SnapshotRef> {
        Ok(SnapshotRef::new(provider.clone(), SnapshotId::new(self.to_string())?))
    }

    /// The item that it is of.
    ///
    /// # Errors
    /// `NotFound` for what is no recovery point.
    pub(super) fn item(&self) -> Result<Item> {
        let unknown = || Error::new(ErrorKind::NotFound, format!("{} is no recovery point", self.id));
        self.id.parent().ok().and_then(|id| Item::of(&id)).ok_or_else(unknown)
    }
}

impl fmt::Display for VaultPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        self.mark.as_ref().map_or(Ok(()), |mark| write!(f, "{MARKED}{mark}"))
    }
}

impl FromStr for VaultPoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::new(ErrorKind::NotFound, format!("{text:?} is no snapshot of this provider"));
        let (id, mark) = match text.split_once(MARKED) {
            Some((id, mark)) => (id, Some(mark.to_owned())),
            None => (text, None),
        };
        let id: ResourceId = id.parse().map_err(|error: Error| unknown().with_source(error))?;
        let is_point = id.parent().ok().and_then(|item| Item::of(&item)).is_some();
        if is_point { Ok(Self { id, mark }) } else { Err(unknown()) }
    }
}

#[derive(Debug)]
struct Opened {
    provider: ProviderId,
    connection: Connection,
    name: VaultPoint,
    item: Item,
    region: String,
}

impl AzureProvider {
    pub(in super::super) async fn open_vault_point(
        &self,
        cx: &OpContext,
        name: VaultPoint,
    ) -> Result<Arc<dyn Snapshot>> {
        cx.check()?;
        let (connection, item) = (self.connection().clone(), name.item()?);
        item.point(&connection, &name.id).await?;
        let region = item.region(&connection).await?;
        Ok(Arc::new(Opened { provider: self.provider_id().clone(), connection, name, item, region }))
    }

    /// The recovery points of `item` that jobs of ours made and whose marks say what the tags `wanted` do, as far back as
    /// the vault remembers jobs.
    pub(in super::super) async fn find_vault_points(
        &self,
        cx: &OpContext,
        item: &Item,
        wanted: &Tags,
    ) -> Result<Vec<SnapshotInfo>> {
        let connection = self.connection();
        let mut jobs = item.jobs(connection, cx.clock().now(), REMEMBERED).await?;
        jobs.retain(|job| job.is_backup() && job.has_result());
        let fits = |job: &Job| Mark::read(&job.activity).is_some_and(|said| said.fits(wanted));
        if !jobs.iter().any(fits) {
            return Ok(Vec::new());
        }
        let region = item.region(connection).await?;
        let mut found = Vec::new();
        for point in item.points(connection).await? {
            // Where one job began as another one ended, a point is of the later one.
            if let Some(job) = jobs.iter().rfind(|job| point.is_of(job)).filter(|job| fits(job)) {
                let name = VaultPoint { id: point.id.clone(), mark: Some(job.activity.clone()) };
                found.push(info(self.provider_id(), &name, &point, &region)?);
            }
        }
        Ok(found)
    }

    /// No service deletes a single recovery point on demand: it goes when its time has come.
    pub(in super::super) async fn delete_vault_point(
        &self,
        cx: &OpContext,
        name: &VaultPoint,
    ) -> Result<DeleteState> {
        cx.check()?;
        let point = match name.item()?.point(self.connection(), &name.id).await {
            Ok(point) => point,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(DeleteState::Gone),
            Err(error) => return Err(error),
        };
        let kept = kept_by_policy(&point);
        Ok(DeleteState::Locked { until: kept.until, reason: kept.reason })
    }

    /// Azure has no call that lets one recovery point last longer.
    pub(in super::super) async fn keep_vault_point(&self, cx: &OpContext, name: &VaultPoint) -> Result<()> {
        cx.check()?;
        let point = name.item()?.point(self.connection(), &name.id).await?;
        let Some(expires) = point.expires else { return Ok(()) };
        let message = format!(
            "the vault lets {} go at {expires}, and Azure has no call that keeps one recovery point for longer: stop the \
             item's protection with its data kept, or restore it before and back that up",
            point.id
        );
        Err(Error::new(ErrorKind::Unsupported, message))
    }
}

/// No service deletes a single recovery point on demand, so that its vault's policy always keeps it.
fn kept_by_policy(point: &Point) -> Locked {
    let how = match (point.soft_deleted, point.expires) {
        (true, _) => "it was deleted, and soft deletion keeps it for some days".to_owned(),
        (false, Some(expires)) => format!("it goes by itself at {expires}"),
        (false, None) => "it goes when the vault's policy says so".to_owned(),
    };
    let reason = format!(
        "the vault keeps {} as its policy says: Azure has no call that deletes one recovery point; {how}",
        point.id
    );
    Locked::new(point.expires, reason)
}

/// What a recovery point says of itself, and its name of it.
fn info(provider: &ProviderId, name: &VaultPoint, point: &Point, region: &str) -> Result<SnapshotInfo> {
    let made = point.time.unwrap_or(Timestamp::from_millis(0));
    let mut info = SnapshotInfo::new(name.of(provider)?, made);
    if let Some(said) = name.mark.as_deref().and_then(Mark::read) {
        tags::read(&mut info, &said.tags());
    }
    info.usable = point.is_usable();
    info.account_region = Some((name.id.subscription.clone(), region.to_owned()));
    Ok(info)
}

#[async_trait]
impl Snapshot for Opened {
    async fn describe(&self, _cx: &OpContext) -> Result<SnapshotInfo> {
        let point = self.item.point(&self.connection, &self.name.id).await?;
        info(&self.provider, &self.name, &point, &self.region)
    }

    /// A vault tells whether a recovery point is there and whole. It never tells more; only a restore does.
    async fn verify(&self, _cx: &OpContext, depth: Depth) -> Result<Verification> {
        let point = self.item.point(&self.connection, &self.name.id).await?;
        let mut problems = Vec::new();
        if !point.is_usable() {
            let what = if point.soft_deleted { "was deleted and is kept for a while" } else { "is Partial" };
            let message = format!("the vault says that it {what}");
            problems.push(Issue::new("unusable", self.name.id.to_string(), message));
        }
        Ok(Verification::new(depth.min(Depth::Listed), problems))
    }

    async fn locked(&self, _cx: &OpContext) -> Result<Option<Locked>> {
        Ok(Some(kept_by_policy(&self.item.point(&self.connection, &self.name.id).await?)))
    }

    async fn entries(&self, _cx: &OpContext, _path: &str, _after: Option<&str>) -> Result<EntryPage> {
        Err(Error::new(ErrorKind::Unsupported, "a vault lists no entries of a recovery point; restore it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: &str = "/subscriptions/1/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v/\
                         backupInstances/db/recoveryPoints/p";

    #[test]
    fn a_recovery_points_name_survives_being_stored() {
        for text in [POINT.to_owned(), format!("{POINT}{MARKED}0f.1.db.op")] {
            let name: VaultPoint = text.parse().unwrap();
            assert_eq!((name.to_string(), name.item().unwrap().id.name()), (text, "db"));
        }
        let snapshot = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Compute/snapshots/s";
        for other in [snapshot, "p", &POINT.replace("backupInstances/db/", "")] {
            assert_eq!(other.parse::<VaultPoint>().unwrap_err().kind(), ErrorKind::NotFound, "{other}");
        }
    }
}
