//! What the records of backups and the snapshots say of each other.
//!
//! A store that hides the newest snapshot of a workspace, or the record of a backup, is noticed by the other of the two.
//! One that hides both is noticed by the catalog: `stillpoint rebuild` compares with that.

use std::collections::BTreeSet;

use stillpoint_core::{
    BackupId, BackupQuery, BackupState, Catalog, ErrorKind, OpContext, Provider, ProviderId, Records, Result,
    SnapshotInfo, SnapshotQuery, SnapshotRef,
};

use crate::session::Session;

/// One thing that only one side knows of.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::run) struct Found {
    /// The backup's id, or the snapshot's.
    pub(in crate::run) object: String,
    /// What is wrong, as a sentence part.
    pub(in crate::run) message: String,
}

/// What each side knows and the other does not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::run) struct Witness {
    /// Backups that cannot be restored because a snapshot of theirs is gone or damaged.
    pub(in crate::run) lost: Vec<Found>,
    /// Snapshots that no record names, as a backup that is not sealed yet has them too.
    pub(in crate::run) unsealed: Vec<Found>,
}

/// Compares the records beside the data with the snapshots. A damaged record was reported by the check itself.
pub(in crate::run) async fn compare(session: &Session) -> Result<Witness> {
    let provider = session.provider().await?;
    let cx = OpContext::background();
    let known = known(session.catalog().await?.as_ref(), provider.id()).await?;
    let records = provider.records(&cx).await?;
    // Last of all: what a backup names that was known by then was there by then.
    let snapshots = provider.snapshots(&cx, &SnapshotQuery::all()).await?;
    let mut witness = between(&records, &snapshots);
    let displaced = displaced(&known, &cx, provider.as_ref(), &snapshots).await?;
    let told: BTreeSet<_> = witness.lost.iter().map(|found| found.object.clone()).collect();
    witness.lost.extend(displaced.into_iter().filter(|found| !told.contains(&found.object)));
    Ok(witness)
}

/// What is lost by two looks: a backup that was being deleted at the first is known as lost by neither.
pub(in crate::run) async fn lost(session: &Session) -> Result<Vec<Found>> {
    let first = compare(session).await?.lost;
    if first.is_empty() {
        return Ok(first);
    }
    let again = compare(session).await?.lost;
    Ok(again.into_iter().filter(|found| first.contains(found)).collect())
}

/// A backup that the catalog knows, with a snapshot of it at this provider.
struct Known {
    backup: BackupId,
    state: BackupState,
    snapshot: SnapshotRef,
}

async fn known(catalog: &dyn Catalog, provider: &ProviderId) -> Result<Vec<Known>> {
    let (mut query, mut known) = (BackupQuery::all(), Vec::new());
    loop {
        let page = catalog.backups(&query).await?;
        known.extend(page.items.into_iter().filter_map(|stored| {
            let mut own = stored.backup.components.iter().filter_map(|component| component.snapshot.as_ref());
            let snapshot = own.find(|snapshot| snapshot.provider == *provider)?.clone();
            Some(Known { backup: stored.backup.id, state: stored.backup.state, snapshot })
        }));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(known),
        }
    }
}

/// Those at this address, where another repository lies now or their snapshots are not.
async fn displaced(
    known: &[Known],
    cx: &OpContext,
    provider: &dyn Provider,
    snapshots: &[SnapshotInfo],
) -> Result<Vec<Found>> {
    let present: BTreeSet<_> = snapshots.iter().map(|info| info.snapshot.id.as_str()).collect();
    let mut found = Vec::new();
    for Known { backup, state, snapshot } in known {
        match provider.reaches(cx, snapshot).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                found.push(Found { object: backup.to_string(), message: error.to_string() });
            }
            Err(error) if error.kind() != ErrorKind::InvalidInput => return Err(error),
            // What does not say where it lies may lie elsewhere.
            Ok(()) if snapshot.store.is_some() && *state == BackupState::Completed => {
                found.extend((!present.contains(snapshot.id.as_str())).then(|| gone(backup, snapshot)));
            }
            _ => {}
        }
    }
    Ok(found)
}

fn gone(backup: &BackupId, snapshot: &SnapshotRef) -> Found {
    let message = format!("its snapshot {} is gone or damaged, so it cannot be restored", snapshot.id);
    Found { object: backup.to_string(), message }
}

fn between(records: &Records, snapshots: &[SnapshotInfo]) -> Witness {
    let present: BTreeSet<_> = snapshots.iter().map(|info| info.snapshot.id.as_str()).collect();
    let damaged = records.damaged.iter().filter_map(|record| record.backup.as_ref());
    let recorded: BTreeSet<_> =
        records.readable.iter().map(|record| &record.id).chain(damaged).map(BackupId::as_str).collect();
    let mut witness = Witness::default();
    for record in records.readable.iter().filter(|record| record.state != BackupState::Deleting) {
        for snapshot in record.components.iter().filter_map(|component| component.snapshot.as_ref()) {
            if !present.contains(snapshot.id.as_str()) {
                witness.lost.push(gone(&record.id, snapshot));
            }
        }
    }
    for info in snapshots {
        let Some(backup) = info.backup.as_ref().filter(|backup| !recorded.contains(backup.as_str())) else {
            continue;
        };
        let message =
            format!("backup {backup} has no record: it is under way, was cut short, or the record is gone");
        witness.unsealed.push(Found { object: info.snapshot.id.to_string(), message });
    }
    witness
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{
        BackupRecord, Component, ComponentRecord, ComponentState, DamagedRecord, Definition, Error,
        OperationId, Timestamp,
    };

    use super::*;

    fn record(operation: &str, snapshot: &str) -> BackupRecord {
        let operation: OperationId = operation.parse().unwrap();
        let (id, now) = (BackupId::of(&operation), Timestamp::from_millis(0));
        let mut record = BackupRecord::new(id, operation, Definition::new("ada".parse().unwrap()), now);
        let component =
            Component::new("files".parse().unwrap(), "directory", "s3sync".parse().unwrap(), "/x");
        let mut component = ComponentRecord::new(component, ComponentState::Completed);
        component.snapshot = Some(SnapshotRef::new("s3sync".parse().unwrap(), snapshot.parse().unwrap()));
        record.components.push(component);
        record
    }

    fn info(record: &BackupRecord) -> SnapshotInfo {
        let snapshot = record.components[0].snapshot.clone().unwrap();
        let mut info = SnapshotInfo::new(snapshot, Timestamp::from_millis(0));
        info.backup = Some(record.id.clone());
        info
    }

    #[test]
    fn either_side_knows_what_is_hidden_on_the_other() {
        let (one, two) = (record("op-1", "aa"), record("op-2", "bb"));
        let (first, second) = (info(&one), info(&two));
        let both = Records::new([one.clone(), two.clone()]);
        assert_eq!(between(&both, &[first.clone(), second.clone()]), Witness::default());
        let hidden = between(&both, std::slice::from_ref(&first));
        assert_eq!((hidden.lost.len(), hidden.unsealed.len()), (1, 0));
        assert_eq!(hidden.lost[0].object, two.id.to_string());
        let hidden = between(&Records::new([one.clone()]), &[first.clone(), second.clone()]);
        assert_eq!((hidden.lost.len(), hidden.unsealed.len()), (0, 1));
        assert_eq!(hidden.unsealed[0].object, "bb");
        let mut damaged = Records::new([one]);
        let error = Error::new(ErrorKind::Corrupt, "flipped").record();
        damaged.damaged.push(DamagedRecord::new("stillpoint/backups/two", Some(two.id.clone()), error));
        assert_eq!(
            between(&damaged, std::slice::from_ref(&second)).lost.len(),
            1,
            "one that is damaged hides no other"
        );
        assert_eq!(between(&damaged, &[first, second]), Witness::default(), "it was reported itself");
        let mut leaving = two;
        leaving.state = BackupState::Deleting;
        assert_eq!(between(&Records::new([leaving]), &[]), Witness::default());
    }
}
