//! Sealed files outside packs: compressed JSON named by the hash of what is stored.

use std::collections::HashSet;

use bytes::Bytes;

use super::Repository;
use crate::compression::decompress_up_to;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{FileKind, MAX_FILE_PLAINTEXT};
use crate::id::Id;

/// First byte of a compressed file inside its seal.
const COMPRESSED: u8 = 2;

/// How the names of cached index files begin.
const CACHED_INDEX: &str = "index-";

impl Repository {
    /// Objects of a kind with their lengths. Names that are no identifiers are not ours and are passed over.
    pub(crate) async fn list_files(&self, kind: FileKind) -> Result<Vec<(Id, u64)>> {
        let listed = self.store().list(kind.folder()).await?;
        Ok(listed
            .iter()
            .filter_map(|object| {
                let id = object.file_name().parse().ok()?;
                (object.key == kind.key(&id)).then_some((id, object.size))
            })
            .collect())
    }

    /// The JSON of a file, checked against its name.
    pub(crate) async fn load_file(&self, kind: FileKind, id: Id) -> Result<Vec<u8>> {
        let stored = self.store().get(&kind.key(&id), kind.max_length()).await?;
        self.blocking(move |this| this.open_named(kind, id, &stored)).await
    }

    /// The JSON in the bytes of a file, checked against its name.
    pub(crate) fn open_named(&self, kind: FileKind, id: Id, stored: &[u8]) -> Result<Vec<u8>> {
        let key = kind.key(&id);
        if Id::of(stored) != id {
            return Err(Error::corrupt(key, "its bytes do not match its name"));
        }
        self.open_file(&key, stored)
    }

    /// The JSON of an index file, from the cache if it is there.
    pub(crate) async fn load_index_file(&self, id: Id) -> Result<Vec<u8>> {
        let kind = FileKind::Index;
        let Some(cache) = self.store().cache().cloned() else { return self.load_file(kind, id).await };
        let (name, reading) = (format!("{CACHED_INDEX}{id}"), cache.clone());
        let cached = self
            .blocking(move |this| {
                let stored = reading.read(&name, kind.max_length());
                Ok(stored.and_then(|stored| this.open_named(kind, id, &stored).ok()))
            })
            .await?;
        if let Some(json) = cached {
            return Ok(json);
        }
        let stored = self.store().get(&kind.key(&id), kind.max_length()).await?;
        self.blocking(move |this| {
            let json = this.open_named(kind, id, &stored)?;
            cache.write(&format!("{CACHED_INDEX}{id}"), &stored);
            Ok(json)
        })
        .await
    }

    /// Removes cached index files that are no longer in the store.
    pub(crate) async fn keep_cached_indexes(&self, listed: HashSet<Id>) -> Result<()> {
        let Some(cache) = self.store().cache().cloned() else { return Ok(()) };
        let is_listed = move |id: &str| id.parse().is_ok_and(|id| listed.contains(&id));
        self.blocking(move |_| {
            cache.retain(CACHED_INDEX, is_listed);
            Ok(())
        })
        .await
    }

    /// Seals and stores `json`; returns its name once it is durable.
    pub(crate) async fn save_file(&self, kind: FileKind, json: Vec<u8>) -> Result<Id> {
        Ok(self.save_file_stored(kind, json).await?.0)
    }

    /// As [`Self::save_file`]; also returns the bytes as they are stored.
    pub(super) async fn save_file_stored(&self, kind: FileKind, json: Vec<u8>) -> Result<(Id, Bytes)> {
        let (id, stored) = self
            .blocking(move |this| {
                let stored = this.seal_file(&json)?;
                Ok((Id::of(&stored), stored))
            })
            .await?;
        self.store().put_new(&kind.key(&id), stored.clone()).await?;
        Ok((id, stored))
    }

    /// Seals `plaintext`, and opens it again before it is let go.
    pub(super) fn seal_file(&self, plaintext: &[u8]) -> Result<Bytes> {
        let sealed = match self.compression() {
            Some(compression) => {
                let mut framed = vec![COMPRESSED];
                framed.extend(compression.compress_records(plaintext)?);
                self.key().seal(&framed)?
            }
            None => self.key().seal(plaintext)?,
        };
        if self.open_file("a file about to be written", &sealed)? != plaintext {
            return Err(Error::corrupt("a file about to be written", "check the memory of this machine"));
        }
        Ok(sealed.into())
    }

    pub(super) fn open_file(&self, object: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let mut plaintext =
            self.key().open(sealed).map_err(|error| Error::corrupt(object, error).with_source(error))?;
        match plaintext.first() {
            None | Some(b'{' | b'[') => Ok(plaintext),
            Some(&COMPRESSED) => {
                plaintext.remove(0);
                decompress_up_to(&plaintext, MAX_FILE_PLAINTEXT)
                    .map_err(|source| Error::corrupt(object, "it does not decompress").with_source(source))
            }
            Some(other) => {
                let message = format!("{object} is stored in form {other}, which this program does not know");
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }
}
