//! The share or volume itself: whether it is there, and how many snapshots of it there may still be.

use stillpoint_core::{Finding, Result, Severity};

use super::super::kind::Kind;
use super::super::netapp::{Snapshot, Volume};
use super::super::storage::Share;
use super::super::{shares, volumes};
use super::{Subject, blocker};

/// So close to the most snapshots that a share or volume may have, it is said.
const NEARLY: usize = 10;

impl Subject<'_> {
    pub(super) async fn files(&self) -> Result<Vec<Finding>> {
        let (connection, id) = (self.connection, &self.source.id);
        let (what, count, most) = match self.kind {
            Kind::Share => {
                let count = match Share::known(connection, id).await? {
                    Some(_) => Some(Share::snapshots(connection, id).await?.len()),
                    None => None,
                };
                ("share", count, shares::SNAPSHOTS_MAX)
            }
            _ => {
                let count = match Volume::known(connection, id).await? {
                    Some(_) => Some(Snapshot::list(connection, id).await?.len()),
                    None => None,
                };
                ("volume", count, volumes::SNAPSHOTS_MAX)
            }
        };
        let Some(count) = count else {
            return Ok(vec![blocker("resource-exists", format!("there is no {what} {id}; name another"))]);
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
