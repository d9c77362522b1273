//! What the records of backups and the snapshots say of each other.
//!
//! A store that hides the newest snapshot of a workspace, or the record of a backup, is noticed by the other of the two.
//! One that hides both is noticed by the catalog: `stillpoint rebuild` compares with that.

use std::collections::BTreeSet;

use stillpoint_core::{
    BackupId, BackupQuery, BackupRecord, BackupState, Catalog, Error, ErrorKind, OpContext, Provider,
    ProviderId, Records, Result, SnapshotInfo, SnapshotQuery, SnapshotRef,
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
    /// Why the two could not be compared.
    pub(in crate::run) unread: Option<Found>,
}

impl Witness {
    /// Nothing is known of what either side hides, because of `error`.
    pub(in crate::run) fn unread(error: &Error) -> Self {
        let message = format!("whether a backup is gone could not be told: {error}");
        Self { unread: Some(Found { object: "records".to_owned(), message }), ..Self::default() }
    }
}

/// Compares the records beside the data with the snapshots. A damaged record was reported by the check itself.
pub(in crate::run) async fn compare(session: &Session) -> Result<Witness> {
    let provider = session.provider().await?;
    let cx = OpContext::background();
    let known = known(session.catalog().await?.as_ref(), provider.id()).await?;
    let records = provider.records(&cx).await?;
    // Last of all: what a backup names that was known by then was there by then.
    let snapshots = provider.snapshots(&cx, &SnapshotQuery::all()).await?;
    let mut lost = Vec::new();
    for named in missing(recorded(&records, provider.id()), &snapshots) {
        match provider.reaches(&cx, &named.snapshot).await {
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            // A store that cannot be asked just now has lost nothing by that.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => lost.push(gone(&named)),
        }
    }
    let told: BTreeSet<_> = lost.iter().map(|found| found.object.clone()).collect();
    let displaced = displaced(&known, &cx, provider.as_ref(), &snapshots).await?;
    lost.extend(displaced.into_iter().filter(|found| !told.contains(&found.object)));
    Ok(Witness { lost, unsealed: unsealed(&records, &snapshots), unread: None })
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

/// A snapshot at this provider that a backup names.
struct Named {
    backup: BackupId,
    state: BackupState,
    snapshot: SnapshotRef,
}

/// What `backup` names at `provider`; its other snapshots are for others to look after.
fn named(backup: BackupRecord, provider: &ProviderId) -> impl Iterator<Item = Named> + use<'_> {
    let snapshots = backup.components.into_iter().filter_map(|component| component.snapshot);
    snapshots.filter(move |snapshot| snapshot.provider == *provider).map(move |snapshot| Named {
        backup: backup.id.clone(),
        state: backup.state,
        snapshot,
    })
}

/// What the catalog knows.
async fn known(catalog: &dyn Catalog, provider: &ProviderId) -> Result<Vec<Named>> {
    let (mut query, mut known) = (BackupQuery::all(), Vec::new());
    loop {
        let page = catalog.backups(&query).await?;
        known.extend(page.items.into_iter().flat_map(|stored| named(stored.backup, provider)));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(known),
        }
    }
}

/// What the records say of backups that nobody is deleting.
fn recorded<'a>(records: &'a Records, provider: &'a ProviderId) -> impl Iterator<Item = Named> + 'a {
    let kept = records.readable.iter().filter(|record| record.state != BackupState::Deleting);
    kept.flat_map(|record| named(record.clone(), provider))
}

/// Those at this address, where another repository lies now or their snapshots are not.
async fn displaced(
    known: &[Named],
    cx: &OpContext,
    provider: &dyn Provider,
    snapshots: &[SnapshotInfo],
) -> Result<Vec<Found>> {
    let present = ids(snapshots);
    let mut found = Vec::new();
    for named in known {
        match provider.reaches(cx, &named.snapshot).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                found.push(Found { object: named.backup.to_string(), message: error.to_string() });
            }
            Err(error) if error.kind() != ErrorKind::InvalidInput => return Err(error),
            // What does not say where it lies may lie elsewhere.
            Ok(()) if named.snapshot.store.is_some() && named.state == BackupState::Completed => {
                found.extend((!present.contains(named.snapshot.id.as_str())).then(|| gone(named)));
            }
            _ => {}
        }
    }
    Ok(found)
}

fn ids(snapshots: &[SnapshotInfo]) -> BTreeSet<&str> {
    snapshots.iter().map(|info| info.snapshot.id.as_str()).collect()
}

fn missing(named: impl Iterator<Item = Named>, snapshots: &[SnapshotInfo]) -> Vec<Named> {
    let present = ids(snapshots);
    named.filter(|named| !present.contains(named.snapshot.id.as_str())).collect()
}

fn gone(named: &Named) -> Found {
    let message = format!("its snapshot {} is gone or damaged, so it cannot be restored", named.snapshot.id);
    Found { object: named.backup.to_string(), message }
}

/// Snapshots that no record names.
fn unsealed(records: &Records, snapshots: &[SnapshotInfo]) -> Vec<Found> {
    let damaged = records.damaged.iter().filter_map(|record| record.backup.as_ref());
    let recorded: BTreeSet<_> =
        records.readable.iter().map(|record| &record.id).chain(damaged).map(BackupId::as_str).collect();
    let unknown = snapshots.iter().filter_map(|info| {
        let backup = info.backup.as_ref().filter(|backup| !recorded.contains(backup.as_str()))?;
        let message =
            format!("backup {backup} has no record: it is under way, was cut short, or the record is gone");
        Some(Found { object: info.snapshot.id.to_string(), message })
    });
    unknown.collect()
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{
        Component, ComponentRecord, ComponentState, DamagedRecord, Definition, OperationId, Timestamp,
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

    /// Backups that are lost, and snapshots that no record names.
    fn between(records: &Records, snapshots: &[SnapshotInfo]) -> (Vec<String>, Vec<String>) {
        let here = "s3sync".parse().unwrap();
        let lost = missing(recorded(records, &here), snapshots);
        let unsealed = unsealed(records, snapshots);
        (
            lost.iter().map(|named| named.backup.to_string()).collect(),
            unsealed.into_iter().map(|found| found.object).collect(),
        )
    }

    #[test]
    fn either_side_knows_what_is_hidden_on_the_other() {
        let nothing = (Vec::new(), Vec::new());
        let (one, two) = (record("op-1", "aa"), record("op-2", "bb"));
        let (first, second) = (info(&one), info(&two));
        let both = Records::new([one.clone(), two.clone()]);
        assert_eq!(between(&both, &[first.clone(), second.clone()]), nothing);
        assert_eq!(between(&both, std::slice::from_ref(&first)), (vec![two.id.to_string()], Vec::new()));
        let hidden = between(&Records::new([one.clone()]), &[first.clone(), second.clone()]);
        assert_eq!(hidden, (Vec::new(), vec!["bb".to_owned()]));
        let mut damaged = Records::new([one]);
        let error = Error::new(ErrorKind::Corrupt, "flipped").record();
        damaged.damaged.push(DamagedRecord::new("stillpoint/backups/two", Some(two.id.clone()), error));
        assert_eq!(
            between(&damaged, std::slice::from_ref(&second)).0.len(),
            1,
            "one that is damaged hides no other"
        );
        assert_eq!(between(&damaged, &[first, second]), nothing, "it was reported itself");
        let mut leaving = two;
        leaving.state = BackupState::Deleting;
        assert_eq!(between(&Records::new([leaving]), &[]), nothing);
    }

    #[test]
    fn snapshots_elsewhere_are_for_others_to_look_after_and_each_one_here_counts() {
        let mut backup = record("op-1", "aa");
        let first = info(&backup);
        let mut more = |name: &str, provider: &str, snapshot: &str| {
            let provider: ProviderId = provider.parse().unwrap();
            let component = Component::new(name.parse().unwrap(), "volume", provider.clone(), "/x");
            let mut component = ComponentRecord::new(component, ComponentState::Completed);
            component.snapshot = Some(SnapshotRef::new(provider, snapshot.parse().unwrap()));
            backup.components.push(component);
        };
        more("disk", "aws", "snap-1");
        more("datasets", "s3sync", "bb");
        let records = Records::new([backup]);
        let mut second = first.clone();
        second.snapshot.id = "bb".parse().unwrap();
        assert_eq!(between(&records, &[first.clone(), second]).0.len(), 0);
        assert_eq!(between(&records, &[first]).0.len(), 1);
    }
}
