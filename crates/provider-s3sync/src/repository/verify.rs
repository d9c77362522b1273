//! Proving one snapshot whole, to a stated depth.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use stillpoint_core::{Depth, Issue, Result, Verification};
use stillpoint_repository::{BlobKind, Error, ErrorKind, Id, Index, Repository, SnapshotEntry};

use crate::error::{blocking, from_repository};
use crate::jobs::Issues;
use crate::path_text;

/// Content that is in memory at once.
const BATCH_BYTES: u64 = 32 << 20;
const BATCH_BLOBS: usize = 1024;

/// What a snapshot needs, and what of it is missing.
#[derive(Debug, Default)]
struct Findings {
    problems: Issues,
    packs: HashSet<Id>,
    content: HashSet<Id>,
}

/// Verifies a snapshot.
///
/// - `Listed`: every directory listing is read, and the index knows every piece of content.
/// - `Sized`: every pack they lie in is in the store with the length the index makes it.
/// - `Decrypted`: every piece of content is read, opened and hashed.
pub(super) async fn run(repository: &Repository, id: &Id, depth: Depth) -> Result<Verification> {
    let depth = depth.min(Depth::Decrypted);
    let index = repository.index().await.map_err(from_repository)?;
    let mut findings = Findings::default();
    match repository.load_snapshot(id).await {
        Ok(snapshot) => findings.need_tree(&index, "", &snapshot.tree),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => findings.damage("", &error),
        Err(error) => return Err(from_repository(error)),
    }
    let visit = |entry: SnapshotEntry| {
        findings.look(&index, &entry);
        true
    };
    match repository.visit_entries(id, Path::new(""), true, visit).await {
        Ok(()) => {}
        Err(error) if is_damage(&error) => findings.damage("", &error),
        Err(error) => return Err(from_repository(error)),
    }
    if depth >= Depth::Sized {
        compare_packs(repository, &index, &mut findings).await?;
    }
    if depth >= Depth::Decrypted {
        read_content(repository, &index, &mut findings).await?;
    }
    Ok(Verification::new(depth, findings.problems.into_list()))
}

impl Findings {
    fn look(&mut self, index: &Index, entry: &SnapshotEntry) {
        let path = || path_text::to_text(&entry.path);
        if let Some(tree) = &entry.node.subtree {
            self.need_tree(index, &path(), tree);
        }
        for id in entry.node.content.iter().flatten() {
            match index.locate(BlobKind::Data, id) {
                Some(location) => {
                    self.packs.insert(location.pack);
                    self.content.insert(*id);
                }
                None => self.problems.push(Issue::new(
                    "missing",
                    path(),
                    format!("no index lists its piece {id}"),
                )),
            }
        }
    }

    fn need_tree(&mut self, index: &Index, path: &str, tree: &Id) {
        match index.locate(BlobKind::Tree, tree) {
            Some(location) => {
                self.packs.insert(location.pack);
            }
            None => {
                self.problems.push(Issue::new("missing", path, format!("no index lists its listing {tree}")))
            }
        }
    }

    fn damage(&mut self, item: &str, error: &Error) {
        self.problems.push(Issue::new("damaged", item, error.to_string()));
    }
}

/// Whether every pack the index knows is in the store with the length the index makes it.
pub(super) async fn compare_all_packs(repository: &Repository) -> Result<bool> {
    let (index, packs) = repository.index_and_packs().await.map_err(from_repository)?;
    let stored: HashMap<Id, u64> = packs.into_iter().collect();
    let fits = move || {
        let due = index.pack_lengths();
        Ok(due.into_iter().all(|(pack, length)| stored.get(&pack) == Some(&length)))
    };
    blocking(fits).await
}

async fn compare_packs(repository: &Repository, index: &Index, findings: &mut Findings) -> Result<()> {
    let stored: HashMap<Id, u64> =
        repository.list_packs().await.map_err(from_repository)?.into_iter().collect();
    let (index, needed) = (index.clone(), std::mem::take(&mut findings.packs));
    let problems = blocking(move || {
        let due: HashMap<Id, u64> = index.pack_lengths().into_iter().collect();
        let mut needed: Vec<Id> = needed.into_iter().collect();
        needed.sort_unstable();
        let mut problems = Vec::new();
        for pack in needed {
            match (stored.get(&pack), due.get(&pack)) {
                (Some(size), Some(due)) if size == due => {}
                (Some(size), due) => {
                    let message =
                        format!("the pack has {size} bytes, the index makes it {}", due.unwrap_or(&0));
                    problems.push(Issue::new("damaged", pack.to_hex(), message));
                }
                (None, _) => {
                    problems.push(Issue::new("missing", pack.to_hex(), "the pack is not in the store"))
                }
            }
        }
        Ok(problems)
    })
    .await?;
    problems.into_iter().for_each(|problem| findings.problems.push(problem));
    Ok(())
}

/// Reads all content in the order of the packs.
async fn read_content(repository: &Repository, index: &Index, findings: &mut Findings) -> Result<()> {
    let content = std::mem::take(&mut findings.content).into_iter();
    let located =
        content.filter_map(|id| index.locate(BlobKind::Data, &id).map(|at| (at.pack, at.offset, id, at)));
    let mut located: Vec<_> =
        located.map(|(pack, offset, id, at)| (pack, offset, id, at.plaintext_length())).collect();
    located.sort_unstable();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for (.., id, length) in located {
        batch.push(id);
        bytes += u64::from(length);
        if bytes >= BATCH_BYTES || batch.len() >= BATCH_BLOBS {
            read_batch(repository, &batch, findings).await?;
            batch.clear();
            bytes = 0;
        }
    }
    read_batch(repository, &batch, findings).await
}

/// Reads a batch; when that fails, reads its pieces one by one to tell which are damaged.
async fn read_batch(repository: &Repository, batch: &[Id], findings: &mut Findings) -> Result<()> {
    match repository.load_blobs(BlobKind::Data, batch).await {
        Ok(_) => return Ok(()),
        Err(error) if is_damage(&error) => {}
        Err(error) => return Err(from_repository(error)),
    }
    for id in batch {
        match repository.load_blob(BlobKind::Data, id).await {
            Ok(_) => {}
            Err(error) if is_damage(&error) => findings.damage(&id.to_hex(), &error),
            Err(error) => return Err(from_repository(error)),
        }
    }
    Ok(())
}

/// Whether an error tells of damage rather than of a store that fails.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt { .. } | ErrorKind::Unsupported | ErrorKind::NotFound)
}
