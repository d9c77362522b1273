//! The repository's keys: each password that opens it has a key file of its own, all with the same master key inside.

use bytes::Bytes;

use super::Repository;
use super::open::{key_ids, open_key};
use crate::cache::ObjectCache;
use crate::clock;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::key::{KEYS_TRIED, KeyFile, MAX_KEY_FILE, MAX_KEYS};
use crate::lock::{Lock, LockMode};
use crate::time::Timestamp;

/// A key of a repository, as anybody can see it: who made it, and nothing of what it seals.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredKey {
    /// Its name in the store.
    pub id: Id,
    /// When it was made, where that is noted.
    pub created: Option<Timestamp>,
    /// Who made it.
    pub username: Option<String>,
    /// On which machine.
    pub hostname: Option<String>,
    /// Whether it is the one that opened this repository.
    pub current: bool,
    /// Why it opens nothing, where it is damaged.
    pub damage: Option<String>,
}

impl Repository {
    /// All keys, in the order of their names.
    ///
    /// # Errors
    /// `Unavailable` or `PermissionDenied` if the store cannot be read.
    pub async fn keys(&self) -> Result<Vec<StoredKey>> {
        let mut keys = Vec::new();
        for id in key_ids(self.store()).await? {
            match self.read_key(id).await {
                Ok(key) => keys.push(key),
                // Somebody removed it since.
                Err(error) if *error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }

    async fn read_key(&self, id: Id) -> Result<StoredKey> {
        let object = FileKind::Key.key(&id);
        let json = self.store().get(&object, MAX_KEY_FILE).await?;
        let (file, damage) = match (KeyFile::from_json(&object, &json), Id::of(&json) == id) {
            (Ok(file), true) => (Some(file), None),
            (Ok(_), false) => (None, Some("its bytes do not match its name".to_owned())),
            (Err(error), _) => (None, Some(error.to_string())),
        };
        let (created, username, hostname) = file.map(KeyFile::into_origin).unwrap_or_default();
        Ok(StoredKey { id, created, username, hostname, current: id == self.key_id(), damage })
    }

    /// Lets another password open the repository. It does so when this returns.
    ///
    /// # Errors
    /// `InvalidInput` if there are as many keys as are tried; the store's failure.
    pub async fn add_key(&self, credentials: &Credentials) -> Result<Id> {
        self.add_key_within(MAX_KEYS, credentials).await
    }

    /// Adds a key where there are fewer than `keys_max`.
    async fn add_key_within(&self, keys_max: usize, credentials: &Credentials) -> Result<Id> {
        let count = key_ids(self.store()).await?.len();
        if count >= keys_max {
            let message = format!(
                "the repository has {count} keys, and no more than {MAX_KEYS} are kept; remove one first"
            );
            return Err(Error::invalid(message));
        }
        let own = credentials.clone();
        let json = self
            .blocking(move |this| KeyFile::create(this.key(), &own, this.origin(), clock::now())?.to_json());
        let json = Bytes::from(json.await?);
        let id = Id::of(&json);
        let object = FileKind::Key.key(&id);
        self.store().put_new(&object, json).await?;
        let stored = self.store().get(&object, MAX_KEY_FILE).await?;
        match open_key(id, stored, credentials).await? {
            Some(_) => Ok(id),
            None => Err(Error::corrupt(object, "the new password does not open it")),
        }
    }

    /// Takes a password's right to open the repository away. Backups of this program may be under way; they hold the
    /// master key already.
    ///
    /// # Errors
    /// `InvalidInput` for the key that opened this repository; `NotFound` if there is none of that name; `Locked` if
    /// another process excludes this one; the store's failure.
    pub async fn remove_key(&self, id: &Id) -> Result<()> {
        if *id == self.key_id() {
            let message = format!(
                "the key {} opened this run; open the repository with another password to remove it",
                id.short()
            );
            return Err(Error::invalid(message));
        }
        let lock = self.lock_keys().await?;
        let removed = self.remove_locked(id).await;
        released(lock).await;
        removed
    }

    /// Puts another password in place of the one that opened this repository, which has to be opened anew then. A process
    /// that is killed in between leaves both.
    ///
    /// # Errors
    /// As [`Self::add_key`] and [`Self::remove_key`].
    pub async fn change_key(&self, credentials: &Credentials) -> Result<Id> {
        let lock = self.lock_keys().await?;
        let changed = self.change_locked(credentials).await;
        released(lock).await;
        changed
    }

    async fn change_locked(&self, credentials: &Credentials) -> Result<Id> {
        let old = self.key_id();
        let id = self.add_key_within(KEYS_TRIED, credentials).await?;
        match self.remove_locked(&old).await {
            Ok(()) => Ok(id),
            Err(error) => {
                let message = format!(
                    "the new password opens the repository, and the old one still does; remove the key {} with the new one",
                    old.short()
                );
                Err(Error::new(error.kind().clone(), message).with_source(error))
            }
        }
    }

    /// Keeps others from removing keys: two that each remove the other's would leave none.
    async fn lock_keys(&self) -> Result<Lock> {
        let lock = self.lock(LockMode::Sweep).await?;
        match key_ids(self.store()).await {
            Ok(ids) if ids.contains(&self.key_id()) => Ok(lock),
            Ok(_) => {
                released(lock).await;
                let message = "the key that opened this run was removed meanwhile; open the repository again";
                Err(Error::new(ErrorKind::WrongPassword, message))
            }
            Err(error) => {
                released(lock).await;
                Err(error)
            }
        }
    }

    async fn remove_locked(&self, id: &Id) -> Result<()> {
        let object = FileKind::Key.key(id);
        if !key_ids(self.store()).await?.contains(id) {
            return Err(Error::new(ErrorKind::NotFound, format!("the repository has no key {}", id.short())));
        }
        self.store().delete(&object).await?;
        if key_ids(self.store()).await?.contains(id) {
            let message = format!("the store still lists the key {} after it was deleted", id.short());
            return Err(Error::new(ErrorKind::PermissionDenied, message));
        }
        self.objects().into_iter().for_each(|objects: &ObjectCache| objects.retain(|known| known != object));
        self.save_objects().await
    }
}

async fn released(lock: Lock) {
    if let Err(error) = lock.release().await {
        tracing::warn!(%error, "the repository lock stays until it is stale");
    }
}
