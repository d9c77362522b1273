//! Fetching what one pack does not give from others that hold it too.
//!
//! A blob lies in several packs where one was lost or damaged for a time and a backup stored it anew, or where a prune
//! copied it out of a pack that it deletes. Which of them the index names first says nothing about which is whole.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex as AsyncMutex;

use super::run::Restore;
use super::window::Place;
use crate::blob::{BlobKind, BlobLocation};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::index::Index;
use crate::repository::{PackRead, Repository, is_pack_gone};

/// A blob that a pack did not give, and where it was wanted.
#[derive(Debug)]
pub(super) struct Missed {
    id: Id,
    location: BlobLocation,
    places: Vec<Place>,
    error: Arc<Error>,
}

/// Notes that a pack did not give these. Places of one blob that follow each other are fetched together.
pub(super) fn miss(
    missed: &mut Vec<Missed>,
    blobs: impl IntoIterator<Item = (BlobLocation, Place)>,
    error: Error,
) {
    let error = Arc::new(error);
    for (location, place) in blobs {
        match missed.last_mut().filter(|last| last.location == location && last.id == place.id) {
            Some(last) => last.places.push(place),
            None => {
                let error = Arc::clone(&error);
                missed.push(Missed { id: place.id, location, places: vec![place], error });
            }
        }
    }
}

/// Where blobs lie: as the index said when the restore began, until packs turn out to have gone since.
#[derive(Debug)]
pub(super) struct Whereabouts {
    index: RwLock<Index>,
    /// Whether another look at the index files may tell more than the last one.
    may_tell_more: AsyncMutex<bool>,
}

impl Whereabouts {
    pub(super) fn new(index: Index) -> Self {
        Self { index: RwLock::new(index), may_tell_more: AsyncMutex::new(true) }
    }

    /// What is known now.
    pub(super) fn index(&self) -> Index {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn outside(&self, id: &Id, packs: &[Id]) -> Option<BlobLocation> {
        self.index().locate_outside(BlobKind::Data, id, packs)
    }

    /// A pack beside these that holds the blob by the index files of now. A look that tells nothing new is the last one.
    async fn look_again(
        &self,
        repository: &Repository,
        id: &Id,
        packs: &[Id],
    ) -> Result<Option<BlobLocation>> {
        let mut may_tell_more = self.may_tell_more.lock().await;
        let found = self.outside(id, packs);
        if found.is_some() || !*may_tell_more {
            return Ok(found);
        }
        match repository.with_fresh_index().index().await {
            Ok(fresh) => *self.index.write().unwrap_or_else(PoisonError::into_inner) = fresh,
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                tracing::warn!(%error, "the index cannot be read again");
            }
            Err(error) => return Err(error),
        }
        let found = self.outside(id, packs);
        *may_tell_more = found.is_some();
        Ok(found)
    }
}

impl Restore {
    /// Fetches each of these from the other packs that hold it, one after the other. What none gives is lost.
    pub(super) async fn fetch_elsewhere(self: &Arc<Self>, missed: Vec<Missed>) -> Result<()> {
        for missed in missed {
            self.fetch_one_elsewhere(missed).await?;
        }
        Ok(())
    }

    async fn fetch_one_elsewhere(self: &Arc<Self>, mut missed: Missed) -> Result<()> {
        let (id, first) = (missed.id, Arc::clone(&missed.error));
        let (mut tried, mut gone) = (Vec::new(), false);
        loop {
            tried.push(missed.location.pack);
            gone |= is_pack_gone(&missed.error);
            let other = match self.whereabouts.outside(&id, &tried) {
                None if gone => self.whereabouts.look_again(&self.repository, &id, &tried).await?,
                other => other,
            };
            let Some(other) = other else {
                self.lose(&missed.places, &first);
                return Ok(());
            };
            let blobs = missed.places.into_iter().map(|place| (other, place)).collect();
            let single = PackRead { pack: other.pack, range: u64::from(other.offset)..other.end(), blobs };
            match self.fetch_single(single).await?.pop() {
                Some(again) => missed = again,
                None => return Ok(()),
            }
        }
    }
}
