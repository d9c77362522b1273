//! Comparing the index with the packs that are there.

use std::collections::{HashMap, HashSet};

use super::{CheckReport, ProblemKind};
use crate::error::{Error, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::index::{self, Index};
use crate::pack::{PackEntry, pack_length};
use crate::repository::Repository;

/// How often index and packs are compared where packs go meanwhile.
const ATTEMPTS: usize = 3;

/// A pack that is there and has the size the index makes us expect.
pub(super) struct SizedPack {
    pub(super) id: Id,
    pub(super) size: u64,
    pub(super) entries: Vec<PackEntry>,
}

/// What the index files said at one time, and which packs were there behind it.
pub(super) struct Compared {
    pub(super) index: Index,
    /// The packs that are as the index says, by ascending identifier.
    pub(super) sound: Vec<SizedPack>,
    damaged: Vec<Error>,
    missing: Vec<Id>,
    /// With the size that is and the one that should be.
    of_another_size: Vec<(Id, u64, u64)>,
    unused: usize,
}

/// Loads the index and compares it with the packs. Where one is missing, a prune may have deleted it since: then both are
/// looked at again, until the same are missing by index files that were read after that was seen.
pub(super) async fn compare(repository: &Repository) -> Result<Compared> {
    let mut before = compare_once(repository).await?;
    for _ in 1..ATTEMPTS {
        if before.missing.is_empty() {
            break;
        }
        let now = compare_once(repository).await?;
        let settled = now.missing == before.missing;
        before = now;
        if settled {
            break;
        }
    }
    Ok(before)
}

async fn compare_once(repository: &Repository) -> Result<Compared> {
    let mut damaged = Vec::new();
    let index = index::load_readable(repository, &mut damaged).await?;
    let mut present: HashMap<Id, u64> = repository.list_packs().await?.into_iter().collect();
    let (mut sound, mut missing, mut of_another_size) = (Vec::new(), Vec::new(), Vec::new());
    for (id, entries) in index.by_pack() {
        let expected = pack_length(&entries);
        match present.remove(&id) {
            None => missing.push(id),
            Some(size) if size != expected => of_another_size.push((id, size, expected)),
            Some(size) => sound.push(SizedPack { id, size, entries }),
        }
    }
    Ok(Compared { index, sound, damaged, missing, of_another_size, unused: present.len() })
}

impl Compared {
    /// Reports damaged index files, and packs that are missing or of another size.
    pub(super) fn tell(&self, report: &mut CheckReport) {
        for error in &self.damaged {
            report.add_error(ProblemKind::Index, error);
        }
        let wrong = self.missing.len() + self.of_another_size.len();
        report.packs = count(self.sound.len() + wrong);
        report.blobs = self.index.by_pack().iter().map(|(_, entries)| count(entries.len())).sum();
        for id in &self.missing {
            let message = "it is missing although the index lists it";
            report.add(ProblemKind::Pack, FileKind::Pack.key(id), message);
        }
        for (id, size, expected) in &self.of_another_size {
            let message = format!("it has {size} bytes, the index makes it {expected}");
            report.add(ProblemKind::Pack, FileKind::Pack.key(id), message);
        }
        report.unused_packs = count(self.unused);
    }

    /// Every pack that the index names.
    pub(super) fn named(&self) -> HashSet<Id> {
        let of_another_size = self.of_another_size.iter().map(|(id, ..)| *id);
        let sound = self.sound.iter().map(|pack| pack.id);
        sound.chain(self.missing.iter().copied()).chain(of_another_size).collect()
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
