//! Creating and opening.

use bytes::Bytes;
use futures::try_join;

use super::{Listing, Repository};
use crate::cache::ObjectCache;
use crate::clock;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::crypto::SealingKey;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::key::{KEYS_TRIED, KeyFile, MAX_KEY_FILE};
use crate::origin::Origin;
use crate::store::Store;

/// A key file with its name.
type KeyObject = (Id, Bytes);

pub(crate) const CONFIG: &str = "config";
const MAX_CONFIG: u64 = 64 << 10;

impl Repository {
    /// Creates a repository in an empty store.
    ///
    /// The configuration is written last and marks the repository as there. A creation that was interrupted before
    /// that is taken up again by the next one with the same credentials.
    ///
    /// # Errors
    /// `AlreadyExists` if there is a repository, `Corrupt` if there are snapshots but no configuration,
    /// `WrongPassword` if keys of an interrupted creation do not open with these credentials.
    pub async fn init(store: Store, credentials: &Credentials, origin: Origin) -> Result<Self> {
        refuse_existing(&store).await?;
        Self::create(store, credentials, origin).await
    }

    /// Creates a repository where there was no configuration a moment ago.
    async fn create(store: Store, credentials: &Credentials, origin: Origin) -> Result<Self> {
        let listing = Listing::of_all(&store, FileKind::Index).await?;
        let keys = &listing.keys;
        if !listing.indexes.is_empty() || !listing.snapshots.is_empty() {
            // Another process may have created it since.
            refuse_existing(&store).await?;
            let message = "it is missing although there is data; restore it from a copy instead of creating a repository";
            return Err(Error::corrupt(CONFIG, message));
        }
        let mut created = None;
        let (key, key_file) = match find_key(&store, keys, credentials, None).await? {
            Some(found) => found,
            None if keys.is_empty() => {
                let (key, key_file) = create_key(&store, credentials, &origin).await?;
                created = Some(key_file.0);
                (key, key_file)
            }
            None => {
                // They may be those of a repository that another process has created since.
                refuse_existing(&store).await?;
                let message = format!(
                    "{} holds keys of an unfinished repository with another password; use that or delete its `keys`",
                    store.description()
                );
                return Err(Error::new(ErrorKind::WrongPassword, message));
            }
        };
        let config = Config::generate()?;
        let sealed = Bytes::from(key.seal(&config.to_json()?)?);
        if let Err(error) = store.put_new(CONFIG, sealed.clone()).await {
            // Another process was faster. Our key would lead stock restic to a configuration it cannot open.
            if let Some(id) = created.filter(|_| *error.kind() == ErrorKind::AlreadyExists) {
                store.delete(&FileKind::Key.key(&id)).await?;
            }
            return Err(error);
        }
        let objects = store.cache().cloned().map(ObjectCache::new);
        if let Some(objects) = &objects {
            // What is remembered here is of a repository that is gone.
            objects.retain(|_another_repository| false);
            objects.put(CONFIG, &sealed);
            objects.put(&FileKind::Key.key(&key_file.0), &key_file.1);
        }
        let repository = Self::new(store, (key_file.0, key), config, origin, objects, Some(listing));
        repository.save_objects().await?;
        Ok(repository)
    }

    /// Opens a repository. With a [cache](Store::with_cache), the configuration and a key that was used before are
    /// taken from there, if the store still lists that key.
    ///
    /// # Errors
    /// `NoRepository` if the store has none, `WrongPassword` if no key opens, `Unavailable` if the store cannot be
    /// reached, `Corrupt` or `Unsupported` if key or configuration cannot be used.
    pub async fn open(store: Store, credentials: &Credentials, origin: Origin) -> Result<Self> {
        let objects = store.cache().cloned().map(ObjectCache::new);
        if let Some(objects) = &objects
            && let Some(known) = open_known(&store, objects, credentials, &origin).await?
        {
            return Ok(known);
        }
        // Only the listing tells a store without a repository from a bucket that is not there.
        let (config, keys) = try_join!(read_config(&store), key_ids(&store))?;
        let Some(config) = config else {
            let message =
                format!("there is no repository at {}; the first backup makes one", store.description());
            return Err(Error::new(ErrorKind::NoRepository, message));
        };
        if keys.is_empty() {
            return Err(Error::corrupt("keys", "the repository has no key; restore the folder from a copy"));
        }
        let found = find_key(&store, &keys, credentials, Some(&config)).await?;
        let (key, key_file) = found.ok_or_else(|| {
            let message = format!("the password does not open the repository at {}", store.description());
            Error::new(ErrorKind::WrongPassword, message)
        })?;
        if let Some(objects) = &objects {
            if objects.get(CONFIG).is_some_and(|known| known != config) {
                objects.retain(|_another_repository| false);
            }
            objects.put(CONFIG, &Bytes::copy_from_slice(&config));
            objects.put(&FileKind::Key.key(&key_file.0), &key_file.1);
        }
        let config = opened_config(&key, &config)?;
        let repository = Self::new(store, (key_file.0, key), config, origin, objects, None);
        repository.save_objects().await?;
        Ok(repository)
    }

    /// Opens the repository, or creates one where there is none.
    ///
    /// # Errors
    /// As [`Self::open`] and [`Self::init`]. Two processes that create at once both end up with the same repository.
    pub async fn open_or_init(store: Store, credentials: &Credentials, origin: Origin) -> Result<Self> {
        match Self::open(store.clone(), credentials, origin.clone()).await {
            Err(error) if *error.kind() == ErrorKind::NoRepository => {}
            result => return result,
        }
        Self::init_or_open(store, credentials, origin).await
    }

    /// As [`Self::open_or_init`], in fewer requests where there is no repository, and in more where there is one: for
    /// callers that have just seen that there was none.
    ///
    /// # Errors
    /// As [`Self::open_or_init`].
    pub async fn init_or_open(store: Store, credentials: &Credentials, origin: Origin) -> Result<Self> {
        match Self::create(store.clone(), credentials, origin.clone()).await {
            Err(error) if *error.kind() == ErrorKind::AlreadyExists => {
                Self::open(store, credentials, origin).await
            }
            result => result,
        }
    }
}

impl Repository {
    /// Whether the store still holds this very repository: neither none nor another one, as a file system that is mounted over
    /// it shows. A configuration that its key does not open is another one's.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn is_there(&self) -> Result<bool> {
        match self.stored_config().await {
            Ok(config) => Ok(config.is_some_and(|config| config.id == self.id())),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The configuration as it lies in the store; `None` where there is none.
    pub(crate) async fn stored_config(&self) -> Result<Option<Config>> {
        let sealed = read_config(self.store()).await?;
        sealed.map(|sealed| opened_config(self.key(), &sealed)).transpose()
    }

    /// Stores the configuration again where it is gone and this machine remembers it; answers whether it did.
    pub(crate) async fn bring_config_back(&self, dry_run: bool) -> Result<bool> {
        let Some(sealed) = self.objects().and_then(|objects| objects.get(CONFIG)) else { return Ok(false) };
        if opened_config(self.key(), &sealed).is_err() || read_config(self.store()).await?.is_some() {
            return Ok(false);
        }
        if !dry_run {
            self.store().put_new(CONFIG, sealed).await?;
        }
        Ok(true)
    }
}

async fn refuse_existing(store: &Store) -> Result<()> {
    if read_config(store).await?.is_none() {
        return Ok(());
    }
    let message = format!("{} already holds a repository", store.description());
    Err(Error::new(ErrorKind::AlreadyExists, message))
}

async fn read_config(store: &Store) -> Result<Option<Vec<u8>>> {
    match store.get(CONFIG, MAX_CONFIG).await {
        Ok(sealed) => Ok(Some(sealed.to_vec())),
        Err(error) if *error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn key_ids(store: &Store) -> Result<Vec<Id>> {
    let listed = store.list(FileKind::Key.folder()).await?;
    let mut ids: Vec<Id> = listed.iter().filter_map(|object| object.file_name().parse().ok()).collect();
    ids.sort_unstable();
    Ok(ids)
}

async fn create_key(
    store: &Store,
    credentials: &Credentials,
    origin: &Origin,
) -> Result<(SealingKey, KeyObject)> {
    let (credentials, origin) = (credentials.clone(), origin.clone());
    let (key, json) = tokio::task::spawn_blocking(move || -> Result<_> {
        let key = SealingKey::generate()?;
        let json = KeyFile::create(&key, &credentials, &origin, clock::now())?.to_json()?;
        Ok((key, json))
    })
    .await
    .map_err(Error::cancelled)??;
    let (id, json) = (Id::of(&json), Bytes::from(json));
    store.put_new(&FileKind::Key.key(&id), json.clone()).await?;
    Ok((key, (id, json)))
}

/// The master key of the first key file that `credentials` open, trying at most [`KEYS_TRIED`].
///
/// A key that does not open `config` is passed over: an interrupted creation may have left it.
async fn find_key(
    store: &Store,
    keys: &[Id],
    credentials: &Credentials,
    config: Option<&[u8]>,
) -> Result<Option<(SealingKey, KeyObject)>> {
    let mut damaged = None;
    for id in keys.iter().take(KEYS_TRIED) {
        match try_key(store, *id, credentials).await {
            Ok(Some(found)) if config.is_none_or(|config| found.0.open(config).is_ok()) => {
                return Ok(Some(found));
            }
            Ok(Some(_)) => damaged = Some(Error::corrupt(CONFIG, "the key opens but does not fit it")),
            Ok(None) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. } | ErrorKind::NotFound) => {
                damaged = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match damaged {
        Some(error) => Err(error),
        None if keys.len() > KEYS_TRIED => {
            let message = format!(
                "none of the first {KEYS_TRIED} keys opens and more are not tried; remove unused keys"
            );
            Err(Error::new(ErrorKind::WrongPassword, message))
        }
        None => Ok(None),
    }
}

async fn try_key(
    store: &Store,
    id: Id,
    credentials: &Credentials,
) -> Result<Option<(SealingKey, KeyObject)>> {
    let object = FileKind::Key.key(&id);
    let json = store.get(&object, MAX_KEY_FILE).await?;
    let key = open_key(id, json.clone(), credentials).await?;
    Ok(key.map(|key| (key, (id, json))))
}

pub(super) async fn open_key(id: Id, json: Bytes, credentials: &Credentials) -> Result<Option<SealingKey>> {
    let (object, credentials) = (FileKind::Key.key(&id), credentials.clone());
    if Id::of(&json) != id {
        return Err(Error::corrupt(object, "its bytes do not match its name"));
    }
    tokio::task::spawn_blocking(move || KeyFile::from_json(&object, &json)?.open(&object, &credentials))
        .await
        .map_err(Error::cancelled)?
}

fn opened_config(key: &SealingKey, sealed: &[u8]) -> Result<Config> {
    let json = key.open(sealed).map_err(|source| Error::corrupt(CONFIG, source).with_source(source))?;
    Config::from_json(&json)
}

/// Opens a repository with what this machine remembers of it; `None` where that does not do.
async fn open_known(
    store: &Store,
    objects: &ObjectCache,
    credentials: &Credentials,
    origin: &Origin,
) -> Result<Option<Repository>> {
    let Some(config) = objects.get(CONFIG) else { return Ok(None) };
    let listing = Listing::of_store(store).await?;
    for id in listing.keys.iter().take(KEYS_TRIED) {
        let Some(json) = objects.get(&FileKind::Key.key(id)) else { continue };
        if let Ok(Some(key)) = open_key(*id, json, credentials).await
            && let Ok(config) = opened_config(&key, &config)
        {
            let (store, objects) = (store.clone(), objects.clone());
            return Ok(Some(Repository::new(
                store,
                (*id, key),
                config,
                origin.clone(),
                Some(objects),
                Some(listing),
            )));
        }
    }
    tracing::debug!("the remembered key is not the repository's any more, or not of this password");
    Ok(None)
}
