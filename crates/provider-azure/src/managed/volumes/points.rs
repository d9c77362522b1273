//! Snapshots and backups of volumes: opened, found by their names, deleted and read back.

use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    DeleteState, Depth, EntryPage, Error, ErrorKind, Issue, OpContext, ProviderId, Result,
    Snapshot as Opened, SnapshotId, SnapshotInfo, SnapshotRef, Tags, Timestamp, Verification,
};

use super::super::AzureProvider;
use super::super::netapp::{BACKUPS, Backup, SNAPSHOTS, Snapshot, Standing, VAULTS};
use super::super::points::state_of;
use super::super::resource_id::ResourceId;
use super::super::tags;
use super::said::Said;
use crate::connection::Connection;

/// A snapshot of a volume, or a backup in a vault: the resource that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct VolumePoint(pub(in super::super) ResourceId);

impl VolumePoint {
    pub(in super::super) fn of(&self, provider: &ProviderId) -> Result<SnapshotRef> {
        Ok(SnapshotRef::new(provider.clone(), SnapshotId::new(self.0.to_string())?))
    }

    pub(in super::super) fn is_backup(&self) -> bool {
        self.0.is(BACKUPS)
    }

    /// How it stands, and in which region.
    pub(super) async fn read(&self, connection: &Connection) -> Result<(Standing, String)> {
        if self.is_backup() {
            let backup = Backup::get(connection, &self.0).await?;
            return Ok((backup.standing(), Backup::region(connection, &self.0).await?));
        }
        let snapshot = Snapshot::get(connection, &self.0).await?;
        Ok((snapshot.standing(), snapshot.location))
    }
}

impl FromStr for VolumePoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let ours = |id: &ResourceId| id.is(SNAPSHOTS) || id.is(BACKUPS);
        text.parse().ok().filter(ours).map(Self).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("{text:?} is no snapshot of this provider"))
        })
    }
}

#[derive(Debug)]
struct Point {
    provider: ProviderId,
    connection: Connection,
    name: VolumePoint,
}

impl AzureProvider {
    pub(in super::super) async fn open_volume_point(
        &self,
        cx: &OpContext,
        name: VolumePoint,
    ) -> Result<Arc<dyn Opened>> {
        cx.check()?;
        name.read(self.connection()).await?;
        let connection = self.connection().clone();
        Ok(Arc::new(Point { provider: self.provider_id().clone(), connection, name }))
    }

    /// The snapshots of a volume, or the backups in a vault, that we made and whose names say what the tags `wanted` do.
    pub(in super::super) async fn find_volume_points(
        &self,
        source: &ResourceId,
        wanted: &Tags,
    ) -> Result<Vec<SnapshotInfo>> {
        let connection = self.connection();
        let names: Vec<String> = if source.is(VAULTS) {
            Backup::list(connection, source).await?.into_iter().map(|each| each.id).collect()
        } else {
            Snapshot::list(connection, source).await?.into_iter().map(|each| each.id).collect()
        };
        let mut found = Vec::new();
        for name in names {
            let point = VolumePoint(name.parse()?);
            let Some(said) = Said::read(point.0.name()).filter(|said| said.fits(wanted)) else { continue };
            match point.read(connection).await {
                // It went between the list and this.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Ok((Standing::Going, _)) => {}
                read => found.push(info(self.provider_id(), &point, &said, read?)?),
            }
        }
        Ok(found)
    }

    /// Deletes a backup and then the snapshot that it was copied from; or the snapshot alone.
    pub(in super::super) async fn delete_volume_point(
        &self,
        cx: &OpContext,
        name: &VolumePoint,
    ) -> Result<DeleteState> {
        let connection = self.connection();
        if Said::read(name.0.name()).is_none() {
            let message = format!("the name of {} is none of ours and it is left alone", name.0);
            return match name.read(connection).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(DeleteState::Gone),
                _ => Err(Error::new(ErrorKind::PermissionDenied, message).with("snapshot", &name.0)),
            };
        }
        if !name.is_backup() {
            return delete_snapshot(connection, &name.0).await;
        }
        let Some(backup) = Backup::known(connection, &name.0).await? else { return Ok(DeleteState::Gone) };
        let volume: ResourceId = backup.properties.volume_resource_id.parse()?;
        // While the backup is there it leads to its snapshot, so the snapshot goes first.
        let first = delete_snapshot(connection, &volume.child("snapshots", name.0.name())?).await?;
        if first != DeleteState::Gone {
            return Ok(first);
        }
        cx.check()?;
        if backup.standing() != Standing::Going
            && let Err(error) = Backup::delete(connection, &name.0).await
        {
            return state_of(error, HOLDERS);
        }
        Ok(match Backup::known(connection, &name.0).await? {
            None => DeleteState::Gone,
            Some(_) => DeleteState::Pending,
        })
    }
}

async fn delete_snapshot(connection: &Connection, id: &ResourceId) -> Result<DeleteState> {
    match Snapshot::known(connection, id).await? {
        None => return Ok(DeleteState::Gone),
        Some(snapshot) if snapshot.standing() == Standing::Going => return Ok(DeleteState::Pending),
        Some(_) => {}
    }
    if let Err(error) = Snapshot::delete(connection, id).await {
        return state_of(error, HOLDERS);
    }
    Ok(match Snapshot::known(connection, id).await? {
        None => DeleteState::Gone,
        Some(_) => DeleteState::Pending,
    })
}

/// What may hold a snapshot or backup beside itself.
const HOLDERS: &str = "the NetApp account or its resource group";

/// What a snapshot says of itself.
///
/// # Errors
/// `InvalidInput` where its name is longer than an id may be.
fn info(
    provider: &ProviderId,
    name: &VolumePoint,
    said: &Said,
    (standing, region): (Standing, String),
) -> Result<SnapshotInfo> {
    let mut info = SnapshotInfo::new(name.of(provider)?, Timestamp::from_millis(0));
    tags::read(&mut info, &said.tags());
    info.usable = standing == Standing::There;
    info.account_region = Some((name.0.subscription.clone(), region));
    Ok(info)
}

#[async_trait]
impl Opened for Point {
    async fn describe(&self, _cx: &OpContext) -> Result<SnapshotInfo> {
        let read = self.name.read(&self.connection).await?;
        let unknown = || Error::new(ErrorKind::NotFound, format!("{} is no snapshot of ours", self.name.0));
        let said = Said::read(self.name.0.name()).ok_or_else(unknown)?;
        info(&self.provider, &self.name, &said, read)
    }

    /// Azure tells whether a snapshot or backup is there, and nothing more; only a restore does.
    async fn verify(&self, _cx: &OpContext, depth: Depth) -> Result<Verification> {
        let (standing, _) = self.name.read(&self.connection).await?;
        let mut problems = Vec::new();
        if standing != Standing::There {
            problems.push(Issue::new(
                "unusable",
                self.name.0.to_string(),
                format!("Azure calls it {standing:?}"),
            ));
        }
        Ok(Verification::new(depth.min(Depth::Listed), problems))
    }

    async fn entries(&self, _cx: &OpContext, _path: &str, _after: Option<&str>) -> Result<EntryPage> {
        let message = "Azure's control plane lists no files; mount the volume and look below its .snapshot";
        Err(Error::new(ErrorKind::Unsupported, message))
    }
}
