//! What earlier captures say about an entry, read along with the walk.

use std::collections::HashSet;
use std::path::Path;

use stillpoint_core::{Result, Timestamp};
use stillpoint_localfs::FileKind;
use stillpoint_repository::{Id, Store};

use super::begin::{Base, Noted, Open};
use super::moved::Moved;
use crate::mirror::manifest::{Entry, Item, ManifestReader};
use crate::mirror::place::Place;

/// Changes this close to the moment at which a capture began may have happened after it without another time stamp:
/// clocks of file servers differ, and their ticks are coarse.
const RACY_MILLIS: i64 = 2_000;

/// A file as an earlier capture knows it.
#[derive(Debug)]
pub(super) struct Known {
    /// Where its content lies.
    pub(super) key: String,
    pub(super) sha256: Id,
    pub(super) entry: Entry,
    /// Whether nothing happened to the file since, as far as the system's records tell.
    pub(super) unchanged: bool,
}

/// The manifests of earlier captures, each read once in path order, and once more where files have new paths.
pub(super) struct Earlier {
    bases: Vec<Reading>,
    store: Store,
}

struct Reading {
    place: Place,
    read_from: Timestamp,
    altered: HashSet<String>,
    noted: Noted,
    manifest: ManifestReader,
    next: Option<Box<Entry>>,
    ended: bool,
    /// Read when the first file is met whose path is new.
    moved: Option<Moved>,
}

impl Earlier {
    pub(super) fn new(store: &Store, open: &Open) -> Self {
        let bases = open.bases.iter().map(|base| Reading::new(store, base)).collect();
        Self { bases, store: store.clone() }
    }

    /// The file at the path of `entry`, from the capture that knows it as it is now, else from any; where none knows the
    /// path, a file that may have been moved there. Paths must be asked for in order.
    ///
    /// # Errors
    /// The store's failure.
    pub(super) async fn find(&mut self, entry: &Entry) -> Result<Option<Known>> {
        let mut best = None;
        for base in &mut self.bases {
            let Some(earlier) = base.find(&entry.path).await? else { continue };
            let Some(known) = base.known(*earlier, entry) else { continue };
            if known.unchanged {
                return Ok(Some(known));
            }
            best = best.or(Some(known));
        }
        if best.is_none() && Moved::is_worth_it(entry) {
            best = self.find_moved(entry).await?;
        }
        Ok(best)
    }

    /// A file whose content may be that of `entry`. It counts as changed, so that its content is read and compared: the
    /// path is the one thing that tells files of several file systems apart.
    async fn find_moved(&mut self, entry: &Entry) -> Result<Option<Known>> {
        for base in &mut self.bases {
            let moved = match &base.moved {
                Some(moved) => moved,
                None => base.moved.insert(Moved::read(base.noted.read(&self.store, &base.place)).await?),
            };
            let known = moved.find(entry).cloned().and_then(|earlier| base.known(earlier, entry));
            if let Some(known) = known {
                return Ok(Some(Known { unchanged: false, ..known }));
            }
        }
        Ok(None)
    }
}

impl Noted {
    fn read(&self, store: &Store, place: &Place) -> ManifestReader {
        match self {
            Self::Parts(parts) => ManifestReader::of_parts(store, place, parts),
            Self::Names(names) => {
                ManifestReader::of_unfinished(store, place, names.iter().map(String::as_str))
            }
        }
    }
}

impl Reading {
    fn new(store: &Store, base: &Base) -> Self {
        Self {
            place: base.place.clone(),
            read_from: base.read_from,
            altered: base.altered.clone(),
            noted: base.manifest.clone(),
            manifest: base.manifest.read(store, &base.place),
            next: None,
            ended: false,
            moved: None,
        }
    }

    async fn find(&mut self, path: &Path) -> Result<Option<Box<Entry>>> {
        while !self.ended {
            match self.next.take() {
                Some(entry) if entry.path == path => return Ok(Some(entry)),
                Some(entry) if *entry.path > *path => {
                    self.next = Some(entry);
                    return Ok(None);
                }
                _ => match self.manifest.next().await? {
                    Some(Item::Entry(entry)) => self.next = Some(entry),
                    Some(Item::Refused(issue)) => {
                        tracing::warn!(
                            item = issue.item,
                            why = issue.message,
                            "an earlier entry is not used"
                        );
                    }
                    None => self.ended = true,
                },
            }
        }
        Ok(None)
    }

    fn known(&self, earlier: Entry, now: &Entry) -> Option<Known> {
        let sha256 = earlier.sha256.filter(|_| earlier.kind == FileKind::File)?;
        let key = match earlier.apart {
            true => self.place.side_key(&earlier.path),
            false => self.place.plain_key(&earlier.path)?,
        };
        if self.altered.contains(&key) {
            return None;
        }
        let settled = |time: stillpoint_localfs::Timestamp| {
            let millis =
                time.seconds.saturating_mul(1000).saturating_add(i64::from(time.nanoseconds / 1_000_000));
            millis.saturating_add(RACY_MILLIS) < self.read_from.as_millis()
        };
        let unchanged = now.is_unchanged_since(&earlier) && settled(now.changed);
        Some(Known { key, sha256, entry: earlier, unchanged })
    }
}
