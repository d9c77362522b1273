//! The content of one file, from an object to pieces in the repository.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use stillpoint_core::Result;
use stillpoint_repository::{ContentWriter, ErrorKind as Stored, Id, Store};
use tokio::runtime::Handle;

use crate::error::from_repository;
use crate::mirror::Entry;

/// Bytes that are fetched at once.
const PART_BYTES: u64 = 8 << 20;
/// Files whose pieces are remembered from one timestamp to the next.
const REMEMBERED_MAX: usize = 500_000;

/// What the pieces of a file's content are, by what the whole hashes to. Their names lie in a temporary file, since large
/// files have millions of them; where it cannot be written, content is fetched again.
#[derive(Debug)]
pub(super) struct KnownContent {
    /// Where in the file the names of a content's pieces are, and how many bytes they take.
    places: HashMap<Id, (u64, usize)>,
    names: io::Result<File>,
    end: u64,
}

/// Content in the repository.
pub(super) struct Fetched {
    pub(super) pieces: Vec<Id>,
    pub(super) bytes: u64,
}

impl KnownContent {
    pub(super) fn new() -> Self {
        Self { places: HashMap::new(), names: tempfile::tempfile(), end: 0 }
    }

    pub(super) fn of(&self, entry: &Entry) -> Option<Vec<Id>> {
        let (at, length) = *self.places.get(&entry.sha256?)?;
        let mut names = vec![0; length];
        self.names.as_ref().ok()?.read_exact_at(&mut names, at).ok()?;
        Some(names.as_chunks().0.iter().map(|name| Id::from_bytes(*name)).collect())
    }

    pub(super) fn remember(&mut self, entry: &Entry, pieces: &[Id]) {
        let Some(sha256) = entry.sha256.filter(|_| self.places.len() < REMEMBERED_MAX) else { return };
        let Ok(file) = &self.names else { return };
        if self.places.contains_key(&sha256) {
            return;
        }
        let names: Vec<u8> = pieces.iter().flat_map(|id| *id.as_bytes()).collect();
        match file.write_all_at(&names, self.end) {
            Ok(()) => {
                self.places.insert(sha256, (self.end, names.len()));
                self.end += names.len() as u64;
            }
            Err(error) => {
                tracing::warn!(%error, "what was fetched is not remembered: the temporary directory cannot hold it");
                (self.names, self.places) = (Err(error), HashMap::new());
            }
        }
    }
}

/// Fetches a file's content and stores it, or says what is wrong with it.
///
/// # Errors
/// The failure of a store.
pub(super) async fn fetch(
    store: &Store,
    key: &str,
    entry: &Entry,
    writer: &ContentWriter,
) -> Result<std::result::Result<Fetched, String>> {
    let reader = Object {
        store: store.clone(),
        key: key.to_owned(),
        size: entry.size,
        at: 0,
        part: Bytes::new(),
        runtime: Handle::current(),
        digest: Sha256::new(),
        due: entry.sha256,
    };
    match writer.store(reader, entry.size).await {
        Ok(pieces) => Ok(Ok(Fetched { pieces, bytes: entry.size })),
        Err(error) => match damage(&error) {
            Some(why) => Ok(Err(why)),
            None => Err(from_repository(error)),
        },
    }
}

/// Reads an object part by part, and fails at its end if it is not what it should be.
struct Object {
    store: Store,
    key: String,
    size: u64,
    at: u64,
    part: Bytes,
    runtime: Handle,
    digest: Sha256,
    due: Option<Id>,
}

/// Marks a failure that concerns this object alone.
#[derive(Debug)]
struct Damaged(String);

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damaged {}

impl Read for Object {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() && self.at < self.size {
            let range = self.at..self.size.min(self.at + PART_BYTES);
            let part = self.runtime.block_on(self.store.get_object_range(&self.key, range));
            self.part = part.map_err(|error| match error.kind() {
                Stored::NotFound | Stored::Corrupt { .. } => io::Error::other(Damaged(error.to_string())),
                // A request that is refused for its name concerns no other object.
                Stored::InvalidInput if !self.store.accepts_key(&self.key) => {
                    io::Error::other(Damaged(error.to_string()))
                }
                _ => io::Error::other(error),
            })?;
            self.at += self.part.len() as u64;
            self.digest.update(&self.part);
            if self.at >= self.size {
                let found = Id::from_bytes(std::mem::take(&mut self.digest).finalize().into());
                if self.due.is_some_and(|due| due != found) {
                    let why = "its object does not hash to what the manifest says".to_owned();
                    return Err(io::Error::other(Damaged(why)));
                }
            }
        }
        let length = self.part.len().min(buffer.len());
        let read = self.part.split_to(length);
        if let Some(place) = buffer.get_mut(..length) {
            place.copy_from_slice(&read);
        }
        Ok(length)
    }
}

/// What is wrong with an object, where that is why storing it failed.
fn damage(error: &stillpoint_repository::Error) -> Option<String> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(damaged) = inner.and_then(|inner| inner.downcast_ref::<Damaged>()) {
            return Some(damaged.0.clone());
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use stillpoint_localfs::{FileKind, Timestamp};

    use super::*;

    fn entry(content: &[u8]) -> Entry {
        let mut entry = Entry::plain(PathBuf::from("x"), FileKind::File, 1, Timestamp::new(0, 0));
        entry.sha256 = Some(Id::of(content));
        entry
    }

    #[test]
    fn pieces_are_remembered_outside_of_memory() {
        let pieces =
            |names: &[&str]| -> Vec<_> { names.iter().map(|name| Id::of(name.as_bytes())).collect() };
        let mut known = KnownContent::new();
        for (content, names) in [("one", &["a", "b"][..]), ("none", &[]), ("two", &["c"]), ("one", &["d"])] {
            known.remember(&entry(content.as_bytes()), &pieces(names));
        }
        assert_eq!(known.of(&entry(b"one")), Some(pieces(&["a", "b"])));
        assert_eq!(known.of(&entry(b"none")), Some(Vec::new()));
        assert_eq!(known.of(&entry(b"two")), Some(pieces(&["c"])));
        assert_eq!(known.of(&entry(b"three")), None);
        assert_eq!(known.end, 3 * 32);
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_remembered() {
        let mut known = KnownContent::new();
        known.names = File::open("/dev/null");
        known.remember(&entry(b"one"), &[Id::of(b"a")]);
        known.remember(&entry(b"two"), &[Id::of(b"a")]);
        assert_eq!((known.of(&entry(b"one")), known.of(&entry(b"two"))), (None, None));
    }
}
