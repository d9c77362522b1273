//! Where mirrored timestamps lie.

use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt, stream};
use stillpoint_core::{Error, ErrorKind, ProviderId, Result, SnapshotRef, StoreRef};
use stillpoint_repository::{Store, StoreSettings};

use super::framed;
use super::place::{Place, Space};
use super::record::{CLAIM, COMPLETION, Claim, Completion};
use crate::error::{REPOSITORY, blocking, from_io, from_repository};
use crate::provider::is_of;

/// The longest record about one timestamp.
pub(super) const RECORD_BYTES_MAX: u64 = 16 << 20;
/// Small objects that are read at once.
pub(super) const READS_AT_ONCE: usize = 16;

/// Mirrored timestamps in a store: `USER/SPACE/TIMESTAMP/PATH` below its prefix. Nothing is contacted before it must be.
#[derive(Clone, Debug)]
pub struct MirrorSource {
    store: Store,
    only: Option<Space>,
}

/// A timestamp and how it got there.
#[derive(Clone, Debug)]
pub(crate) enum Point {
    /// One of ours, whole.
    Ours(Place, Box<Completion>),
    /// One that the sample script made and marked as complete.
    Script(Place),
}

impl MirrorSource {
    /// The timestamps at a store's URL, as [`Store::from_url`] takes it.
    ///
    /// # Errors
    /// `InvalidInput` or `Unsupported` where the URL or a setting cannot be used.
    pub fn new(url: &str, settings: &StoreSettings) -> Result<Self> {
        Ok(Self::from_store(Store::from_url(url, settings).map_err(from_repository)?))
    }

    /// The timestamps in a store.
    pub fn from_store(store: Store) -> Self {
        Self { store, only: None }
    }

    /// Only those of one space; no other is listed then.
    #[must_use]
    pub fn of_space(mut self, space: Space) -> Self {
        self.only = Some(space);
        self
    }

    /// The store, with its counters of requests and bytes.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The store as snapshots name it. Plain objects carry no id of their own, so it is known by where it lies.
    pub(super) fn itself(&self) -> StoreRef {
        let url = self.store.description();
        StoreRef::new(url, url)
    }

    /// Refuses a snapshot that another store holds. One that lies here is not refused where the store has moved.
    ///
    /// # Errors
    /// `InvalidInput` that names both stores; `NotFound` where the store's own volume seems not to be mounted; the store's
    /// own failures.
    pub(super) async fn is_here(&self, snapshot: &SnapshotRef) -> Result<()> {
        let place = Place::of_snapshot(&snapshot.id);
        let (refusal, place) = match (is_of(&self.itself(), snapshot), place) {
            (Ok(()), Ok(place)) => return self.must_hold(&place.space).await,
            (Err(refusal), Ok(place)) => (refusal, place),
            (here, Err(_)) => return here,
        };
        for folder in [place.control(), place.folder()] {
            if self.holds_anything(&folder).await? {
                return Ok(());
            }
        }
        Err(refusal)
    }

    /// Refuses where there is nothing of a space that backups were stored in.
    ///
    /// # Errors
    /// `NotFound` that says to mount the store; the system's reason where it cannot be looked at.
    pub async fn must_hold(&self, space: &Space) -> Result<()> {
        if self.has_folder_of(space).await? {
            return Ok(());
        }
        let url = self.store.description();
        let message = format!(
            "the store at {url} holds nothing of {space}; mount or connect the one that does. Where it was removed on purpose, \
             make an empty folder {space} in the store"
        );
        Err(Error::new(ErrorKind::NotFound, message).with(REPOSITORY, "missing"))
    }

    /// Whether the folder of a space stands in a store on this machine. Deletions leave it, so it tells a store that was
    /// emptied from a mount point without its mount. A store elsewhere has no folders, and cannot be mistaken so.
    pub(super) async fn has_folder_of(&self, space: &Space) -> Result<bool> {
        let Some(directory) = self.local_directory() else { return Ok(true) };
        let folder = directory.join(space.folder());
        blocking(move || folder.try_exists().map_err(|error| from_io(error, "look at", &folder))).await
    }

    /// The name of a timestamp in the contract.
    pub(super) fn reference(&self, provider: &ProviderId, place: &Place) -> Result<SnapshotRef> {
        Ok(SnapshotRef::new(provider.clone(), place.snapshot()?).in_store(self.itself()))
    }

    /// The directory the store lies in, where it lies in one of this machine.
    pub(super) fn local_directory(&self) -> Option<PathBuf> {
        self.store.description().strip_prefix("file://").map(|path| Path::new(path).to_path_buf())
    }

    /// Asks the store for one listing, to see whether it answers.
    pub(super) async fn look(&self) -> Result<()> {
        let folder = self.only.as_ref().map(Space::folder).unwrap_or_default();
        self.store.list_folders(&folder).await.map(drop).map_err(from_repository)
    }

    /// The spaces that hold anything. Those of a user whose folder cannot be asked for are passed over, with a warning.
    pub(crate) async fn spaces(&self) -> Result<Vec<Space>> {
        if let Some(only) = &self.only {
            return Ok(vec![only.clone()]);
        }
        let users = self.store.list_folders("").await.map_err(from_repository)?;
        let spaces = stream::iter(users).map(async |user| {
            let spaces = match self.store.list_folders(&user).await {
                Err(error) if !self.store.accepts_key(&user) => {
                    tracing::warn!(user = %user.escape_default(), %error, "the spaces of a user are passed over");
                    Vec::new()
                }
                spaces => spaces.map_err(from_repository)?,
            };
            Ok::<_, Error>(spaces.iter().filter_map(|space| Space::found(&user, space)).collect::<Vec<_>>())
        });
        let mut spaces: Vec<Space> = spaces.buffered(READS_AT_ONCE).try_concat().await?;
        spaces.sort();
        Ok(spaces)
    }

    /// The timestamps of a space, whole or not, oldest first.
    pub(super) async fn places(&self, space: &Space) -> Result<Vec<Place>> {
        let names = self.store.list_folders(&space.folder()).await.map_err(from_repository)?;
        let kept = self.store.list_folders(&space.control()).await.map_err(from_repository)?;
        let named = |name: &String| Place::named(space, name);
        let mut places: Vec<Place> = names.iter().chain(&kept).filter_map(named).collect();
        places.sort_by_key(|place| (place.time(), place.name.clone()));
        places.dedup();
        Ok(places)
    }

    /// The whole timestamps of a space, oldest first. A record that cannot be read makes its timestamp none, with a
    /// warning: it cannot be told from an unfinished one.
    pub(crate) async fn points(&self, space: &Space) -> Result<Vec<Point>> {
        let places = self.places(space).await?;
        let points = stream::iter(places).map(async |place| match self.point(&place).await {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                tracing::warn!(timestamp = place.folder(), %error, "a timestamp is passed over");
                Ok(None)
            }
            point => point,
        });
        let points: Vec<Option<Point>> = points.buffered(READS_AT_ONCE).try_collect().await?;
        Ok(points.into_iter().flatten().collect())
    }

    /// The timestamp, if it is whole.
    pub(super) async fn point(&self, place: &Place) -> Result<Option<Point>> {
        if let Some(completion) = self.completed(place).await? {
            return Ok(Some(Point::Ours(place.clone(), Box::new(completion))));
        }
        if !self.exists(&place.script_mark()).await? || self.is_known(place).await? {
            return Ok(None);
        }
        Ok(Some(Point::Script(place.clone())))
    }

    /// Whether a timestamp without a completion record is one that we began to fill or to delete: a file that only
    /// looks like the script's mark does not make it whole.
    async fn is_known(&self, place: &Place) -> Result<bool> {
        Ok(self.exists(&place.claim()).await? || self.exists(&place.deletion()).await?)
    }

    /// As [`Self::point`].
    ///
    /// # Errors
    /// `NotFound` where there is no such timestamp or it is not whole.
    pub(super) async fn whole(&self, place: &Place) -> Result<Point> {
        self.point(place).await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no finished backup at {}", place.folder()))
        })
    }

    /// The completion record, if it counts. One of another attempt than the claim names was written after that attempt had
    /// lost the timestamp. A claim that is gone or damaged speaks against nothing.
    pub(super) async fn completed(&self, place: &Place) -> Result<Option<Completion>> {
        let Some(completion) = self.completion(place).await? else { return Ok(None) };
        let held_by_another = match self.claim(place).await {
            Ok(claim) => claim.is_some_and(|claim| claim.job != completion.claim.job),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                tracing::warn!(timestamp = place.folder(), %error, "whose timestamp it is cannot be read");
                false
            }
            Err(error) => return Err(error),
        };
        Ok((!held_by_another).then_some(completion))
    }

    /// The completion record, whoever wrote it.
    pub(super) async fn completion(&self, place: &Place) -> Result<Option<Completion>> {
        self.record(COMPLETION, &place.completion()).await
    }

    pub(super) async fn claim(&self, place: &Place) -> Result<Option<Claim>> {
        self.record(CLAIM, &place.claim()).await
    }

    async fn record<T: serde::de::DeserializeOwned>(&self, what: &str, key: &str) -> Result<Option<T>> {
        match self.store.get_object(key, RECORD_BYTES_MAX).await {
            Ok(bytes) => framed::open_record(what, key, &bytes).map(Some),
            Err(error) if *error.kind() == stillpoint_repository::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(from_repository(error)),
        }
    }

    pub(super) async fn exists(&self, key: &str) -> Result<bool> {
        match self.store.get_object(key, RECORD_BYTES_MAX).await {
            Ok(_) => Ok(true),
            Err(error) if *error.kind() == stillpoint_repository::ErrorKind::NotFound => Ok(false),
            Err(error) if matches!(error.kind(), stillpoint_repository::ErrorKind::Corrupt { .. }) => {
                Ok(true)
            }
            Err(error) => Err(from_repository(error)),
        }
    }

    /// Whether any object lies below `folder`.
    pub(super) async fn holds_anything(&self, folder: &str) -> Result<bool> {
        let mut objects = self.store.list_objects(folder);
        Ok(objects.try_next().await.map_err(from_repository)?.is_some())
    }
}

impl Point {
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Ours(place, _) | Self::Script(place) => place,
        }
    }
}
