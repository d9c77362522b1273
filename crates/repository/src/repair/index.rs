//! Rebuilding the index where files of it are damaged, lost, or name packs that are not there.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::{StreamExt, stream};

use super::doubt::unsound;
use super::salvage::{add_fitting, copy_out, remember_aside};
use super::{QUARANTINE, RepairOptions, RepairReport};
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::index::{IndexFile, IndexedBlob, MAX_BLOBS_PER_FILE, encode};
use crate::lock::{Lock, LockMode};
use crate::pack::{PackEntry, pack_length};
use crate::repository::Repository;

/// Index files or pack headers read at once.
const AT_ONCE: usize = 8;

/// What the index files say, and which of them cannot stay.
#[derive(Default)]
struct Survey {
    /// Packs that files which stay list.
    settled: HashSet<Id>,
    /// What is right in files that cannot stay.
    rescued: BTreeMap<Id, Vec<PackEntry>>,
    /// What may still be in packs that are not what the files say, or not what their names say.
    damaged: BTreeMap<Id, Vec<PackEntry>>,
    /// Packs that are not what their names say, as far as that was looked at.
    unsound: HashSet<Id>,
    report: RepairReport,
}

impl Repository {
    /// Makes the index say again what the packs hold: damaged index files, and those that name packs which are gone or
    /// of another size, are put aside under `stillpoint/quarantine/`; packs that no file names are read to the last byte and
    /// indexed. One of these that is not what its name says is put aside, too. Of that, and of a pack whose own header cannot be read, every blob that an index file places and that is whole is copied into a
    /// new pack, so that nothing that could be read before cannot be read afterwards.
    ///
    /// Copies and new index files are stored before old ones are put aside, so a repair may be killed anywhere and run
    /// again.
    ///
    /// # Errors
    /// `Locked` if others use the repository, or if the store fails.
    pub async fn repair_index(&self, options: &RepairOptions) -> Result<RepairReport> {
        let lock = self.lock(if options.dry_run { LockMode::Shared } else { LockMode::Exclusive }).await?;
        let outcome = tokio::select! {
            outcome = repair(self, options, &lock) => outcome,
            lost = lock.lost() => Err(lost),
        };
        lock.let_go().await;
        outcome
    }
}

async fn repair(repository: &Repository, options: &RepairOptions, lock: &Lock) -> Result<RepairReport> {
    let config_restored = repository.bring_config_back(options.dry_run).await?;
    let packs: HashMap<Id, u64> = repository.list_packs().await?.into_iter().collect();
    let looked_at = if options.read_data { unsound(repository, &packs).await? } else { HashSet::new() };
    let mut survey = survey(repository, &packs, looked_at).await?;
    survey.report.config_restored = config_restored;
    if !options.read_data {
        // Nobody has seen them whole, and a backup stores nothing again that the index lists.
        let unnamed = survey.unnamed(&packs).into_iter().collect();
        survey.unsound = unsound(repository, &unnamed).await?;
    }
    survey.read_headers(repository, &packs).await?;
    remember_aside(repository, &survey.report.unreadable_packs, &packs, &mut survey.damaged).await?;
    survey.report.salvaged_blobs =
        survey.damaged.values().map(|entries| u64::try_from(entries.len()).unwrap_or(u64::MAX)).sum();
    if !options.dry_run {
        survey.report.salvaged_blobs = copy_out(repository, lock, &packs, &survey.damaged).await?;
        store(repository, lock, &survey.rescued).await?;
        // Before their index files: a backup takes up packs that no index names, because one before it may have been
        // interrupted.
        for id in &survey.report.damaged_packs {
            lock.ensure_held()?;
            let size = packs.get(id).copied().unwrap_or_default();
            put_aside(repository, &FileKind::Pack.key(id), size, &format!("pack-{id}")).await?;
        }
        for id in &survey.report.replaced {
            lock.ensure_held()?;
            let key = FileKind::Index.key(id);
            put_aside(repository, &key, FileKind::Index.max_length(), &format!("index-{id}")).await?;
        }
    }
    Ok(survey.report)
}

async fn survey(repository: &Repository, packs: &HashMap<Id, u64>, unsound: HashSet<Id>) -> Result<Survey> {
    let (survey, superseded) = look_through(repository, packs, unsound.clone(), &HashSet::new()).await?;
    if superseded.is_empty() {
        return Ok(survey);
    }
    // A prune of restic was interrupted that had replaced them.
    Ok(look_through(repository, packs, unsound, &superseded).await?.0)
}

/// Reads all index files but those that are `superseded`, which nobody reads: they cannot stay, because what supersedes them
/// may not. Answers what else is superseded, too.
async fn look_through(
    repository: &Repository,
    packs: &HashMap<Id, u64>,
    unsound: HashSet<Id>,
    superseded: &HashSet<Id>,
) -> Result<(Survey, HashSet<Id>)> {
    let ids = repository.list_files(FileKind::Index).await?;
    let there: HashSet<Id> = ids.iter().map(|(id, _)| *id).collect();
    let current = ids.into_iter().filter(|(id, _)| !superseded.contains(id));
    let loads = current.map(|(id, _)| async move {
        let json = repository.load_file(FileKind::Index, id).await;
        (id, json.and_then(|json| IndexFile::from_json(&FileKind::Index.key(&id), &json)))
    });
    let mut loads = stream::iter(loads).buffer_unordered(AT_ONCE);
    let (mut survey, mut missing) = (Survey { unsound, ..Survey::default() }, HashSet::new());
    survey.report.replaced.extend(superseded);
    let mut further = HashSet::new();
    while let Some((id, file)) = loads.next().await {
        match file {
            Ok(file) => {
                survey.take(id, &file, packs, &mut missing);
                further.extend(file.supersedes.into_iter().filter(|id| there.contains(id)));
            }
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. } | ErrorKind::Unsupported) => {
                survey.report.replaced.push(id);
            }
            Err(error) => return Err(error),
        }
    }
    survey.report.missing_packs = missing.into_iter().collect();
    survey.report.missing_packs.sort_unstable();
    survey.report.replaced.sort_unstable();
    let settled = &survey.settled;
    survey.rescued.retain(|pack, _| !settled.contains(pack));
    // Another file says it rightly.
    let right = |pack: &Id| settled.contains(pack) || survey.rescued.contains_key(pack);
    survey.damaged.retain(|pack, _| !right(pack));
    Ok((survey, further))
}

impl Survey {
    fn take(&mut self, id: Id, file: &IndexFile, packs: &HashMap<Id, u64>, missing: &mut HashSet<Id>) {
        let entries = |pack: &crate::index::IndexedPack| -> Vec<PackEntry> {
            pack.blobs.iter().map(IndexedBlob::entry).collect()
        };
        let right: Vec<(Id, Vec<PackEntry>)> = file
            .packs
            .iter()
            .map(|pack| (pack.id, entries(pack)))
            .filter(|(pack, entries)| packs.get(pack) == Some(&pack_length(entries)))
            .filter(|(pack, _)| !self.unsound.contains(pack))
            .collect();
        for pack in &file.packs {
            match packs.get(&pack.id) {
                None => {
                    missing.insert(pack.id);
                }
                Some(size) if *size == pack_length(&entries(pack)) && !self.unsound.contains(&pack.id) => {}
                Some(size) => add_fitting(&mut self.damaged, pack.id, *size, entries(pack).into_iter()),
            }
        }
        if right.len() == file.packs.len() {
            self.settled.extend(right.into_iter().map(|(pack, _)| pack));
        } else {
            self.report.replaced.push(id);
            self.rescued.extend(right);
        }
    }

    /// The packs that no index file lists rightly.
    fn unnamed(&self, packs: &HashMap<Id, u64>) -> Vec<(Id, u64)> {
        let known = |pack: &Id| self.settled.contains(pack) || self.rescued.contains_key(pack);
        let mut unnamed: Vec<(Id, u64)> =
            packs.iter().filter(|(pack, _)| !known(pack)).map(|(pack, size)| (*pack, *size)).collect();
        unnamed.sort_unstable();
        unnamed
    }

    /// Reads the headers of all packs that no index file lists rightly.
    async fn read_headers(&mut self, repository: &Repository, packs: &HashMap<Id, u64>) -> Result<()> {
        let reads = self
            .unnamed(packs)
            .into_iter()
            .map(|(pack, size)| async move { (pack, repository.read_pack_header(&pack, size).await) });
        let mut reads = stream::iter(reads).buffered(AT_ONCE);
        while let Some((pack, entries)) = reads.next().await {
            match entries {
                // What its header says and no index file did may be in it, too.
                Ok(entries) if self.unsound.contains(&pack) => {
                    let size = packs.get(&pack).copied().unwrap_or_default();
                    add_fitting(&mut self.damaged, pack, size, entries.into_iter());
                    self.report.damaged_packs.push(pack);
                }
                Ok(entries) => {
                    self.damaged.remove(&pack);
                    self.rescued.insert(pack, entries);
                    self.report.indexed_packs.push(pack);
                }
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                    tracing::warn!(%pack, %error, "the header of a pack cannot be read");
                    self.report.unreadable_packs.push(pack);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

async fn store(repository: &Repository, lock: &Lock, packs: &BTreeMap<Id, Vec<PackEntry>>) -> Result<()> {
    let (mut group, mut blobs) = (Vec::new(), 0);
    for (pack, entries) in packs {
        if !group.is_empty() && blobs + entries.len() > MAX_BLOBS_PER_FILE {
            save(repository, lock, &std::mem::take(&mut group)).await?;
            blobs = 0;
        }
        blobs += entries.len();
        group.push((*pack, entries.as_slice()));
    }
    if group.is_empty() { Ok(()) } else { save(repository, lock, &group).await }
}

async fn save(repository: &Repository, lock: &Lock, group: &[(Id, &[PackEntry])]) -> Result<()> {
    lock.ensure_held()?;
    let json = encode(group.iter().copied())?;
    repository.save_file(FileKind::Index, json).await.map(drop)
}

/// Moves an object out of restic's sight, with its bytes as they are.
async fn put_aside(repository: &Repository, key: &str, length_max: u64, name: &str) -> Result<()> {
    let bytes = match repository.store().get(key, length_max).await {
        Err(error) if *error.kind() == ErrorKind::NotFound => return Ok(()),
        bytes => bytes?,
    };
    let aside = format!("stillpoint/{QUARANTINE}/{name}");
    match repository.store().put_new(&aside, bytes).await {
        // A run before this one had come so far, and the object was damaged further since: both copies cannot be kept.
        Err(error) if *error.kind() == ErrorKind::AlreadyExists => {
            return Err(Error::corrupt(
                key,
                format!("{aside} is there already and differs; move it away by hand"),
            ));
        }
        result => result?,
    }
    repository.store().delete(key).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::BlobKind;
    use crate::store::Store;
    use crate::writer::{BlobWriter, WriterOptions};
    use crate::{Credentials, Origin};

    #[tokio::test]
    async fn an_index_file_that_another_one_supersedes_says_nothing_of_any_pack() {
        let credentials = Credentials::generate().unwrap().0;
        let repository = Repository::init(Store::memory(), &credentials, Origin::detect()).await.unwrap();
        let writer = BlobWriter::new(&repository, WriterOptions::default()).await.unwrap();
        let blob = b"what a prune was to drop".to_vec();
        writer.add(BlobKind::Data, Id::of(&blob), blob).await.unwrap();
        writer.finish().await.unwrap();
        let (before, _) = repository.list_files(FileKind::Index).await.unwrap()[0];
        let file = IndexFile { supersedes: vec![before], packs: Vec::new() };
        repository.save_file(FileKind::Index, serde_json::to_vec(&file).unwrap()).await.unwrap();
        let report = repository.repair_index(&RepairOptions::default()).await.unwrap();
        assert_eq!(report.replaced, [before]);
        let (pack, _) = repository.list_packs().await.unwrap()[0];
        assert_eq!(report.indexed_packs, [pack], "nobody else names it any more");
        let again = repository.repair_index(&RepairOptions::default()).await.unwrap();
        assert!(again.replaced.is_empty() && again.indexed_packs.is_empty(), "{again:?}");
    }
}
