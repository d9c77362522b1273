//! Writing a manifest part by part.

use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_repository::{Id, Store};

use super::{Entry, FOLDER, MANIFEST};
use crate::error::from_repository;
use crate::mirror::framed;
use crate::mirror::place::Place;
use crate::mirror::record::Part;

/// Uncompressed bytes at which a part is full.
const PART_BYTES: usize = 4 << 20;
/// Fast, and what it leaves is mostly digests that no level shrinks.
const LEVEL: i32 = 1;

/// The manifest of one run at one timestamp. Parts of an earlier run are left alone.
#[derive(Debug)]
pub(crate) struct ManifestWriter {
    store: Store,
    place: Place,
    run: u32,
    lines: Vec<u8>,
    entries: u64,
    parts: Vec<Part>,
}

impl ManifestWriter {
    /// The manifest of the `run`-th run.
    pub(crate) fn new(store: &Store, place: &Place, run: u32) -> Self {
        let (store, place) = (store.clone(), place.clone());
        Self { store, place, run, lines: Vec::new(), entries: 0, parts: Vec::new() }
    }

    /// Adds the next entry in path order.
    ///
    /// # Errors
    /// The store's failure.
    pub(crate) async fn push(&mut self, entry: &Entry) -> Result<()> {
        let line = entry.to_json().map_err(|error| {
            Error::new(ErrorKind::Unexpected, "an entry cannot be written as JSON").with_source(error)
        })?;
        self.lines.extend_from_slice(&line);
        self.lines.push(b'\n');
        self.entries += 1;
        if self.lines.len() >= PART_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Stores what was added so far.
    ///
    /// # Errors
    /// The store's failure.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        if self.entries == 0 {
            return Ok(());
        }
        let packed = zstd::bulk::compress(&self.lines, LEVEL).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "a manifest cannot be compressed").with_source(error)
        })?;
        let object = framed::seal(MANIFEST, &packed)?;
        let name = format!("{FOLDER}/{:03}-{:06}", self.run, self.parts.len() + 1);
        let (sha256, entries) = (Id::of(&object), self.entries);
        let key = format!("{}/{name}", self.place.control());
        self.store.put_object(&key, object).await.map_err(from_repository)?;
        self.parts.push(Part { name, sha256, entries });
        self.lines.clear();
        self.entries = 0;
        Ok(())
    }

    /// Stores the rest and names all parts.
    ///
    /// # Errors
    /// The store's failure.
    pub(crate) async fn finish(mut self) -> Result<Vec<Part>> {
        self.flush().await?;
        Ok(self.parts)
    }
}

/// The run that wrote a part, and the part's number in it; `None` for a foreign name.
pub(super) fn numbers(name: &str) -> Option<(u32, u32)> {
    let (run, number) = name.strip_prefix(FOLDER)?.strip_prefix('/')?.split_once('-')?;
    Some((run.parse().ok()?, number.parse().ok()?))
}
