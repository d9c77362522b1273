//! Snapshots that are gone, or are there again, without Stillpoint having had a hand in it.
//!
//! Each snapshot names its parent inside its seal, and each removal leaves a sealed record. So a store that hides a
//! snapshot on which another was built, or brings a removed one back, is noticed. The newest snapshot of a line has no
//! successor that could name it: only the records of backups and the catalog know of it.

use std::collections::HashSet;

use super::{CheckReport, ProblemKind};
use crate::error::Result;
use crate::file::FileKind;
use crate::id::Id;
use crate::repository::{Repository, SnapshotList};

/// How the version of a program begins that keeps this history.
const OURS: &str = "stillpoint";

/// Compares the snapshots that are there with what they say of each other and with the removals.
pub(super) async fn check(
    repository: &Repository,
    list: &SnapshotList,
    report: &mut CheckReport,
) -> Result<()> {
    let removed = repository.removed_snapshots().await?;
    let readable = || list.readable.iter();
    let present: HashSet<Id> =
        readable().map(|stored| stored.id).chain(list.damaged.iter().map(|damaged| damaged.id)).collect();
    // Restic gives a snapshot a new name when it changes its tags, and notes the old one.
    let renamed: HashSet<Id> = readable().filter_map(|stored| stored.snapshot.original).collect();
    let mut named = HashSet::new();
    for stored in readable().filter(|stored| stored.snapshot.program_version.starts_with(OURS)) {
        let Some(parent) = stored.snapshot.parent.filter(|parent| named.insert(*parent)) else { continue };
        if [&present, &renamed, &removed].iter().all(|known| !known.contains(&parent)) {
            let message = format!(
                "snapshot {} was built on it; it is gone and Stillpoint did not remove it: another program did, or \
                 the store hides it",
                stored.id.short()
            );
            report.warn(ProblemKind::Snapshot, FileKind::Snapshot.key(&parent), message);
        }
    }
    for stored in readable().filter(|stored| removed.contains(&stored.id)) {
        let message =
            "it was removed and is there: its removal was interrupted, or the store brought it back";
        report.warn(ProblemKind::Snapshot, FileKind::Snapshot.key(&stored.id), message);
    }
    Ok(())
}
