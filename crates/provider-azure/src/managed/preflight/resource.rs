//! The disk itself: whether it is there, where, and how many snapshots of it there may still be.

use std::time::Duration;

use stillpoint_core::{ErrorKind, Finding, Result, Timestamp, Wanted};

use super::super::backup::{SNAPSHOTS_IN_FIVE_MINUTES, SNAPSHOTS_MAX};
use super::super::compute::{Disk, Snapshot};
use super::super::settings::REGION;
use super::super::tags;
use super::{Subject, blocker, info, warning};

/// So many more snapshots must still fit, or it is said.
const SNAPSHOTS_LEFT: usize = 50;
/// The time over which the rate of snapshots is counted.
const RATE_SPAN: Duration = Duration::from_secs(300);

impl Subject<'_> {
    pub(super) async fn resource(&self) -> Result<Vec<Finding>> {
        let id = &self.source.id;
        let disk = match Disk::get(self.connection, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message = format!("{id} does not exist; take it out of the workspace, or correct it");
                return Ok(vec![blocker("resource-exists", message)]);
            }
            other => other?,
        };
        let mut findings = Vec::new();
        let state = disk.properties.provisioning_state.as_deref().unwrap_or("Succeeded");
        if !matches!(state, "Succeeded" | "Updating") {
            findings.push(blocker("resource-exists", format!("{id} is {state} and cannot be captured")));
        }
        if let Some(region) = Wanted::new(&self.component.settings, None).text(REGION)?
            && !region.replace(' ', "").eq_ignore_ascii_case(&disk.location)
        {
            let message = format!(
                "{id} is in region {}, its workspace in {region}; correct one of them",
                disk.location
            );
            findings.push(blocker("region", message));
        }
        let sku = disk.sku.name.unwrap_or_default();
        if sku.starts_with("PremiumV2") || sku.starts_with("UltraSSD") {
            let message = format!(
                "a snapshot of a {sku} disk is captured at once and can be used once all of it is copied"
            );
            findings.push(info("disk-kind", message));
        }
        if self.source.group.eq_ignore_ascii_case(&id.group) {
            let message = format!(
                "snapshots of {id} are kept in the disk's own resource group and are deleted with that; name another \
                 by the setting snapshot_resource_group"
            );
            findings.push(info("resource-group", message));
        }
        Ok(findings)
    }

    /// How many incremental snapshots there are, and how many are new, in the resource group that ours are kept in.
    pub(super) async fn limits(&self, now: Timestamp) -> Result<Vec<Finding>> {
        let subscription = &self.source.id.subscription;
        let listed = match Snapshot::list(self.connection, subscription, Some(&self.source.group)).await {
            // That there is no such resource group is told by another check.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let of_disk = listed.into_iter().filter(|snapshot| {
            snapshot.properties.incremental == Some(true)
                && snapshot.properties.creation_data.is_of(&self.source.id)
        });
        let taken: Vec<Option<Timestamp>> = of_disk.map(|snapshot| snapshot.captured()).collect();
        let recent = taken.iter().flatten().filter(|taken| now.since(**taken) < RATE_SPAN).count();
        let (id, count) = (&self.source.id, taken.len());
        let mut findings = Vec::new();
        let message =
            format!("{id} has {count} incremental snapshots, and may have {SNAPSHOTS_MAX}; delete old ones");
        if count >= SNAPSHOTS_MAX {
            findings.push(blocker("disk-limits", message));
        } else if count + SNAPSHOTS_LEFT > SNAPSHOTS_MAX {
            findings.push(warning("disk-limits", message));
        }
        if recent >= SNAPSHOTS_IN_FIVE_MINUTES {
            let message = format!(
                "{recent} snapshots of {id} were taken within five minutes, which is all that Azure allows; a backup waits"
            );
            findings.push(warning("disk-limits", message));
        }
        Ok(findings)
    }

    /// Whether the component's name can be read back from a tag.
    pub(super) fn identifiers(&self) -> Option<Finding> {
        let id = self.component.id.as_str();
        (tags::value(id) != id).then(|| {
            let message = format!(
                "the component's id {id:?} does not fit into a tag: only its digest is written, and a catalog that is \
                 rebuilt from tags will not know the component's name; shorten it"
            );
            warning("tags", message)
        })
    }
}
