//! Proving one timestamp whole, to a stated depth.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use stillpoint_core::{Depth, Issue, Result, Verification};
use stillpoint_localfs::FileKind;
use stillpoint_repository::{ErrorKind as Stored, Id, Store};

use super::MirrorSource;
use super::listing::{Listing, content_key};
use super::manifest::{Entry, Item};
use super::place::Place;
use super::source::Point;
use crate::error::from_repository;
use crate::jobs::Issues;
use crate::path_text;

/// Bytes of a file that are read at once.
const PART_BYTES: u64 = 4 << 20;
/// Files that are read at once.
const FILES_AT_ONCE: usize = 8;
/// Files that wait to be read.
const FILES_AHEAD: usize = 256;

/// The sizes of objects by a digest of their names, which takes less room than the names.
type Sizes = HashMap<[u8; 16], u64>;

/// Verifies a timestamp.
///
/// - `Listed`: the whole manifest is read and says what it should.
/// - `Sized`: every file it lists is in the store with that size.
/// - `Decrypted`: every file is read, and hashes to what the manifest says. The sample script left no digests, so of
///   its timestamps no more than `Sized` can be said.
///
/// # Errors
/// The store's failure.
pub(super) async fn run(source: &MirrorSource, point: &Point, depth: Depth) -> Result<Verification> {
    let most = if matches!(point, Point::Ours(..)) { Depth::Decrypted } else { Depth::Sized };
    let depth = depth.min(most);
    let store = source.store();
    let mut problems = Issues::default();
    // The script's timestamps are nothing but their listing.
    let sizes = match point {
        Point::Ours(place, _) if depth >= Depth::Sized => Some(sizes(store, place).await?),
        _ => None,
    };
    let mut listing = Listing::new(store, point);
    let mut due = Vec::new();
    while let Some(item) = listing.next().await? {
        let entry = match item {
            Item::Entry(entry) if entry.kind == FileKind::File => entry,
            Item::Entry(_) => continue,
            Item::Refused(issue) => {
                problems.push(issue);
                continue;
            }
        };
        if sizes.as_ref().is_none_or(|sizes| is_there(sizes, point.place(), &entry, &mut problems))
            && depth >= Depth::Decrypted
        {
            due.push(*entry);
        }
        if due.len() >= FILES_AHEAD {
            read_all(store, point.place(), std::mem::take(&mut due), &mut problems).await?;
        }
    }
    read_all(store, point.place(), due, &mut problems).await?;
    Ok(Verification::new(depth, problems.into_list()))
}

async fn sizes(store: &Store, place: &Place) -> Result<Sizes> {
    let mut sizes = Sizes::new();
    for folder in [place.folder(), format!("{}/files", place.control())] {
        let mut objects = store.list_objects(&folder);
        while let Some(object) = objects.try_next().await.map_err(from_repository)? {
            sizes.insert(short(&object.key), object.size);
        }
    }
    Ok(sizes)
}

fn short(key: &str) -> [u8; 16] {
    let mut short = [0; 16];
    let digest = Id::of(key.as_bytes());
    short.copy_from_slice(digest.as_bytes().split_at(16).0);
    short
}

fn is_there(sizes: &Sizes, place: &Place, entry: &Entry, problems: &mut Issues) -> bool {
    let found = content_key(place, entry).and_then(|key| sizes.get(&short(&key)));
    let (kind, message) = match found {
        Some(size) if *size == entry.size => return true,
        Some(size) => {
            ("damaged", format!("the object has {size} bytes, the manifest makes it {}", entry.size))
        }
        None => ("missing", "the object is not in the store".to_owned()),
    };
    problems.push(Issue::new(kind, path_text::to_text(&entry.path), message));
    false
}

async fn read_all(store: &Store, place: &Place, due: Vec<Entry>, problems: &mut Issues) -> Result<()> {
    let read = stream::iter(due).map(async |entry| {
        let found = digest_of(store, place, &entry).await?;
        Ok::<_, stillpoint_core::Error>((entry, found))
    });
    let read: Vec<_> = read.buffered(FILES_AT_ONCE).try_collect().await?;
    for (entry, found) in read {
        if found != entry.sha256 {
            let message = "its content does not hash to what the manifest says".to_owned();
            problems.push(Issue::new("damaged", path_text::to_text(&entry.path), message));
        }
    }
    Ok(())
}

/// What the content of a file hashes to; `None` where it is missing or short.
async fn digest_of(store: &Store, place: &Place, entry: &Entry) -> Result<Option<Id>> {
    let Some(key) = content_key(place, entry) else { return Ok(None) };
    let (mut digest, mut at) = (Sha256::new(), 0);
    while at < entry.size {
        let end = entry.size.min(at + PART_BYTES);
        match store.get_object_range(&key, at..end).await {
            Ok(bytes) => digest.update(&bytes),
            Err(error) if matches!(error.kind(), Stored::NotFound | Stored::Corrupt { .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(from_repository(error)),
        }
        at = end;
    }
    Ok(Some(Id::from_bytes(digest.finalize().into())))
}
