//! Taking packs out of the index.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};

use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::index::{IndexFile, IndexedPack, MAX_BLOBS_PER_FILE};
use crate::lock::Lock;
use crate::repository::Repository;

/// Index files read or deleted at once.
const AT_ONCE: usize = 8;

/// Replaces every index file that names one of `gone` by files without it: the new ones are stored before the first old
/// one is deleted, so a run that dies between leaves more in the index than there need be, and never less.
///
/// # Errors
/// `PermissionDenied` if the store keeps an index file: the packs it names must stay then.
pub(super) async fn remove_packs(repository: &Repository, lock: &Lock, gone: &HashSet<Id>) -> Result<()> {
    let listed = repository.list_files(FileKind::Index).await?;
    let loads = listed.clone().into_iter().map(|(id, _)| load_if_concerned(repository, id, gone));
    let mut concerned: BTreeMap<Id, IndexFile> = stream::iter(loads)
        .buffer_unordered(AT_ONCE)
        .try_filter_map(|found| async { Ok(found) })
        .try_collect()
        .await?;
    let mut replaced: HashSet<Id> = concerned.keys().copied().collect();
    // What a file of an earlier program replaced counts no longer, and must not come back with it.
    let present: HashSet<Id> = listed.iter().map(|(id, _)| *id).collect();
    let superseded: HashSet<Id> = concerned
        .values()
        .flat_map(|file| file.supersedes.iter().copied())
        .filter(|id| present.contains(id))
        .collect();
    concerned.retain(|id, _| !superseded.contains(id));
    replaced.extend(superseded);

    let packs = concerned.into_values().flat_map(|file| file.packs).filter(|pack| !gone.contains(&pack.id));
    for packs in groups(packs) {
        lock.ensure_held()?;
        let json = serde_json::to_vec(&IndexFile { supersedes: Vec::new(), packs })
            .map_err(|source| Error::invalid("the index cannot be written").with_source(source))?;
        repository.save_file(FileKind::Index, json).await?;
    }
    lock.watch().ensure_stands(repository, &[]).await?;
    let mut order: Vec<Id> = replaced.into_iter().collect();
    order.sort_unstable();
    let deletions =
        order.into_iter().map(|id| async move { repository.store().delete(&FileKind::Index.key(&id)).await });
    stream::iter(deletions).buffer_unordered(AT_ONCE).try_collect::<()>().await.map_err(retained)
}

/// The file, if it names one of `gone`; nothing if another program removed it meanwhile.
async fn load_if_concerned(
    repository: &Repository,
    id: Id,
    gone: &HashSet<Id>,
) -> Result<Option<(Id, IndexFile)>> {
    let json = match repository.load_file(FileKind::Index, id).await {
        Err(error) if *error.kind() == ErrorKind::NotFound => return Ok(None),
        json => json?,
    };
    let file = IndexFile::from_json(&FileKind::Index.key(&id), &json)?;
    let concerned = file.packs.iter().any(|pack| gone.contains(&pack.id));
    Ok(concerned.then_some((id, file)))
}

/// Packs in runs that fit one index file each; a pack that two files listed is kept once.
fn groups(packs: impl Iterator<Item = IndexedPack>) -> Vec<Vec<IndexedPack>> {
    let (mut groups, mut seen, mut blobs) = (Vec::new(), HashSet::new(), 0);
    for pack in packs.filter(|pack| seen.insert(pack.id)) {
        if groups.is_empty() || blobs + pack.blobs.len() > MAX_BLOBS_PER_FILE {
            groups.push(Vec::new());
            blobs = 0;
        }
        blobs += pack.blobs.len();
        if let Some(group) = groups.last_mut() {
            group.push(pack);
        }
    }
    groups
}

fn retained(error: Error) -> Error {
    if *error.kind() != ErrorKind::PermissionDenied {
        return error;
    }
    let message = "the store keeps an index file, by its permissions or a retention lock; its packs stay as long as it \
                   does, so run the same command again when the lock has ended";
    Error::new(ErrorKind::PermissionDenied, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(name: u8, blobs: usize) -> IndexedPack {
        let blob = || serde_json::json!({"id": Id::of(b"b"), "type": "data", "offset": 0, "length": 40});
        let blobs: Vec<_> = std::iter::repeat_with(blob).take(blobs).collect();
        serde_json::from_value(serde_json::json!({"id": Id::of(&[name]), "blobs": blobs})).unwrap()
    }

    #[test]
    fn groups_fit_an_index_file_and_hold_each_pack_once() {
        let packs = [pack(1, 30_000), pack(2, 30_000), pack(1, 30_000), pack(3, 10)];
        let groups = groups(packs.into_iter());
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    }
}
