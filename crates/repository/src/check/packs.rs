//! Comparing the index with the packs that are there.

use std::collections::HashMap;

use super::{CheckReport, ProblemKind};
use crate::error::Result;
use crate::file::FileKind;
use crate::id::Id;
use crate::index::Index;
use crate::pack::{PackEntry, pack_length};
use crate::repository::Repository;

/// A pack that is there and has the size the index makes us expect.
pub(super) struct SizedPack {
    pub(super) id: Id,
    pub(super) size: u64,
    pub(super) entries: Vec<PackEntry>,
}

/// Reports packs that are missing or of another size, and returns the others by ascending identifier.
pub(super) async fn compare(
    repository: &Repository,
    index: &Index,
    report: &mut CheckReport,
) -> Result<Vec<SizedPack>> {
    let mut present: HashMap<Id, u64> = repository.list_packs().await?.into_iter().collect();
    let mut sound = Vec::new();
    for (id, entries) in index.by_pack() {
        report.packs += 1;
        report.blobs += u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let expected = pack_length(&entries);
        match present.remove(&id) {
            None => report.add(
                ProblemKind::Pack,
                FileKind::Pack.key(&id),
                "it is missing although the index lists it",
            ),
            Some(size) if size != expected => {
                let message = format!("it has {size} bytes, the index makes it {expected}");
                report.add(ProblemKind::Pack, FileKind::Pack.key(&id), message);
            }
            Some(size) => sound.push(SizedPack { id, size, entries }),
        }
    }
    report.unused_packs = u64::try_from(present.len()).unwrap_or(u64::MAX);
    Ok(sound)
}
