//! Reading a manifest as a stream.

use std::collections::VecDeque;
use std::io::Read;
use std::path::PathBuf;

use bytes::Bytes;
use stillpoint_core::{Issue, Result};
use stillpoint_repository::{Id, Store};

use super::write::numbers;
use super::{Entry, MANIFEST};
use crate::error::from_repository;
use crate::mirror::framed::{self, damaged};
use crate::mirror::place::Place;
use crate::mirror::record::Part;

/// The longest part that is read, stored and unpacked.
const PART_BYTES_MAX: usize = 64 << 20;

/// What a manifest says next.
#[derive(Debug)]
pub(crate) enum Item {
    /// An entry that may be used.
    Entry(Box<Entry>),
    /// Something that may not, and why.
    Refused(Issue),
}

/// A manifest that is read part by part; it holds one part at a time.
#[derive(Debug)]
pub(crate) struct ManifestReader {
    store: Store,
    place: Place,
    parts: VecDeque<(String, Option<Part>)>,
    current: VecDeque<Item>,
    last: Option<PathBuf>,
    tolerant: bool,
}

impl ManifestReader {
    /// The manifest that a completion names.
    pub(crate) fn of_parts(store: &Store, place: &Place, parts: &[Part]) -> Self {
        let parts = parts.iter().map(|part| (part.name.clone(), Some(part.clone()))).collect();
        Self::new(store, place, parts, false)
    }

    /// What the last run of an unfinished timestamp had written, of all objects below its folder of records.
    pub(crate) fn of_unfinished<'a>(
        store: &Store,
        place: &Place,
        names: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut parts: Vec<_> = names.filter_map(|name| Some((numbers(name)?, name))).collect();
        parts.sort_unstable();
        let last = parts.last().map(|((run, job, _), _)| (*run, *job));
        let parts = parts.into_iter().filter(|((run, job, _), _)| Some((*run, *job)) == last);
        let parts = parts.map(|(_, name)| (name.to_owned(), None)).collect();
        Self::new(store, place, parts, true)
    }

    /// The last run that wrote something, from 1; 0 where none did.
    pub(crate) fn last_run<'a>(names: impl Iterator<Item = &'a str>) -> u32 {
        names.filter_map(numbers).map(|(run, _, _)| run).max().unwrap_or(0)
    }

    /// Whether a part of this name was written by the `run`-th run.
    pub(crate) fn is_of_run(name: &str, run: u32) -> bool {
        numbers(name).is_some_and(|(its, _, _)| its == run)
    }

    fn new(store: &Store, place: &Place, parts: VecDeque<(String, Option<Part>)>, tolerant: bool) -> Self {
        let (store, place) = (store.clone(), place.clone());
        Self { store, place, parts, current: VecDeque::new(), last: None, tolerant }
    }

    /// The next item in path order.
    ///
    /// # Errors
    /// The store's failure. A part that is damaged or missing is an item, not an error.
    pub(crate) async fn next(&mut self) -> Result<Option<Item>> {
        loop {
            if let Some(item) = self.current.pop_front() {
                return Ok(Some(self.in_order(item)));
            }
            let Some((name, part)) = self.parts.pop_front() else { return Ok(None) };
            match self.load(&name, part.as_ref()).await {
                Ok(items) => self.current = items,
                Err(error) if self.tolerant => {
                    tracing::info!(%error, "what an unfinished backup noted is not used");
                }
                Err(error) if is_damage(&error) => {
                    return Ok(Some(Item::Refused(Issue::new("damaged", name, error.to_string()))));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Refuses a second entry of one path, and any order in which a file could come before its directory.
    fn in_order(&mut self, item: Item) -> Item {
        let Item::Entry(entry) = item else { return item };
        if self.last.as_ref().is_some_and(|last| *last >= entry.path) {
            let text = crate::path_text::to_text(&entry.path);
            return Item::Refused(Issue::new("damaged", text, "the manifest lists it out of order"));
        }
        self.last = Some(entry.path.clone());
        Item::Entry(entry)
    }

    async fn load(&self, name: &str, part: Option<&Part>) -> Result<VecDeque<Item>> {
        let key = format!("{}/{name}", self.place.control());
        let limit = PART_BYTES_MAX as u64;
        let object = self.store.get_object(&key, limit).await.map_err(from_repository)?;
        if part.is_some_and(|part| part.sha256 != Id::of(&object)) {
            return Err(damaged(&key, "it is not the part that the completion record names"));
        }
        let items = items(&key, &framed::open(MANIFEST, &key, &object)?)?;
        if part.is_some_and(|part| part.entries != items.len() as u64) {
            return Err(damaged(&key, "it lists another number of entries than it should"));
        }
        Ok(items)
    }
}

fn items(key: &str, packed: &Bytes) -> Result<VecDeque<Item>> {
    let mut lines = Vec::new();
    let unpacked = zstd::stream::read::Decoder::with_buffer(packed.as_ref())
        .and_then(|unpacked| unpacked.take(PART_BYTES_MAX as u64).read_to_end(&mut lines));
    unpacked.map_err(|error| damaged(key, "it cannot be decompressed").with_source(error))?;
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let item = |line| match Entry::from_json(line) {
        Ok(entry) => Item::Entry(Box::new(entry)),
        Err((path, why)) => Item::Refused(Issue::new("refused", path.escape_default().to_string(), why)),
    };
    Ok(lines.map(item).collect())
}

fn is_damage(error: &stillpoint_core::Error) -> bool {
    use stillpoint_core::ErrorKind;
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::NotFound)
}
