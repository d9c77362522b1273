//! One snapshot, opened: what it says of itself, and whether it is whole as far as Azure can tell.

use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    Depth, EntryPage, Error, ErrorKind, Issue, Locked, OpContext, ProviderId, Result, Snapshot, SnapshotInfo,
    Timestamp, Verification,
};

use super::super::AzureProvider;
use super::super::compute::{self, Usable};
use super::super::names::PointName;
use super::super::tags;
use super::delete::immutable;
use crate::connection::Connection;

/// A snapshot of a disk.
#[derive(Debug)]
struct Point {
    provider: ProviderId,
    connection: Connection,
    name: PointName,
}

impl AzureProvider {
    pub(in super::super) async fn open_point(
        &self,
        cx: &OpContext,
        name: PointName,
    ) -> Result<Arc<dyn Snapshot>> {
        cx.check()?;
        compute::Snapshot::get(self.connection(), &name.0).await?;
        let connection = self.connection().clone();
        Ok(Arc::new(Point { provider: self.provider_id().clone(), connection, name }))
    }
}

/// What a snapshot says of itself.
///
/// # Errors
/// `InvalidInput` where its name is longer than an id may be.
pub(super) fn info(
    provider: &ProviderId,
    name: &PointName,
    snapshot: &compute::Snapshot,
) -> Result<SnapshotInfo> {
    let created = snapshot.captured().unwrap_or(Timestamp::from_millis(0));
    let mut info = SnapshotInfo::new(name.of(provider)?, created);
    tags::read(&mut info, &snapshot.tags);
    info.usable = snapshot.usable() == Usable::Now;
    info.account_region = Some((name.0.subscription.clone(), snapshot.location.clone()));
    Ok(info)
}

#[async_trait]
impl Snapshot for Point {
    async fn describe(&self, _cx: &OpContext) -> Result<SnapshotInfo> {
        let snapshot = compute::Snapshot::get(&self.connection, &self.name.0).await?;
        info(&self.provider, &self.name, &snapshot)
    }

    /// Azure tells whether a snapshot is there and how much of its data. It never tells more; only a restore does.
    async fn verify(&self, _cx: &OpContext, depth: Depth) -> Result<Verification> {
        let snapshot = compute::Snapshot::get(&self.connection, &self.name.0).await?;
        let mut problems = Vec::new();
        if snapshot.usable() != Usable::Now {
            let message = format!("Azure calls it {}", snapshot.in_words());
            problems.push(Issue::new("unusable", self.name.0.to_string(), message));
        }
        Ok(Verification::new(depth.min(Depth::Listed), problems))
    }

    async fn locked(&self, cx: &OpContext) -> Result<Option<Locked>> {
        let snapshot = compute::Snapshot::get(&self.connection, &self.name.0).await?;
        Ok(immutable(&snapshot, cx.clock().now()))
    }

    async fn entries(&self, _cx: &OpContext, _path: &str, _after: Option<&str>) -> Result<EntryPage> {
        Err(Error::new(ErrorKind::Unsupported, "Azure lists no entries of a disk's snapshot; restore it"))
    }
}
