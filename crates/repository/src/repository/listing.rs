//! What the store holds besides packs, seen in as few requests as it allows.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::Repository;
use crate::clock;
use crate::error::Result;
use crate::file::FileKind;
use crate::id::Id;
use crate::index::Index;
use crate::store::{ListedObject, Store};
use crate::time::Timestamp;

/// Where marks of data that is about to be deleted lie; restic has none.
const MARKS: &str = "stillpoint/gc";
/// How the mark of a deletion under way begins.
const SWEEP: &str = "sweep-";
/// How old, in seconds, a listing may be to stand for another one.
const FRESH: u64 = 10;

/// The small objects of a repository at one moment, or during one request of several pages: the folders are listed in
/// the order of their names, so locks are seen before snapshots.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) keys: Vec<Id>,
    pub(crate) locks: Vec<Id>,
    pub(crate) snapshots: Vec<Id>,
    /// Index files with their lengths; only if they were asked for.
    pub(crate) indexes: Vec<(Id, u64)>,
    /// Packs with their lengths; only if they were asked for.
    pub(crate) packs: Vec<(Id, u64)>,
    /// Names of what prunes of ours have left beside restic's objects.
    pub(crate) marks: Vec<String>,
    taken: Timestamp,
}

impl Repository {
    /// Lists index files, keys, locks, snapshots and marks, and packs if these are to be the `first`. The marks are not newer
    /// than the rest: a sweep that ends
    /// meanwhile may have taken what the index files and snapshots of this listing rely on, and must be met as one that
    /// is not done yet.
    pub(crate) async fn list_all(&self, first: FileKind) -> Result<Listing> {
        Listing::of_all(self.store(), first).await
    }

    /// Lists locks, snapshots and marks, or answers what was seen when the repository was opened just now.
    pub(super) async fn list_snapshots_once(&self) -> Result<Listing> {
        let opening = self.take_opening().filter(Listing::is_fresh);
        let listing = match opening {
            Some(listing) => listing,
            None => self.list_holders().await?,
        };
        self.inner.busy.store(!listing.is_quiet(), Ordering::Relaxed);
        Ok(listing)
    }

    /// Takes what was seen when the repository was opened; whatever changes the repository must do so too.
    pub(crate) fn take_opening(&self) -> Option<Listing> {
        self.inner.opening.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Lists packs, index files, locks, snapshots and marks, in this order: on stores that list from a name on, one
    /// request for each thousand of them.
    pub(crate) async fn list_stored(&self) -> Result<Listing> {
        let folders =
            [FileKind::Pack, FileKind::Index, FileKind::Lock, FileKind::Snapshot].map(FileKind::folder);
        let [packs, index, locks, snapshots] = folders;
        Ok(Listing::of(self.store().list_all_in(&[packs, index, locks, snapshots, MARKS]).await?.objects))
    }

    /// The index, and all packs in the store with their lengths, seen together in as few requests as the store allows. What
    /// another process stored meanwhile may be in the index alone.
    ///
    /// # Errors
    /// As [`Self::index`] and [`Self::list_packs`].
    pub async fn index_and_packs(&self) -> Result<(Index, Vec<(Id, u64)>)> {
        if let Some(index) = self.loaded_index() {
            return Ok((index.clone(), self.list_packs().await?));
        }
        let folders = [FileKind::Pack, FileKind::Index].map(FileKind::folder);
        let listing = Listing::of(self.store().list_all_in(&folders).await?.objects);
        self.load_index(listing.indexes).await?;
        Ok((self.index().await?, listing.packs))
    }

    /// Lists locks, snapshots and marks.
    pub(crate) async fn list_holders(&self) -> Result<Listing> {
        let (locks, snapshots) = (FileKind::Lock.folder(), FileKind::Snapshot.folder());
        Ok(Listing::of(self.store().list_all_in(&[locks, snapshots, MARKS]).await?.objects))
    }
}

impl Listing {
    /// As [`Repository::list_all`].
    pub(super) async fn of_all(store: &Store, first: FileKind) -> Result<Self> {
        let packs = FileKind::Pack.folder();
        let [index, keys, locks, snapshots] =
            [FileKind::Index, FileKind::Key, FileKind::Lock, FileKind::Snapshot].map(FileKind::folder);
        let all = [packs, index, keys, locks, snapshots, MARKS];
        let all = if first == FileKind::Pack { &all[..] } else { &all[1..] };
        if !store.lists_from() {
            let mut objects = store.list(MARKS).await?;
            objects.extend(store.list_all_in(all.strip_suffix(&[MARKS]).unwrap_or(all)).await?.objects);
            return Ok(Self::of(objects));
        }
        let listed = store.list_all_in(all).await?;
        let first = Self::of(listed.objects);
        if listed.at_once {
            return Ok(first);
        }
        let again = Self::of(store.list_all_in(&[index, keys, locks, snapshots, MARKS]).await?.objects);
        Ok(Self { marks: first.marks, packs: first.packs, ..again })
    }

    /// Keys, locks, snapshots and marks of a store that is not open yet.
    pub(super) async fn of_store(store: &Store) -> Result<Self> {
        let folders = [FileKind::Key, FileKind::Lock, FileKind::Snapshot].map(FileKind::folder);
        let [keys, locks, snapshots] = folders;
        Ok(Self::of(store.list_all_in(&[keys, locks, snapshots, MARKS]).await?.objects))
    }

    fn of(objects: Vec<ListedObject>) -> Self {
        let mut listing = Self { taken: clock::now(), ..Self::default() };
        for object in objects {
            if let Some(mark) = object.key.strip_prefix(MARKS).and_then(|rest| rest.strip_prefix('/')) {
                listing.marks.push(mark.to_owned());
            }
            let Ok(id) = object.file_name().parse::<Id>() else { continue };
            let is = |kind: FileKind| object.key == kind.key(&id);
            if is(FileKind::Snapshot) {
                listing.snapshots.push(id);
            } else if is(FileKind::Key) {
                listing.keys.push(id);
            } else if is(FileKind::Lock) {
                listing.locks.push(id);
            } else if is(FileKind::Index) {
                listing.indexes.push((id, object.size));
            } else if is(FileKind::Pack) {
                listing.packs.push((id, object.size));
            }
        }
        listing.keys.sort_unstable();
        listing
    }

    /// Whether a prune of ours deletes data now, or has died while it did.
    pub(crate) fn is_swept(&self) -> bool {
        self.marks.iter().any(|mark| mark.starts_with(SWEEP))
    }

    /// Whether nobody holds a lock or deletes data.
    pub(crate) fn is_quiet(&self) -> bool {
        self.locks.is_empty() && !self.is_swept()
    }

    pub(crate) fn is_fresh(&self) -> bool {
        clock::now().since(self.taken).as_secs() < FRESH
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use futures::TryStreamExt;
    use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ListResult, ObjectStore, ObjectStoreExt};

    use super::*;
    use crate::store::object_store::from_paged_store;

    /// A service that lists so many names at a time. While it lists its second page, a sweep ends.
    struct Paged {
        objects: Arc<InMemory>,
        page: usize,
        requests: AtomicUsize,
    }

    #[async_trait::async_trait]
    impl PaginatedListStore for Paged {
        async fn list_paginated(
            &self,
            prefix: Option<&str>,
            options: PaginatedListOptions,
        ) -> object_store::Result<PaginatedListResult> {
            if self.requests.fetch_add(1, Ordering::Relaxed) == 1 {
                for key in [format!("repo/{MARKS}/sweep-1"), key(FileKind::Index, 1)] {
                    self.objects.delete(&Path::from(key)).await?;
                }
            }
            let prefix = Path::from(prefix.unwrap_or_default());
            let after = options.page_token.or(options.offset).unwrap_or_default();
            let mut found: Vec<_> = self.objects.list(Some(&prefix)).try_collect().await?;
            found.retain(|object| object.location.as_ref() > after.as_str());
            found.sort_by(|one, other| one.location.cmp(&other.location));
            let more = found.len() > self.page;
            found.truncate(self.page);
            let page_token = found.last().filter(|_| more).map(|last| last.location.to_string());
            let result =
                ListResult { common_prefixes: Vec::new(), objects: found, extensions: Default::default() };
            Ok(PaginatedListResult { result, page_token })
        }
    }

    fn id(number: u8) -> Id {
        Id::of(&[number])
    }

    fn key(kind: FileKind, number: u8) -> String {
        format!("repo/{}", kind.key(&id(number)))
    }

    /// Lists a repository with two index files, of which the sweep under way replaces one.
    async fn listed(page: usize) -> (Listing, usize) {
        let objects = Arc::new(InMemory::new());
        let names = [(FileKind::Index, 1), (FileKind::Index, 2), (FileKind::Key, 3), (FileKind::Snapshot, 4)];
        let names = names.map(|(kind, number)| key(kind, number));
        for name in names.into_iter().chain([format!("repo/{MARKS}/sweep-1")]) {
            objects.put(&Path::from(name), "x".into()).await.unwrap();
        }
        let pages = Arc::new(Paged { objects: objects.clone(), page, requests: AtomicUsize::new(0) });
        let store = from_paged_store(objects, pages.clone(), "repo");
        (Listing::of_all(&store, FileKind::Index).await.unwrap(), pages.requests.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_listing_of_one_page_shows_one_moment() {
        let (listing, requests) = listed(5).await;
        assert_eq!((listing.indexes.len(), listing.is_swept(), requests), (2, true, 1));
    }

    #[tokio::test]
    async fn pages_are_told_by_their_tokens_however_short_they_are() {
        let (listing, requests) = listed(4).await;
        let indexes: Vec<_> = listing.indexes.iter().map(|(index, _)| *index).collect();
        assert_eq!(indexes, [id(2)], "the index file of before the sweep, without the sweep");
        assert_eq!((listing.keys.len(), listing.snapshots.len(), requests), (1, 1, 3));
    }
}
