//! Where the repository lies, and what opens it.

use std::path::{Path, PathBuf};

use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_repository::{Credentials, ErrorKind as Stored, Origin, Repository, Store, StoreSettings};
use tokio::sync::Mutex;

use super::made::MadeSnapshots;
use crate::error::{REPOSITORY, from_repository};

/// A repository that is opened when it is first needed.
///
/// Nothing is contacted before. The first backup creates the repository where there is none, unless that is
/// forbidden; no other call does. Opening derives the key once for the life of this value; the index is loaded anew
/// for each job, because other processes write and prune meanwhile.
#[derive(Debug)]
pub struct RepositorySource {
    store: Store,
    credentials: Credentials,
    origin: Origin,
    create: bool,
    current: Mutex<Current>,
    made: MadeSnapshots,
}

/// What this process knows of the repository.
#[derive(Debug, Default)]
enum Current {
    #[default]
    Unknown,
    /// There was none when it was last looked for.
    Missing,
    Open(Repository),
    /// It was open, and is not in its directory any more. A new one is begun only after somebody who may refuse that was
    /// told.
    Gone {
        told: bool,
    },
}

impl RepositorySource {
    /// The repository at a store's URL: `file:///dir` or a path, `s3://bucket/prefix`, `az://container/prefix`,
    /// `gs://bucket/prefix`, with region, endpoint and keys from `settings`.
    ///
    /// # Errors
    /// `InvalidInput` or `Unsupported` where the URL or a setting cannot be used.
    pub fn new(url: &str, settings: &StoreSettings, credentials: Credentials) -> Result<Self> {
        Ok(Self::from_store(Store::from_url(url, settings).map_err(from_repository)?, credentials))
    }

    /// The repository in a store.
    pub fn from_store(store: Store, credentials: Credentials) -> Self {
        Self {
            store,
            credentials,
            origin: Origin::detect(),
            create: true,
            current: Mutex::default(),
            made: MadeSnapshots::default(),
        }
    }

    /// The same, written under another host or user name.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// The same; a backup into a place without a repository fails instead of creating one.
    #[must_use]
    pub fn without_creating(mut self) -> Self {
        self.create = false;
        self
    }

    /// The store, with its counters of requests and bytes.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Opens the repository, or answers the one opened before.
    ///
    /// # Errors
    /// `NotFound` with the context `repository=missing` where there is none, `Unauthenticated` with
    /// `repository=wrong-password`, `Unavailable` with `repository=unreachable`.
    pub async fn open(&self) -> Result<Repository> {
        self.opened(&mut *self.current.lock().await).await
    }

    /// As [`Self::open`], with an index that is yet to be loaded.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_fresh(&self) -> Result<Repository> {
        let mut current = self.current.lock().await;
        let fresh = self.opened(&mut current).await?.with_fresh_index();
        *current = Current::Open(fresh.clone());
        Ok(fresh)
    }

    /// As [`Self::open_fresh`]; creates the repository where there is none, if that is allowed.
    ///
    /// # Errors
    /// As [`Self::open`]; `Unavailable` with `repository=unreachable` where the directory that held it when this process
    /// had it open does not hold it any more, unless the check `store-known` has told so and was waived.
    pub async fn open_or_create(&self) -> Result<Repository> {
        let mut current = self.current.lock().await;
        self.doubt(&mut current).await?;
        if let Current::Gone { told } = *current {
            match self.opened(&mut current).await {
                Err(error) if error.context(REPOSITORY) != Some("missing") => return Err(error),
                Err(_) if !told => return Err(self.gone()),
                Ok(_) | Err(_) => {}
            }
        }
        if self.create {
            let (store, origin) = (self.store.clone(), self.origin.clone());
            let made = match &*current {
                Current::Open(open) => Ok(open.clone()),
                Current::Missing | Current::Gone { .. } => {
                    Repository::init_or_open(store, &self.credentials, origin).await
                }
                Current::Unknown => Repository::open_or_init(store, &self.credentials, origin).await,
            };
            *current = Current::Open(made.map_err(from_repository)?);
        }
        let fresh = self.opened(&mut current).await?.with_fresh_index();
        *current = Current::Open(fresh.clone());
        Ok(fresh)
    }

    /// As [`Self::open`]; `None` where there is no repository yet and a backup may create it.
    pub(crate) async fn open_if_there(&self) -> Result<Option<Repository>> {
        match self.open().await {
            Err(error) if self.create && error.context(REPOSITORY) == Some("missing") => Ok(None),
            other => other.map(Some),
        }
    }

    /// Whether this process had a repository open in a directory that holds none any more. Whoever asks is told so, and may
    /// have a new one begun there.
    pub(crate) async fn tell_gone(&self) -> bool {
        match &mut *self.current.lock().await {
            Current::Gone { told } => {
                *told = true;
                true
            }
            Current::Unknown | Current::Missing | Current::Open(_) => false,
        }
    }

    fn gone(&self) -> Error {
        let message = format!(
            "the repository at {} was open and is not there any more, or another one is; mount or connect its store and try \
             again",
            self.store.description()
        );
        Error::new(ErrorKind::Unavailable, message).with(REPOSITORY, "unreachable")
    }

    /// Lets go of what was opened before where its directory does not hold it any more: what is written into an empty mount
    /// point would be lost sight of, and what is written into another repository is sealed with a key that is not its.
    async fn doubt(&self, current: &mut Current) -> Result<()> {
        if let (Current::Open(open), Some(_)) = (&*current, self.local_directory())
            && !open.is_there().await.map_err(from_repository)?
        {
            *current = Current::Gone { told: false };
        }
        Ok(())
    }

    async fn opened(&self, current: &mut Current) -> Result<Repository> {
        self.doubt(current).await?;
        if let Current::Open(open) = current {
            return Ok(open.clone());
        }
        let opened = Repository::open(self.store.clone(), &self.credentials, self.origin.clone()).await;
        *current = match (&opened, &*current) {
            (Ok(open), _) => Current::Open(open.clone()),
            (Err(_), Current::Gone { told }) => Current::Gone { told: *told },
            (Err(error), _) if *error.kind() == Stored::NoRepository => Current::Missing,
            (Err(_), _) => Current::Unknown,
        };
        opened.map_err(from_repository)
    }

    /// The snapshots this process has made.
    pub(super) fn made(&self) -> &MadeSnapshots {
        &self.made
    }

    /// The directory the repository lies in, where it lies in one of this machine.
    pub(crate) fn local_directory(&self) -> Option<PathBuf> {
        self.store.description().strip_prefix("file://").map(|path| Path::new(path).to_path_buf())
    }
}
