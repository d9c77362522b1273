//! Snapshots of shares: opened, found by their metadata, deleted and read back.

use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    DeleteState, Depth, EntryPage, Error, ErrorKind, OpContext, ProviderId, Result, Snapshot, SnapshotInfo,
    Tags, Timestamp, Verification,
};

use super::super::AzureProvider;
use super::super::points::state_of;
use super::super::resource_id::ResourceId;
use super::super::storage::{self, Share, Taken};
use super::super::tags;
use super::SharePoint;
use crate::connection::Connection;

/// A snapshot of a share.
#[derive(Debug)]
struct Point {
    provider: ProviderId,
    connection: Connection,
    name: SharePoint,
    region: String,
}

impl Point {
    async fn read(&self) -> Result<Taken> {
        let SharePoint { share, time } = &self.name;
        Share::snapshot(&self.connection, share, time).await?.ok_or_else(|| absent(&self.name))
    }
}

fn absent(name: &SharePoint) -> Error {
    let SharePoint { share, time } = name;
    Error::new(ErrorKind::NotFound, format!("the share {share} has no snapshot of {time}"))
}

/// Whether a snapshot with these tags is one that we made.
fn is_ours(tags: &Tags) -> bool {
    tags.contains_key(tags::JOB) && tags.contains_key(tags::BACKUP)
}

impl AzureProvider {
    pub(in super::super) async fn open_share_point(
        &self,
        cx: &OpContext,
        name: SharePoint,
    ) -> Result<Arc<dyn Snapshot>> {
        cx.check()?;
        let connection = self.connection().clone();
        Share::snapshot(&connection, &name.share, &name.time).await?.ok_or_else(|| absent(&name))?;
        let region = storage::region(&connection, &name.share).await?;
        Ok(Arc::new(Point { provider: self.provider_id().clone(), connection, name, region }))
    }

    /// The snapshots of `share` that we made and that carry the tags `wanted`.
    pub(in super::super) async fn find_share_points(
        &self,
        share: &ResourceId,
        wanted: &Tags,
    ) -> Result<Vec<SnapshotInfo>> {
        let connection = self.connection();
        let mut taken = Share::snapshots(connection, share).await?;
        taken.retain(|taken| is_ours(&taken.tags) && tags::missing(wanted, &taken.tags).is_empty());
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let region = storage::region(connection, share).await?;
        let info = |taken: &Taken| {
            let name = SharePoint { share: share.clone(), time: taken.time.clone() };
            info(self.provider_id(), &name, taken, &region)
        };
        taken.iter().map(info).collect()
    }

    pub(in super::super) async fn delete_share_point(
        &self,
        cx: &OpContext,
        name: &SharePoint,
    ) -> Result<DeleteState> {
        let SharePoint { share, time } = name;
        let Some(taken) = Share::snapshot(self.connection(), share, time).await? else {
            return Ok(DeleteState::Gone);
        };
        if !is_ours(&taken.tags) {
            let message = format!("{name} carries no mark of ours and is left alone");
            return Err(Error::new(ErrorKind::PermissionDenied, message).with("snapshot", name));
        }
        // A lost answer may have made two of one key, of which nobody knows the second.
        for each in Share::snapshots(self.connection(), share).await?.into_iter().chain([taken.clone()]) {
            cx.check()?;
            if each.tags.get(tags::JOB) != taken.tags.get(tags::JOB) || !is_ours(&each.tags) {
                continue;
            }
            match Share::delete_snapshot(self.connection(), share, &each.time).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return state_of(error, "the storage account or its resource group"),
                Ok(()) => {}
            }
        }
        Ok(match Share::snapshot(self.connection(), share, time).await? {
            None => DeleteState::Gone,
            Some(_) => DeleteState::Pending,
        })
    }
}

/// What a snapshot says of itself.
///
/// # Errors
/// `InvalidInput` where its name is longer than an id may be.
fn info(provider: &ProviderId, name: &SharePoint, taken: &Taken, region: &str) -> Result<SnapshotInfo> {
    let mut info = SnapshotInfo::new(name.of(provider)?, taken.at().unwrap_or(Timestamp::from_millis(0)));
    tags::read(&mut info, &taken.tags);
    info.usable = true;
    info.account_region = Some((name.share.subscription.clone(), region.to_owned()));
    Ok(info)
}

#[async_trait]
impl Snapshot for Point {
    async fn describe(&self, _cx: &OpContext) -> Result<SnapshotInfo> {
        info(&self.provider, &self.name, &self.read().await?, &self.region)
    }

    /// Azure tells whether a snapshot is there, and nothing more; only reading its files does.
    async fn verify(&self, _cx: &OpContext, depth: Depth) -> Result<Verification> {
        self.read().await?;
        Ok(Verification::new(depth.min(Depth::Listed), Vec::new()))
    }

    async fn entries(&self, _cx: &OpContext, _path: &str, _after: Option<&str>) -> Result<EntryPage> {
        let message = "Azure's control plane lists no files; mount the share and look below its .snapshots";
        Err(Error::new(ErrorKind::Unsupported, message))
    }
}
