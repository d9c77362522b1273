//! Snapshots found by what is written on them, in the resource groups that the provider was given.

use std::collections::BTreeSet;

use stillpoint_core::{Error, ErrorKind, OpContext, Result, SnapshotInfo, SnapshotQuery, Tags};

use super::super::AzureProvider;
use super::super::compute::Snapshot;
use super::super::kind::Kind;
use super::super::names::PointName;
use super::super::resource_id::ResourceId;
use super::super::tags;
use super::super::vault::Item;
use super::super::volumes::VolumePoint;
use super::open::info;

impl AzureProvider {
    pub(in super::super) async fn find_points(
        &self,
        cx: &OpContext,
        query: &SnapshotQuery,
    ) -> Result<Vec<SnapshotInfo>> {
        if self.groups().is_empty() && self.sources().is_empty() && self.vaulted().is_empty() {
            let message =
                "no resource group, share or volume is configured in which snapshots could be looked for";
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        }
        let wanted = wanted(query);
        let mut found = Vec::new();
        for group in self.groups() {
            cx.check()?;
            let listed =
                Snapshot::list(self.connection(), &group.subscription, Some(&group.resource_group)).await;
            let listed = match listed {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let message =
                        format!("there is no resource group {}; name another", group.resource_group);
                    return Err(Error::new(ErrorKind::InvalidConfig, message).with_source(error));
                }
                other => other?,
            };
            for snapshot in listed {
                let id: ResourceId = snapshot.id.parse()?;
                if tags::missing(&wanted, &snapshot.tags).is_empty()
                    && !snapshot.is_deleting()
                    && let Some(id) = tags::point_of_ours(&id, &snapshot.tags)
                {
                    found.push(info(self.provider_id(), &PointName(id), &snapshot)?);
                }
            }
        }
        for source in self.sources() {
            cx.check()?;
            let listed = match (Item::of(source), Kind::of_id(source)) {
                (Some(item), _) => self.find_vault_points(cx, &item, &wanted).await,
                (None, Kind::Share) => self.find_share_points(source, &wanted).await,
                (None, _) => self.find_volume_points(source, &wanted).await,
            };
            match listed {
                // Its snapshots went with it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => found.extend(other?),
            }
        }
        without_originals(&mut found);
        for source in self.vaulted() {
            cx.check()?;
            match source.protected(self.connection()).await {
                Ok(protected) => found.extend(self.find_vault_points(cx, protected.item(), &wanted).await?),
                // Its vault is gone, or protects it no longer.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        found.sort_by(|a, b| a.snapshot.cmp(&b.snapshot));
        found.dedup_by(|a, b| a.snapshot == b.snapshot);
        Ok(found)
    }
}

/// Takes out the snapshots of volumes of which the backup in a vault was found: it stands for both, and takes its snapshot
/// along when it is deleted.
fn without_originals(found: &mut Vec<SnapshotInfo>) {
    let made = |info: &SnapshotInfo, backups: bool| {
        let point: VolumePoint = info.snapshot.id.as_str().parse().ok()?;
        (point.is_backup() == backups).then(|| point.0.name().to_lowercase())
    };
    let backups: BTreeSet<String> = found.iter().filter_map(|info| made(info, true)).collect();
    found.retain(|info| made(info, false).is_none_or(|name| !backups.contains(&name)));
}

/// The tags that a query asks for, with their values as they are written.
fn wanted(query: &SnapshotQuery) -> Tags {
    let conditions = [
        (tags::WORKSPACE, query.workspace.as_ref().map(|id| id.as_str())),
        (tags::BACKUP, query.backup.as_ref().map(|id| id.as_str())),
        (tags::OPERATION, query.operation.as_ref().map(|id| id.as_str())),
    ];
    let set = conditions.into_iter().filter_map(|(tag, id)| Some((tag.to_owned(), tags::value(id?))));
    set.collect()
}
