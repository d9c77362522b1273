//! Loading all index files, a few at a time.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, stream};
use tokio::sync::Semaphore;

use super::file::IndexedBlob;
use super::table::Table;
use super::{Index, IndexFile};
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::repository::Repository;

/// Files read at once, and memory for them in MiB of stored length; parsing takes a few times that.
const AT_ONCE: usize = 16;
const MEMORY_MIB: u32 = 16;
/// How often loading starts anew because another program replaced index files meanwhile.
const ATTEMPTS: usize = 3;

pub(crate) async fn load(repository: &Repository) -> Result<Index> {
    let mut damaged = Vec::new();
    let index = load_readable(repository, &mut damaged).await?;
    damaged.into_iter().next().map_or(Ok(index), Err)
}

/// Loads the index files that were just listed, or, where one of them is gone again, those that are there now.
pub(crate) async fn load_listed(repository: &Repository, files: Vec<(Id, u64)>) -> Result<Index> {
    let mut damaged = Vec::new();
    match try_load(repository, files, &mut damaged).await {
        Ok(table) => damaged.into_iter().next().map_or(Ok(Index::new(table)), Err),
        Err(error) if *error.kind() == ErrorKind::NotFound => load(repository).await,
        Err(error) => Err(error),
    }
}

/// Loads what can be loaded, and adds the errors of damaged index files to `damaged`.
pub(crate) async fn load_readable(repository: &Repository, damaged: &mut Vec<Error>) -> Result<Index> {
    let mut attempt = 1;
    loop {
        damaged.clear();
        let files = repository.list_files(FileKind::Index).await?;
        match try_load(repository, files, damaged).await {
            Err(error) if *error.kind() == ErrorKind::NotFound && attempt < ATTEMPTS => attempt += 1,
            result => return result.map(Index::new),
        }
    }
}

async fn try_load(repository: &Repository, files: Vec<(Id, u64)>, damaged: &mut Vec<Error>) -> Result<Table> {
    let listed: HashSet<Id> = files.iter().map(|(id, _)| *id).collect();
    let memory = Semaphore::new(usize::try_from(MEMORY_MIB).unwrap_or(usize::MAX));
    let loads = files.into_iter().map(|(id, size)| {
        let memory = &memory;
        async move { (id, load_file(repository, id, size, memory).await) }
    });
    let mut files = stream::iter(loads).buffer_unordered(AT_ONCE);
    let mut table = Table::default();
    let mut superseded = HashSet::new();
    let mut packs_of: HashMap<Id, std::ops::Range<u32>> = HashMap::new();
    while let Some((id, file)) = files.next().await {
        let file = match file {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                damaged.push(error);
                continue;
            }
            file => file?,
        };
        let first = table.pack_count();
        superseded.extend(file.supersedes);
        for pack in file.packs {
            let entries: Vec<_> = pack.blobs.iter().map(IndexedBlob::entry).collect();
            table.load_pack(pack.id, &entries);
        }
        packs_of.insert(id, first..table.pack_count());
    }
    let dropped = superseded.iter().filter_map(|id| packs_of.get(id)).flat_map(Clone::clone).collect();
    table.seal(&dropped);
    packs_of.into_keys().filter(|id| !superseded.contains(id)).for_each(|id| table.insert_file(id));
    repository.keep_cached_indexes(listed).await?;
    Ok(table)
}

async fn load_file(repository: &Repository, id: Id, size: u64, memory: &Semaphore) -> Result<IndexFile> {
    let share = u32::try_from(size >> 20).map_or(MEMORY_MIB, |mib| (mib + 1).min(MEMORY_MIB));
    let _share = memory.acquire_many(share).await.map_err(Error::cancelled)?;
    let json = repository.load_index_file(id).await?;
    repository.blocking(move |_| IndexFile::from_json(&FileKind::Index.key(&id), &json)).await
}
