//! What would make the backup of a share or volume fail.

use stillpoint_core::{Component, Finding, Result, Severity};

use super::super::AzureProvider;
use super::super::kind::Kind;
use super::super::netapp::{Snapshot, Volume};
use super::super::storage::Share;
use super::super::{shares, volumes};

/// So close to the most snapshots that a share or volume may have, it is said.
const NEARLY: usize = 10;

impl AzureProvider {
    pub(super) async fn check_files(&self, component: &Component) -> Result<Vec<Finding>> {
        let connection = self.connection();
        let (what, id, count, most) = match Kind::of(component) {
            Kind::Share => {
                let id = shares::source(component)?;
                let count = match Share::known(connection, &id).await? {
                    Some(_) => Some(Share::snapshots(connection, &id).await?.len()),
                    None => None,
                };
                ("share", id, count, shares::SNAPSHOTS_MAX)
            }
            _ => {
                let id = volumes::Source::of(component)?.id;
                let count = match Volume::known(connection, &id).await? {
                    Some(_) => Some(Snapshot::list(connection, &id).await?.len()),
                    None => None,
                };
                ("volume", id, count, volumes::SNAPSHOTS_MAX)
            }
        };
        let Some(count) = count else {
            let message = format!("there is no {what} {id}; name another");
            return Ok(vec![Finding::new("source-exists", Severity::Blocker, message)]);
        };
        let severity = match count {
            count if count >= most => Severity::Blocker,
            count if count + NEARLY >= most => Severity::Warning,
            _ => return Ok(Vec::new()),
        };
        let message = format!("{id} has {count} of at most {most} snapshots; delete old backups of it");
        Ok(vec![Finding::new("snapshot-quota", severity, message)])
    }
}
