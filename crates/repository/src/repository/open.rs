//! Creating and opening.

use futures::try_join;

use super::Repository;
use crate::clock;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::crypto::SealingKey;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::key::{KeyFile, MAX_KEY_FILE, MAX_KEYS};
use crate::origin::Origin;
use crate::store::Store;

const CONFIG: &str = "config";
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
        let (config, keys, packs, snapshots) = try_join!(
            read_config(&store),
            key_ids(&store),
            store.list(FileKind::Index.folder()),
            store.list(FileKind::Snapshot.folder())
        )?;
        if config.is_some() {
            let message = format!("{} already holds a repository", store.description());
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        if !packs.is_empty() || !snapshots.is_empty() {
            let message = "it is missing although there is data; restore it from a copy instead of creating a repository";
            return Err(Error::corrupt(CONFIG, message));
        }
        let mut created = None;
        let key = match find_key(&store, &keys, credentials, None).await? {
            Some(key) => key,
            None if keys.is_empty() => {
                let (key, id) = create_key(&store, credentials, &origin).await?;
                created = Some(id);
                key
            }
            None => {
                let message = format!(
                    "{} holds keys of an unfinished repository with another password; use that or delete its `keys`",
                    store.description()
                );
                return Err(Error::new(ErrorKind::WrongPassword, message));
            }
        };
        let config = Config::generate()?;
        let sealed = key.seal(&config.to_json()?)?;
        if let Err(error) = store.put_new(CONFIG, sealed.into()).await {
            // Another process was faster. Our key would lead stock restic to a configuration it cannot open.
            if let Some(id) = created.filter(|_| *error.kind() == ErrorKind::AlreadyExists) {
                store.delete(&FileKind::Key.key(&id)).await?;
            }
            return Err(error);
        }
        Ok(Self::new(store, key, config, origin))
    }

    /// Opens a repository.
    ///
    /// # Errors
    /// `NoRepository` if the store has none, `WrongPassword` if no key opens, `Unavailable` if the store cannot be
    /// reached, `Corrupt` or `Unsupported` if key or configuration cannot be used.
    pub async fn open(store: Store, credentials: &Credentials, origin: Origin) -> Result<Self> {
        let (config, keys) = try_join!(read_config(&store), key_ids(&store))?;
        let Some(config) = config else {
            let message = format!("there is no repository at {}; create one first", store.description());
            return Err(Error::new(ErrorKind::NoRepository, message));
        };
        if keys.is_empty() {
            return Err(Error::corrupt("keys", "the repository has no key; restore the folder from a copy"));
        }
        let key = find_key(&store, &keys, credentials, Some(&config)).await?;
        let key = key.ok_or_else(|| {
            let message = format!("the password does not open the repository at {}", store.description());
            Error::new(ErrorKind::WrongPassword, message)
        })?;
        let json = key.open(&config).map_err(|source| Error::corrupt(CONFIG, source).with_source(source))?;
        let config = Config::from_json(&json)?;
        Ok(Self::new(store, key, config, origin))
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
        match Self::init(store.clone(), credentials, origin.clone()).await {
            Err(error) if *error.kind() == ErrorKind::AlreadyExists => {
                Self::open(store, credentials, origin).await
            }
            result => result,
        }
    }
}

async fn read_config(store: &Store) -> Result<Option<Vec<u8>>> {
    match store.get(CONFIG, MAX_CONFIG).await {
        Ok(sealed) => Ok(Some(sealed.to_vec())),
        Err(error) if *error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn key_ids(store: &Store) -> Result<Vec<Id>> {
    let listed = store.list(FileKind::Key.folder()).await?;
    let mut ids: Vec<Id> = listed.iter().filter_map(|object| object.file_name().parse().ok()).collect();
    ids.sort_unstable();
    Ok(ids)
}

async fn create_key(store: &Store, credentials: &Credentials, origin: &Origin) -> Result<(SealingKey, Id)> {
    let (credentials, origin) = (credentials.clone(), origin.clone());
    let (key, json) = tokio::task::spawn_blocking(move || -> Result<_> {
        let key = SealingKey::generate()?;
        let json = KeyFile::create(&key, &credentials, &origin, clock::now())?.to_json()?;
        Ok((key, json))
    })
    .await
    .map_err(Error::cancelled)??;
    let id = Id::of(&json);
    store.put_new(&FileKind::Key.key(&id), json.into()).await?;
    Ok((key, id))
}

/// The master key of the first key file that `credentials` open, trying at most [`MAX_KEYS`].
///
/// A key that does not open `config` is passed over: an interrupted creation may have left it.
async fn find_key(
    store: &Store,
    keys: &[Id],
    credentials: &Credentials,
    config: Option<&[u8]>,
) -> Result<Option<SealingKey>> {
    let mut damaged = None;
    for id in keys.iter().take(MAX_KEYS) {
        match try_key(store, *id, credentials).await {
            Ok(Some(key)) if config.is_none_or(|config| key.open(config).is_ok()) => return Ok(Some(key)),
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
        None if keys.len() > MAX_KEYS => {
            let message =
                format!("none of the first {MAX_KEYS} keys opens and more are not tried; remove unused keys");
            Err(Error::new(ErrorKind::WrongPassword, message))
        }
        None => Ok(None),
    }
}

async fn try_key(store: &Store, id: Id, credentials: &Credentials) -> Result<Option<SealingKey>> {
    let object = FileKind::Key.key(&id);
    let json = store.get(&object, MAX_KEY_FILE).await?;
    if Id::of(&json) != id {
        return Err(Error::corrupt(object, "its bytes do not match its name"));
    }
    let credentials = credentials.clone();
    tokio::task::spawn_blocking(move || KeyFile::from_json(&object, &json)?.open(&object, &credentials))
        .await
        .map_err(Error::cancelled)?
}
